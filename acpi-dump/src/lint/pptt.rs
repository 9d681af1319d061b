//! Check 21: processors, their groups and caches. ACPI 6.5, section 5.2.30.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::layout::Section;
use crate::tables::madt::Madt;

const NODE: &str = "Processor hierarchy node";
const CACHE: &str = "Cache";

type Places<'a> = BTreeMap<u64, &'a Section>;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"PPTT") {
        let sections = view.section.sections.iter();
        let places: Places<'_> = sections
            .filter_map(|section| Some((u64::try_from(section.offset).ok()?, section)))
            .collect();
        for section in places.values() {
            match section.title.as_str() {
                NODE => {
                    reference(view, section, "Parent", NODE, &places, report);
                    private(view, section, &places, report);
                }
                CACHE => reference(view, section, "Next level of cache", CACHE, &places, report),
                _ => {}
            }
        }
        cycles(view, NODE, "Parent", &places, report);
        cycles(view, CACHE, "Next level of cache", &places, report);
        uids(subject, view, report);
    }
}

/// A reference of zero is none.
fn reference(view: View<'_>, section: &Section, row: &str, kind: &str, places: &Places<'_>, report: &mut Report) {
    let Some(target) = section.number(row).filter(|target| *target != 0) else {
        return;
    };
    let found = places.get(&target).map(|section| section.title.as_str());
    if found != Some(kind) {
        let seen = format!("{target:#x}, {}", found.unwrap_or("where no structure begins"));
        let expected = format!("offset of a structure of kind {kind}");
        report.at(checks::PPTT_REFERENCE, view.named, place(section, row), expected, seen);
    }
}

fn private(view: View<'_>, section: &Section, places: &Places<'_>, report: &mut Report) {
    let rows = || {
        section
            .rows
            .iter()
            .filter(|row| row.name.starts_with("Private resource["))
    };
    let count = section.number("Number of private resources");
    let there = u64::try_from(rows().count()).unwrap_or(u64::MAX);
    if let Some(count) = count.filter(|count| *count != there) {
        let at = place(section, "Number of private resources");
        let expected = format!("{there} private resources, for which the structure has room");
        report.at(checks::PPTT_LENGTH, view.named, at, expected, count.to_string());
    }
    for row in rows() {
        let Some(target) = row.value.number() else { continue };
        let found = places.get(&target).map(|section| section.title.as_str());
        if !matches!(found, Some(CACHE | "ID")) {
            let seen = format!("{target:#x}, {}", found.unwrap_or("where no structure begins"));
            report.at(
                checks::PPTT_REFERENCE,
                view.named,
                row.offset,
                "offset of a cache or ID structure",
                seen,
            );
        }
    }
}

/// Follow references; each structure is passed once.
fn cycles(view: View<'_>, kind: &str, row: &str, places: &Places<'_>, report: &mut Report) {
    let next = |at: u64| {
        let section = places.get(&at).filter(|section| section.title == kind)?;
        section.number(row).filter(|target| *target != 0)
    };
    let mut done = BTreeSet::new();
    for start in places.keys() {
        let mut path = BTreeSet::new();
        let mut at = Some(*start);
        while let Some(here) = at.filter(|here| !done.contains(here)) {
            if !path.insert(here) {
                let offset = usize::try_from(here).unwrap_or(0);
                let expected = format!("{row} that ends somewhere");
                report.at(
                    checks::PPTT_CYCLE,
                    view.named,
                    offset,
                    expected,
                    format!("back at {here:#x}"),
                );
                break;
            }
            at = next(here);
        }
        done.extend(path);
    }
}

/// Leaves name processors of the MADT.
fn uids(subject: &Subject<'_>, view: View<'_>, report: &mut Report) {
    let madt = subject
        .first(b"APIC")
        .filter(|madt| madt.is_whole() && madt.findings.is_empty());
    let Some(madt) = madt.and_then(|madt| Madt::decode(&madt.named.table)) else {
        return;
    };
    let known: BTreeSet<u64> = madt.value.cpus.iter().map(|cpu| cpu.uid.0.into()).collect();
    if known.is_empty() {
        return;
    }
    for section in view.sections(NODE) {
        let flags = section.number("Flags").unwrap_or(0);
        let leaf = flags & 2 != 0 && flags & 8 != 0;
        let id = section
            .number("ACPI processor ID")
            .filter(|id| leaf && !known.contains(id));
        if let Some(id) = id {
            let at = place(section, "ACPI processor ID");
            report.at(
                checks::PPTT_UID,
                view.named,
                at,
                "processor UID of the MADT",
                format!("{id:#x}"),
            );
        }
    }
}
