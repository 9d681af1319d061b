//! From evidence to one machine: the first source that has a fact gives it, later ones fill gaps,
//! and where two differ that is kept as a conflict.

use std::collections::BTreeMap;

use captures::{Gap, Origin, Source};

use crate::gather::{Evidence, gather};
use crate::model::{Conflict, Identity, Machine, Memory, OriginIndex, Socket, SourceDamage, SourceState};
use crate::pci::function::Bdf;
use crate::smbios::Smbios;
use crate::sysfs::topology::Node;
use crate::sysfs::{CpuSet, CpuTopology};

mod bridges;
mod firmware;
mod memory;
mod pci;
mod processors;
mod slots;
mod virtual_functions;
mod xen;

/// The machine that a source tells of.
///
/// ```
/// use captures::Source;
///
/// let machine = topo::open(&Source::live());
/// println!("{} PCI functions", machine.pci.functions.len());
/// ```
#[must_use]
pub fn open(source: &Source) -> Machine {
    let mut machine = merge(gather(source));
    let own = std::mem::take(&mut machine.gaps);
    machine.gaps = gaps(source, &machine);
    // the capture layer knows better why
    let known: Vec<String> = machine.gaps.iter().map(|gap| gap.what.clone()).collect();
    let more = own.into_iter().filter(|gap| !known.contains(&gap.what));
    machine.gaps.extend(more);
    machine
}

/// What [`merge`] collects on its way.
#[derive(Default)]
struct Origins {
    all: Vec<Origin>,
}

impl Origins {
    fn index(&mut self, origin: &Origin) -> OriginIndex {
        if let Some(at) = self.all.iter().position(|known| known == origin) {
            return at;
        }
        self.all.push(origin.clone());
        self.all.len().saturating_sub(1)
    }
}

/// Puts evidence together.
#[must_use]
pub fn merge(evidence: Evidence) -> Machine {
    let mut origins = Origins::default();
    let mut machine = Machine {
        damage: once(evidence.damage),
        ..Machine::default()
    };
    let mut cpu = evidence.cpu.into_iter();
    if let Some((origin, topology)) = cpu.next() {
        origins.index(&origin);
        machine.cpu = topology;
    }
    let mut functions = evidence.functions;
    let host = evidence.xl_info.as_ref().and_then(|(_, info)| info.host.clone());
    let host = evidence.host.or(host);
    let views = xen::Views {
        domain: evidence.domain,
        info: evidence.xl_info,
        ucode: evidence.xen_ucode,
    };
    let (xen, xen_gaps) = xen::apply(&mut machine.cpu, &mut functions, views, &mut origins);
    machine.xen = xen;
    let mut told = processors::fill(&mut machine.cpu, &evidence.cpuid, &evidence.acpi);
    machine.acpi = firmware::join(&mut machine.cpu, &evidence.acpi, &mut told, &mut origins);
    xen::close(&mut machine, &mut told);
    bridges::join(&mut machine.acpi, &evidence.acpi);
    for origin in &told.origins {
        origins.index(origin);
    }
    machine.gaps = told.gaps;
    machine.gaps.extend(xen_gaps);
    let mut smbios = evidence
        .smbios
        .into_iter()
        .map(|(origin, value)| (origins.index(&origin), value))
        .collect::<Vec<_>>()
        .into_iter();
    let first = smbios.next();
    for (at, other) in smbios {
        if let Some((taken, value)) = &first {
            machine
                .conflicts
                .extend(compare_firmware((*taken, value), (at, &other)));
        }
    }
    let dmi_id = evidence.dmi_id.map(|(origin, value)| (origins.index(&origin), value));
    machine.identity = identity(first.as_ref(), dmi_id.as_ref(), host, &machine.cpu);
    let (at, smbios) = first.map_or((None, Smbios::default()), |(at, value)| (Some(at), value));
    machine.sockets = sockets(&machine.cpu, &smbios);
    xen::microcode_of(&mut machine);
    machine.memory = memory::place(&smbios, at, (&machine.cpu, &machine.identity), &mut machine.sockets);
    let listings: Vec<_> = functions
        .into_iter()
        .map(|(origin, list)| (origins.index(&origin), list))
        .collect();
    machine.pci = pci::merge(
        listings,
        &evidence.names,
        &mut machine.conflicts,
        &mut machine.damage,
        &origins.all,
    );
    machine.pci.slots = smbios.slots;
    machine.pci.onboard = smbios.onboard;
    bridges::place(&mut machine);
    pci::locate(&mut machine);
    slots::label(&mut machine.pci);
    bridges::label(&mut machine);
    machine.origins = origins.all;
    machine.sources = sources(&machine, told.note, evidence.acpi.any);
    machine
}

