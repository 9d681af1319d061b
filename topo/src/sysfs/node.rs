//! NUMA nodes: `/sys/devices/system/node/nodeN`.
//!
//! Follows the kernel's `Documentation/ABI/stable/sysfs-devices-node` and
//! `admin-guide/mm/numaperf.rst` (initiators, memory-side caches: what the HMAT says).
//! Numbers may be sparse, nodes may have no CPU or no memory.

use std::collections::BTreeMap;

use super::CpuSet;
use super::reader::Reader;
use super::topology::{CpuTopology, MemoryAccess, MemoryKind, MemorySideCache, Node, NodeId};

/// Where the node directories are.
const ROOT: &str = "/sys/devices/system/node";

/// Most levels of memory-side cache looked for.
const MOST_SIDE_CACHES: u8 = 8;

/// Fills nodes and distances.
pub fn read(reader: &mut Reader<'_>, online: &CpuSet, topology: &mut CpuTopology) {
    let numbers = reader.numbered(ROOT, "node");
    if numbers.is_empty() {
        return;
    }
    let dax = dax_kinds(reader);
    topology.nodes = numbers
        .iter()
        .map(|&number| read_node(reader, number, online, &dax))
        .collect();
    topology.distances = read_distances(reader, &numbers);
    for index in 0..topology.nodes.len() {
        if let Some(local) = local_cpus(topology, index)
            && let Some(node) = topology.nodes.get_mut(index)
        {
            node.local_cpus = local;
        }
    }
    mark_high_bandwidth(&mut topology.nodes);
}

fn read_node(reader: &mut Reader<'_>, number: u32, online: &CpuSet, dax: &BTreeMap<u32, MemoryKind>) -> Node {
    let directory = format!("{ROOT}/node{number}");
    let cpus = reader
        .cpu_mask(&format!("{directory}/cpumap"))
        .or_else(|| reader.cpu_list(&format!("{directory}/cpulist")))
        .unwrap_or_default();
    Node {
        number: NodeId(number),
        cpus: cpus.intersection(online),
        local_cpus: CpuSet::new(),
        memory: read_memory(reader, &format!("{directory}/meminfo"), "MemTotal:"),
        kind: dax.get(&number).copied().unwrap_or_default(),
        side_caches: read_side_caches(reader, &directory),
        access: read_access(reader, &directory),
    }
}

/// Bytes of one line in kB of a `meminfo` file: `Node 0 MemTotal:  58458112 kB`.
pub fn read_memory(reader: &mut Reader<'_>, path: &str, key: &str) -> Option<u64> {
    let text = reader.text(path)?;
    let line = text
        .lines()
        .find(|line| line.split_whitespace().any(|word| word == key))?;
    let bytes = line
        .split_whitespace()
        .skip_while(|word| *word != key)
        .nth(1)
        .and_then(|word| word.parse::<u64>().ok())
        .and_then(|kib| kib.checked_mul(1024));
    if bytes.is_none() {
        reader.damaged(path, &format!("a number of kB after {key}"), line);
    }
    bytes
}

/// Square matrix of distances; empty when a row is missing or has another length.
fn read_distances(reader: &mut Reader<'_>, numbers: &[u32]) -> Vec<Vec<u32>> {
    let mut rows = Vec::new();
    for number in numbers {
        let path = format!("{ROOT}/node{number}/distance");
        let Some(text) = reader.text(&path) else {
            return Vec::new();
        };
        let row: Option<Vec<u32>> = text.split_whitespace().map(|word| word.parse().ok()).collect();
        let Some(row) = row.filter(|row| row.len() == numbers.len()) else {
            reader.damaged(&path, &format!("{} distances, one for each node", numbers.len()), &text);
            return Vec::new();
        };
        rows.push(row);
    }
    rows
}

/// `memory_side_cache/indexN`, counted from the memory.
fn read_side_caches(reader: &mut Reader<'_>, node: &str) -> Vec<MemorySideCache> {
    let mut caches = Vec::new();
    for level in 1..=MOST_SIDE_CACHES {
        let directory = format!("{node}/memory_side_cache/index{level}");
        let Some(size) = reader.number::<u64>(&format!("{directory}/size")) else {
            break;
        };
        caches.push(MemorySideCache {
            level,
            size: Some(size).filter(|size| *size > 0),
            line: reader
                .number(&format!("{directory}/line_size"))
                .filter(|line| *line > 0),
        });
    }
    caches
}

