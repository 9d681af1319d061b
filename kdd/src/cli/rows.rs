//! Rows of text with columns as wide as they need to be, sizes and times.

use std::io::{self, Write};

/// Prints rows; a column whose head begins with `>` is set to the right.
pub(super) fn print(head: &[&str], rows: &[Vec<String>], out: &mut dyn Write) -> io::Result<()> {
    let titles: Vec<String> = head
        .iter()
        .map(|title| title.trim_start_matches('>').to_owned())
        .collect();
    let width = |column: usize| {
        let cells = rows.iter().chain([&titles]).filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    for row in [&titles].into_iter().chain(rows) {
        let mut line = String::new();
        for ((cell, width), title) in row.iter().zip(&widths).zip(head) {
            if !line.is_empty() {
                line.push_str("  ");
            }
            let fill = " ".repeat(width.saturating_sub(cell.chars().count()));
            let (before, behind) = if title.starts_with('>') {
                (fill, String::new())
            } else {
                (String::new(), fill)
            };
            line.push_str(&before);
            line.push_str(cell);
            line.push_str(&behind);
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}

/// A size for people: `96.0 MiB`, `4.0 KiB`, `12 bytes`.
pub(super) fn size(bytes: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if bytes < 1024 {
        return format!("{bytes} bytes");
    }
    let mut unit = UNITS.iter();
    let mut name = unit.next();
    let mut tenths = u128::from(bytes) * 10 / 1024;
    while tenths >= 10_240 {
        let Some(next) = unit.next() else { break };
        name = Some(next);
        tenths /= 1024;
    }
    format!("{}.{} {}", tenths / 10, tenths % 10, name.unwrap_or(&"PiB"))
}

/// A time of Windows (100 ns since 1601-01-01, UTC) as a date: `2021-02-21 13:04:05 UTC`.
pub(super) fn time(filetime: u64) -> String {
    let seconds = filetime / 10_000_000;
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}

/// Year, month and day of a day counted from 1601-01-01 (the begin of a cycle of 400 years).
fn date(days: u64) -> (u64, u64, u64) {
    // Counted from March, the leap day is the last of its year.
    let shifted = days.saturating_add(306);
    let (cycle, day) = (shifted / 146_097, shifted % 146_097);
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let first = (153 * month + 2) / 5;
    let (month_number, extra) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (1600 + cycle * 400 + year + extra, month_number, day - first + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_one_decimal_and_the_largest_unit() {
        assert_eq!(size(12), "12 bytes");
        assert_eq!(size(4096), "4.0 KiB");
        assert_eq!(size(100_663_296), "96.0 MiB");
        assert_eq!(size(5 << 40), "5.0 TiB");
    }

    #[test]
    fn times_of_windows_are_dates() {
        assert_eq!(time(0), "1601-01-01 00:00:00 UTC");
        assert_eq!(time(116_444_736_000_000_000), "1970-01-01 00:00:00 UTC");
        assert_eq!(time(125_962_991_990_000_000), "2000-02-29 11:59:59 UTC");
        assert_eq!(time(132_900_000_000_000_000), "2022-02-22 10:40:00 UTC");
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = vec![
            vec!["a".to_owned(), "1".to_owned()],
            vec!["long".to_owned(), "22".to_owned()],
        ];
        let mut out = Vec::new();
        print(&["name", ">n"], &rows, &mut out).unwrap_or_default();
        assert_eq!(String::from_utf8_lossy(&out), "name   n\na      1\nlong  22\n");
    }
}
