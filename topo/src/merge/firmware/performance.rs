//! Latency, bandwidth and memory-side caches by the HMAT: ACPI 6.5, section 5.2.28.

use std::collections::{BTreeMap, BTreeSet};

use acpi_dump::tables::hmat::Measure;
use acpi_dump::{Hmat, ProximityDomain};

use crate::acpi::{Acpi, Performance};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{CpuTopology, MemoryAccess, MemorySideCache, NodeId};

/// All pairs that a matrix of memory names.
pub(super) fn performance(hmat: &Hmat) -> Vec<Performance> {
    let memory = hmat.matrices.iter().filter(|matrix| matrix.hierarchy == 0);
    let pairs: BTreeSet<(u32, u32)> = memory
        .flat_map(|matrix| &matrix.cells)
        .map(|cell| (cell.initiator.0, cell.target.0))
        .collect();
    pairs
        .into_iter()
        .map(|(initiator, target)| {
            let value = |own, both| hmat.value(&[own, both], ProximityDomain(initiator), ProximityDomain(target));
            Performance {
                initiator,
                target,
                read_latency: value(Measure::ReadLatency, Measure::AccessLatency),
                write_latency: value(Measure::WriteLatency, Measure::AccessLatency),
                read_bandwidth: value(Measure::ReadBandwidth, Measure::AccessBandwidth),
                write_bandwidth: value(Measure::WriteBandwidth, Measure::AccessBandwidth),
            }
        })
        .filter(|row| {
            let latency = row.read_latency.or(row.write_latency);
            latency.or(row.read_bandwidth).or(row.write_bandwidth).is_some()
        })
        .collect()
}

/// The initiators nearest to a domain's memory, and what they see of it: the attached one, else the
/// best by latency, then by bandwidth.
fn best_access(acpi: &Acpi, hmat: &Hmat, domain: u32) -> Option<MemoryAccess> {
    let attached = hmat
        .attached
        .iter()
        .find(|attached| attached.memory.0 == domain)
        .and_then(|attached| attached.initiator);
    let rows = || {
        acpi.performance
            .iter()
            .filter(|row| row.target == domain)
            .filter(|row| attached.is_none_or(|initiator| initiator.0 == row.initiator))
    };
    let rank = |row: &&Performance| {
        (
            row.read_latency.unwrap_or(u64::MAX),
            std::cmp::Reverse(row.read_bandwidth.unwrap_or(0)),
        )
    };
    let best = rows().min_by_key(rank)?;
    let initiators = rows()
        .filter(|row| rank(row) == rank(&best))
        .filter_map(|row| acpi.node_of(row.initiator));
    let nanoseconds = |ps: Option<u64>| ps.map(|ps| ps.div_ceil(1000));
    Some(MemoryAccess {
        read_bandwidth: best.read_bandwidth,
        write_bandwidth: best.write_bandwidth,
        read_latency: nanoseconds(best.read_latency),
        write_latency: nanoseconds(best.write_latency),
        initiators: initiators.collect(),
    })
}

/// HMAT performance and memory-side caches of nodes that have none yet; whether there were any.
pub(super) fn attributes(cpu: &mut CpuTopology, acpi: &Acpi, hmat: &Hmat) -> bool {
    let mut any = false;
    let cpus_of: BTreeMap<NodeId, CpuSet> = cpu.nodes.iter().map(|node| (node.number, node.cpus.clone())).collect();
    for node in &mut cpu.nodes {
        let Some(domain) = acpi.domain_of(node.number) else {
            continue;
        };
        if node.access.is_none() {
            node.access = best_access(acpi, hmat, domain.number);
            any |= node.access.is_some();
        }
        let initiators = node.access.iter().flat_map(|access| &access.initiators);
        if node.cpus.is_empty() && node.local_cpus.is_empty() {
            let near = initiators.filter_map(|number| cpus_of.get(number));
            node.local_cpus = near.flat_map(CpuSet::iter).collect();
        }
        if node.side_caches.is_empty() {
            let caches = hmat
                .caches
                .iter()
                .filter(|cache| cache.memory.0 == domain.number && cache.size > 0);
            node.side_caches = caches
                .map(|cache| MemorySideCache {
                    level: cache.level,
                    size: Some(cache.size),
                    line: Some(u32::from(cache.line)).filter(|line| *line > 0),
                })
                .collect();
            any |= !node.side_caches.is_empty();
        }
    }
    any
}
