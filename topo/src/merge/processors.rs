//! CPUs where `/sys` has none: from CPUID dumps, else from the ACPI tables MADT and SRAT; NUMA
//! distances from the SLIT; the hypervisor's name from CPUID leaf 0x40000000.
//!
//! CPUID: Intel SDM volume 2A, AMD APM volume 3. ACPI 6.5: 5.2.12 (MADT), 5.2.16 (SRAT),
//! 5.2.17 (SLIT).

use std::collections::{BTreeMap, BTreeSet};

use acpi_dump::tables::srat::CpuName;
use acpi_dump::{Madt, Slit, Srat, Table};
use captures::{Gap, Origin};
use cpuid_db::{CoreKind, CoreType, LeafSet, Ways, topology};

use crate::sysfs::hypervisor::UNNAMED;
use crate::sysfs::topology::{Cache, CacheKind, Cpu, CpuKind, CpuTopology, Group, Node, NodeId};

/// Vendor strings of leaf 0x40000000, and whose they are.
const HYPERVISORS: &[(&str, &str)] = &[
    ("KVMKVMKVM", "KVM"),
    ("Linux KVM Hv", "KVM"),
    ("XenVMMXenVMM", "Xen"),
    ("Microsoft Hv", "Hyper-V"),
    ("VMwareVMware", "VMware"),
    ("TCGTCGTCGTCG", "QEMU"),
    ("VBoxVBoxVBox", "VirtualBox"),
    ("bhyve bhyve", "bhyve"),
    ("BHyVE BHyVE", "bhyve"),
    ("prl hyperv", "Parallels"),
    ("lrpepyh vr", "Parallels"),
    ("ACRNACRNACRN", "ACRN"),
    ("QNXQVMBSQG", "QNX"),
    ("HAXMHAXMHAXM", "HAXM"),
    ("OpenBSDVMM58", "OpenBSD VMM"),
    ("___ NVMM ___", "NVMM"),
    ("Jailhouse", "Jailhouse"),
    ("UnisysSpar64", "Unisys s-Par"),
    ("SRESRESRESRE", "LMHS"),
];

/// CPUs that stand in for those of `/sys`, and what has to be said of them.
#[derive(Default)]
pub(super) struct Told {
    /// Sources that gave something.
    pub origins: Vec<Origin>,
    /// Where the CPUs come from, when it is not `/sys`.
    pub note: Option<String>,
    /// What the source does not tell.
    pub gaps: Vec<Gap>,
}

/// Fills what `/sys` did not tell; what it told is never changed.
pub(super) fn fill(cpu: &mut CpuTopology, cpuid: &[(Origin, LeafSet)], acpi: &[(Origin, Table)]) -> Told {
    let mut told = Told::default();
    if cpu.cpus.is_empty() {
        from_cpuid(cpu, cpuid, &mut told);
    }
    if unnamed(cpu.hypervisor.as_deref()) {
        cpu.hypervisor = cpuid.iter().find_map(|(_, set)| hypervisor(set));
    }
    let acpi = Acpi::decode(acpi);
    if cpu.cpus.is_empty() {
        acpi.cpus(cpu, &mut told);
    }
    let numbered_by_kernel = !cpu.nodes.is_empty();
    if !numbered_by_kernel {
        acpi.nodes(cpu, &mut told);
    }
    if cpu.distances.is_empty() {
        acpi.distances(cpu, numbered_by_kernel, &mut told);
    }
    told
}

/// Whether a hypervisor's name is still to be found.
pub(super) fn unnamed(name: Option<&str>) -> bool {
    name.is_none_or(|name| name == UNNAMED)
}

