//! Kinds of core: big and little, P and E.
//!
//! In the order of trust: the kernel's own lists (`/sys/devices/cpu_core/cpus`, `cpu_atom`),
//! the Main ID Register of ARM, then what differs between the cores: capacity, L1 sizes, base
//! frequency. A highest frequency that differs is no kind: favoured cores of one kind have it.

use std::collections::BTreeMap;

use super::CpuSet;
use super::arm;
use super::cpu::ROOT;
use super::proc::CpuInfo;
use super::reader::Reader;
use super::topology::{CacheKind, CpuKind, CpuTopology};

/// Performance-monitoring units of hybrid x86, and what their cores are called.
const HYBRID: &[(&str, &str)] = &[
    ("cpu_lowpower", "LP E-core"),
    ("cpu_atom", "E-core"),
    ("cpu_core", "P-core"),
];

/// What tells one kind from another.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Key {
    capacity: Option<u64>,
    /// Row of [`HYBRID`].
    hybrid: Option<usize>,
    /// ARM implementer and part.
    part: Option<(u32, u32)>,
    base_khz: Option<u64>,
    /// L1d and L1i sizes.
    l1: (Option<u64>, Option<u64>),
}

/// Fills frequencies of the CPUs, and the kinds when there is more than one.
pub fn read(reader: &mut Reader<'_>, info: &CpuInfo, topology: &mut CpuTopology) {
    let files = files(reader, topology);
    let hybrid: Vec<Option<CpuSet>> = HYBRID
        .iter()
        .map(|(unit, _)| reader.cpu_list(&format!("/sys/devices/{unit}/cpus")))
        .collect();
    let l1 = l1_sizes(topology);
    let mut keys: BTreeMap<u32, Key> = BTreeMap::new();
    for cpu in topology.cpus.iter_mut().filter(|cpu| cpu.online) {
        let number = cpu.number;
        cpu.max_khz = files.max_khz(reader, number);
        cpu.base_khz = files.base_khz(reader, number);
        let listed = hybrid
            .iter()
            .position(|cpus| cpus.as_ref().is_some_and(|cpus| cpus.contains(number)));
        let part = files.part(reader, number, info);
        let told = listed.is_some() || part.is_some();
        keys.insert(
            number,
            Key {
                capacity: files.capacity(reader, number),
                hybrid: listed,
                part,
                base_khz: cpu.base_khz.filter(|_| !told),
                l1: l1.get(&number).copied().filter(|_| !told).unwrap_or_default(),
            },
        );
    }
    let mut sets: BTreeMap<Key, CpuSet> = BTreeMap::new();
    for (cpu, key) in keys {
        sets.entry(key).or_default().insert(cpu);
    }
    if sets.len() > 1 {
        describe(sets, info, topology);
    }
}

/// Which files the first online CPU has.
struct Files {
    cpufreq: bool,
    cppc: bool,
    capacity: bool,
    registers: bool,
}

fn files(reader: &Reader<'_>, topology: &CpuTopology) -> Files {
    let first = topology.cpus.iter().find(|cpu| cpu.online);
    let names = first.map_or_else(Vec::new, |cpu| reader.source.list(&format!("{ROOT}/cpu{}", cpu.number)));
    let has = |name: &str| names.iter().any(|seen| seen == name);
    Files {
        cpufreq: has("cpufreq"),
        cppc: has("acpi_cppc"),
        capacity: has("cpu_capacity"),
        registers: has("regs"),
    }
}

impl Files {
    fn max_khz(&self, reader: &mut Reader<'_>, cpu: u32) -> Option<u64> {
        let path = format!("{ROOT}/cpu{cpu}/cpufreq/cpuinfo_max_freq");
        if self.cpufreq { positive(reader, &path) } else { None }
    }

    /// `base_frequency` (intel_pstate), or the nominal frequency of ACPI CPPC, which is in MHz.
    fn base_khz(&self, reader: &mut Reader<'_>, cpu: u32) -> Option<u64> {
        let path = format!("{ROOT}/cpu{cpu}/cpufreq/base_frequency");
        let base = if self.cpufreq { positive(reader, &path) } else { None };
        if base.is_some() || !self.cppc {
            return base;
        }
        positive(reader, &format!("{ROOT}/cpu{cpu}/acpi_cppc/nominal_freq")).and_then(|mhz| mhz.checked_mul(1000))
    }

    fn capacity(&self, reader: &mut Reader<'_>, cpu: u32) -> Option<u64> {
        let path = format!("{ROOT}/cpu{cpu}/cpu_capacity");
        if self.capacity { positive(reader, &path) } else { None }
    }

