//! Check 26: non-volatile DIMMs. ACPI 6.5, section 5.2.26.

use std::collections::BTreeSet;

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::layout::Value;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"NFIT") {
        ranges(view, report);
        if view.is_whole() && view.findings.is_empty() {
            references(view, report);
        }
    }
}

fn ranges(view: View<'_>, report: &mut Report) {
    for range in view.sections("System physical address range") {
        let guid = range.row("Address range type GUID");
        if let Some(row) = guid.filter(|row| row.words.is_none())
            && let Value::Guid(seen) = &row.value
        {
            let expected = "a type of range that the specification defines";
            report.at(checks::NFIT_GUID, view.named, row.offset, expected, seen.clone());
        }
        let disk = guid
            .and_then(|row| row.words.as_deref())
            .is_some_and(|words| words.starts_with("RAM disk"));
        if range.number("SPA range structure index") == Some(0) && !disk {
            let at = place(range, "SPA range structure index");
            report.at(
                checks::NFIT_INDEX,
                view.named,
                at,
                "an index of this kind of range",
                "0",
            );
        }
        if range.number("Address range length") == Some(0) {
            let at = place(range, "Address range length");
            report.at(checks::NFIT_RANGE, view.named, at, "a range with bytes", "length 0");
        }
    }
}

/// Kind of structure, the field with its index, and the field of a region mapping that refers to it.
const INDICES: &[(&str, &str, &str)] = &[
    (
        "System physical address range",
        "SPA range structure index",
        "SPA range structure index",
    ),
    ("Interleave", "Interleave index", "Interleave index"),
    ("NVDIMM control region", "Control region index", "Control region index"),
];

fn references(view: View<'_>, report: &mut Report) {
    for (kind, index, reference) in INDICES {
        let mut known = BTreeSet::new();
        for section in view.sections(kind) {
            let Some(number) = section.number(index) else { continue };
            // Index 0 is for ranges that no region mapping refers to.
            if number != 0 && !known.insert(number) {
                let at = place(section, index);
                report.at(
                    checks::NFIT_INDEX,
                    view.named,
                    at,
                    "an index of its own",
                    format!("{number} again"),
                );
            }
        }
        for mapping in view.sections("NVDIMM region mapping") {
            let missing = mapping
                .number(reference)
                .filter(|number| *number != 0 && !known.contains(number));
            if let Some(number) = missing {
                let expected = format!("index of a structure of kind {kind}");
                report.at(
                    checks::NFIT_INDEX,
                    view.named,
                    place(mapping, reference),
                    expected,
                    number.to_string(),
                );
            }
        }
    }
    for section in view.section.all() {
        let name = "Control region index";
        if section.number(name) == Some(0) {
            let expected = "index of a control region";
            report.at(checks::NFIT_INDEX, view.named, place(section, name), expected, "0");
        }
    }
}