/// Performance from the nearest CPUs. `access1` leaves out initiators that are no CPU;
/// kernels before 5.9 have `access0` only.
fn read_access(reader: &mut Reader<'_>, node: &str) -> Option<MemoryAccess> {
    ["access1", "access0"].iter().find_map(|class| {
        let directory = format!("{node}/{class}/initiators");
        let initiators: Vec<NodeId> = reader.numbered(&directory, "node").into_iter().map(NodeId).collect();
        let access = MemoryAccess {
            read_bandwidth: positive(reader, &format!("{directory}/read_bandwidth")),
            write_bandwidth: positive(reader, &format!("{directory}/write_bandwidth")),
            read_latency: positive(reader, &format!("{directory}/read_latency")),
            write_latency: positive(reader, &format!("{directory}/write_latency")),
            initiators,
        };
        (access != MemoryAccess::default()).then_some(access)
    })
}

/// A number; 0 is "not told" in these files.
fn positive(reader: &mut Reader<'_>, path: &str) -> Option<u64> {
    reader.number(path).filter(|number| *number > 0)
}

/// CPUs that a node without CPUs is local to: those of its initiators, else those of the nearest
/// nodes when not all are equally near.
fn local_cpus(topology: &CpuTopology, index: usize) -> Option<CpuSet> {
    let node = topology.nodes.get(index).filter(|node| node.cpus.is_empty())?;
    let initiators = node.access.iter().flat_map(|access| &access.initiators);
    let mut local = CpuSet::new();
    for initiator in initiators {
        if let Some(node) = topology.nodes.iter().find(|node| node.number == *initiator) {
            local.union_with(&node.cpus);
        }
    }
    if !local.is_empty() {
        return Some(local);
    }
    let row = topology.distances.get(index)?;
    let with_cpus = || {
        row.iter()
            .zip(&topology.nodes)
            .filter(|(_, node)| !node.cpus.is_empty())
    };
    let nearest = with_cpus().map(|(distance, _)| distance).min()?;
    let farthest = with_cpus().map(|(distance, _)| distance).max()?;
    if nearest == farthest {
        return None;
    }
    for (_, node) in with_cpus().filter(|(distance, _)| *distance == nearest) {
        local.union_with(&node.cpus);
    }
    Some(local)
}

/// Memory that a device-DAX driver gave to the kernel, and GPU memory, by node.
fn dax_kinds(reader: &mut Reader<'_>) -> BTreeMap<u32, MemoryKind> {
    let mut kinds = BTreeMap::new();
    for name in reader.source.list("/sys/bus/dax/devices") {
        let device = format!("/sys/bus/dax/devices/{name}");
        let driver = reader.source.link(&format!("{device}/driver")).unwrap_or_default();
        if driver.rsplit('/').next() != Some("kmem") {
            continue;
        }
        let Some(node) = reader.number::<u32>(&format!("{device}/target_node")) else {
            continue;
        };
        let path = reader.source.resolve(&device);
        if path.contains("/ndbus") {
            kinds.insert(node, MemoryKind::Persistent);
        } else if path
            .split('/')
            .any(|name| name == "ACPI0017:00" || name.starts_with("dax_region"))
        {
            kinds.insert(node, MemoryKind::Cxl);
        }
    }
    for name in reader.source.list("/proc/driver/nvidia/gpus") {
        let path = format!("/proc/driver/nvidia/gpus/{name}/numa_status");
        let text = reader.text(&path).unwrap_or_default();
        let node = text
            .lines()
            .find_map(|line| line.strip_prefix("Node:")?.trim().parse().ok());
        kinds.extend(node.map(|node: u32| (node, MemoryKind::Gpu)));
    }
    kinds
}

/// A node without CPUs whose bandwidth is more than 1.5 times that of the memory of its own
/// initiators: the HMAT of machines with on-package HBM says so, of no other kind of memory.
fn mark_high_bandwidth(nodes: &mut [Node]) {
    let bandwidth = |node: &Node| node.access.as_ref().and_then(|access| access.read_bandwidth);
    let of_cpus: BTreeMap<NodeId, u64> = nodes
        .iter()
        .filter(|node| !node.cpus.is_empty() && node.memory.is_some_and(|memory| memory > 0))
        .filter_map(|node| Some((node.number, bandwidth(node)?)))
        .collect();
    for node in nodes {
        let Some(own) = bandwidth(node).filter(|_| node.cpus.is_empty() && node.kind == MemoryKind::Dram) else {
            continue;
        };
        let initiators = node.access.iter().flat_map(|access| &access.initiators);
        let theirs = initiators.filter_map(|initiator| of_cpus.get(initiator)).max();
        if theirs.is_some_and(|theirs| own > theirs.saturating_add(theirs / 2)) {
            node.kind = MemoryKind::Hbm;
        }
    }
}
