//! Logical processors and what groups them: `/sys/devices/system/cpu/cpuN/topology`.
//!
//! Follows the kernel's `Documentation/admin-guide/cputopology.rst`. The names of Linux 5.3
//! (`core_cpus`, `package_cpus`, `die_cpus`) are preferred; older kernels have `thread_siblings` and
//! `core_siblings`. Masks are preferred to lists: captures always have them, and kernels were seen
//! whose `shared_cpu_list` is wrong beside a right mask. A CPU that stands in the mask of an earlier one is not asked again for that
//! mask. Without any `cpuN` directory, `/proc/cpuinfo` is all there is.

use std::collections::{BTreeMap, HashSet};

use super::CpuSet;
use super::proc::CpuInfo;
use super::reader::Reader;
use super::topology::{Cpu, CpuTopology, Group};

/// Where the CPU directories are.
pub const ROOT: &str = "/sys/devices/system/cpu";

/// Files of one level, best first; those ending in `_list` hold lists, the others masks.
struct Level {
    id: &'static str,
    cpus: &'static [&'static str],
}

const CORE: Level = Level {
    id: "core_id",
    cpus: &["core_cpus", "thread_siblings", "core_cpus_list", "thread_siblings_list"],
};
const PACKAGE: Level = Level {
    id: "physical_package_id",
    cpus: &[
        "package_cpus",
        "core_siblings",
        "package_cpus_list",
        "core_siblings_list",
    ],
};
const DIE: Level = Level {
    id: "die_id",
    cpus: &["die_cpus", "die_cpus_list"],
};
const CLUSTER: Level = Level {
    id: "cluster_id",
    cpus: &["cluster_cpus", "cluster_cpus_list"],
};
const BOOK: Level = Level {
    id: "book_id",
    cpus: &["book_siblings", "book_siblings_list"],
};
const DRAWER: Level = Level {
    id: "drawer_id",
    cpus: &["drawer_siblings", "drawer_siblings_list"],
};

/// Groups of one level found so far, and the files this kernel has for it.
struct Found {
    id: Option<&'static str>,
    files: Vec<&'static str>,
    groups: Vec<Group>,
    met: HashSet<CpuSet>,
    /// Index into `groups` of each CPU.
    of: BTreeMap<u32, usize>,
}

impl Found {
    fn new(level: &Level, names: &[String]) -> Self {
        let has = |file: &&'static str| names.iter().any(|name| name == file);
        Self {
            id: Some(level.id).filter(has),
            files: level.cpus.iter().copied().filter(has).collect(),
            groups: Vec::new(),
            met: HashSet::new(),
            of: BTreeMap::new(),
        }
    }

    fn group_of(&self, cpu: u32) -> Option<&Group> {
        self.of.get(&cpu).and_then(|&index| self.groups.get(index))
    }

    /// The group's number as the kernel gives it for `cpu`.
    fn read_id(&self, reader: &mut Reader<'_>, cpu: u32) -> Option<i64> {
        reader.number(&format!("{ROOT}/cpu{cpu}/topology/{}", self.id?))
    }

    /// Reads the CPUs that `cpu` shares this level with, online ones only.
    fn read_cpus(&self, reader: &mut Reader<'_>, cpu: u32, online: &CpuSet) -> Option<CpuSet> {
        for file in &self.files {
            let path = format!("{ROOT}/cpu{cpu}/topology/{file}");
            let set = if file.ends_with("_list") {
                reader.cpu_list(&path)
            } else {
                reader.cpu_mask(&path)
            };
            let Some(set) = set else { continue };
            if set.contains(cpu) {
                return Some(set.intersection(online));
            }
            reader.damaged(&path, &format!("CPU {cpu} itself among the CPUs"), &set.to_string());
        }
        None
    }

    /// Adds a group, leaving CPUs where an earlier group has them.
    fn add(&mut self, os_id: Option<i64>, cpus: CpuSet) {
        let index = self.groups.len();
        for cpu in cpus.iter() {
            self.of.entry(cpu).or_insert(index);
        }
        self.groups.push(Group { os_id, cpus });
    }

    /// Reads the group of `cpu` unless an earlier CPU's mask has it with the same number.
    fn visit(&mut self, reader: &mut Reader<'_>, cpu: u32, os_id: Option<i64>, online: &CpuSet) {
        if self.group_of(cpu).is_some_and(|group| group.os_id == os_id) {
            return;
        }
        if let Some(cpus) = self.read_cpus(reader, cpu, online)
            && self.met.insert(cpus.clone())
        {
            self.add(os_id, cpus);
        }
    }

