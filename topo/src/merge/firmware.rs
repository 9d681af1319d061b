//! ACPI tables into the machine: CPUs, packages, nodes and distances where the kernel is silent, and
//! beside the kernel's facts the firmware's own, joined by node.
//!
//! ACPI 6.5: 5.2.12 (MADT), 5.2.16 (SRAT), 5.2.17 (SLIT), 5.2.28 (HMAT), 5.2.30 (PPTT). Proximity
//! domains become Linux nodes in the order in which the SRAT first names them: CPUs and generic
//! initiators first, then memory (`drivers/acpi/numa/srat.c`).

use std::collections::{BTreeMap, BTreeSet};

use acpi_dump::tables::srat::{CpuName, DeviceName};
use acpi_dump::{ApicId, Madt, ProcessorUid, ProximityDomain, Srat};
use captures::Gap;

mod performance;

use performance::{attributes, performance};

use super::Origins;
use super::processors::Told;
use crate::acpi::{Acpi, CpuCount, CxlWindow, Domain, EcamWindow, Range, Tables, pptt};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Cpu, CpuTopology, Group, MemoryKind, Node, NodeId};

/// Domains that are looked at: as many as Linux can have nodes.
const MOST_DOMAINS: usize = 1024;

/// CPUs that the MADT lists as enabled, numbered in its order; their groups and caches by the PPTT.
pub(super) fn cpus(cpu: &mut CpuTopology, tables: &Tables, told: &mut Told) {
    let Some((origin, madt)) = &tables.madt else { return };
    cpu.cpus = (0u32..)
        .zip(madt.enabled())
        .map(|(number, listed)| Cpu {
            number,
            online: true,
            allowed: true,
            apic_id: listed.apic_id.map(|id| id.0),
            ..Cpu::default()
        })
        .collect();
    if cpu.cpus.is_empty() {
        return;
    }
    if cpu.architecture.is_none() && madt.enabled().all(|listed| listed.mpidr.is_some()) {
        cpu.architecture = Some("aarch64".to_owned());
    }
    told.origins.push(origin.clone());
    let mut note = "CPU numbers by MADT order (assumed)".to_owned();
    let uids = pptt::numbered(&cpu.cpus, madt.enabled().map(|listed| listed.uid));
    let hierarchy = tables
        .pptt
        .as_ref()
        .and_then(|(origin, table)| Some((origin, pptt::hierarchy(table, &uids)?)));
    if hierarchy.is_none() && sockets(cpu, tables, &uids) {
        told.origins
            .extend(tables.namespace.as_ref().map(|(origin, _)| origin.clone()));
        note.push_str(", sockets by module devices SCKn (assumed)");
    }
    if let Some((origin, hierarchy)) = hierarchy {
        number_groups(cpu, &hierarchy);
        cpu.packages = hierarchy.packages;
        cpu.clusters = hierarchy.clusters;
        cpu.cores = hierarchy.cores;
        cpu.caches = hierarchy.caches;
        told.origins.push(origin.clone());
        note.push_str(", packages and cores by PPTT");
    } else {
        told.gaps.push(Gap {
            what: "cores, threads and caches".to_owned(),
            why: "the MADT lists logical CPUs only, and APIC ids alone do not tell which share a core".to_owned(),
            how: Some("add a CPUID dump, or /sys".to_owned()),
        });
    }
    told.note = Some(note);
}

/// Packages by the module devices of the namespace that are called sockets, when every CPU is in one.
fn sockets(cpu: &mut CpuTopology, tables: &Tables, uids: &[(u32, ProcessorUid)]) -> bool {
    let modules = tables.namespace.iter().flat_map(|(_, facts)| &facts.sockets);
    let groups: Vec<Group> = modules
        .map(|module| {
            let here = uids.iter().filter(|(_, uid)| module.processors.contains(&uid.0));
            here.map(|(number, _)| *number).collect::<CpuSet>()
        })
        .filter(|cpus| !cpus.is_empty())
        .zip(0_i64..)
        .map(|(cpus, number)| Group {
            os_id: Some(number),
            cpus,
        })
        .collect();
    let placed: usize = groups.iter().map(|group| group.cpus.len()).sum();
    let all: CpuSet = groups.iter().flat_map(|group| group.cpus.iter()).collect();
    if groups.is_empty() || placed != uids.len() || all.len() != uids.len() {
        return false;
    }
    for here in &mut cpu.cpus {
        let group = groups.iter().find(|group| group.cpus.contains(here.number));
        here.package_id = group.and_then(|group| group.os_id);
    }
    cpu.packages = groups;
    true
}

