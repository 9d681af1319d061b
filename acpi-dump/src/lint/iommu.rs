//! Checks 18 and 19: DMA remapping units and the devices behind them. Intel VT-d 4.1, chapter 8;
//! AMD IOMMU 3.08, section 5.2.

use std::collections::{BTreeMap, BTreeSet};

use super::catalogue::topology as checks;
use super::hit::Report;
use super::subject::{MemoryKind, Subject, View, place};
use crate::ids::{PciAddress, Segment};
use crate::tables::dmar::{Dmar, Scope, ScopeKind};
use crate::tables::ivrs::Ivrs;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"DMAR") {
        if let Some(dmar) = Dmar::decode(&view.named.table) {
            units(view, &dmar.value, report);
            reserved_memory(subject, view, &dmar.value, report);
            scopes(subject, view, &dmar.value, report);
        }
    }
    for view in subject.all(b"IVRS") {
        ivrs(subject, view, report);
    }
}

fn units(view: View<'_>, dmar: &Dmar, report: &mut Report) {
    if dmar.units.is_empty() && view.is_whole() && view.findings.is_empty() {
        report.at(checks::DMAR_UNIT, view.named, 48, "at least one remapping unit", "none");
    }
    let mut bases = BTreeSet::new();
    let mut catch_all = BTreeMap::<Segment, usize>::new();
    for unit in &dmar.units {
        let at = unit.offset.saturating_add(8);
        if unit.base.0 == 0 || unit.base.0 & 0xfff != 0 {
            let expected = "registers at a multiple of 4 KiB, not at 0";
            report.at(checks::DMAR_UNIT, view.named, at, expected, unit.base.to_string());
        } else if !bases.insert(unit.base) {
            let seen = format!("{} again", unit.base);
            report.at(checks::DMAR_UNIT, view.named, at, "registers of its own", seen);
        }
        if let Some(before) = catch_all.get(&unit.segment) {
            // 8.4: the unit with INCLUDE_PCI_ALL comes behind all others of its segment.
            let expected = format!("the unit at {before:#06x}, which takes all devices left over, as the last one");
            let seen = format!("another unit of segment {:04x}", unit.segment.0);
            report.at(checks::DMAR_INCLUDE_ALL, view.named, unit.offset, expected, seen);
        }
        if unit.include_all {
            catch_all.insert(unit.segment, unit.offset);
        }
    }
}

fn reserved_memory(subject: &Subject<'_>, view: View<'_>, dmar: &Dmar, report: &mut Report) {
    for region in &dmar.reserved {
        let (base, limit) = (region.base.0, region.limit.0);
        let at = region.offset.saturating_add(8);
        let seen = format!("{}-{}", region.base, region.limit);
        if limit < base {
            report.at(checks::DMAR_RESERVED, view.named, at, "an end behind the start", seen);
            continue;
        }
        if base & 0xfff != 0 || limit & 0xfff != 0xfff {
            report.at(
                checks::DMAR_RESERVED,
                view.named,
                at,
                "whole pages of 4 KiB",
                seen.clone(),
            );
        }
        let map = subject.outside.memory.as_deref().unwrap_or_default();
        let usable = map.iter().find(|range| {
            range.kind == MemoryKind::Usable && *range.bytes.start() <= limit && base <= *range.bytes.end()
        });
        if usable.is_some() {
            report.at(
                checks::DMAR_RESERVED,
                view.named,
                at,
                "memory that the memory map reserves",
                seen,
            );
        }
    }
}

fn scopes(subject: &Subject<'_>, view: View<'_>, dmar: &Dmar, report: &mut Report) {
    let of_units = dmar.units.iter().map(|unit| (unit.segment, &unit.scopes));
    let of_memory = dmar.reserved.iter().map(|region| (region.segment, &region.scopes));
    for (segment, list) in of_units.chain(of_memory) {
        for scope in list {
            if let ScopeKind::Other(kind) = scope.kind {
                report.at(
                    checks::DMAR_SCOPE,
                    view.named,
                    scope.offset,
                    "device scope of type 1 to 5",
                    kind.to_string(),
                );
            } else if scope.path.is_empty() {
                report.at(
                    checks::DMAR_SCOPE,
                    view.named,
                    scope.offset,
                    "a path to the device",
                    "none",
                );
            }
            let bad = scope
                .path
                .iter()
                .find(|(device, function)| *device > 31 || *function > 7);
            if let Some((device, function)) = bad {
                let seen = format!("{device:02x}.{function:x}");
                report.at(
                    checks::DMAR_SCOPE,
                    view.named,
                    scope.offset,
                    "device 0 to 1f, function 0 to 7",
                    seen,
                );
            } else if let Some(pci) = &subject.outside.pci {
                absent(view, segment, scope, pci, report);
            }
        }
    }
}

/// A device directly on the start bus that is not there. Deeper ones would need the bridges' bus numbers.
fn absent(view: View<'_>, segment: Segment, scope: &Scope, pci: &[PciAddress], report: &mut Report) {
    let pci_scope = matches!(scope.kind, ScopeKind::PciEndpoint | ScopeKind::PciSubHierarchy);
    let [(device, function)] = scope.path.as_slice() else {
        return;
    };
    let address = PciAddress {
        segment,
        bus: scope.start_bus,
        device: *device,
        function: *function,
    };
    if pci_scope && !pci.contains(&address) {
        report.at(
            checks::DMAR_DEVICE_ABSENT,
            view.named,
            scope.offset,
            "a PCI function that is there",
            address.to_string(),
        );
    }
}

fn ivrs(subject: &Subject<'_>, view: View<'_>, report: &mut Report) {
    let revision = view
        .named
        .table
        .revision()
        .filter(|revision| !matches!(revision, 1 | 2));
    if let Some(revision) = revision {
        report.at(
            checks::IVRS_REVISION,
            view.named,
            8,
            "revision 1 or 2",
            revision.to_string(),
        );
    }
    for section in view.section.all() {
        if let Some((noun, kind)) = section.title.split_once(" of unknown type ") {
            let expected = format!("{noun} of a type that the specification defines");
            report.at(
                checks::IVRS_TYPE,
                view.named,
                section.offset,
                expected,
                format!("type {kind}"),
            );
        }
        if section.title == "Special device" {
            let name = "Variety";
            if let Some(variety) = section.number(name).filter(|variety| !matches!(variety, 1 | 2)) {
                let expected = "variety 1 (I/O APIC) or 2 (HPET)";
                report.at(
                    checks::IVRS_TYPE,
                    view.named,
                    place(section, name),
                    expected,
                    variety.to_string(),
                );
            }
        }
    }
    entry_sizes(view, report);
    let (Some(ivrs), Some(pci)) = (Ivrs::decode(&view.named.table), &subject.outside.pci) else {
        return;
    };
    for unit in ivrs.value.units() {
        if !pci.contains(&unit.address) {
            let expected = "an IOMMU function that is there";
            report.at(
                checks::IVRS_DEVICE_ABSENT,
                view.named,
                unit.offset,
                expected,
                unit.address.to_string(),
            );
        }
    }
}

/// Padding inside a block: type 0 of 4 bytes and type 64 of 8 bytes are reserved.
fn entry_sizes(view: View<'_>, report: &mut Report) {
    for block in view.sections("I/O virtualization hardware definition") {
        for entry in block.sections.iter().filter(|entry| entry.title == "Padding") {
            let kind = entry.number("Type").unwrap_or(0);
            report.at(
                checks::IVRS_PADDING,
                view.named,
                entry.offset,
                "device entry with a meaning",
                format!("reserved type {kind}"),
            );
        }
    }
}
