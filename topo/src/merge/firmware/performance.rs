//! Latency, bandwidth and memory-side caches by the HMAT: ACPI 6.5, section 5.2.28.

use std::collections::BTreeMap;

use acpi_dump::Hmat;
use acpi_dump::tables::hmat::Measure;

use crate::acpi::{Acpi, Performance};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{CpuTopology, MemoryAccess, MemorySideCache, NodeId};

/// Pairs that are kept.
const MOST_PAIRS: usize = 1 << 16;

/// All pairs that a matrix of memory names; of each measure the first value counts, and one for
/// accesses of any kind stands for reads and writes.
pub(super) fn performance(hmat: &Hmat) -> Vec<Performance> {
    let mut pairs: BTreeMap<(u32, u32), Performance> = BTreeMap::new();
    for matrix in hmat.matrices.iter().filter(|matrix| matrix.hierarchy == 0) {
        for cell in &matrix.cells {
            let (Some(value), key) = (cell.value, (cell.initiator.0, cell.target.0)) else {
                continue;
            };
            if pairs.len() >= MOST_PAIRS && !pairs.contains_key(&key) {
                continue;
            }
            let row = pairs.entry(key).or_insert(Performance {
                initiator: key.0,
                target: key.1,
                ..Performance::default()
            });
            let slots = match matrix.measure {
                Measure::ReadLatency => [Some(&mut row.read_latency), None],
                Measure::WriteLatency => [Some(&mut row.write_latency), None],
                Measure::ReadBandwidth => [Some(&mut row.read_bandwidth), None],
                Measure::WriteBandwidth => [Some(&mut row.write_bandwidth), None],
                Measure::AccessLatency => [Some(&mut row.read_latency), Some(&mut row.write_latency)],
                Measure::AccessBandwidth => [Some(&mut row.read_bandwidth), Some(&mut row.write_bandwidth)],
            };
            for slot in slots.into_iter().flatten() {
                slot.get_or_insert(value);
            }
        }
    }
    pairs.into_values().collect()
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