fn number_groups(cpu: &mut CpuTopology, hierarchy: &pptt::Hierarchy) {
    for here in &mut cpu.cpus {
        let of = |groups: &[Group]| groups.iter().find(|group| group.cpus.contains(here.number))?.os_id;
        here.core_id = of(&hierarchy.cores);
        here.package_id = of(&hierarchy.packages);
    }
}

/// Everything else: the firmware's facts, and what of them the kernel's files did not tell.
pub(super) fn join(cpu: &mut CpuTopology, tables: &Tables, told: &mut Told, origins: &mut Origins) -> Acpi {
    let mut acpi = Acpi {
        cpus: tables.madt.as_ref().map(|(_, madt)| count(madt)),
        ..Acpi::default()
    };
    if let Some((_, srat)) = &tables.srat {
        acpi.domains = domains(srat, &places(cpu, tables, srat));
    }
    if cpu.nodes.is_empty() {
        assume_numbers(&mut acpi, tables);
        nodes(cpu, &acpi, tables, told);
    } else {
        see_numbers(&mut acpi, cpu, tables);
    }
    acpi.distances = tables
        .slit
        .as_ref()
        .map(|(_, slit)| slit.rows.clone())
        .unwrap_or_default();
    if cpu.distances.is_empty() {
        distances(cpu, &acpi, tables, told);
    }
    if let Some((origin, hmat)) = &tables.hmat {
        acpi.performance = performance(hmat);
        if attributes(cpu, &acpi, hmat) {
            told.origins.push(origin.clone());
        }
    }
    windows(&mut acpi, tables);
    acpi.tables = used(tables, &acpi, origins);
    acpi
}

/// A CPU that is listed as local APIC and as local x2APIC counts once.
fn count(madt: &Madt) -> CpuCount {
    let enabled: BTreeSet<u64> = madt
        .enabled()
        .map(|cpu| cpu.apic_id.map_or(u64::from(cpu.uid.0) << 32, |id| id.0.into()))
        .collect();
    let others = madt.cpus.iter().filter(|cpu| !cpu.enabled);
    CpuCount {
        enabled: enabled.len(),
        online_capable: madt.online_capable().count(),
        unusable: others.filter(|cpu| !cpu.online_capable).count(),
    }
}

/// Numbers here of the CPUs that the SRAT names, by domain.
fn places(cpu: &CpuTopology, tables: &Tables, srat: &Srat) -> BTreeMap<u32, ProximityDomain> {
    let by_name: BTreeMap<CpuName, ProximityDomain> = srat
        .cpus
        .iter()
        .filter(|entry| entry.enabled)
        .map(|entry| (entry.cpu, entry.domain))
        .collect();
    let listed: Vec<(Option<ApicId>, ProcessorUid)> = tables
        .madt
        .iter()
        .flat_map(|(_, madt)| madt.enabled())
        .map(|listed| (listed.apic_id, listed.uid))
        .collect();
    let uids: BTreeMap<ApicId, ProcessorUid> = listed.iter().filter_map(|(apic, uid)| Some(((*apic)?, *uid))).collect();
    let uid_of = |id: u32| uids.get(&ApicId(id)).copied();
    let of = |here: &Cpu| {
        let Some(id) = here.apic_id else {
            // Arm: the order of the MADT is that of the kernel's numbers
            let (apic, uid) = listed
                .get(usize::try_from(here.number).ok()?)
                .filter(|_| listed.len() == cpu.cpus.len())?;
            return apic
                .is_none()
                .then(|| by_name.get(&CpuName::Uid(*uid)).copied())
                .flatten();
        };
        let by_id = by_name.get(&CpuName::Apic(ApicId(id))).copied();
        by_id.or_else(|| by_name.get(&CpuName::Uid(uid_of(id)?)).copied())
    };
    cpu.cpus
        .iter()
        .filter_map(|here| Some((here.number, of(here)?)))
        .collect()
}