    /// Implementer and part: bits 31 to 24 and 15 to 4 of MIDR_EL1, or as `/proc/cpuinfo` says.
    fn part(&self, reader: &mut Reader<'_>, cpu: u32, info: &CpuInfo) -> Option<(u32, u32)> {
        let path = format!("{ROOT}/cpu{cpu}/regs/identification/midr_el1");
        let midr = if self.registers { reader.hex(&path) } else { None };
        if let Some(midr) = midr.and_then(|midr| u32::try_from(midr).ok()) {
            return Some((midr >> 24, (midr >> 4) & 0xfff));
        }
        let processor = info.processor(cpu)?;
        processor.implementer.zip(processor.part)
    }
}

fn positive(reader: &mut Reader<'_>, path: &str) -> Option<u64> {
    reader.number(path).filter(|number| *number > 0)
}

/// Sizes of each CPU's L1d and L1i.
fn l1_sizes(topology: &CpuTopology) -> BTreeMap<u32, (Option<u64>, Option<u64>)> {
    let mut sizes: BTreeMap<u32, (Option<u64>, Option<u64>)> = BTreeMap::new();
    for cache in topology.caches.iter().filter(|cache| cache.level == 1) {
        for cpu in cache.cpus.iter() {
            let entry = sizes.entry(cpu).or_default();
            match cache.kind {
                CacheKind::Instruction => entry.1 = cache.size,
                CacheKind::Data | CacheKind::Unified => entry.0 = cache.size,
            }
        }
    }
    // A CPU whose caches are not told has no kind of its own.
    let all_told = topology
        .cpus
        .iter()
        .filter(|cpu| cpu.online)
        .all(|cpu| sizes.get(&cpu.number).is_some_and(|(data, _)| data.is_some()));
    if all_told { sizes } else { BTreeMap::new() }
}

/// Turns the sets into kinds, weakest first, and points the CPUs at them.
fn describe(sets: BTreeMap<Key, CpuSet>, info: &CpuInfo, topology: &mut CpuTopology) {
    let max_khz: BTreeMap<u32, u64> = topology
        .cpus
        .iter()
        .filter_map(|cpu| Some((cpu.number, cpu.max_khz?)))
        .collect();
    let highest = |cpus: &CpuSet| cpus.iter().filter_map(|cpu| max_khz.get(&cpu).copied()).max();
    let mut kinds: Vec<(Key, Option<u64>, CpuSet)> = sets
        .into_iter()
        .map(|(key, cpus)| {
            let max = highest(&cpus);
            (key, max, cpus)
        })
        .collect();
    kinds.sort_by_key(|(key, max, _)| (key.capacity, *max, key.hybrid, key.base_khz));
    let names = names(&kinds, info);
    let mut kind_of: BTreeMap<u32, usize> = BTreeMap::new();
    for (index, ((key, max, cpus), name)) in kinds.into_iter().zip(names).enumerate() {
        kind_of.extend(cpus.iter().map(|cpu| (cpu, index)));
        topology.kinds.push(CpuKind {
            name,
            facts: facts(&key, max),
            cpus,
        });
    }
    for cpu in &mut topology.cpus {
        cpu.kind = kind_of.get(&cpu.number).copied();
    }
}

/// Names: of the list or part; else P and E for two kinds of an Intel processor whose L1 differ,
/// which is how hybrid parts look to kernels without the lists.
fn names(kinds: &[(Key, Option<u64>, CpuSet)], info: &CpuInfo) -> Vec<Option<String>> {
    let l1_differ = matches!(kinds, [(a, ..), (b, ..)] if a.l1 != b.l1);
    let intel_hybrid = l1_differ && info.vendor.as_deref() == Some("GenuineIntel");
    kinds
        .iter()
        .enumerate()
        .map(|(index, (key, ..))| {
            let listed = key.hybrid.and_then(|row| HYBRID.get(row)).map(|(_, name)| *name);
            let part = key.part.and_then(|(implementer, part)| arm::part(implementer, part));
            let guessed = intel_hybrid.then_some(if index == 0 { "E-core" } else { "P-core" });
            listed.or(part).or(guessed).map(str::to_owned)
        })
        .collect()
}

fn facts(key: &Key, max_khz: Option<u64>) -> BTreeMap<String, String> {
    let mut facts = BTreeMap::new();
    let mut add = |name: &str, value: Option<String>| {
        facts.extend(value.map(|value| (name.to_owned(), value)));
    };
    add("capacity", key.capacity.map(|value| value.to_string()));
    add("base_khz", key.base_khz.map(|value| value.to_string()));
    add("max_khz", max_khz.map(|value| value.to_string()));
    add("implementer", key.part.map(|(value, _)| format!("{value:#04x}")));
    add("part", key.part.map(|(_, value)| format!("{value:#05x}")));
    add("l1d", key.l1.0.map(|value| value.to_string()));
    add("l1i", key.l1.1.map(|value| value.to_string()));
    facts
}
