//! Checks 14 to 17: which CPU and which memory is where, and how far. ACPI 6.5, sections 5.2.16,
//! 5.2.17 and 5.2.28.

use std::collections::BTreeSet;

use super::catalogue::topology as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::ids::ProximityDomain;
use crate::tables::hmat::Hmat;
use crate::tables::madt::{Cpu, CpuKind, Madt};
use crate::tables::slit::Slit;
use crate::tables::srat::{CpuName, Srat};

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    let srat = subject
        .first(b"SRAT")
        .and_then(|view| Some((view, Srat::decode(&view.named.table)?.value)));
    if let Some((view, srat)) = &srat {
        memory(*view, srat, report);
        if view.is_whole() && view.findings.is_empty() {
            with_madt(subject, *view, srat, report);
        }
    }
    let domains = srat
        .as_ref()
        .filter(|(view, _)| view.is_whole() && view.findings.is_empty())
        .map(|(view, srat)| (*view, srat.domains()));
    if let Some(view) = subject.first(b"SLIT") {
        slit(view, domains.as_ref(), report);
    }
    if let Some(view) = subject.first(b"HMAT") {
        hmat(view, domains.as_ref().map(|(_, domains)| domains), report);
    }
}

fn memory(view: View<'_>, srat: &Srat, report: &mut Report) {
    let mut ranges = Vec::new();
    for range in srat.memory.iter().filter(|range| range.enabled) {
        let end = range.base.0.checked_add(range.length);
        let Some(end) = end else {
            report.at(
                checks::SRAT_RANGE,
                view.named,
                range.offset,
                "a range inside the address space",
                format!("{} and {:#x} bytes", range.base, range.length),
            );
            continue;
        };
        if range.length == 0 {
            report.at(
                checks::SRAT_EMPTY,
                view.named,
                range.offset,
                "a range with bytes",
                "length 0, enabled",
            );
        } else if !range.hot_pluggable {
            // A range for memory that comes later may lie around others.
            ranges.push((range.base.0, end, range));
        }
    }
    ranges.sort_by_key(|(start, ..)| *start);
    for pair in ranges.windows(2) {
        if let [(_, end, one), (start, _, two)] = pair
            && start < end
        {
            let seen = format!(
                "{} of domain {} and {} of domain {}",
                one.base, one.domain.0, two.base, two.domain.0
            );
            report.at(
                checks::SRAT_OVERLAP,
                view.named,
                two.offset,
                "ranges apart from each other",
                seen,
            );
        }
    }
}

fn name(cpu: &Cpu) -> Option<CpuName> {
    match cpu.kind {
        CpuKind::Gicc => Some(CpuName::Uid(cpu.uid)),
        _ => cpu.apic_id.map(CpuName::Apic),
    }
}

fn with_madt(subject: &Subject<'_>, view: View<'_>, srat: &Srat, report: &mut Report) {
    let madt = subject
        .first(b"APIC")
        .filter(|madt| madt.is_whole() && madt.findings.is_empty())
        .and_then(|view| Some((view, Madt::decode(&view.named.table)?.value)));
    let Some((madt_view, madt)) = madt else { return };
    let listed: BTreeSet<CpuName> = madt.cpus.iter().filter_map(name).collect();
    let placed: BTreeSet<CpuName> = srat.cpus.iter().filter(|cpu| cpu.enabled).map(|cpu| cpu.cpu).collect();
    for cpu in srat.cpus.iter().filter(|cpu| cpu.enabled && !listed.contains(&cpu.cpu)) {
        report.at(
            checks::SRAT_CPU_NOT_IN_MADT,
            view.named,
            cpu.offset,
            format!("a CPU that {} lists", madt_view.named.name),
            words(cpu.cpu),
        );
    }
    if placed.is_empty() {
        return;
    }
    for cpu in madt.enabled() {
        if let Some(missing) = name(cpu).filter(|name| !placed.contains(name)) {
            report.at(
                checks::MADT_CPU_NOT_IN_SRAT,
                madt_view.named,
                cpu.offset,
                format!("a proximity domain in {}", view.named.name),
                words(missing),
            );
        }
    }
}

fn words(name: CpuName) -> String {
    match name {
        CpuName::Apic(id) => format!("APIC id {:#x}", id.0),
        CpuName::Uid(uid) => format!("processor UID {:#x}", uid.0),
    }
}

