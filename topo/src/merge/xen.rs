//! The machine by Xen in place of what dom0's files show.
//!
//! dom0's CPUs are virtual: their numbers, APIC ids, cores, packages and nodes are not those of the
//! hardware, nor is what they share of caches. Kept from dom0 are the processor's names, which Xen
//! passes through, and where Xen does not say it the microcode revision, when all its CPUs have the same.

use std::collections::{BTreeMap, BTreeSet};

use captures::{Gap, Origin};

use super::Origins;
use super::processors::Told;
use crate::acpi::Acpi;
use crate::model::Machine;
use crate::pci::function::{Bdf, Function};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Cpu, CpuTopology, Group, Node, NodeId};
use crate::xen::info::{CpuPlace, NodeMemory};
use crate::xen::{Domain, Physical, Role, Seen, Xen, XenUcode, XlInfo};

/// As many CPUs as a Xen can be built for.
const MOST_CPUS: u32 = 16_384;

/// Where listings of PCI functions come from, and what they say.
type Listings = Vec<(Origin, Vec<Function>)>;

/// What the sources say of Xen.
#[derive(Default)]
pub(super) struct Views {
    /// The domain that the files are of.
    pub domain: Option<Domain>,
    /// The machine.
    pub info: Option<(Origin, XlInfo)>,
    /// Its microcode.
    pub ucode: Option<XenUcode>,
}

/// Puts what Xen says in the place of dom0's view; a guest's view stays.
pub(super) fn apply(
    cpu: &mut CpuTopology,
    functions: &mut Listings,
    views: Views,
    origins: &mut Origins,
) -> (Option<Xen>, Vec<Gap>) {
    let Views { domain, info, ucode } = views;
    if domain.is_none() && info.is_none() {
        return (None, Vec::new());
    }
    let domain = domain.unwrap_or_default();
    let role = domain.control.map(|control| match control {
        true => Role::Dom0,
        false => Role::Guest,
    });
    let seen = Seen {
        vcpus: cpu.cpus.iter().filter(|cpu| cpu.online).map(|cpu| cpu.number).collect(),
        memory: memory(cpu),
    };
    let mut xen = Xen {
        version: domain.version,
        role,
        guest_type: domain.guest_type,
        domain: (seen != Seen::default()).then_some(seen),
        machine: None,
    };
    if role == Some(Role::Guest) {
        return (Some(xen), Vec::new());
    }
    let Some((origin, info)) = info.filter(|(_, info)| info.tells_cpus()) else {
        let gaps = if role == Some(Role::Dom0) {
            vec![not_asked()]
        } else {
            Vec::new()
        };
        return (Some(xen), gaps);
    };
    let mut machine = physical(&info);
    let ucode = ucode.unwrap_or_default();
    machine.microcode = ucode.revision.or_else(|| microcode(cpu));
    machine.origin = Some(origins.index(&origin));
    xen.version = info.version.clone().or(xen.version);
    xen.machine = Some(machine);
    let gaps = gaps(&info);
    place_functions(functions, origin, &info);
    replace(cpu, &info);
    cpu.platform_flags = cpu.platform_flags.or(ucode.platform);
    (Some(xen), gaps)
}

fn gap(what: &str, why: impl Into<String>, how: Option<&str>) -> Gap {
    Gap {
        what: what.to_owned(),
        why: why.into(),
        how: how.map(str::to_owned),
    }
}

fn not_asked() -> Gap {
    gap(
        "Xen's view of the machine",
        "the files are those of a Xen dom0, whose CPUs are virtual; Xen was not asked",
        Some("run as root in dom0, or add the text of: xl info -n"),
    )
}

fn gaps(info: &XlInfo) -> Vec<Gap> {
    let mut gaps = Vec::new();
    let listed = info.cpus.len();
    if listed == 0 {
        gaps.push(gap(
            "which core, socket and node each CPU is in",
            "xl info was taken without -n",
            Some("xl info -n"),
        ));
    }
    let online = info.online_cpus.and_then(|count| usize::try_from(count).ok());
    if let Some(online) = online.filter(|online| *online < listed) {
        gaps.push(gap(
            "which CPUs are offline",
            format!("Xen lists {listed} CPUs, of which {online} are online, and does not say which"),
            None,
        ));
    }
    gaps.push(gap(
        "caches",
        "Xen does not tell them, and those in dom0's files are of virtual CPUs",
        None,
    ));
    gaps
}

