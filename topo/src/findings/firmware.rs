//! The kernel's facts against those of the firmware's ACPI tables.

use std::collections::BTreeMap;

use super::{Evidence, Finding, Place, Report, Severity};
use crate::acpi::{Domain, Performance};
use crate::model::{Machine, PciFunction};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{MemoryAccess, NodeId};

/// Names of the conflicts that are written out; the evidence has all.
const MOST: usize = 3;

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    if machine.acpi.is_empty() {
        return;
    }
    if !machine.cpu.nodes.is_empty() && !machine.cpu.nodes_by_firmware {
        let nodes = nodes(machine, report);
        let distances = distances(machine, report);
        let count = machine.acpi.domains.iter().filter(|domain| seen(domain)).count();
        if count > 1 && nodes && distances == Some(true) {
            report.fine.push(format!(
                "{count} NUMA nodes and their distances are those of the ACPI tables"
            ));
        }
        access(machine, report);
    }
    cpus(machine, report);
    bridges(machine, report);
    ecam(machine, report);
}

/// Where a table was read.
fn evidence(machine: &Machine, table: &str, fact: String) -> Evidence {
    let origin = machine
        .acpi
        .table(table)
        .and_then(|at| machine.origins.get(at))
        .cloned();
    Evidence { fact, origin }
}

fn warn(id: &'static str, text: String, places: Vec<Place>, evidence: Vec<Evidence>) -> Finding {
    Finding {
        id,
        severity: Severity::Warn,
        text,
        gigabytes_per_second: None,
        places,
        evidence,
    }
}

/// Whether the node of a domain is known by its CPUs.
fn seen(domain: &Domain) -> bool {
    domain.node.is_some() && !domain.node_assumed
}

fn numbers(list: &[u32]) -> String {
    let set: CpuSet = list.iter().copied().collect();
    set.to_string()
}

/// Whether the parts into which domains and nodes divide the CPUs are the same.
fn nodes(machine: &Machine, report: &mut Report) -> bool {
    let domains: Vec<&Domain> = machine
        .acpi
        .domains
        .iter()
        .filter(|domain| !domain.cpus.is_empty())
        .collect();
    let mut facts = Vec::new();
    let mut places = Vec::new();
    for node in machine.cpu.nodes.iter().filter(|node| !node.cpus.is_empty()) {
        let here = domains.iter().filter(|domain| domain.cpus.intersects(&node.cpus));
        let here: Vec<u32> = here.map(|domain| domain.number).collect();
        if here.len() > 1 {
            facts.push(format!(
                "node {} has the CPUs of domains {}",
                node.number.0,
                numbers(&here)
            ));
            places.push(Place::Node(node.number));
        }
    }
    for domain in &domains {
        let here = machine
            .cpu
            .nodes
            .iter()
            .filter(|node| node.cpus.intersects(&domain.cpus));
        let here: Vec<u32> = here.map(|node| node.number.0).collect();
        if here.len() > 1 {
            facts.push(format!(
                "the CPUs of domain {} are in nodes {}",
                domain.number,
                numbers(&here)
            ));
            places.extend(here.into_iter().map(|node| Place::Node(NodeId(node))));
        }
    }
    let fine = facts.is_empty();
    if !fine {
        let text = format!("NUMA nodes are not those of the SRAT: {}", some_of(&facts));
        let facts = facts.into_iter().map(|fact| evidence(machine, "SRAT", fact));
        report
            .findings
            .push(warn("acpi-nodes-differ", text, places, facts.collect()));
    }
    fine
}

/// The first few of a list.
fn some_of(facts: &[String]) -> String {
    let more = facts.len().saturating_sub(MOST);
    let text = facts.iter().take(MOST).cloned().collect::<Vec<_>>().join("; ");
    if more > 0 {
        format!("{text} (+ {more} more)")
    } else {
        text
    }
}