fn slit(view: View<'_>, srat: Option<&(View<'_>, BTreeSet<ProximityDomain>)>, report: &mut Report) {
    let Some(decoded) = Slit::decode(&view.named.table) else {
        return;
    };
    let rows = &decoded.value.rows;
    let width = rows.first().map_or(0, Vec::len);
    let at = |from: usize, to: usize| from.saturating_mul(width).saturating_add(to).saturating_add(44);
    for (from, row) in rows.iter().enumerate() {
        for (to, distance) in row.iter().enumerate() {
            let place = at(from, to);
            if from == to && *distance != 10 {
                let expected = format!("10 from locality {from} to itself");
                report.at(checks::SLIT_DIAGONAL, view.named, place, expected, distance.to_string());
            } else if *distance < 10 {
                let expected = format!("at least 10 from locality {from} to {to}");
                report.at(
                    checks::SLIT_BELOW_TEN,
                    view.named,
                    place,
                    expected,
                    distance.to_string(),
                );
            }
            let back = decoded.value.distance(to, from).filter(|_| from < to);
            if let Some(back) = back.filter(|back| back != distance) {
                let expected = format!("the same distance from locality {from} to {to} and back");
                report.at(
                    checks::SLIT_ASYMMETRIC,
                    view.named,
                    place,
                    expected,
                    format!("{distance} and {back}"),
                );
            }
        }
    }
    let count = view.section.number("Number of system localities");
    let known = u64::try_from(rows.len()).ok();
    if count != known && view.is_whole() && count.is_some() {
        let seen = format!("{} bytes of table", view.named.table.length);
        let expected = format!("the matrix of {} localities", count.unwrap_or(0));
        report.at(checks::SLIT_SIZE, view.named, 36, expected, seen);
        return;
    }
    let Some((srat_view, domains)) = srat.filter(|_| view.is_whole()) else {
        return;
    };
    let last = domains.last().map_or(0, |domain| u64::from(domain.0));
    if count.is_some_and(|count| last >= count) {
        let expected = format!("a distance for domain {last} of {}", srat_view.named.name);
        let seen = format!("{} localities", rows.len());
        report.at(checks::SRAT_DOMAIN_WITHOUT_SLIT, view.named, 36, expected, seen);
    }
}

fn hmat(view: View<'_>, domains: Option<&BTreeSet<ProximityDomain>>, report: &mut Report) {
    for section in view.sections("System locality latency") {
        let kind = section.number("Data type").filter(|kind| *kind > 5);
        if let Some(kind) = kind {
            let at = place(section, "Data type");
            report.at(
                checks::HMAT_DATA_TYPE,
                view.named,
                at,
                "data type 0 to 5",
                kind.to_string(),
            );
        }
        let filled = section
            .sections
            .iter()
            .flat_map(|row| &row.rows)
            .any(|cell| !matches!(cell.value.number(), None | Some(0 | 0xffff)));
        if section.number("Entry base unit") == Some(0) && filled {
            let at = place(section, "Entry base unit");
            report.at(
                checks::HMAT_BASE_UNIT,
                view.named,
                at,
                "a base unit, as there are values",
                "0",
            );
        }
        for count in [
            "Number of initiator proximity domains",
            "Number of target proximity domains",
        ] {
            if section.number(count) == Some(0) {
                report.at(
                    checks::HMAT_DOMAIN,
                    view.named,
                    place(section, count),
                    format!("{count} of at least 1"),
                    "0",
                );
            }
        }
    }
    for section in view.sections("Memory side cache") {
        let attributes = section.number("Cache attributes").unwrap_or(0);
        let (levels, level) = (attributes & 0xf, attributes >> 4 & 0xf);
        if levels > 3 || level > levels {
            let at = place(section, "Cache attributes");
            let seen = format!("level {level} of {levels}");
            report.at(checks::HMAT_CACHE, view.named, at, "a level of at most 3", seen);
        }
    }
    let Some(domains) = domains else { return };
    let Some(hmat) = Hmat::decode(&view.named.table) else {
        return;
    };
    for entry in &hmat.value.attached {
        let named = [Some(entry.memory), entry.initiator];
        for domain in named.into_iter().flatten().filter(|domain| !domains.contains(domain)) {
            unknown(view, entry.offset, domain, report);
        }
    }
    for cache in hmat
        .value
        .caches
        .iter()
        .filter(|cache| !domains.contains(&cache.memory))
    {
        unknown(view, cache.offset, cache.memory, report);
    }
    for matrix in &hmat.value.matrices {
        let named = matrix.cells.iter().flat_map(|cell| [cell.initiator, cell.target]);
        let missing: BTreeSet<_> = named.filter(|domain| !domains.contains(domain)).collect();
        for domain in missing {
            unknown(view, matrix.offset, domain, report);
        }
    }
}

fn unknown(view: View<'_>, offset: usize, domain: ProximityDomain, report: &mut Report) {
    let expected = "a proximity domain of the SRAT";
    report.at(checks::HMAT_DOMAIN, view.named, offset, expected, domain.0.to_string());
}