/// Name of the hypervisor a dump was made under.
fn hypervisor(set: &LeafSet) -> Option<String> {
    let first = set.first()?;
    let name = cpuid_db::Identity::of(first).hypervisor?;
    // KVM and Xen that offer Hyper-V's interface tell their own name in the second range.
    let second = first.leaf(0x4000_0100).filter(|_| name == "Microsoft Hv").map(|row| {
        let bytes: Vec<u8> = [row.ebx, row.ecx, row.edx]
            .iter()
            .flat_map(|register| register.to_le_bytes())
            .collect();
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let known = |text: &str| {
        let text = text.trim_matches(|c: char| c == '\0' || c.is_whitespace());
        HYPERVISORS
            .iter()
            .find(|(told, _)| *told == text)
            .map(|(_, name)| (*name).to_owned())
    };
    let plain = name.trim();
    second
        .as_deref()
        .and_then(known)
        .or_else(|| known(&name))
        .or_else(|| (!plain.is_empty()).then(|| plain.to_owned()))
}

/// CPUs of the first dump that has any.
fn from_cpuid(cpu: &mut CpuTopology, cpuid: &[(Origin, LeafSet)], told: &mut Told) {
    let Some((origin, set)) = cpuid.iter().find(|(_, set)| !set.is_empty()) else {
        return;
    };
    let topology = topology::decode(set);
    told.origins.push(origin.clone());
    told.note = Some("from CPUID".to_owned());
    told.gaps = topology
        .notes
        .iter()
        .map(|note| Gap {
            what: "CPU topology by CPUID".to_owned(),
            why: note.to_string(),
            how: None,
        })
        .collect();
    *cpu = CpuTopology {
        memory: cpu.memory,
        hypervisor: cpu.hypervisor.take(),
        ..convert(set, &topology)
    };
}

fn convert(set: &LeafSet, told: &topology::Topology) -> CpuTopology {
    let first = set.first();
    let identity = first.map(cpuid_db::Identity::of).unwrap_or_default();
    let long_mode = first
        .and_then(|cpu| cpu.leaf(0x8000_0001))
        .is_some_and(|row| row.edx >> 29 & 1 == 1);
    let packages = groups(&told.packages);
    let cores = groups(&told.cores);
    let kinds = kinds(&told.kinds);
    let number = |groups: &[Group]| -> BTreeMap<u32, i64> {
        groups
            .iter()
            .filter_map(|group| Some((group, group.os_id?)))
            .flat_map(|(group, id)| group.cpus.iter().map(move |cpu| (cpu, id)))
            .collect()
    };
    let (package_of, core_of) = (number(&packages), number(&cores));
    let cpus = told
        .cpus
        .iter()
        .map(|cpu| Cpu {
            number: cpu.number,
            online: true,
            allowed: true,
            core_id: core_of.get(&cpu.number).copied(),
            package_id: package_of.get(&cpu.number).copied(),
            apic_id: cpu.apic_id.map(|id| id.0),
            kind: kinds.iter().position(|kind| kind.cpus.contains(cpu.number)),
            ..Cpu::default()
        })
        .collect();
    let between = |list: &[topology::Group]| {
        let list = groups(list);
        let useful = list.len() > packages.len() && list.len() != cores.len();
        if useful { list } else { Vec::new() }
    };
    let dies = Some(between(&told.dies))
        .filter(|dies| !dies.is_empty())
        .unwrap_or_else(|| between(&told.nodes));
    let clusters = between(&told.modules);
    let caches = told.caches.iter().map(cache).collect();
    CpuTopology {
        architecture: first.map(|_| if long_mode { "x86_64" } else { "i686" }.to_owned()),
        model: identity.brand,
        vendor: identity.vendor_name,
        family_model_stepping: identity.signature.map(|s| (s.family(), s.model(), s.stepping())),
        cpus,
        packages,
        dies,
        clusters,
        cores,
        caches,
        kinds,
        ..CpuTopology::default()
    }
}

fn groups(list: &[topology::Group]) -> Vec<Group> {
    list.iter()
        .map(|group| Group {
            os_id: Some(group.id.into()),
            cpus: group.cpus.iter().copied().collect(),
        })
        .collect()
}

fn cache(told: &cpuid_db::Cache) -> Cache {
    let description = &told.description;
    Cache {
        level: description.level,
        kind: match description.kind {
            cpuid_db::CacheKind::Data => CacheKind::Data,
            cpuid_db::CacheKind::Instruction => CacheKind::Instruction,
            cpuid_db::CacheKind::Unified => CacheKind::Unified,
        },
        size: Some(description.size).filter(|size| *size > 0),
        line: description.line,
        ways: match description.ways {
            Ways::Number(ways) => Some(ways),
            Ways::Full => Some(u32::MAX),
            Ways::Unknown => None,
        },
        cpus: told.cpus.iter().copied().collect(),
    }
}

/// Kinds of core, weakest first; none when all cores are alike.
fn kinds(told: &[topology::Kind]) -> Vec<CpuKind> {
    if told.len() < 2 {
        return Vec::new();
    }
    let rank = |kind: &CoreKind| match kind.core_type {
        CoreType::Atom | CoreType::Efficiency => 0,
        CoreType::Unknown(_) => 1,
        CoreType::Core | CoreType::Performance => 2,
    };
    let mut sorted: Vec<&topology::Kind> = told.iter().collect();
    sorted.sort_by_key(|kind| rank(&kind.kind));
    sorted
        .into_iter()
        .map(|kind| CpuKind {
            name: match kind.kind.core_type {
                CoreType::Atom | CoreType::Efficiency => Some("E-core".to_owned()),
                CoreType::Core | CoreType::Performance => Some("P-core".to_owned()),
                CoreType::Unknown(_) => None,
            },
            facts: BTreeMap::from([("native_model".to_owned(), kind.kind.native_model.to_string())]),
            cpus: kind.cpus.iter().copied().collect(),
        })
        .collect()
}

/// The first of each of the three tables.
#[derive(Default)]
struct Acpi<'a> {
    madt: Option<(&'a Origin, Madt)>,
    srat: Option<(&'a Origin, Srat)>,
    slit: Option<(&'a Origin, Slit)>,
}

impl<'a> Acpi<'a> {
    fn decode(tables: &'a [(Origin, Table)]) -> Self {
        fn first<T>(
            tables: &[(Origin, Table)],
            decode: fn(&Table) -> Option<acpi_dump::Decoded<T>>,
        ) -> Option<(&Origin, T)> {
            tables
                .iter()
                .find_map(|(origin, table)| Some((origin, decode(table)?.value)))
        }
        Self {
            madt: first(tables, Madt::decode),
            srat: first(tables, Srat::decode),
            slit: first(tables, Slit::decode),
        }
    }

    /// CPUs that the MADT lists as enabled, numbered in its order.
    fn cpus(&self, cpu: &mut CpuTopology, told: &mut Told) {
        let Some((origin, madt)) = &self.madt else { return };
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
        if !cpu.cpus.is_empty() {
            told.origins.push((*origin).clone());
            told.note = Some("CPU numbers by MADT order (assumed)".to_owned());
        }
    }

    /// Domain of every CPU by its number here; `None` when one CPU has none.
    fn domains(&self, cpu: &CpuTopology) -> Option<BTreeMap<u32, u32>> {
        let (_, srat) = self.srat.as_ref()?;
        let by_name: BTreeMap<CpuName, u32> = srat
            .cpus
            .iter()
            .filter(|entry| entry.enabled)
            .map(|entry| (entry.cpu, entry.domain.0))
            .collect();
        let uid_of = |apic_id: u32| {
            let (_, madt) = self.madt.as_ref()?;
            madt.cpus
                .iter()
                .find(|listed| listed.apic_id.is_some_and(|id| id.0 == apic_id))
                .map(|listed| listed.uid)
        };
        let arm: Vec<_> = self
            .madt
            .iter()
            .flat_map(|(_, madt)| madt.enabled())
            .map(|listed| listed.uid)
            .collect();
        let of = |here: &Cpu| -> Option<u32> {
            let Some(apic_id) = here.apic_id else {
                let uid = arm
                    .get(usize::try_from(here.number).ok()?)
                    .filter(|_| arm.len() == cpu.cpus.len())?;
                return by_name.get(&CpuName::Uid(*uid)).copied();
            };
            let by_id = by_name.get(&CpuName::Apic(acpi_dump::ApicId(apic_id))).copied();
            by_id.or_else(|| by_name.get(&CpuName::Uid(uid_of(apic_id)?)).copied())
        };
        cpu.cpus
            .iter()
            .filter(|cpu| cpu.online)
            .map(|cpu| Some((cpu.number, of(cpu)?)))
            .collect()
    }

    /// Nodes: the proximity domains of the SRAT that have CPUs or memory.
    fn nodes(&self, cpu: &mut CpuTopology, told: &mut Told) {
        let Some((origin, srat)) = &self.srat else { return };
        let Some(domain_of) = self.domains(cpu).filter(|domains| !domains.is_empty()) else {
            return;
        };
        let memory = srat
            .memory
            .iter()
            .filter(|range| range.enabled && range.length > 0 && !range.hot_pluggable);
        let mut nodes: BTreeMap<u32, Node> = BTreeMap::new();
        let domains: BTreeSet<u32> = domain_of
            .values()
            .copied()
            .chain(memory.map(|range| range.domain.0))
            .collect();
        for domain in domains {
            nodes.insert(
                domain,
                Node {
                    number: NodeId(domain),
                    ..Node::default()
                },
            );
        }
        for (cpu, domain) in domain_of {
            if let Some(node) = nodes.get_mut(&domain) {
                node.cpus.insert(cpu);
            }
        }
        cpu.nodes = nodes.into_values().collect();
        told.origins.push((*origin).clone());
    }

    /// Distances, when the numbers of the nodes are those of the SLIT's domains: Linux numbers nodes
    /// without a gap, whatever the domains are called.
    fn distances(&self, cpu: &mut CpuTopology, numbered_by_kernel: bool, told: &mut Told) {
        let Some((origin, slit)) = &self.slit else { return };
        let numbers: Vec<u32> = cpu.nodes.iter().map(|node| node.number.0).collect();
        let agrees = match &self.srat {
            Some((_, srat)) => {
                let domains: BTreeSet<u32> = srat.domains().iter().map(|domain| domain.0).collect();
                !numbered_by_kernel || domains.iter().eq(&numbers)
            }
            None => numbers.len() == slit.rows.len(),
        };
        if !agrees || numbers.is_empty() {
            return;
        }
        let at = |from: u32, to: u32| {
            slit.distance(usize::try_from(from).ok()?, usize::try_from(to).ok()?)
                .map(u32::from)
        };
        let rows: Option<Vec<Vec<u32>>> = numbers
            .iter()
            .map(|from| numbers.iter().map(|to| at(*from, *to)).collect())
            .collect();
        if let Some(rows) = rows {
            cpu.distances = rows;
            told.origins.push((*origin).clone());
        }
    }
}

#[cfg(test)]
mod tests;
