//! The page about the checks is written from the catalogue. `DELID_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used)]

use std::fmt::Write;
use std::fs;
use std::path::Path;

use acpi_dump::lint::catalogue::{self, SUBJECTS, fwts::NOT_COVERED};

const START: &str = "# Checks of ACPI tables

Written from the catalogue in `acpi-dump/src/lint/catalogue`.

Each check has a stable id. Severities: **error**: an operating system ignores, misreads or rejects something;
**warning**: the specification is violated, or two places contradict each other; **note**: worth knowing.
All checks work offline on tables from any source. Checks that need more (a memory map, a list of PCI functions,
APIC ids of CPUs, the namespace) are silent when it is not given. A table that is missing, cut or damaged in a
dump is reported once and gives no further hits for what cannot be read.
";

const FWTS: &str = "
## Labels of fwts

The ACPI tests of fwts (the Firmware Test Suite) give each failure a label. The table tells which check answers it;
`%s` in a label stands for the name of a table, method or object.

| fwts | check |
|---|---|
";

const REST: &str = "
## Labels of fwts that no check answers

A `*` stands for any end.
";

fn page() -> String {
    let mut page = START.to_owned();
    let checks = catalogue::all();
    for (number, subject) in SUBJECTS.iter().enumerate() {
        writeln!(page, "\n## {}. {subject}", number + 1).unwrap();
        for check in checks.iter().filter(|check| usize::from(check.subject) == number + 1) {
            writeln!(page, "\n### `{}`\n", check.id).unwrap();
            writeln!(page, "**{}**: {}. {}\n", check.severity, check.title, check.meaning).unwrap();
            writeln!(page, "- Seen by: {}", check.seen).unwrap();
            writeln!(page, "- What to do: {}", check.remedy).unwrap();
            writeln!(page, "- Source: {}", check.source).unwrap();
        }
    }
    page.push_str(FWTS);
    let mut labels: Vec<(&str, &str)> = Vec::new();
    for check in &checks {
        labels.extend(check.fwts.iter().map(|label| (*label, check.id)));
    }
    labels.sort_unstable();
    for (label, id) in labels {
        writeln!(page, "| {label} | [`{id}`](#{id}) |").unwrap();
    }
    page.push_str(REST);
    for (reason, labels) in NOT_COVERED {
        let list: Vec<String> = labels.iter().map(|label| format!("`{label}`")).collect();
        writeln!(page, "\n- It {reason}: {}", list.join(", ")).unwrap();
    }
    page
}

#[test]
fn page_about_the_checks_is_that_of_the_catalogue() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/acpi-checks.md");
    let page = page();
    if std::env::var_os("DELID_BLESS").is_some() {
        fs::write(&file, &page).unwrap();
    }
    let known = fs::read_to_string(&file).unwrap();
    assert!(known == page, "DELID_BLESS=1 writes docs/acpi-checks.md anew");
}