/// The same defect met in two copies of one table (`/sys` and a dump beside it) is told once.
fn once(damage: Vec<SourceDamage>) -> Vec<SourceDamage> {
    let mut kept: Vec<SourceDamage> = Vec::new();
    let mut seen = std::collections::HashSet::new();
    for one in damage {
        let inner = &one.damage;
        let key = (
            one.area,
            inner.what.clone(),
            inner.expected.clone(),
            inner.seen.clone(),
            one.origin.layer,
        );
        let copy = !seen.insert(key)
            && kept
                .iter()
                .any(|known| known.origin != one.origin && known.damage.what == inner.what);
        if !copy {
            kept.push(one);
        }
    }
    kept
}

/// Firmware, system, board, chassis: from SMBIOS, else from the kernel's copy.
fn identity(
    smbios: Option<&(OriginIndex, Smbios)>,
    dmi_id: Option<&(OriginIndex, Smbios)>,
    host: Option<String>,
    cpu: &CpuTopology,
) -> Identity {
    let mut identity = Identity {
        host,
        hypervisor: cpu.hypervisor.clone(),
        ..Identity::default()
    };
    for (at, value) in smbios.into_iter().chain(dmi_id) {
        identity.bios = identity.bios.or_else(|| value.bios.clone());
        identity.system = identity.system.or_else(|| value.system.clone());
        identity.board = identity.board.or_else(|| value.baseboards.first().cloned());
        identity.chassis = identity.chassis.or_else(|| value.chassis.first().cloned());
        identity.smbios_version = identity.smbios_version.or(value.version);
        identity.origin = identity.origin.or(Some(*at));
    }
    identity
}

fn compare_firmware(taken: (OriginIndex, &Smbios), other: (OriginIndex, &Smbios)) -> Vec<Conflict> {
    let facts = |value: &Smbios| {
        [
            (
                "SMBIOS system product",
                value.system.as_ref().and_then(|s| s.product.clone()),
            ),
            ("SMBIOS system UUID", value.system.as_ref().and_then(|s| s.uuid.clone())),
            ("BIOS version", value.bios.as_ref().and_then(|b| b.version.clone())),
            (
                "number of memory slots",
                (!value.modules.is_empty()).then(|| value.modules.len().to_string()),
            ),
        ]
    };
    let pairs = facts(taken.1).into_iter().zip(facts(other.1));
    pairs
        .filter_map(|((fact, a), (_, b))| {
            let (a, b) = (a?, b?);
            (!a.eq_ignore_ascii_case(&b)).then(|| Conflict {
                fact: fact.to_owned(),
                taken: (a, taken.0),
                other: (b, other.0),
            })
        })
        .collect()
}

