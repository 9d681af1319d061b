//! Numbers that `fwts` prints for a table, beside our fields: the same numbers in the same order.
//! Its test suite knows tables that no `iasl` decodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use acpi_dump::layout::{self, Row, Value};
use acpi_dump::{Table, text};

/// Test folders and the table that the report in them shows.
const FOLDERS: &[(&str, &[u8; 4])] = &[
    ("asf", b"ASF!"),
    ("aspt", b"ASPT"),
    ("bert", b"BERT"),
    ("boot", b"BOOT"),
    ("cedt", b"CEDT"),
    ("csrt", b"CSRT"),
    ("dbg2", b"DBG2"),
    ("drtm", b"DRTM"),
    ("erst", b"ERST"),
    ("fpdt", b"FPDT"),
    ("iort", b"IORT"),
    ("ivrs", b"IVRS"),
    ("lpit", b"LPIT"),
    ("misc", b"MISC"),
    ("msct", b"MSCT"),
    ("nhlt", b"NHLT"),
    ("pcct", b"PCCT"),
    ("pdtt", b"PDTT"),
    ("phat", b"PHAT"),
    ("ras2", b"RAS2"),
    ("rgrt", b"RGRT"),
    ("rhct", b"RHCT"),
    ("sbst", b"SBST"),
    ("sdev", b"SDEV"),
    ("slit", b"SLIT"),
    ("tcpa", b"TCPA"),
    ("wdat", b"WDAT"),
    ("wpbt", b"WPBT"),
    ("xenv", b"XENV"),
];

/// Numbers that are not in our fields, and why.
const KNOWN: &[(&str, &str, &str)] = &[
    ("asf", "Reserved", "bytes of a longer reserved field"),
    ("asf", "Remote Control Cap.", "bytes of a longer field"),
    ("asf", "Boot Options", "bytes of a longer field"),
    ("asf", "Control", "the second table has a wrong element length"),
    ("boot", "Reserved", "bytes of a longer reserved field"),
    ("drtm", "DLME Platform Id", "bytes of a longer field"),
    ("iort", "Input Base", "the second table has a wrong offset"),
    (
        "ivrs",
        "",
        "in a memory definition fwts looks for the segment behind the reserved bytes; Linux reads it before them",
    ),
    ("phat", "Producer ID", "characters that are no text"),
];

fn corpus() -> Option<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let fwts = root.join("acpi/fwts");
    if !fwts.is_dir() {
        eprintln!("corpus absent: 1 case not run");
        return None;
    }
    Some(fwts)
}

/// `name: 0x12` of a report, with the number of digits.
fn report_numbers(report: &str) -> Vec<(String, u64, usize)> {
    let mut list = Vec::new();
    for line in report.lines() {
        let Some((name, value)) = line.split_once(':') else {
            continue;
        };
        let name = name.split_whitespace().skip(1).collect::<Vec<_>>().join(" ");
        let Some(digits) = value.trim().strip_prefix("0x") else {
            continue;
        };
        let digits = digits.split_whitespace().next().unwrap_or_default();
        if let Ok(value) = u64::from_str_radix(digits, 16) {
            list.push((name, value, digits.len()));
        }
    }
    list
}

/// The report's numbers that our fields do not have in the same order.
fn missed(table: &Table, report: &[(String, u64, usize)]) -> Vec<String> {
    let section = layout::decode(table).value;
    let mut rows: Vec<&Row> = section.walk().filter(|row| row.offset >= 36).collect();
    rows.sort_by_key(|row| row.offset);
    let same = |row: &Row, (_, value, digits): &(String, u64, usize)| {
        // Fields of an odd length are printed with the digits of the next integer.
        let length = if row.length > 4 {
            8
        } else {
            row.length.next_power_of_two()
        };
        let packed = match &row.value {
            Value::Text(text) => text.bytes().rev().fold(0, |number, byte| number << 8 | u64::from(byte)),
            value => value.number().unwrap_or(u64::MAX),
        };
        (row.length * 2 == *digits || length * 2 == *digits) && packed == *value
    };
    // Longest common sequence, from the ends.
    let mut longest = vec![vec![0usize; rows.len() + 1]; report.len() + 1];
    for (line, number) in report.iter().enumerate().rev() {
        for (at, row) in rows.iter().enumerate().rev() {
            longest[line][at] = if same(row, number) {
                longest[line + 1][at + 1] + 1
            } else {
                longest[line + 1][at].max(longest[line][at + 1])
            };
        }
    }
    let (mut line, mut at, mut missed) = (0, 0, Vec::new());
    while let Some(number) = report.get(line) {
        if rows.get(at).is_some_and(|row| same(row, number)) {
            (line, at) = (line + 1, at + 1);
        } else if at < rows.len() && longest[line][at + 1] >= longest[line + 1][at] {
            at += 1;
        } else {
            missed.push(format!("{} {:#x}", number.0, number.1));
            line += 1;
        }
    }
    missed
}

#[test]
fn numbers_are_those_of_fwts() {
    let Some(corpus) = corpus() else { return };
    let (mut numbers, mut known, mut unknown) = (0, 0, Vec::new());
    for (folder, signature) in FOLDERS {
        for number in 1..=4 {
            let place = corpus.join(format!("{folder}-0001"));
            let dump = fs::read(place.join(format!("acpidump-{number:04}.log")));
            let report = fs::read(place.join(format!("{folder}-{number:04}.log")));
            let (Ok(dump), Ok(report)) = (dump, report) else {
                continue;
            };
            let dump = text::parse(&dump);
            let mut tables = dump.tables.iter().filter_map(|table| table.table().ok());
            let Some(table) = tables.find(|table| table.signature.0 == **signature) else {
                continue;
            };
            let report = report_numbers(&String::from_utf8_lossy(&report));
            numbers += report.len();
            for missed in missed(&table, &report) {
                let reason = KNOWN
                    .iter()
                    .find(|(of, name, _)| of == folder && missed.starts_with(name));
                known += usize::from(reason.is_some());
                if reason.is_none() {
                    unknown.push(format!("{folder} {number}: {missed}"));
                }
            }
        }
    }
    eprintln!("{numbers} numbers, {known} of them told otherwise for a known reason");
    assert!(unknown.is_empty(), "{}", unknown.join("\n"));
    assert!(numbers > 1000 && known * 8 < numbers);
}