/// Whether the distances agree; `None` when nothing could be compared.
fn distances(machine: &Machine, report: &mut Report) -> Option<bool> {
    let known: Vec<(usize, &Domain)> = machine
        .cpu
        .nodes
        .iter()
        .enumerate()
        .filter_map(|(at, node)| Some((at, machine.acpi.domain_of(node.number).filter(|domain| seen(domain))?)))
        .collect();
    let mut compared = false;
    let mut facts = Vec::new();
    for (from, own) in &known {
        for (to, other) in &known {
            let kernel = machine.cpu.distances.get(*from).and_then(|row| row.get(*to)).copied();
            let index = |domain: &Domain| usize::try_from(domain.number).ok();
            let firmware = index(own)
                .zip(index(other))
                .and_then(|(from, to)| machine.acpi.distances.get(from)?.get(to).copied());
            let Some((kernel, firmware)) = kernel.zip(firmware) else {
                continue;
            };
            compared = true;
            if kernel != u32::from(firmware) {
                let node = |at: usize| machine.cpu.nodes.get(at).map_or(0, |node| node.number.0);
                facts.push(format!(
                    "node {} to {} is {kernel}, by SLIT {firmware}",
                    node(*from),
                    node(*to)
                ));
            }
        }
    }
    if !compared {
        return None;
    }
    if facts.is_empty() {
        return Some(true);
    }
    let text = format!("NUMA distances are not those of the SLIT: {}", some_of(&facts));
    let facts = facts.into_iter().map(|fact| evidence(machine, "SLIT", fact));
    report.findings.push(warn(
        "acpi-distances-differ",
        text,
        vec![Place::Machine],
        facts.collect(),
    ));
    Some(false)
}

/// Present CPUs against the entries of the MADT.
fn cpus(machine: &Machine, report: &mut Report) {
    let by_kernel = machine
        .sources
        .iter()
        .any(|source| source.name == "CPU topology" && source.present && source.note.is_none());
    let in_domain = machine.identity.hypervisor.as_deref() == Some("Xen");
    // for a PVH dom0 Xen writes a MADT of its own
    let by_xen = machine
        .xen
        .as_ref()
        .filter(|xen| xen.guest_type.as_deref() == Some("PV"))
        .and_then(|xen| xen.machine.as_ref())
        .is_some_and(|physical| physical.listed_cpus > 0);
    let judged = by_xen || (by_kernel && !in_domain && machine.by_xen().is_none());
    let Some(listed) = machine.acpi.cpus.filter(|listed| judged && listed.enabled > 0) else {
        return;
    };
    let present = machine.cpu.cpus.len();
    let all = listed
        .enabled
        .saturating_add(listed.online_capable)
        .saturating_add(listed.unusable);
    if (listed.enabled..=all).contains(&present) {
        return;
    }
    let kernel = if by_xen { "Xen" } else { "the kernel" };
    let text = format!(
        "{kernel} has {present} CPUs, the MADT lists {} as enabled{}",
        listed.enabled,
        match all.saturating_sub(listed.enabled) {
            0 => String::new(),
            more => format!(" and {more} more entries"),
        }
    );
    let facts = vec![evidence(
        machine,
        "APIC",
        format!("{} entries, {} enabled", all, listed.enabled),
    )];
    report
        .findings
        .push(warn("acpi-cpus-differ", text, vec![Place::Machine], facts));
}

/// `accessN/initiators` against the HMAT.
fn access(machine: &Machine, report: &mut Report) {
    let mut facts = Vec::new();
    let mut places = Vec::new();
    for node in &machine.cpu.nodes {
        let (Some(access), Some(domain)) = (&node.access, machine.acpi.domain_of(node.number)) else {
            continue;
        };
        let rows: Vec<&Performance> = machine
            .acpi
            .performance
            .iter()
            .filter(|row| row.target == domain.number)
            .filter(|row| {
                let initiator = machine.acpi.node_of(row.initiator);
                initiator.is_some_and(|initiator| access.initiators.contains(&initiator))
            })
            .collect();
        if rows.is_empty() || rows.iter().any(|row| same_performance(access, row)) {
            continue;
        }
        places.push(Place::Node(node.number));
        facts.push(format!(
            "node {}: read {} ns, {} MB/s; by HMAT {} ns, {} MB/s",
            node.number.0,
            words(access.read_latency),
            words(access.read_bandwidth),
            words(
                rows.first()
                    .and_then(|row| row.read_latency)
                    .map(|ps| ps.div_ceil(1000))
            ),
            words(rows.first().and_then(|row| row.read_bandwidth)),
        ));
    }
    if facts.is_empty() {
        return;
    }
    let text = format!("memory performance is not that of the HMAT: {}", some_of(&facts));
    let facts = facts.into_iter().map(|fact| evidence(machine, "HMAT", fact));
    report
        .findings
        .push(warn("acpi-access-differs", text, places, facts.collect()));
}

