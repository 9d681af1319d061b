//! CPUs where `/sys` has none: from CPUID dumps, else from the ACPI tables (see
//! [`super::firmware`]); the hypervisor's name from CPUID leaf 0x40000000.
//!
//! CPUID: Intel SDM volume 2A, AMD APM volume 3.

use std::collections::BTreeMap;

use captures::{Gap, Origin};
use cpuid_db::identity::{self, CoreGroup, Purpose};
use cpuid_db::{LeafSet, Ways, codename, topology};

use super::firmware;
use crate::acpi::Tables;
use crate::sysfs::hypervisor::UNNAMED;
use crate::sysfs::topology::{Cache, CacheKind, Cpu, CpuKind, CpuTopology, Group};

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
pub(super) fn fill(cpu: &mut CpuTopology, cpuid: &[(Origin, LeafSet)], acpi: &Tables) -> Told {
    let mut told = Told::default();
    if cpu.cpus.is_empty() {
        from_cpuid(cpu, cpuid, &mut told);
    }
    cpu.codename = cpuid.iter().find_map(|(_, set)| hardware(set)).map(str::to_owned);
    if unnamed(cpu.hypervisor.as_deref()) {
        cpu.hypervisor = cpuid.iter().find_map(|(_, set)| hypervisor(set));
    }
    if cpu.cpus.is_empty() {
        firmware::cpus(cpu, acpi, &mut told);
    }
    told
}

/// Whether a hypervisor's name is still to be found.
pub(super) fn unnamed(name: Option<&str>) -> bool {
    name.is_none_or(|name| name == UNNAMED)
}

/// Codename of the processors; none in a guest, which may be shown another model than the hardware's.
fn hardware(set: &LeafSet) -> Option<&'static str> {
    let first = set.first()?;
    let guest = cpuid_db::Identity::of(first).under_hypervisor;
    codename::of(first).codename.filter(|_| !guest)
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
    let kinds = kinds(&identity::kinds(set));
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

/// Kinds of core, weakest first; none when all cores are alike, or not every CPU tells its kind.
fn kinds(told: &[CoreGroup]) -> Vec<CpuKind> {
    if told.len() < 2 || told.iter().any(|group| group.purpose == Purpose::General) {
        return Vec::new();
    }
    let rank = |group: &&CoreGroup| match group.purpose {
        Purpose::LowPower => 0,
        Purpose::Efficiency => 1,
        Purpose::General => 2,
        Purpose::Performance => 3,
    };
    let mut sorted: Vec<&CoreGroup> = told.iter().collect();
    sorted.sort_by_key(rank);
    sorted
        .into_iter()
        .map(|group| {
            let model = group.kind.map(|kind| kind.native_model.to_string());
            let facts = [
                ("native_model", model),
                ("microarchitecture", group.codename.microarchitecture.clone()),
            ];
            CpuKind {
                name: match group.purpose {
                    Purpose::LowPower => Some("LP E-core".to_owned()),
                    Purpose::Efficiency => Some("E-core".to_owned()),
                    Purpose::Performance => Some("P-core".to_owned()),
                    Purpose::General => None,
                },
                facts: facts
                    .into_iter()
                    .filter_map(|(name, value)| Some((name.to_owned(), value?)))
                    .collect(),
                cpus: group.cpus.iter().copied().collect(),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
