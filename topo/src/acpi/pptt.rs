//! Packages, clusters, cores and caches of the PPTT, for the CPUs of the MADT.
//!
//! ACPI 6.5, section 5.2.30, read as Linux reads it: the package of a CPU is the nearest node above
//! it that is marked as one, its core the parent of a thread, else itself; levels of caches are
//! counted from the CPU upwards.

use std::collections::BTreeMap;

use acpi_dump::ProcessorUid;
use acpi_dump::tables::pptt::{self, Pptt, Processor};

use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Cache, CacheKind, Cpu, Group};

/// Nodes above each other that are followed; real tables have up to six.
const DEEPEST: usize = 32;

/// Levels that are counted; a circle of caches ends there.
const LEVELS: u8 = 8;

/// Groups and caches of the CPUs.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Hierarchy {
    /// Packages by their node's place in the table.
    pub packages: Vec<Group>,
    /// Clusters: what stands between cores and package.
    pub clusters: Vec<Group>,
    /// Cores.
    pub cores: Vec<Group>,
    /// Caches by level, kind and first CPU.
    pub caches: Vec<Cache>,
}

/// Structures of the table by what they are looked up with.
struct Index<'a> {
    cpus: BTreeMap<ProcessorUid, &'a Processor>,
    nodes: BTreeMap<usize, &'a Processor>,
    caches: BTreeMap<usize, &'a pptt::Cache>,
}

impl<'a> Index<'a> {
    fn new(pptt: &'a Pptt) -> Self {
        let leaves = pptt.processors.iter().filter(|node| node.leaf).rev();
        Self {
            cpus: leaves.filter_map(|node| Some((node.uid?, node))).collect(),
            nodes: pptt.processors.iter().map(|node| (node.offset, node)).collect(),
            caches: pptt.caches.iter().map(|cache| (cache.offset, cache)).collect(),
        }
    }

    /// The nodes from a CPU up to the top, itself first; a circle of parents ends.
    fn path_up(&self, leaf: &'a Processor) -> Vec<&'a Processor> {
        let above = |node: &&'a Processor| node.parent.and_then(|parent| self.nodes.get(&parent).copied());
        std::iter::successors(Some(leaf), above).take(DEEPEST).collect()
    }
}

/// The hierarchy of CPUs by their number here and their UID; `None` when a CPU is not in the table.
#[must_use]
pub fn hierarchy(pptt: &Pptt, cpus: &[(u32, ProcessorUid)]) -> Option<Hierarchy> {
    let mut packages: BTreeMap<usize, CpuSet> = BTreeMap::new();
    let mut clusters: BTreeMap<usize, CpuSet> = BTreeMap::new();
    let mut cores: BTreeMap<usize, CpuSet> = BTreeMap::new();
    let mut caches: BTreeMap<(u8, usize, usize), CpuSet> = BTreeMap::new();
    let index = Index::new(pptt);
    for (number, uid) in cpus {
        let leaf = index.cpus.get(uid)?;
        let path = index.path_up(leaf);
        let package = path.iter().position(|node| node.package)?;
        let core = usize::from(leaf.thread && package > 0);
        let insert = |groups: &mut BTreeMap<usize, CpuSet>, at: usize| {
            if let Some(node) = path.get(at) {
                groups.entry(node.offset).or_default().insert(*number);
            }
        };
        insert(&mut packages, package);
        insert(&mut cores, core);
        if core.saturating_add(1) < package {
            insert(&mut clusters, core.saturating_add(1));
        }
        for place in own_caches(&index, &path) {
            caches.entry(place).or_default().insert(*number);
        }
    }
    let groups = |found: BTreeMap<usize, CpuSet>| -> Vec<Group> {
        (0_i64..)
            .zip(found.into_values())
            .map(|(number, cpus)| Group {
                os_id: Some(number),
                cpus,
            })
            .collect()
    };
    let mut caches: Vec<Cache> = caches
        .into_iter()
        .filter_map(|((level, _, offset), cpus)| cache(&index, level, offset, cpus))
        .collect();
    caches.sort_by_key(|cache| (cache.level, cache.kind, cache.cpus.first()));
    let clusters = groups(clusters);
    let cores = groups(cores);
    let packages = groups(packages);
    let useful = clusters.len() != cores.len() && clusters.len() != packages.len();
    Some(Hierarchy {
        clusters: if useful { clusters } else { Vec::new() },
        packages,
        cores,
        caches,
    })
}

/// Level, node and place of every cache on the way up. One structure may describe the like caches of
/// many nodes: two CPUs share it only where both find it at the same node. A cache at the end of a
/// chain belongs to the node above that lists it.
fn own_caches(index: &Index<'_>, path: &[&Processor]) -> Vec<(u8, usize, usize)> {
    let mut found: Vec<(u8, usize, usize)> = Vec::new();
    let mut below = 0_u8;
    for node in path {
        let mut highest = below;
        for resource in &node.resources {
            let mut level = below;
            let mut next = index.caches.get(resource).copied();
            while let Some(cache) = next.filter(|_| level < LEVELS) {
                if found.iter().any(|(_, _, known)| *known == cache.offset) {
                    break;
                }
                level = level.saturating_add(1);
                let lists = |above: &&&Processor| above.resources.contains(&cache.offset);
                let owner = path.iter().rfind(lists).map_or(node.offset, |above| above.offset);
                found.push((level, owner, cache.offset));
                next = cache.next.and_then(|offset| index.caches.get(&offset).copied());
            }
            highest = highest.max(level);
        }
        below = highest;
    }
    found
}

fn cache(index: &Index<'_>, level: u8, offset: usize, cpus: CpuSet) -> Option<Cache> {
    let told = index.caches.get(&offset)?;
    Some(Cache {
        level,
        kind: match told.kind? {
            pptt::CacheKind::Data => CacheKind::Data,
            pptt::CacheKind::Instruction => CacheKind::Instruction,
            pptt::CacheKind::Unified => CacheKind::Unified,
        },
        size: told.size.filter(|size| *size > 0).map(u64::from),
        line: told.line.map(u32::from),
        ways: told.ways.map(u32::from),
        cpus,
    })
}

/// UIDs of the CPUs here: the MADT's enabled ones in their order, which is that of the numbers.
#[must_use]
pub fn numbered(cpus: &[Cpu], uids: impl Iterator<Item = ProcessorUid>) -> Vec<(u32, ProcessorUid)> {
    cpus.iter().map(|cpu| cpu.number).zip(uids).collect()
}

#[cfg(test)]
mod tests {
    use acpi_dump::tables::pptt::Cache as Described;

