//! Checks 22 and 23: hardware errors. ACPI 6.5, chapter 18.

use std::collections::BTreeSet;

use super::catalogue::errors as checks;
use super::hit::Report;
use super::subject::{Subject, View, gas, gas_of, place};
use crate::layout::Section;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.views() {
        match &view.named.table.signature.0 {
            b"HEST" => sources(view, report),
            b"BERT" => boot_errors(view, report),
            b"ERST" => instructions(view, "Serialization", checks::ERST_ENTRY, report),
            b"EINJ" => instructions(view, "Injection", checks::EINJ_ENTRY, report),
            _ => {}
        }
    }
}

/// Kinds of which there may be one: 18.3.2.1 to 18.3.2.3.
const SINGLE: &[&str] = &[
    "IA-32 machine check exception",
    "IA-32 corrected machine check",
    "IA-32 non-maskable interrupt",
];

fn sources(view: View<'_>, report: &mut Report) {
    let sections = || {
        let all = view.section.sections.iter();
        all.filter(|section| section.row("Source ID").is_some())
    };
    // Behind the first damage, what looks like a source may be anything.
    if !view.findings.is_empty() {
        return;
    }
    let mut ids = BTreeSet::new();
    let mut kinds = BTreeSet::new();
    for source in sections() {
        if SINGLE.contains(&source.title.as_str()) && !kinds.insert(source.title.as_str()) {
            let expected = format!("one error source of kind {}", source.title);
            report.at(checks::HEST_SINGLE, view.named, source.offset, expected, "another one");
        }
        if let Some(id) = source.number("Source ID").filter(|id| !ids.insert(*id)) {
            let at = place(source, "Source ID");
            report.at(
                checks::HEST_SOURCE_ID,
                view.named,
                at,
                "an id of its own",
                format!("{id} again"),
            );
        }
        records(view, source, report);
        banks(view, source, report);
    }
    for source in sections() {
        let name = "Related source ID";
        let related = source
            .number(name)
            .filter(|related| *related != 0xffff && !ids.contains(related));
        if let Some(related) = related {
            let at = place(source, name);
            report.at(
                checks::HEST_SOURCE_ID,
                view.named,
                at,
                "id of an error source",
                related.to_string(),
            );
        }
        if let Some(status) = gas(source, "Error status address").filter(|gas| gas.address == 0) {
            report.at(
                checks::HEST_ADDRESS,
                view.named,
                status.at,
                "address of the error status",
                "0",
            );
        }
    }
}

fn records(view: View<'_>, source: &Section, report: &mut Report) {
    let enabled = source.number("Enabled").is_none_or(|enabled| enabled != 0);
    for name in ["Number of records to pre-allocate", "Max sections per record"] {
        if enabled && source.number(name) == Some(0) {
            let expected = format!("{name} of at least 1 in {}", source.title);
            report.at(checks::HEST_RECORDS, view.named, place(source, name), expected, "0");
        }
    }
}

fn banks(view: View<'_>, source: &Section, report: &mut Report) {
    let banks = source
        .sections
        .iter()
        .filter(|section| section.title == "Machine check bank");
    for bank in banks {
        for name in ["Clear status on initialization", "Status data format"] {
            let row = bank.row(name).filter(|row| row.words.is_none());
            if let Some(value) = row.and_then(|row| row.value.number()) {
                let expected = format!("{name} that the specification defines");
                report.at(
                    checks::HEST_BANK,
                    view.named,
                    place(bank, name),
                    expected,
                    value.to_string(),
                );
            }
        }
    }
}

fn boot_errors(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    // The header of an error record alone: 18.3.2.7.1.
    if let Some(length) = rows.number("Boot error region length").filter(|length| *length < 20) {
        let at = place(rows, "Boot error region length");
        report.at(
            checks::BERT_REGION,
            view.named,
            at,
            "at least 20 bytes",
            length.to_string(),
        );
    }
    if rows.number("Boot error region") == Some(0) {
        let at = place(rows, "Boot error region");
        report.at(
            checks::BERT_REGION,
            view.named,
            at,
            "address of the boot error region",
            "0",
        );
    }
}

fn instructions(view: View<'_>, title: &'static str, check: super::Check, report: &mut Report) {
    let header = format!("{title} header size");
    let length = u64::try_from(view.named.table.bytes.len()).unwrap_or(u64::MAX);
    if let Some(size) = view.section.number(&header).filter(|size| *size > length) {
        let at = place(view.section, &header);
        report.at(
            check,
            view.named,
            at,
            format!("at most {length} bytes of header"),
            size.to_string(),
        );
    }
    for entry in view.sections(title) {
        for register in entry.sections.iter().filter_map(gas_of).filter(|gas| gas.access > 4) {
            let at = register.at.saturating_add(3);
            report.at(check, view.named, at, "access size 0 to 4", register.access.to_string());
        }
    }
}
