//! Where devices are: unknown, contradicting or bare NUMA nodes.

use std::collections::BTreeMap;

use super::link::{origin_of, place_name};
use super::{Evidence, Finding, Place, Report, Severity};
use crate::model::{Machine, PciFunction};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Node, NodeId};

/// Whether locality matters for the function: it moves data.
fn moves_data(function: &PciFunction) -> bool {
    let base = function.kind() >> 8;
    matches!(base, 0x01 | 0x02 | 0x03 | 0x0b | 0x12) || matches!(function.kind(), 0x0502 | 0x0c04 | 0x0c06)
}

pub(super) fn judge(machine: &Machine, report: &mut Report) {
    if machine.cpu.nodes.iter().filter(|node| !node.cpus.is_empty()).count() < 2 {
        return;
    }
    let candidates: Vec<&PciFunction> = machine
        .pci
        .functions
        .iter()
        .filter(|f| moves_data(f) && f.function.physical_function.is_none())
        .collect();
    let told: Vec<&PciFunction> = candidates
        .iter()
        .copied()
        .filter(|f| f.function.numa_node.is_some())
        .collect();
    unknown(machine, &told, report);
    let conflicts = conflicts(machine, &told, report);
    let bare = bare(machine, &told, report);
    let placed = told
        .iter()
        .filter(|f| f.function.numa_node.is_some_and(|n| n >= 0))
        .count();
    if placed > 0 && conflicts == 0 && bare == 0 && placed == told.len() {
        report
            .fine
            .push(format!("{placed} devices that move data know their NUMA node"));
    }
}

fn node_of(machine: &Machine, number: i32) -> Option<&Node> {
    let number = NodeId(u32::try_from(number).ok()?);
    machine.cpu.nodes.iter().find(|node| node.number == number)
}

fn unknown(machine: &Machine, told: &[&PciFunction], report: &mut Report) {
    let kernel_knows = |f: &PciFunction| {
        let at = machine.pci.functions.binary_search_by_key(&f.bdf(), PciFunction::bdf);
        at.is_ok_and(|at| {
            machine
                .path_up(at)
                .any(|f| f.function.numa_node.is_some_and(|node| node >= 0))
        })
    };
    let lost: Vec<&PciFunction> = told.iter().copied().filter(|f| !kernel_knows(f)).collect();
    let Some(first) = lost.first() else { return };
    let more = lost.len().saturating_sub(1);
    report.findings.push(Finding {
        id: "device-node-unknown",
        severity: Severity::Warn,
        text: match more {
            0 => format!(
                "{} {}: NUMA node not known (the kernel says -1)",
                place_name(first),
                first.short_name
            ),
            _ => format!(
                "{} devices: NUMA node not known (the kernel says -1), first {} {}",
                lost.len(),
                place_name(first),
                first.short_name
            ),
        },
        gigabytes_per_second: None,
        places: lost.iter().map(|f| Place::Function(f.bdf())).collect(),
        evidence: lost.iter().map(|f| node_evidence(machine, f)).collect(),
    });
}

fn node_evidence(machine: &Machine, function: &PciFunction) -> Evidence {
    let node = function
        .function
        .numa_node
        .map_or_else(|| "not told".to_owned(), |node| node.to_string());
    let cpus = function
        .function
        .local_cpus
        .as_deref()
        .map(|cpus| format!(", local CPUs {cpus}"))
        .unwrap_or_default();
    Evidence {
        fact: format!("{} numa_node {node}{cpus}", function.bdf()),
        origin: origin_of(machine, function, "numa_node"),
    }
}

/// The function's node against the bridge above and against its own local CPUs.
fn conflicts(machine: &Machine, told: &[&PciFunction], report: &mut Report) -> usize {
    let mut groups: BTreeMap<String, Vec<&PciFunction>> = BTreeMap::new();
    for function in told {
        let Some(words) = conflict(machine, function) else {
            continue;
        };
        groups.entry(words).or_default().push(function);
    }
    let count = groups.len();
    for (words, functions) in groups {
        let head = first_and_more(&functions);
        report.findings.push(Finding {
            id: "device-node-conflict",
            severity: Severity::Warn,
            text: format!("{head}: {words}"),
            gigabytes_per_second: None,
            places: functions.iter().map(|f| Place::Function(f.bdf())).collect(),
            evidence: functions.iter().map(|f| node_evidence(machine, f)).collect(),
        });
    }
    count
}

/// The first function by place and name, and how many more there are.
fn first_and_more(functions: &[&PciFunction]) -> String {
    let first = functions.first();
    let head = first.map_or_else(String::new, |f| format!("{} {}", place_name(f), f.short_name));
    match functions.len().saturating_sub(1) {
        0 => head,
        more => format!("{head} + {more} more"),
    }
}

fn conflict(machine: &Machine, function: &PciFunction) -> Option<String> {
    let number = function.function.numa_node?;
    let node = node_of(machine, number)?;
    let parent = function
        .parent
        .and_then(|at| machine.pci.functions.get(at))
        .and_then(|p| p.function.numa_node);
    if let Some(other) = parent.filter(|other| *other >= 0 && *other != number) {
        return Some(format!("says NUMA node {number}, the bridge above says {other}"));
    }
    let local = CpuSet::parse_list(function.function.local_cpus.as_deref()?)?;
    let expected = if node.cpus.is_empty() {
        &node.local_cpus
    } else {
        &node.cpus
    };
    (!local.is_empty() && !expected.is_empty() && local != *expected)
        .then(|| format!("says NUMA node {number} (CPUs {expected}), but its local CPUs are {local}"))
}

fn bare(machine: &Machine, told: &[&PciFunction], report: &mut Report) -> usize {
    let mut groups: BTreeMap<String, Vec<&PciFunction>> = BTreeMap::new();
    for function in told {
        let Some(node) = function.node.and_then(|id| node_of(machine, i32::try_from(id.0).ok()?)) else {
            continue;
        };
        let words = match (node.cpus.is_empty(), node.memory == Some(0)) {
            (true, true) => "neither CPU nor memory",
            (true, false) => "no CPU",
            (false, true) => "no memory",
            (false, false) => continue,
        };
        groups
            .entry(format!("NUMA node {} has {words}", node.number.0))
            .or_default()
            .push(function);
    }
    let count = groups.len();
    for (words, functions) in groups {
        let head = first_and_more(&functions);
        report.findings.push(Finding {
            id: "device-node-bare",
            severity: Severity::Warn,
            text: format!("{head}: {words}"),
            gigabytes_per_second: None,
            places: functions.iter().map(|f| Place::Function(f.bdf())).collect(),
            evidence: functions.iter().map(|f| node_evidence(machine, f)).collect(),
        });
    }
    count
}