    use super::*;

    fn node(offset: usize, parent: Option<usize>, uid: Option<u32>, resources: &[usize]) -> Processor {
        Processor {
            offset,
            package: parent.is_none(),
            thread: false,
            leaf: uid.is_some(),
            parent,
            uid: uid.map(ProcessorUid),
            resources: resources.to_vec(),
        }
    }

    fn described(offset: usize, kind: pptt::CacheKind, next: Option<usize>) -> Described {
        Described {
            offset,
            next,
            size: Some(0x8000),
            sets: None,
            ways: Some(4),
            kind: Some(kind),
            line: Some(64),
        }
    }

    fn told(list: &Hierarchy) -> Vec<(u8, CacheKind, String)> {
        let words = |cache: &Cache| (cache.level, cache.kind, cache.cpus.to_string());
        list.caches.iter().map(words).collect()
    }

    const CPUS: [(u32, ProcessorUid); 2] = [(0, ProcessorUid(5)), (1, ProcessorUid(6))];

    #[test]
    fn cores_that_point_at_one_description_have_a_cache_each() {
        let pptt = Pptt {
            processors: vec![
                node(36, None, None, &[500]),
                node(60, Some(36), Some(5), &[400, 430]),
                node(90, Some(36), Some(6), &[400, 430]),
            ],
            caches: vec![
                described(400, pptt::CacheKind::Data, Some(460)),
                described(430, pptt::CacheKind::Instruction, Some(460)),
                described(460, pptt::CacheKind::Unified, None),
                described(500, pptt::CacheKind::Unified, None),
            ],
            ..Pptt::default()
        };
        let found = hierarchy(&pptt, &CPUS).unwrap();
        assert_eq!(
            (found.packages.len(), found.cores.len(), found.clusters.len()),
            (1, 2, 0)
        );
        let row = |level, kind, cpus: &str| (level, kind, cpus.to_owned());
        assert_eq!(
            told(&found),
            [
                row(1, CacheKind::Data, "0"),
                row(1, CacheKind::Data, "1"),
                row(1, CacheKind::Instruction, "0"),
                row(1, CacheKind::Instruction, "1"),
                row(2, CacheKind::Unified, "0"),
                row(2, CacheKind::Unified, "1"),
                row(3, CacheKind::Unified, "0-1"),
            ]
        );
    }

    #[test]
    fn threads_share_the_core_above_them() {
        let thread = |offset, uid| Processor {
            thread: true,
            ..node(offset, Some(60), Some(uid), &[])
        };
        let pptt = Pptt {
            processors: vec![
                node(36, None, None, &[]),
                node(60, Some(36), None, &[400]),
                thread(90, 5),
                thread(120, 6),
            ],
            caches: vec![described(400, pptt::CacheKind::Data, None)],
            ..Pptt::default()
        };
        let found = hierarchy(&pptt, &CPUS).unwrap();
        assert_eq!(found.cores.len(), 1);
        assert_eq!(told(&found), [(1, CacheKind::Data, "0-1".to_owned())]);
    }

    #[test]
    fn a_circle_of_caches_and_a_missing_cpu_end() {
        let pptt = Pptt {
            processors: vec![node(36, None, Some(5), &[400])],
            caches: vec![described(400, pptt::CacheKind::Data, Some(400))],
            ..Pptt::default()
        };
        assert_eq!(hierarchy(&pptt, &CPUS), None);
        assert_eq!(told(&hierarchy(&pptt, &CPUS[..1]).unwrap()).len(), 1);
    }
}