    /// As [`Self::visit`], without asking for the number of a CPU that an earlier mask has.
    /// A number that is none (-1) says that the machine has no such level there; with dies, that
    /// it has none anywhere: -1 is what an architecture without dies says of every CPU.
    fn visit_trusting(&mut self, reader: &mut Reader<'_>, cpu: u32, online: &CpuSet) {
        if self.files.is_empty() || self.of.contains_key(&cpu) {
            return;
        }
        let os_id = self.read_id(reader, cpu);
        if os_id.is_none_or(|id| known(id).is_some()) {
            self.visit(reader, cpu, os_id, online);
        } else if os_id == Some(-1) && self.id == Some(DIE.id) {
            self.files.clear();
        }
    }

    fn sorted(mut self) -> Vec<Group> {
        self.groups.retain(|group| !group.cpus.is_empty());
        self.groups.sort_by(|a, b| a.cpus.cmp(&b.cpus));
        self.groups
    }
}

/// A number that is one: the kernel writes -1 (or 65535) where it has none.
const fn known(id: i64) -> Option<i64> {
    if id < 0 || id == 65_535 { None } else { Some(id) }
}

/// Where the groups of the CPUs are told.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Grouped {
    /// In `/proc/cpuinfo`, which is read.
    Already,
    /// In the files of the CPUs.
    ByFiles,
}

/// Fills the CPUs, and returns those that are online. Cores and packages are filled too where
/// `/proc/cpuinfo` is all there is; else [`read_groups`] is to fill what groups the CPUs.
pub fn read(reader: &mut Reader<'_>, info: &CpuInfo, topology: &mut CpuTopology) -> (CpuSet, Grouped) {
    let numbers = reader.numbered(ROOT, "cpu");
    if numbers.is_empty() {
        return (from_cpuinfo(info, topology), Grouped::Already);
    }
    let online = online(reader, &numbers);
    topology.cpus = numbers
        .iter()
        .map(|&number| Cpu {
            number,
            online: online.contains(number),
            allowed: true,
            apic_id: info.processor(number).and_then(|processor| processor.apic_id),
            microcode: info.processor(number).and_then(|processor| processor.microcode),
            ..Cpu::default()
        })
        .collect();
    (online, Grouped::ByFiles)
}

/// The CPUs of `numbers` that are online.
fn online(reader: &mut Reader<'_>, numbers: &[u32]) -> CpuSet {
    let all: CpuSet = numbers.iter().copied().collect();
    if let Some(list) = reader
        .cpu_list(&format!("{ROOT}/online"))
        .filter(|list| list.intersects(&all))
    {
        return list.intersection(&all);
    }
    let is_online = |cpu: &u32| {
        reader
            .text(&format!("{ROOT}/cpu{cpu}/online"))
            .is_none_or(|text| text != "0")
    };
    numbers.iter().copied().filter(is_online).collect()
}

/// Files in the first topology directory of an online CPU.
fn topology_files(reader: &Reader<'_>, online: &CpuSet) -> Vec<String> {
    online
        .iter()
        .map(|cpu| reader.source.list(&format!("{ROOT}/cpu{cpu}/topology")))
        .find(|names| !names.is_empty())
        .unwrap_or_default()
}

/// Fills cores, clusters, dies, packages, books and drawers from the files of the CPUs.
pub fn read_groups(reader: &mut Reader<'_>, info: &CpuInfo, topology: &mut CpuTopology, online: &CpuSet) {
    let names = topology_files(reader, online);
    let mut cores = Found::new(&CORE, &names);
    let mut packages = Found::new(&PACKAGE, &names);
    let mut others = [&DIE, &CLUSTER, &BOOK, &DRAWER].map(|level| Found::new(level, &names));
    let units = info.may_have_compute_units();
    let mut leaders: BTreeMap<u32, (Option<i64>, Option<i64>)> = BTreeMap::new();

    for cpu in topology.cpus.iter_mut().filter(|cpu| cpu.online) {
        let number = cpu.number;
        let leader = cores.group_of(number).and_then(|group| group.cpus.first());
        let leader_ids = leader.and_then(|leader| leaders.get(&leader)).copied();
        if let Some((core_id, package_id)) = leader_ids {
            // A thread of a core that is known: same core, same everything above it.
            cpu.package_id = package_id;
            cpu.core_id = if units { cores.read_id(reader, number) } else { core_id };
            continue;
        }
        cpu.core_id = cores.read_id(reader, number);
        cpu.package_id = packages.read_id(reader, number);
        cores.visit(reader, number, cpu.core_id, online);
        packages.visit(reader, number, cpu.package_id.and_then(known_package), online);
        for found in &mut others {
            found.visit_trusting(reader, number, online);
        }
        leaders.insert(number, (cpu.core_id, cpu.package_id));
    }

    topology.cores = cores.sorted();
    if units {
        split_compute_units(topology);
    }
    topology.packages = packages.sorted();
    let [dies, clusters, books, drawers] = others.map(Found::sorted);
    topology.dies = useful_dies(dies, &topology.packages);
    topology.clusters = useful_clusters(clusters, topology);
    topology.books = books;
    topology.drawers = drawers;
}