/// Sockets: the kernel's packages paired with SMBIOS type 4 by their order. Where nobody tells of
/// packages, NUMA nodes with CPUs take their place when there are as many.
fn sockets(cpu: &CpuTopology, smbios: &Smbios) -> Vec<Socket> {
    let processors: Vec<_> = smbios.processors.iter().collect();
    let populated = processors.iter().filter(|p| p.populated != Some(false)).count();
    let mut packages: Vec<usize> = (0..cpu.packages.len()).collect();
    packages.sort_by_key(|at| cpu.packages.get(*at).map(|p| (p.os_id, p.cpus.first())));
    let whole = packages.is_empty() && !cpu.cpus.is_empty() && populated <= 1;
    let paired = populated == packages.len() || (whole && populated == 1);
    let mut nodes = cpu
        .nodes
        .iter()
        .filter(|node| !node.cpus.is_empty())
        .map(|node| &node.cpus);
    let by_node = packages.is_empty() && nodes.clone().count() == populated;
    let mut sockets = Vec::new();
    if whole && processors.is_empty() && cpu.nodes_by_firmware && nodes.clone().count() > 1 {
        sockets.extend(cpu.nodes.iter().filter(|node| !node.cpus.is_empty()).map(from_node));
    } else if processors.is_empty() || !(paired || packages.is_empty()) {
        sockets.extend(
            packages
                .iter()
                .enumerate()
                .map(|(index, at)| from_package(cpu, *at, index)),
        );
        if whole {
            sockets.push(whole_machine(cpu));
        }
    } else {
        let mut packages = packages.into_iter();
        for processor in processors {
            let mut socket = Socket {
                label: processor
                    .socket
                    .clone()
                    .filter(|name| !name.trim().is_empty())
                    .unwrap_or_else(|| format!("Socket {}", sockets.len())),
                populated: processor.populated != Some(false),
                model: processor.version.clone().filter(|name| crate::model::is_told(name)),
                processor: Some(processor.clone()),
                ..Socket::default()
            };
            if socket.populated {
                if let Some(at) = packages.next() {
                    socket.package = Some(at);
                    socket.cpus = cpu.packages.get(at).map(|p| p.cpus.clone()).unwrap_or_default();
                } else if whole {
                    socket.cpus = online(cpu);
                } else if by_node {
                    socket.cpus = nodes.next().cloned().unwrap_or_default();
                }
                socket.pairing_assumed = populated > 1 && !socket.cpus.is_empty();
            }
            sockets.push(socket);
        }
        unique_labels(&mut sockets);
    }
    for socket in &mut sockets {
        finish(cpu, socket);
    }
    sockets
}

/// Two sockets with one name get their number behind it.
fn unique_labels(sockets: &mut [Socket]) {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for socket in sockets.iter() {
        let count = counts.entry(socket.label.clone()).or_default();
        *count = count.saturating_add(1);
    }
    for (index, socket) in sockets.iter_mut().enumerate() {
        if counts.get(&socket.label).is_some_and(|count| *count > 1) {
            socket.label = format!("{} #{index}", socket.label);
        }
    }
}

fn online(cpu: &CpuTopology) -> CpuSet {
    cpu.cpus.iter().filter(|cpu| cpu.online).map(|cpu| cpu.number).collect()
}

fn from_package(cpu: &CpuTopology, at: usize, index: usize) -> Socket {
    let package = cpu.packages.get(at);
    let number = package.and_then(|p| p.os_id).filter(|id| *id >= 0);
    Socket {
        label: number.map_or_else(|| format!("Socket {index}"), |id| format!("Socket {id}")),
        package: Some(at),
        populated: true,
        cpus: package.map(|p| p.cpus.clone()).unwrap_or_default(),
        ..Socket::default()
    }
}

/// A node in place of a socket: the firmware's tables name nodes, but not the packages they are in.
fn from_node(node: &Node) -> Socket {
    Socket {
        label: format!("NUMA {}", node.number.0),
        by_node: true,
        populated: true,
        cpus: node.cpus.clone(),
        ..Socket::default()
    }
}

/// A machine whose kernel tells of no package: all its CPUs are drawn as one.
fn whole_machine(cpu: &CpuTopology) -> Socket {
    Socket {
        label: "CPUs".to_owned(),
        populated: true,
        cpus: online(cpu),
        ..Socket::default()
    }
}

