//! A fleet as a table for people and as CSV (RFC 4180).

use std::fmt;
use std::io::{self, Write};

use super::{Fleet, Newest, Row};
use crate::table::Table;

/// CPU numbers as Linux writes lists: `0-3,8`.
#[must_use]
pub fn cpu_list(cpus: &[u32]) -> String {
    let mut sorted = cpus.to_vec();
    sorted.sort_unstable();
    sorted.dedup();
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for cpu in sorted {
        match spans.last_mut() {
            Some((_, last)) if last.checked_add(1) == Some(cpu) => *last = cpu,
            _ => spans.push((cpu, cpu)),
        }
    }
    let words = spans.iter().map(|(first, last)| {
        if first == last {
            first.to_string()
        } else {
            format!("{first}-{last}")
        }
    });
    words.collect::<Vec<_>>().join(",")
}

/// Names come from captures: nothing in them may steer a terminal.
fn plain(text: &str) -> String {
    text.chars()
        .map(|one| if one.is_control() { '\u{fffd}' } else { one })
        .collect()
}

fn said<T: fmt::Display>(value: Option<T>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn joined<T: fmt::Display>(newest: &[Newest], part: impl Fn(&Newest) -> Option<T>) -> String {
    let words: Vec<String> = newest.iter().map(|one| said(part(one))).collect();
    words.join(" ")
}

/// The same, each word once.
fn distinct<T: fmt::Display>(newest: &[Newest], part: impl Fn(&Newest) -> Option<T>) -> String {
    let mut words: Vec<String> = newest.iter().map(|one| said(part(one))).collect();
    words.sort();
    words.dedup();
    words.join(" ")
}

impl fmt::Display for Fleet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut table = Table::new(&[
            "host",
            "cpus",
            "signature",
            "pf",
            ">running",
            ">newest",
            "date",
            "state",
            "notes",
        ]);
        for row in &self.rows {
            let cpus = cpu_list(&row.cpus);
            table.push(vec![
                plain(&row.host),
                if cpus.is_empty() { "-".to_owned() } else { cpus },
                said(row.signature),
                said(row.platform),
                said(row.running),
                if row.newest.is_empty() {
                    "-".to_owned()
                } else {
                    distinct(&row.newest, |one| Some(one.revision))
                },
                if row.newest.is_empty() {
                    "-".to_owned()
                } else {
                    distinct(&row.newest, |one| one.date)
                },
                row.state.name().to_owned(),
                plain(&row.notes.join("; ")),
            ]);
        }
        for line in table.lines() {
            writeln!(f, "{}", line.trim_end())?;
        }
        Ok(())
    }
}

const HEAD: [&str; 15] = [
    "host",
    "cpus",
    "vendor",
    "name",
    "signature",
    "platform",
    "running",
    "state",
    "newest_revision",
    "newest_date",
    "newest_sha256",
    "newest_source",
    "pending_revision",
    "mixed",
    "notes",
];

impl Fleet {
    /// Write as CSV with a head. Where several updates are the newest, their fields stand in one cell
    /// with a blank between them; what is not known is an empty cell.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn write_csv(&self, out: &mut dyn Write) -> io::Result<()> {
        record(out, &HEAD.map(str::to_owned))?;
        for row in &self.rows {
            record(out, &cells(row))?;
        }
        Ok(())
    }
}

fn cells(row: &Row) -> [String; 15] {
    let text = |value: Option<String>| value.unwrap_or_default();
    let vendor = serde_json::to_value(row.vendor).ok();
    let vendor = vendor.as_ref().and_then(|value| value.as_str()).unwrap_or_default();
    let sources: Vec<&str> = row.newest.iter().map(|one| one.source.as_str()).collect();
    [
        row.host.clone(),
        cpu_list(&row.cpus),
        vendor.to_owned(),
        text(row.name.clone()),
        text(row.signature.map(|value| value.to_string())),
        text(row.platform.map(|value| value.to_string())),
        text(row.running.map(|value| value.to_string())),
        row.state.name().to_owned(),
        joined(&row.newest, |one| Some(one.revision)),
        joined(&row.newest, |one| one.date),
        joined(&row.newest, |one| one.sha256),
        sources.join(" "),
        text(row.pending.as_ref().map(|one| one.revision.to_string())),
        row.mixed.to_string(),
        row.notes.join("; "),
    ]
}

fn record(out: &mut dyn Write, cells: &[String]) -> io::Result<()> {
    let mut first = true;
    for cell in cells {
        if !first {
            out.write_all(b",")?;
        }
        first = false;
        if cell.contains(['"', ',', '\r', '\n']) || cell.starts_with(' ') || cell.ends_with(' ') {
            write!(out, "\"{}\"", cell.replace('"', "\"\""))?;
        } else {
            out.write_all(cell.as_bytes())?;
        }
    }
    out.write_all(b"\r\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cpu_numbers_are_written_as_ranges() {
        assert_eq!(cpu_list(&[]), "");
        assert_eq!(cpu_list(&[8, 0, 1, 2, 3, 3]), "0-3,8");
        assert_eq!(cpu_list(&[u32::MAX, 5]), "5,4294967295");
    }

    #[test]
    fn cells_are_quoted_as_rfc_4180_asks() {
        let mut out = Vec::new();
        let cells = ["a", "b,c", "d\"e", "f\ng", ""].map(str::to_owned);
        record(&mut out, &cells).unwrap();
        assert_eq!(out, b"a,\"b,c\",\"d\"\"e\",\"f\ng\",\r\n");
    }
}
