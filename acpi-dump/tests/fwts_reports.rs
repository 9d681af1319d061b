//! Numbers that `fwts` prints for a table, beside our fields: the same numbers in the same order.
//! Its test suite knows tables that no `iasl` decodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};

use acpi_dump::layout::{self, Row};
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
    ("skvl", b"SKVL"),
    ("slit", b"SLIT"),
    ("tcpa", b"TCPA"),
    ("wdat", b"WDAT"),
    ("wpbt", b"WPBT"),
    ("xenv", b"XENV"),
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
fn numbers(report: &str) -> Vec<(String, u64, usize)> {
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

/// How many of the report's numbers are found in order, and the first that is not.
fn compare(table: &Table, report: &[(String, u64, usize)]) -> (usize, Vec<String>) {
    let section = layout::decode(table).value;
    let mut rows: Vec<&Row> = section.walk().filter(|row| row.offset >= 36).collect();
    rows.sort_by_key(|row| row.offset);
    let mut at = 0;
    let mut found = 0;
    let mut missed = Vec::new();
    for (name, value, digits) in report {
        let next = rows[at..]
            .iter()
            .take(64)
            .position(|row| row.value.number() == Some(*value) && row.length * 2 == *digits);
        match next {
            Some(next) => {
                found += 1;
                at += next + 1;
            }
            None => missed.push(format!(
                "{name} {value:#x} behind {:#x}",
                rows.get(at).map_or(0, |row| row.offset)
            )),
        }
    }
    (found, missed)
}

#[test]
fn numbers_are_those_of_fwts() {
    let Some(corpus) = corpus() else { return };
    for (folder, signature) in FOLDERS {
        for number in 1..=4 {
            let place = corpus.join(format!("{folder}-0001"));
            let dump = place.join(format!("acpidump-{number:04}.log"));
            let Ok(dump) = fs::read(&dump) else { continue };
            let Ok(report) = fs::read(place.join(format!("{folder}-{number:04}.log"))) else {
                continue;
            };
            let dump = text::parse(&dump);
            let table = dump.tables.iter().filter_map(|table| table.table().ok());
            let Some(table) = table.into_iter().find(|table| table.signature.0 == **signature) else {
                continue;
            };
            let report = numbers(&String::from_utf8_lossy(&report));
            let (found, missed) = compare(&table, &report);
            eprintln!(
                "{folder} {number}: {found} of {} {:?}",
                report.len(),
                missed.iter().take(6).collect::<Vec<_>>()
            );
        }
    }
}
