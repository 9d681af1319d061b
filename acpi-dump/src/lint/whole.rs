//! Checks 1 to 3: checksums, lengths, tables that are there more than once.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::tables as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::header::{Checksum, Signature};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for broken in &subject.set.broken {
        let seen = format!("{} bytes: {}", broken.size, broken.error);
        report.outside_tables(checks::TABLE_BROKEN, &broken.signature, "a table with its header", seen);
    }
    for view in subject.views() {
        checksum(view, report);
        length(view, report);
        if view.is_whole() {
            structure(view, report);
        }
        match &view.named.table.signature.0 {
            b"RSDT" | b"XSDT" => null_entries(view, report),
            b"RSD " => rsdp(view, report),
            _ => {}
        }
    }
    twice(subject, report);
}

fn checksum(view: View<'_>, report: &mut Report) {
    let Checksum::Wrong { stored, expected } = view.named.table.checksum else {
        return;
    };
    let (check, offset) = if view.named.table.signature == Signature::RSDP {
        (checks::RSDP_CHECKSUM, 8)
    } else {
        (checks::TABLE_CHECKSUM, 9)
    };
    report.at(
        check,
        view.named,
        offset,
        format!("{expected:#04x}"),
        format!("{stored:#04x}"),
    );
}

fn length(view: View<'_>, report: &mut Report) {
    let table = &view.named.table;
    let stated = usize::try_from(table.length).unwrap_or(usize::MAX);
    let smallest = if table.header.is_some() { 36 } else { 8 };
    if table.bytes.len() < stated || stated < smallest {
        let expected = format!("{} bytes of table", stated.max(smallest));
        report.at(
            checks::TABLE_LENGTH,
            view.named,
            4,
            expected,
            format!("{} bytes, header says {stated}", table.bytes.len()),
        );
    } else if let Some(finding) = table.findings.iter().find(|finding| finding.offset == stated) {
        report.at(
            checks::TABLE_TRAILING,
            view.named,
            stated,
            "end of the table",
            finding.seen.clone(),
        );
    }
}

/// Damage that the decoder met: entries whose length says nothing, fields cut short, bytes left over.
fn structure(view: View<'_>, report: &mut Report) {
    let unread: BTreeSet<usize> = view
        .section
        .walk()
        .filter(|row| row.name == "Unread bytes")
        .map(|row| row.offset)
        .collect();
    for finding in view.findings {
        let check = if unread.contains(&finding.offset) {
            checks::STRUCTURE_UNREADABLE
        } else if finding.expected.starts_with("end of ") {
            checks::STRUCTURE_TRAILING
        } else {
            checks::STRUCTURE_LENGTH
        };
        report.at(
            check,
            view.named,
            finding.offset,
            finding.expected.clone(),
            finding.seen.clone(),
        );
    }
}

fn null_entries(view: View<'_>, report: &mut Report) {
    for row in view.section.rows.iter().filter(|row| row.value.is_zero()) {
        report.at(
            checks::RSDT_NULL_ENTRY,
            view.named,
            row.offset,
            "address of a table",
            format!("{} is zero", row.name),
        );
    }
}

fn rsdp(view: View<'_>, report: &mut Report) {
    let rows = view.section;
    let (rsdt, xsdt) = (rows.number("RSDT address"), rows.number("XSDT address"));
    if rsdt == Some(0) && matches!(xsdt, None | Some(0)) && view.is_whole() {
        let seen = "no address";
        report.at(
            checks::RSDP_ADDRESS,
            view.named,
            place(rows, "RSDT address"),
            "address of an RSDT or XSDT",
            seen,
        );
    }
    let revision = rows.number("Revision").filter(|revision| !matches!(revision, 0 | 2));
    if let Some(revision) = revision {
        report.at(
            checks::RSDP_ADDRESS,
            view.named,
            place(rows, "Revision"),
            "revision 0 or 2",
            revision.to_string(),
        );
    }
}

/// Tables of which an operating system uses one.
const SINGLE: &[&[u8; 4]] = &[
    b"APIC", b"BERT", b"BGRT", b"CEDT", b"DBG2", b"DMAR", b"DSDT", b"ECDT", b"EINJ", b"ERST", b"FACP", b"FPDT",
    b"GTDT", b"HEST", b"HMAT", b"HPET", b"IORT", b"IVRS", b"LPIT", b"MCFG", b"MSCT", b"NFIT", b"PCCT", b"PPTT",
    b"RSDT", b"SLIT", b"SPCR", b"SRAT", b"TPM2", b"WDAT", b"WSMT", b"XSDT",
];

fn twice(subject: &Subject<'_>, report: &mut Report) {
    let mut first = BTreeMap::<Signature, View<'_>>::new();
    for view in subject.views() {
        let table = &view.named.table;
        if !SINGLE.contains(&&table.signature.0) {
            continue;
        }
        let Some(other) = first.get(&table.signature) else {
            first.insert(table.signature, view);
            continue;
        };
        let expected = format!("one {}", table.signature);
        let name = &other.named.name;
        if !view.is_whole() || !other.is_whole() {
            continue;
        }
        match difference(&other.named.table.bytes, &table.bytes) {
            None => report.at(
                checks::TABLE_TWICE,
                view.named,
                0,
                expected,
                format!("the same contents as {name}"),
            ),
            Some(at) => report.at(
                checks::TABLE_TWICE_DIFFERENT,
                view.named,
                at,
                expected,
                format!("other contents than {name}"),
            ),
        }
    }
}

/// First byte behind the header in which two tables differ; their makers' ids are not looked at.
fn difference(first: &[u8], second: &[u8]) -> Option<usize> {
    let longest = first.len().max(second.len());
    (36..longest).find(|at| first.get(*at) != second.get(*at))
}