fn words(value: Option<u64>) -> String {
    value.map_or_else(|| "?".to_owned(), |value| value.to_string())
}

/// Only what both tell is compared; the kernel's nanoseconds are rounded.
fn same_performance(kernel: &MemoryAccess, row: &Performance) -> bool {
    let near = |kernel: Option<u64>, ps: Option<u64>| {
        let pair = kernel.filter(|value| *value > 0).zip(ps);
        pair.is_none_or(|(kernel, ps)| kernel.abs_diff(ps.div_ceil(1000)) <= 1)
    };
    let same = |kernel: Option<u64>, table: Option<u64>| {
        let pair = kernel.filter(|value| *value > 0).zip(table);
        pair.is_none_or(|(kernel, table)| kernel == table)
    };
    near(kernel.read_latency, row.read_latency)
        && near(kernel.write_latency, row.write_latency)
        && same(kernel.read_bandwidth, row.read_bandwidth)
        && same(kernel.write_bandwidth, row.write_bandwidth)
}

/// `numa_node` on root buses against `_PXM`.
fn bridges(machine: &Machine, report: &mut Report) {
    let known = |node: NodeId| machine.acpi.domain_of(node).is_some_and(seen);
    let roots = machine.pci.roots.iter().filter_map(|at| machine.pci.functions.get(*at));
    let mut differing: BTreeMap<(String, u32, u32), Vec<&PciFunction>> = BTreeMap::new();
    for function in roots {
        let kernel = function
            .function
            .numa_node
            .and_then(|node| u32::try_from(node).ok())
            .map(NodeId);
        let bridge = machine.acpi.bridge_of(function.bdf().domain, function.bdf().bus);
        let firmware = bridge.and_then(|bridge| Some((bridge, bridge.node?)));
        if let (Some(kernel), Some((bridge, node))) = (kernel, firmware)
            && kernel != node
            && known(kernel)
            && known(node)
        {
            let key = (bridge.path.clone(), kernel.0, node.0);
            differing.entry(key).or_default().push(function);
        }
    }
    for ((path, kernel, node), functions) in differing {
        let bus = functions.first().map(|f| f.bdf());
        let bus = bus.map_or_else(String::new, |bdf| format!("{:04x}:{:02x}", bdf.domain, bdf.bus));
        let text = format!("root bus {bus}: the kernel says NUMA node {kernel}, _PXM of {path} says {node}");
        let places = functions.iter().map(|f| Place::Function(f.bdf())).collect();
        let facts = vec![evidence(machine, "DSDT", format!("{path} _PXM is node {node}"))];
        report
            .findings
            .push(warn("acpi-bridge-node-differs", text, places, facts));
    }
}

/// PCI Express functions that no window of the MCFG covers.
fn ecam(machine: &Machine, report: &mut Report) {
    let windows = &machine.acpi.ecam;
    if windows.is_empty() {
        return;
    }
    let express = |f: &&PciFunction| {
        let registers = f.function.link.is_some() || f.function.port_type.is_some();
        registers && f.function.config.as_ref().is_none_or(|config| config.len() <= 256)
    };
    let outside = |f: &&PciFunction| {
        let bdf = f.bdf();
        let segment = u16::try_from(bdf.domain);
        segment.is_ok_and(|segment| {
            !windows
                .iter()
                .any(|window| window.segment == segment && (window.first_bus..=window.last_bus).contains(&bdf.bus))
        })
    };
    let lost: Vec<&PciFunction> = machine.pci.functions.iter().filter(express).filter(outside).collect();
    let Some(first) = lost.first() else { return };
    let more = match lost.len().saturating_sub(1) {
        0 => String::new(),
        more => format!(" + {more} more"),
    };
    let text = format!(
        "{}{more}: on a bus that the MCFG does not map, extended configuration space out of reach",
        first.bdf()
    );
    let facts = windows.iter().map(|window| {
        evidence(
            machine,
            "MCFG",
            format!(
                "segment {:04x}: buses {:02x} to {:02x}",
                window.segment, window.first_bus, window.last_bus
            ),
        )
    });
    let facts = facts.collect();
    let places = lost.iter().map(|f| Place::Function(f.bdf())).collect();
    report.findings.push(warn("acpi-bus-outside-ecam", text, places, facts));
}

#[cfg(test)]
mod tests;
