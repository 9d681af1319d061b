//! The dumps of the fwts test suite: where fwts reports a failure, the check that answers its label
//! fires; where fwts finds nothing, no check fires with an error.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lint_support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use acpi_dump::TableSet;
use acpi_dump::lint::catalogue::{self, fwts};
use acpi_dump::lint::{Hit, Severity};

/// Labels of failures in a report, and how often; the first words of the text behind it wrap.
fn labels(report: &str) -> BTreeMap<String, usize> {
    let joined: String = report
        .lines()
        .filter_map(|line| line.get(16..))
        .collect::<Vec<_>>()
        .join(" ");
    let mut list = BTreeMap::new();
    for part in joined.split("FAILED [").skip(1) {
        let Some((_, rest)) = part.split_once("] ") else {
            continue;
        };
        let label = rest.split(':').next().unwrap().trim();
        *list.entry(label.to_owned()).or_default() += 1;
    }
    list
}

/// Folder, number of the case, hits, report.
fn cases(fwts: &Path) -> Vec<(String, Vec<Hit>, String)> {
    let mut list = Vec::new();
    let mut folders: Vec<_> = fs::read_dir(fwts).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let mut files: Vec<_> = fs::read_dir(&folder)
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        files.sort();
        let name = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
        let (dumps, reports): (Vec<_>, Vec<_>) =
            files.into_iter().partition(|path| name(path).starts_with("acpidump-0"));
        for dump in dumps {
            let number = name(&dump).strip_prefix("acpidump-").unwrap().to_owned();
            // Two folders have one dump and one report without a number.
            let report = reports
                .iter()
                .find(|report| name(report).ends_with(&format!("-{number}")))
                .or_else(|| reports.first().filter(|_| reports.len() == 1));
            let Some(report) = report else { continue };
            let mut set = TableSet::default();
            set.add_text("dump", &fs::read(&dump).unwrap());
            let case = format!("{} {number}", name(&folder));
            let text = String::from_utf8_lossy(&fs::read(report).unwrap()).into_owned();
            list.push((case, lint_support::hits(&set), text));
        }
    }
    list
}

/// Checks that fire less often than fwts reports failures, and why.
const FEWER: &[(&str, &str, &str)] = &[
    (
        "asf-0001 0002.log",
        "reserved-field",
        "three reserved bytes are one field",
    ),
    (
        "cedt-0001 0002.log",
        "reserved-bits",
        "capabilities of a system description (type 4) have no layout with bits",
    ),
    (
        "dbg2-0001 0002.log",
        "structure-length",
        "start and end of an array outside of the table are one hit",
    ),
    (
        "iort-0001 0002.log",
        "iort-no-mappings",
        "number and offset of mappings that must not be are one hit",
    ),
    (
        "ivrs-0001 0002.log",
        "reserved-bits",
        "all reserved bits of a field are one hit",
    ),
    (
        "lpit-0001 0002.log",
        "lpit-state",
        "an id that is out of order is one hit",
    ),
    (
        "msct-0001 0002.log",
        "msct-domains",
        "too many structures and the length that they take are one hit",
    ),
    (
        "tcpa-0001 0002.log",
        "field-value",
        "the wrong length is a hit of structure-length or table-length",
    ),
];

/// Errors where fwts passes, and why.
const LOUD: &[(&str, &str, &str)] = &[
    (
        "cedt-0001 0001.log",
        "cedt-window",
        "a window of two ways has one target; fwts does not compare them",
    ),
    (
        "misc-0001 0001.log",
        "table-length",
        "the dump has 120 of 124 bytes; fwts does not compare them",
    ),
];

/// `slit-0001` is about the SLIT; what fwts says of other tables is another test's report.
fn subject(case: &str) -> String {
    case.split('-').next().unwrap().to_uppercase()
}

fn is_about(hit: &Hit, table: &str) -> bool {
    let name = hit.table.as_deref().unwrap_or_default();
    name.starts_with(table) || table == "CHECKSUM"
}

#[test]
fn checks_fire_where_fwts_fails() {
    let Some(acpi) = lint_support::corpus("60") else { return };
    let (mut answered, mut uncovered) = (BTreeSet::new(), BTreeSet::new());
    let mut silent = Vec::new();
    for (case, hits, report) in cases(&acpi.join("fwts")) {
        let table = subject(&case);
        let about = hits.iter().filter(|hit| is_about(hit, &table));
        let mut fired = BTreeMap::<&str, usize>::new();
        for hit in about {
            *fired.entry(hit.id).or_default() += 1 + hit.more;
        }
        let failures = labels(&report);
        for check in catalogue::all() {
            let of_check = failures
                .iter()
                .filter(|(label, _)| check.fwts.contains(&label.as_str()));
            let theirs: usize = of_check.map(|(_, count)| count).sum();
            let ours = fired.get(check.id).copied().unwrap_or(0);
            let known = FEWER.iter().any(|(name, id, _)| *name == case && *id == check.id);
            if (1..theirs).contains(&ours) != known {
                silent.push(format!(
                    "{case}: {} {theirs} times, ours {ours} times, listed: {known}",
                    check.id
                ));
            }
        }
        for label in failures.into_keys() {
            let mut answers = catalogue::all();
            answers.retain(|check| check.fwts.contains(&label.as_str()));
            if answers.is_empty() {
                let reason = fwts::reason(&label);
                assert!(reason.is_some(), "{case}: {label} is neither answered nor listed");
                uncovered.insert(label);
            } else if answers.iter().any(|check| fired.contains_key(check.id)) {
                answered.insert(label);
            } else {
                silent.push(format!("{case}: {label}, ours: {fired:?}"));
            }
        }
    }
    eprintln!("{} labels answered, not covered: {uncovered:?}", answered.len());
    assert!(silent.is_empty(), "{}", silent.join("\n"));
}

#[test]
fn question_for_linux_is_seen_where_fwts_warns() {
    let Some(acpi) = lint_support::corpus("2") else { return };
    for (case, hits, report) in cases(&acpi.join("fwts")) {
        if case.starts_with("osilinux") {
            let ours = hits.iter().any(|hit| hit.id == "osi-linux");
            assert_eq!(ours, report.contains("WARNING: Test 1"), "{case}");
        }
    }
}

#[test]
fn no_check_reports_an_error_where_fwts_passes() {
    let Some(acpi) = lint_support::corpus("60") else { return };
    let mut unexpected = Vec::new();
    for (case, hits, report) in cases(&acpi.join("fwts")) {
        let failed = labels(&report);
        let table = subject(&case);
        let about = |hit: &&Hit| is_about(hit, &table);
        for hit in hits.iter().filter(|hit| hit.severity == Severity::Error).filter(about) {
            let check = catalogue::find(hit.id).unwrap();
            let tested = check.fwts.iter().any(|label| {
                label.starts_with(&table) || table == "CHECKSUM" && label.starts_with("ACPITableChecksum")
            });
            let fails = check.fwts.iter().any(|label| failed.contains_key(*label));
            let known = LOUD.iter().any(|(name, id, _)| *name == case && *id == hit.id);
            if tested && !fails && !known {
                unexpected.push(format!("{case}: {hit}"));
            }
        }
    }
    assert!(unexpected.is_empty(), "{}", unexpected.join("\n"));
}