/// A package number that is one: -1 is none; any other is kept (Itanium and ARM have large ones).
const fn known_package(id: i64) -> Option<i64> {
    if id < 0 { None } else { Some(id) }
}

/// AMD family 15h: two cores of a compute unit are `thread_siblings`, with a `core_id` each.
/// They share L1i, L2 and the FPU, but each has its integer units and L1d: they are cores.
fn split_compute_units(topology: &mut CpuTopology) {
    let core_ids: BTreeMap<u32, Option<i64>> = topology.cpus.iter().map(|cpu| (cpu.number, cpu.core_id)).collect();
    let mut cores = Vec::new();
    for group in std::mem::take(&mut topology.cores) {
        let mut by_id: BTreeMap<Option<i64>, CpuSet> = BTreeMap::new();
        for cpu in group.cpus.iter() {
            by_id
                .entry(core_ids.get(&cpu).copied().flatten())
                .or_default()
                .insert(cpu);
        }
        cores.extend(by_id.into_iter().map(|(os_id, cpus)| Group { os_id, cpus }));
    }
    cores.sort_by(|a, b| a.cpus.cmp(&b.cpus));
    topology.cores = cores;
}

/// No dies when each is its package.
fn useful_dies(dies: Vec<Group>, packages: &[Group]) -> Vec<Group> {
    let packages: HashSet<&CpuSet> = packages.iter().map(|package| &package.cpus).collect();
    let all_equal = dies.iter().all(|die| packages.contains(&die.cpus));
    if all_equal { Vec::new() } else { dies }
}

/// Clusters that are neither a core nor a package: kernels without clusters repeat one of these.
fn useful_clusters(mut clusters: Vec<Group>, topology: &CpuTopology) -> Vec<Group> {
    let others: HashSet<&CpuSet> = topology
        .cores
        .iter()
        .chain(&topology.packages)
        .map(|group| &group.cpus)
        .collect();
    clusters.retain(|cluster| cluster.cpus.len() > 1 && !others.contains(&cluster.cpus));
    clusters
}

/// CPUs, packages and cores from `/proc/cpuinfo` alone.
fn from_cpuinfo(info: &CpuInfo, topology: &mut CpuTopology) -> CpuSet {
    let mut packages: BTreeMap<i64, CpuSet> = BTreeMap::new();
    let mut cores: BTreeMap<(i64, i64), CpuSet> = BTreeMap::new();
    for processor in &info.processors {
        if let Some(package) = processor.package_id {
            packages.entry(package).or_default().insert(processor.number);
            if let Some(core) = processor.core_id {
                cores.entry((package, core)).or_default().insert(processor.number);
            }
        }
        topology.cpus.push(Cpu {
            number: processor.number,
            online: true,
            allowed: true,
            core_id: processor.core_id,
            package_id: processor.package_id,
            apic_id: processor.apic_id,
            microcode: processor.microcode,
            ..Cpu::default()
        });
    }
    topology.cpus.sort_by_key(|cpu| cpu.number);
    topology.cpus.dedup_by_key(|cpu| cpu.number);
    topology.packages = groups(packages);
    topology.cores = groups(cores.into_iter().map(|((_, core), cpus)| (core, cpus)));
    info.processors.iter().map(|processor| processor.number).collect()
}

fn groups(sets: impl IntoIterator<Item = (i64, CpuSet)>) -> Vec<Group> {
    let mut groups: Vec<Group> = sets
        .into_iter()
        .map(|(id, cpus)| Group { os_id: Some(id), cpus })
        .collect();
    groups.sort_by(|a, b| a.cpus.cmp(&b.cpus));
    groups
}
