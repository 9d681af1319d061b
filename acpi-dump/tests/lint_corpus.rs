//! Hits on real machines and on those of QEMU: a committed list, each of which was judged by hand.
//! `DELID_BLESS=1` writes it anew.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod lint_support;

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use acpi_dump::lint::{self, Subject};
use acpi_dump::{TableSet, text};

#[test]
fn hits_on_real_machines_are_those_that_were_judged() {
    let Some(acpi) = lint_support::corpus("80") else { return };
    let mut text = String::new();
    for (machine, set) in lint_support::machines(&acpi) {
        for hit in lint_support::hits(&set) {
            writeln!(text, "{machine}: {hit}").unwrap();
        }
    }
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lint_support/hits.txt");
    if std::env::var_os("DELID_BLESS").is_some() {
        fs::write(&golden, &text).unwrap();
    }
    let known = fs::read_to_string(&golden).unwrap_or_default();
    let differing = text.lines().zip(known.lines()).find(|(ours, known)| ours != known);
    assert_eq!(differing, None);
    assert_eq!(text.lines().count(), known.lines().count());
}

/// Tables that others are compared with, or whose entries are counted.
const COMPARED: &[&str] = &[
    "APIC", "CEDT", "DMAR", "ERST", "FACP", "HEST", "HMAT", "IORT", "IVRS", "MCFG", "NFIT", "PCCT", "PPTT", "SLIT",
    "SRAT",
];

/// Checks that fire, with their tables, without those that say that bytes are missing.
fn fired(set: &TableSet) -> BTreeSet<(&'static str, Option<String>)> {
    let hits = lint::verify(&Subject::new(set)).into_iter();
    let told = |id: &str| matches!(id, "table-length" | "table-broken");
    hits.filter(|hit| !told(hit.id))
        .map(|hit| (hit.id, hit.table))
        .collect()
}

/// Those tables of a machine as text, one of them changed.
fn changed(set: &TableSet, number: usize, change: impl Fn(&str) -> String) -> TableSet {
    let mut all = String::new();
    for (index, named) in set.tables.iter().enumerate() {
        let mut text = Vec::new();
        let name = named.table.signature.to_string();
        if !COMPARED.contains(&name.as_str()) {
            continue;
        }
        text::write(&mut text, &name, 0, &named.table.bytes).unwrap();
        let text = String::from_utf8(text).unwrap();
        all += &if index == number { change(&text) } else { text };
    }
    let mut set = TableSet::default();
    set.add_text("changed", all.as_bytes());
    set
}

#[test]
fn bytes_that_a_dump_does_not_give_are_no_fault_of_the_firmware() {
    let Some(acpi) = lint_support::corpus("80") else { return };
    let mut compared = 0;
    for (machine, set) in lint_support::machines(&acpi) {
        let before = fired(&changed(&set, usize::MAX, str::to_owned));
        for (number, named) in set.tables.iter().enumerate() {
            if !COMPARED.contains(&named.table.signature.to_string().as_str()) {
                continue;
            }
            let rows = named.table.bytes.len().div_ceil(16);
            // Cut in the middle; a row of the middle left out.
            let cut = changed(&set, number, |text| {
                let mut kept: Vec<&str> = text.lines().take(2 + rows / 2).collect();
                kept.push("\n");
                kept.join("\n")
            });
            let holed = changed(&set, number, |text| {
                let kept = text.lines().enumerate().filter(|(line, _)| *line != 2 + rows / 2);
                kept.map(|(_, line)| format!("{line}\n")).collect()
            });
            for damaged in [cut, holed] {
                let added: Vec<_> = fired(&damaged).difference(&before).cloned().collect();
                assert!(added.is_empty(), "{machine} without bytes of {}: {added:?}", named.name);
                compared += 1;
            }
        }
    }
    eprintln!("{compared} damaged machines");
}