fn domains(srat: &Srat, places: &BTreeMap<u32, ProximityDomain>) -> Vec<Domain> {
    srat.domains()
        .into_iter()
        .take(MOST_DOMAINS)
        .map(|number| {
            let mut ranges: Vec<Range> = srat
                .memory
                .iter()
                .filter(|range| range.domain == number && range.enabled && range.length > 0)
                .map(|range| Range {
                    base: range.base.0,
                    length: range.length,
                    hot_pluggable: range.hot_pluggable,
                    non_volatile: range.non_volatile,
                })
                .collect();
            ranges.sort_by_key(|range| range.base);
            let sum = |wanted: fn(&Range) -> bool| {
                let lengths = ranges.iter().filter(|range| wanted(range)).map(|range| range.length);
                lengths.fold(0, u64::saturating_add)
            };
            Domain {
                number: number.0,
                listed_cpus: srat
                    .cpus
                    .iter()
                    .filter(|cpu| cpu.enabled && cpu.domain == number)
                    .count(),
                cpus: places
                    .iter()
                    .filter(|(_, at)| **at == number)
                    .map(|(cpu, _)| *cpu)
                    .collect(),
                memory: sum(|range| !range.hot_pluggable && !range.non_volatile),
                hot_pluggable: sum(|range| range.hot_pluggable && !range.non_volatile),
                non_volatile: sum(|range| range.non_volatile),
                devices: devices(srat, number),
                ranges,
                ..Domain::default()
            }
        })
        .collect()
}

fn devices(srat: &Srat, domain: ProximityDomain) -> Vec<String> {
    let here = srat
        .devices
        .iter()
        .filter(|device| device.enabled && device.domain == domain);
    here.map(|device| {
        let kind = if device.port {
            "generic port"
        } else {
            "generic initiator"
        };
        match &device.device {
            DeviceName::Acpi { hid, uid } => format!("{kind} {} {uid}", hid.trim_end_matches('\0')),
            DeviceName::Pci(address) => format!("{kind} {address}"),
            DeviceName::Other(handle) => format!("{kind} with a handle of type {handle}"),
        }
    })
    .collect()
}

/// Domains as Linux numbers them.
fn order(srat: &Srat) -> Vec<u32> {
    let mut first: Vec<(usize, u32)> = srat
        .cpus
        .iter()
        .filter(|cpu| cpu.enabled)
        .map(|cpu| (cpu.offset, cpu.domain.0))
        .collect();
    let initiators = srat.devices.iter().filter(|device| device.enabled && !device.port);
    first.extend(initiators.map(|device| (device.offset, device.domain.0)));
    first.sort_unstable();
    let memory = srat
        .memory
        .iter()
        .filter(|range| range.enabled)
        .map(|range| range.domain.0);
    let mut order = Vec::new();
    for domain in first.into_iter().map(|(_, domain)| domain).chain(memory) {
        if order.len() < MOST_DOMAINS && !order.contains(&domain) {
            order.push(domain);
        }
    }
    order
}

fn assume_numbers(acpi: &mut Acpi, tables: &Tables) {
    let Some((_, srat)) = &tables.srat else { return };
    let order = order(srat);
    for domain in &mut acpi.domains {
        let at = order.iter().position(|number| *number == domain.number);
        domain.node = at.and_then(|at| u32::try_from(at).ok()).map(NodeId);
        domain.node_assumed = domain.node.is_some();
    }
}

/// The kernel's nodes: a domain whose CPUs are all in one node is that node; one whose CPUs are not
/// known has the number that the order gives, when the kernel has a node of that number with as many
/// CPUs or none, and no other domain is there.
fn see_numbers(acpi: &mut Acpi, cpu: &CpuTopology, tables: &Tables) {
    assume_numbers(acpi, tables);
    let seen: Vec<Option<NodeId>> = acpi
        .domains
        .iter()
        .map(|domain| {
            let mut nodes = cpu.nodes.iter().filter(|node| node.cpus.intersects(&domain.cpus));
            let only = nodes.next().filter(|_| nodes.next().is_none())?;
            Some(only.number)
        })
        .collect();
    for (domain, node) in acpi.domains.iter_mut().zip(&seen) {
        if let Some(node) = node {
            domain.node = Some(*node);
            domain.node_assumed = false;
        } else {
            let free = |number: &NodeId| {
                let node = cpu.nodes.iter().find(|node| node.number == *number);
                let fits = node.is_some_and(|node| node.cpus.is_empty() || node.cpus.len() == domain.listed_cpus);
                fits && domain.cpus.is_empty() && !seen.contains(&Some(*number))
            };
            domain.node = domain.node.filter(free);
            domain.node_assumed = domain.node.is_some();
        }
    }
}

