//! Text in columns.

/// Columns side by side, under names that are broken over lines where the width asks for it;
/// `None` when they are wider still.
pub(super) fn columns(names: &[&str], rows: &[Vec<String>], width: usize) -> Option<Vec<String>> {
    let whole = |name: &str| name.chars().count();
    let longest = |name: &str| name.split(' ').map(|word| word.chars().count()).max().unwrap_or(0);
    let tries = [
        names.iter().map(|name| whole(name)).collect(),
        names.iter().map(|name| longest(name)).collect(),
    ];
    let widths = tries.into_iter().find_map(|names| fitting(names, rows, width))?;
    let heads: Vec<Vec<String>> = names
        .iter()
        .zip(&widths)
        .map(|(name, width)| broken(name, *width))
        .collect();
    let height = heads.iter().map(Vec::len).max().unwrap_or(0);
    let head = (0..height).map(|line| {
        // Short names stand on the last line, right above their columns.
        let of = |head: &Vec<String>| head.get(line.checked_sub(height.saturating_sub(head.len()))?).cloned();
        heads
            .iter()
            .map(|head| of(head).unwrap_or_default())
            .collect::<Vec<String>>()
    });
    let lines = head.chain(rows.iter().cloned());
    Some(lines.map(|cells| side_by_side(&cells, &widths)).collect())
}

/// Widths that names and cells need, when a line has room for them.
fn fitting(mut widths: Vec<usize>, rows: &[Vec<String>], width: usize) -> Option<Vec<usize>> {
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let whole = widths
        .iter()
        .fold(0usize, |sum, width| sum.saturating_add(*width).saturating_add(2));
    (whole <= width && !widths.is_empty()).then_some(widths)
}

fn side_by_side(cells: &[String], widths: &[usize]) -> String {
    let cells = cells.iter().zip(widths);
    cells.map(|(cell, width)| format!("{cell:<width$}  ")).collect()
}

/// A name broken into lines of at most `width` where its words allow it.
fn broken(name: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in name.split(' ') {
        let length = word.chars().count().saturating_add(1);
        match lines
            .last_mut()
            .filter(|line| line.chars().count().saturating_add(length) <= width)
        {
            Some(line) => {
                line.push(' ');
                line.push_str(word);
            }
            None => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_broken_only_where_the_width_asks_for_it() {
        let rows = [vec!["0x00".to_owned(), "enabled".to_owned()]];
        let names = ["ACPI processor UID", "Flags"];
        assert_eq!(
            columns(&names, &rows, 40).unwrap(),
            ["ACPI processor UID  Flags    ", "0x00                enabled  "]
        );
        assert_eq!(
            columns(&names, &rows, 24).unwrap(),
            [
                "ACPI                ",
                "processor           ",
                "UID        Flags    ",
                "0x00       enabled  "
            ]
        );
        assert_eq!(columns(&names, &rows, 10), None);
    }
}