/// Memory that the kernel has to use.
fn memory(cpu: &CpuTopology) -> Option<u64> {
    let told: Vec<u64> = cpu.nodes.iter().filter_map(|node| node.memory).collect();
    let sum = told.iter().copied().fold(0, u64::saturating_add);
    Some(sum).filter(|sum| *sum > 0).or(cpu.memory)
}

/// The revision that all CPUs say.
fn microcode(cpu: &CpuTopology) -> Option<u32> {
    let revisions: BTreeSet<u32> = cpu.cpus.iter().filter_map(|cpu| cpu.microcode).collect();
    revisions.first().copied().filter(|_| revisions.len() == 1)
}

fn physical(info: &XlInfo) -> Physical {
    Physical {
        online_cpus: info.online_cpus,
        listed_cpus: info.cpus.len(),
        max_cpu_id: info.max_cpu_id,
        free_cpus: info.free_cpus,
        nodes: info.nodes,
        cores_per_socket: info.cores_per_socket,
        threads_per_core: info.threads_per_core,
        cpu_khz: info.cpu_khz,
        total_memory: info.total_memory,
        free_memory: info.free_memory,
        capabilities: info.capabilities.clone(),
        command_line: info.command_line.clone(),
        microcode: None,
        origin: None,
    }
}

/// CPUs, groups, nodes and distances by Xen; names of the processors as they are.
fn replace(cpu: &mut CpuTopology, info: &XlInfo) {
    let before = std::mem::take(cpu);
    let mut persistent = before.persistent;
    for piece in &mut persistent {
        // a node of dom0, not of Xen
        piece.node = None;
    }
    *cpu = CpuTopology {
        architecture: before.architecture.or_else(|| info.architecture.clone()),
        model: before.model,
        codename: before.codename,
        vendor: before.vendor,
        family_model_stepping: before.family_model_stepping,
        platform_flags: before.platform_flags,
        hypervisor: before.hypervisor,
        persistent,
        cpus: cpus(info),
        packages: groups(info, |row| Some((row.socket?, 0)), |(socket, _)| socket),
        cores: groups(info, |row| row.socket.zip(row.core), |(_, core)| core),
        nodes: nodes(info),
        ..CpuTopology::default()
    };
    cpu.distances = distances(&cpu.nodes, &info.numa);
    if cpu.nodes.iter().all(|node| node.memory.is_none()) {
        cpu.memory = info.total_memory;
    }
}

fn cpus(info: &XlInfo) -> Vec<Cpu> {
    let one = |number: u32, core: Option<u32>, socket: Option<u32>| Cpu {
        number,
        online: true,
        allowed: true,
        core_id: core.map(Into::into),
        package_id: socket.map(Into::into),
        ..Cpu::default()
    };
    if info.cpus.is_empty() {
        let count = info.online_cpus.unwrap_or(0).min(MOST_CPUS);
        return (0..count).map(|number| one(number, None, None)).collect();
    }
    let rows = info.cpus.iter();
    rows.map(|row| one(row.cpu, row.core, row.socket)).collect()
}

fn groups<K: Ord + Copy>(info: &XlInfo, key: impl Fn(&CpuPlace) -> Option<K>, id: impl Fn(K) -> u32) -> Vec<Group> {
    let mut sets: BTreeMap<K, CpuSet> = BTreeMap::new();
    for row in &info.cpus {
        if let Some(key) = key(row) {
            sets.entry(key).or_default().insert(row.cpu);
        }
    }
    let mut groups: Vec<Group> = sets
        .into_iter()
        .map(|(key, cpus)| Group {
            os_id: Some(id(key).into()),
            cpus,
        })
        .collect();
    groups.sort_by(|a, b| a.cpus.cmp(&b.cpus));
    groups
}