/// Nodes: the domains that have CPUs or memory. None when a CPU is in no domain.
fn nodes(cpu: &mut CpuTopology, acpi: &Acpi, tables: &Tables, told: &mut Told) {
    let Some((origin, _)) = &tables.srat else { return };
    let placed: CpuSet = acpi.domains.iter().flat_map(|domain| domain.cpus.iter()).collect();
    let missing = cpu.cpus.iter().any(|cpu| cpu.online && !placed.contains(cpu.number));
    if missing || placed.is_empty() {
        return;
    }
    let used = |domain: &&Domain| !domain.cpus.is_empty() || domain.memory > 0 || domain.non_volatile > 0;
    let mut nodes: Vec<Node> = acpi
        .domains
        .iter()
        .filter(used)
        .filter_map(|domain| {
            let persistent = domain.memory == 0 && domain.non_volatile > 0;
            let bytes = if persistent { domain.non_volatile } else { domain.memory };
            // only ranges for hot-plug: what of them is populated is not told
            let told = bytes > 0 || domain.hot_pluggable == 0;
            Some(Node {
                number: domain.node?,
                cpus: domain.cpus.clone(),
                memory: told.then_some(bytes),
                kind: if persistent {
                    MemoryKind::Persistent
                } else {
                    MemoryKind::Dram
                },
                ..Node::default()
            })
        })
        .collect();
    nodes.sort_by_key(|node| node.number);
    cpu.nodes = nodes;
    cpu.nodes_by_firmware = true;
    told.origins.push(origin.clone());
}

/// Distances between the nodes, when the domain of each is known.
fn distances(cpu: &mut CpuTopology, acpi: &Acpi, tables: &Tables, told: &mut Told) {
    let Some((origin, slit)) = &tables.slit else { return };
    let domains: Option<Vec<usize>> = if tables.srat.is_some() {
        let of = |node: &Node| usize::try_from(acpi.domain_of(node.number)?.number).ok();
        cpu.nodes.iter().map(of).collect()
    } else {
        // no SRAT: numbers mean what they say when there are as many
        let fits = cpu.nodes.len() == slit.rows.len();
        let of = |node: &Node| usize::try_from(node.number.0).ok().filter(|_| fits);
        cpu.nodes.iter().map(of).collect()
    };
    let Some(domains) = domains.filter(|domains| !domains.is_empty()) else {
        return;
    };
    let row = |from: &usize| -> Option<Vec<u32>> {
        let cells = domains.iter().map(|to| slit.distance(*from, *to).map(u32::from));
        cells.collect()
    };
    let rows: Option<Vec<Vec<u32>>> = domains.iter().map(row).collect();
    if let Some(rows) = rows {
        cpu.distances = rows;
        told.origins.push(origin.clone());
    }
}

fn windows(acpi: &mut Acpi, tables: &Tables) {
    let cedt = tables.cedt.iter().flat_map(|(_, cedt)| &cedt.windows);
    acpi.cxl_windows = cedt
        .map(|window| CxlWindow {
            base: window.base.0,
            length: window.length,
            bridges: window.targets.clone(),
            granularity: window.granularity,
            volatile: window.restrictions & 4 != 0,
            persistent: window.restrictions & 8 != 0,
        })
        .collect();
    let mcfg = tables.mcfg.iter().flat_map(|(_, mcfg)| &mcfg.windows);
    acpi.ecam = mcfg
        .map(|window| EcamWindow {
            segment: window.segment.0,
            first_bus: window.first_bus,
            last_bus: window.last_bus,
            base: window.base.0,
        })
        .collect();
}

/// Tables that gave facts.
fn used(tables: &Tables, acpi: &Acpi, origins: &mut Origins) -> Vec<(&'static str, crate::model::OriginIndex)> {
    let namespace = tables.namespace.as_ref().filter(|(_, facts)| !facts.bridges.is_empty());
    let all = [
        ("APIC", tables.madt.as_ref().map(|(origin, _)| origin)),
        ("SRAT", tables.srat.as_ref().map(|(origin, _)| origin)),
        ("SLIT", tables.slit.as_ref().map(|(origin, _)| origin)),
        ("PPTT", tables.pptt.as_ref().map(|(origin, _)| origin)),
        ("HMAT", tables.hmat.as_ref().map(|(origin, _)| origin)),
        ("CEDT", tables.cedt.as_ref().map(|(origin, _)| origin)),
        (
            "MCFG",
            tables
                .mcfg
                .as_ref()
                .map(|(origin, _)| origin)
                .filter(|_| !acpi.ecam.is_empty()),
        ),
        ("DMAR", tables.dmar.as_ref().map(|(origin, _)| origin)),
        ("IVRS", tables.ivrs.as_ref().map(|(origin, _)| origin)),
        ("DSDT", namespace.map(|(origin, _)| origin)),
    ];
    all.into_iter()
        .filter_map(|(name, origin)| Some((name, origins.index(origin?))))
        .collect()
}