/// Nodes, model and microcode of a socket.
fn finish(cpu: &CpuTopology, socket: &mut Socket) {
    for node in &cpu.nodes {
        let near = if node.cpus.is_empty() {
            &node.local_cpus
        } else {
            &node.cpus
        };
        if near.intersects(&socket.cpus) {
            socket.nodes.push(node.number);
        }
    }
    if socket.populated && cpu.model.is_some() {
        socket.model.clone_from(&cpu.model);
    }
    let mut revisions: Vec<u32> = cpu
        .cpus
        .iter()
        .filter(|c| socket.cpus.contains(c.number))
        .filter_map(|c| c.microcode)
        .collect();
    revisions.dedup();
    socket.microcode = revisions.first().copied().filter(|_| revisions.len() == 1);
}

/// Which kinds of source were there.
fn sources(machine: &Machine, cpu_note: Option<String>, acpi: bool) -> Vec<SourceState> {
    let state = |name: String, present: bool, note: Option<String>| SourceState { name, present, note };
    let mut list = Vec::new();
    let from_smbios = machine.memory.origin.is_some();
    let version = machine
        .identity
        .smbios_version
        .map(|(major, minor)| format!(" {major}.{minor}"))
        .unwrap_or_default();
    let note = (!from_smbios && machine.identity.system.is_some()).then(|| "names only, from sysfs".to_owned());
    list.push(state(format!("SMBIOS{version}"), from_smbios, note));
    list.push(state("CPU topology".to_owned(), !machine.cpu.cpus.is_empty(), cpu_note));
    let lengths = machine
        .pci
        .functions
        .iter()
        .filter_map(|f| f.function.config.as_ref())
        .map(Vec::len);
    let note = match lengths.max() {
        Some(64) => Some("64 bytes of config".to_owned()),
        Some(n) => Some(format!("{n} bytes of config")),
        None if machine.pci.functions.is_empty() => None,
        None => Some("no config bytes".to_owned()),
    };
    list.push(state("PCI".to_owned(), !machine.pci.functions.is_empty(), note));
    let names: Vec<&str> = machine.acpi.tables.iter().map(|(name, _)| *name).collect();
    let note = (!names.is_empty()).then(|| names.join(" "));
    list.push(state("ACPI tables".to_owned(), acpi, note));
    list
}

/// What could not be read: what the capture layer knows, and what the model misses.
fn gaps(source: &Source, machine: &Machine) -> Vec<Gap> {
    let config_lengths: BTreeMap<Bdf, usize> = machine
        .pci
        .functions
        .iter()
        .filter_map(|f| Some((f.function.bdf, f.function.config.as_ref()?.len())))
        .collect();
    let mut gaps = source.gaps_knowing(&|name| config_lengths.get(&name.parse().ok()?).copied());
    let missing = |what: &str, why: &str| Gap {
        what: what.to_owned(),
        why: why.to_owned(),
        how: None,
    };
    if machine.sockets.iter().any(|socket| socket.by_node) {
        gaps.push(missing(
            "packages (sockets)",
            "the ACPI tables name NUMA nodes, not packages: each node is drawn by itself",
        ));
    }
    if machine.cpu.nodes.len() > 1 && machine.cpu.distances.is_empty() {
        gaps.push(missing("NUMA distances", "no SLIT in the sources"));
    }
    let unplaced = machine
        .memory
        .slots
        .iter()
        .filter(|slot| slot.channel.is_none())
        .count();
    if unplaced > 0 {
        gaps.push(missing(
            &format!(
                "channel of {unplaced} memory slot{}",
                if unplaced == 1 { "" } else { "s" }
            ),
            "the locators do not tell it, and no published numbering is known for them",
        ));
    }
    gaps
}

impl Memory {
    /// Whether there is anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.arrays.is_empty()
    }
}

#[cfg(test)]
mod tests;