/// Nodes of both tables. The memory of a single node is that of the machine; of several it is the size
/// from first to last page, see [`tighten`].
fn nodes(info: &XlInfo) -> Vec<Node> {
    let mut nodes: BTreeMap<u32, Node> = BTreeMap::new();
    for row in &info.numa {
        nodes.entry(row.node).or_default().memory = row.size;
    }
    for row in &info.cpus {
        if let Some(node) = row.node {
            nodes.entry(node).or_default().cpus.insert(row.cpu);
        }
    }
    let only = nodes.len() == 1;
    nodes
        .into_iter()
        .map(|(number, node)| Node {
            number: NodeId(number),
            memory: info.total_memory.filter(|_| only).or(node.memory),
            ..node
        })
        .collect()
}

/// Distances between the nodes there are; none when one is missing.
fn distances(nodes: &[Node], rows: &[NodeMemory]) -> Vec<Vec<u32>> {
    let row = |from: &Node| -> Option<Vec<u32>> {
        let told = rows.iter().find(|row| row.node == from.number.0)?;
        let cell = |to: &Node| *told.distances.get(usize::try_from(to.number.0).ok()?)?;
        nodes.iter().map(cell).collect()
    };
    let all: Option<Vec<Vec<u32>>> = nodes.iter().map(row).collect();
    all.unwrap_or_default()
}

/// Nodes of functions as Xen knows them: dom0's are those of a kernel without NUMA, its local CPUs
/// are virtual ones.
fn place_functions(functions: &mut Listings, origin: Origin, info: &XlInfo) {
    let known: BTreeSet<Bdf> = functions.iter().flat_map(|(_, list)| list).map(|f| f.bdf).collect();
    for function in functions.iter_mut().flat_map(|(_, list)| list) {
        function.numa_node = None;
        function.local_cpus = None;
    }
    let placed: Vec<Function> = info
        .devices
        .iter()
        .filter(|(bdf, _)| known.contains(bdf))
        .map(|(bdf, node)| Function {
            bdf: *bdf,
            numa_node: i32::try_from(*node).ok(),
            ..Function::default()
        })
        .collect();
    if !placed.is_empty() {
        functions.push((origin, placed));
    }
}

/// After the ACPI tables: how large the nodes are, and that the machine is no guest.
pub(super) fn close(machine: &mut Machine, told: &mut Told) {
    if let Some(total) = machine.by_xen().map(|xen| xen.total_memory) {
        if !tighten(&mut machine.cpu, &machine.acpi) {
            told.gaps.extend(holes(&machine.cpu, total));
        }
        machine.cpu.hypervisor = None;
        told.note = Some("by Xen".to_owned());
    }
}

/// The size of a node from its first page to its last and the sum of the SRAT's ranges both count some
/// that is no memory: the smaller one is the nearer one.
fn tighten(cpu: &mut CpuTopology, acpi: &Acpi) -> bool {
    let sum = |node: &Node| {
        let domain = acpi.domain_of(node.number)?;
        Some(domain.memory).filter(|bytes| *bytes > 0 && domain.hot_pluggable == 0)
    };
    let sums: Option<Vec<u64>> = cpu.nodes.iter().map(sum).collect();
    let Some(sums) = sums.filter(|sums| sums.len() > 1) else {
        return false;
    };
    for (node, sum) in cpu.nodes.iter_mut().zip(sums) {
        node.memory = node.memory.map(|size| size.min(sum));
    }
    true
}

/// What the nodes have together beyond the memory there is; a little is reserved memory.
fn holes(cpu: &CpuTopology, total: Option<u64>) -> Option<Gap> {
    const LITTLE: u64 = 64 << 20;
    let nodes = cpu.nodes.iter().filter_map(|node| node.memory);
    let more = nodes.fold(0, u64::saturating_add).checked_sub(total?)?;
    (more > LITTLE).then(|| {
        let words = crate::findings::memory_size_words(more);
        gap(
            "holes in the nodes' memory",
            format!("Xen tells the sizes of nodes from first to last page: together {words} more than the machine has"),
            Some("add the ACPI tables (SRAT)"),
        )
    })
}

/// The one microcode revision that is known, at all sockets: Xen brings all CPUs to the same.
pub(super) fn microcode_of(machine: &mut Machine) {
    let revision = machine.by_xen().and_then(|xen| xen.microcode);
    for socket in machine.sockets.iter_mut().filter(|socket| socket.populated) {
        socket.microcode = socket.microcode.or(revision);
    }
}

#[cfg(test)]
mod tests;
