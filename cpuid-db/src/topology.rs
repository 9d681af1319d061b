//! Packages, dies, cores and caches of a whole dump, from the APIC ids of its CPUs.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cache::{Cache, CacheDescription, describe, share_key};
use crate::identity::Identity;
use crate::leafset::LeafSet;
use crate::placement::{ApicId, CoreKind, Domain, Method, Placement, place};

/// One logical processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cpu {
    /// Number in the dump: the operating system's number, when the dump was made CPU by CPU.
    pub number: u32,
    /// APIC id: the 32-bit one where the processor tells it.
    pub apic_id: Option<ApicId>,
    /// Kind of its core.
    pub kind: Option<CoreKind>,
}

/// Logical processors with a common number.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Group {
    /// Number from the APIC id: of a package in the machine, of everything else in its package.
    pub id: u32,
    /// Numbers of the logical processors, ascending.
    pub cpus: Vec<u32>,
}

/// Cores of one kind.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Kind {
    /// The kind.
    #[serde(flatten)]
    pub kind: CoreKind,
    /// Numbers of the logical processors, ascending.
    pub cpus: Vec<u32>,
}

/// What keeps a topology from being the whole truth.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case", tag = "what")]
pub enum Note {
    /// The dump has fewer CPUs of a package than the package declares.
    Partial {
        /// Number of the package.
        package: u32,
        /// CPUs of it in the dump.
        present: u32,
        /// Logical processors CPUID tells.
        declared: u32,
    },
    /// Several CPUs have one APIC id, so nothing can be grouped: no groups and caches are given.
    SameApicId {
        /// The id.
        apic_id: ApicId,
        /// Numbers of the CPUs.
        cpus: Vec<u32>,
    },
    /// CPUs tell no APIC id (no leaf 1): they are in no group.
    NoApicId {
        /// Numbers of the CPUs.
        cpus: Vec<u32>,
    },
    /// The leaf that describes a cache does not tell who shares it: it is not in the list of caches.
    SharingUnknown {
        /// The cache, as its first CPU describes it.
        cache: CacheDescription,
    },
    /// CPUs disagree where in the APIC id the package begins; the highest shift is taken.
    PackageShifts {
        /// The shifts seen.
        shifts: Vec<u32>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Partial {
                package,
                present,
                declared,
            } => write!(
                f,
                "the dump has {present} of the {declared} logical processors that package {package} declares"
            ),
            Self::SameApicId { apic_id, cpus } => write!(
                f,
                "{} CPUs have APIC id 0x{:x}: packages, cores and shared caches cannot be told",
                cpus.len(),
                apic_id.0
            ),
            Self::SharingUnknown { cache } => write!(
                f,
                "leaf {} describes an L{} of {} KiB and does not tell which CPUs share it",
                cache.leaf,
                cache.level,
                cache.size >> 10
            ),
            Self::NoApicId { cpus } => write!(f, "{} CPUs tell no APIC id", cpus.len()),
            Self::PackageShifts { shifts } => {
                write!(
                    f,
                    "CPUs disagree where the package begins in the APIC id: bits {shifts:?}"
                )
            }
        }
    }
}

/// Topology of a dump. Lists of groups are ordered by their first CPU; a list is empty when CPUID does
/// not tell that level.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Topology {
    /// Leaf the placement was read from.
    pub method: Option<Method>,
    /// Logical processors by ascending number.
    pub cpus: Vec<Cpu>,
    /// Packages.
    pub packages: Vec<Group>,
    /// Groups of dies (Intel 0x1F type 6).
    pub die_groups: Vec<Group>,
    /// Dies (Intel 0x1F type 5, AMD CCDs of 0x80000026).
    pub dies: Vec<Group>,
    /// Tiles (Intel 0x1F type 4).
    pub tiles: Vec<Group>,
    /// Modules (Intel 0x1F type 3).
    pub modules: Vec<Group>,
    /// Core complexes (AMD 0x80000026 type 2).
    pub complexes: Vec<Group>,
    /// Compute units: pairs of cores (AMD family 0x15).
    pub compute_units: Vec<Group>,
    /// Cores.
    pub cores: Vec<Group>,
    /// AMD nodes (0x8000001E): dies of a package with their own memory controllers. The number counts
    /// over the machine, as the firmware assigned it.
    pub nodes: Vec<Group>,
    /// Kinds of core, on processors that tell; one entry when all are alike.
    pub kinds: Vec<Kind>,
    /// Caches by level, kind and first CPU.
    pub caches: Vec<Cache>,
    /// What keeps this from being the whole truth.
    pub notes: Vec<Note>,
}

/// A CPU of the dump with everything grouping needs.
struct Placed {
    number: u32,
    package: u32,
    identity: Identity,
    placement: Placement,
    caches: Vec<CacheDescription>,
}

impl Placed {
    /// Number of a domain within its package.
    fn within_package(&self, shift: u32, package_shift: u32) -> u32 {
        ApicId(self.placement.apic.below(package_shift)).above(shift)
    }
}

/// What a processor declares of its package; a dump may have fewer CPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Declared {
    /// Cores; of a hybrid package as if all were of this CPU's kind.
    pub cores: Option<u32>,
    /// Logical processors.
    pub logical: Option<u32>,
}

/// Cores and logical processors that a CPU declares of its package; `None` without leaf 1.
#[must_use]
pub fn declared(cpu: &crate::CpuLeaves) -> Option<Declared> {
    place(cpu, &Identity::of(cpu)).map(|placement| Declared {
        cores: placement.cores,
        logical: placement.declared,
    })
}

/// Decodes the topology of a dump.
///
/// ```
/// use cpuid_db::{formats, topology};
/// // Two threads of one core: leaf 1 with HTT and 2 logical processors, APIC ids 0 and 1.
/// let text = "CPU 0:
///    0x00000001 0x00: eax=0x00000f29 ebx=0x00020000 ecx=0x00000000 edx=0x10000000
/// CPU 1:
///    0x00000001 0x00: eax=0x00000f29 ebx=0x01020000 ecx=0x00000000 edx=0x10000000
/// ";
/// let topology = topology::decode(&formats::cpuid_r::parse(text).value);
/// assert_eq!(topology.packages.len(), 1);
/// assert_eq!(topology.cores[0].cpus, [0, 1]);
/// ```
#[must_use]
pub fn decode(set: &LeafSet) -> Topology {
    let mut topology = Topology::default();
    let mut placed = Vec::new();
    let mut without_id = Vec::new();
    for cpu in set.cpus() {
        let identity = Identity::of(cpu);
        let placement = place(cpu, &identity);
        topology.cpus.push(Cpu {
            number: cpu.number,
            apic_id: placement.as_ref().map(|placement| placement.apic),
            kind: placement.as_ref().and_then(|placement| placement.kind),
        });
        match placement {
            Some(placement) => placed.push(Placed {
                number: cpu.number,
                package: 0,
                caches: describe(cpu, &identity),
                identity,
                placement,
            }),
            None => without_id.push(cpu.number),
        }
    }
    if !without_id.is_empty() {
        topology.notes.push(Note::NoApicId { cpus: without_id });
    }
    topology.method = placed.first().map(|cpu| cpu.placement.method);
    topology.kinds = kinds(&placed);
    let same = same_apic_ids(&placed);
    if same.is_empty() {
        group(&mut topology, &mut placed);
    } else {
        topology.notes.extend(same);
    }
    topology
}

fn same_apic_ids(placed: &[Placed]) -> Vec<Note> {
    let mut by_id: BTreeMap<ApicId, Vec<u32>> = BTreeMap::new();
    for cpu in placed {
        by_id.entry(cpu.placement.apic).or_default().push(cpu.number);
    }
    by_id
        .into_iter()
        .filter(|(_, cpus)| cpus.len() > 1)
        .map(|(apic_id, cpus)| Note::SameApicId { apic_id, cpus })
        .collect()
}

fn kinds(placed: &[Placed]) -> Vec<Kind> {
    let mut by_kind: BTreeMap<CoreKind, Vec<u32>> = BTreeMap::new();
    for cpu in placed {
        if let Some(kind) = cpu.placement.kind {
            by_kind.entry(kind).or_default().push(cpu.number);
        }
    }
    by_kind.into_iter().map(|(kind, cpus)| Kind { kind, cpus }).collect()
}

/// Fills the lists of groups and caches; APIC ids are known to be unique.
fn group(topology: &mut Topology, placed: &mut [Placed]) {
    let mut shifts: Vec<u32> = placed.iter().map(|cpu| cpu.placement.package_shift()).collect();
    shifts.sort_unstable();
    shifts.dedup();
    let Some(&package_shift) = shifts.last() else {
        return;
    };
    if shifts.len() > 1 {
        topology.notes.push(Note::PackageShifts { shifts });
    }
    for cpu in placed.iter_mut() {
        cpu.package = cpu.placement.apic.above(package_shift);
    }
    let placed: &[Placed] = placed;
    topology.packages = packages(placed, package_shift);
    topology.notes.extend(partial(placed, &topology.packages));
    let domain = |domain| domain_groups(placed, domain, package_shift);
    topology.die_groups = domain(Domain::DieGroup);
    topology.dies = domain(Domain::Die);
    topology.tiles = domain(Domain::Tile);
    topology.modules = domain(Domain::Module);
    topology.complexes = domain(Domain::Complex);
    topology.cores = domain(Domain::Core);
    topology.compute_units = groups(placed, |cpu| {
        let (unit, cores) = cpu.placement.extended?.unit?;
        (cores > 1).then_some((unit, (cpu.package, unit)))
    });
    topology.nodes = groups(placed, |cpu| {
        let (node, _) = cpu.placement.extended?.node;
        Some((node, (cpu.package, node)))
    });
    let (caches, unknown) = caches(placed);
    topology.caches = caches;
    topology.notes.extend(unknown);
}

/// Groups CPUs by a key; each gets the number of its first CPU.
fn groups<K: Ord>(placed: &[Placed], key: impl Fn(&Placed) -> Option<(u32, K)>) -> Vec<Group> {
    let mut by_key: BTreeMap<K, Group> = BTreeMap::new();
    for cpu in placed {
        if let Some((id, key)) = key(cpu) {
            let group = by_key.entry(key).or_insert_with(|| Group { id, cpus: Vec::new() });
            group.cpus.push(cpu.number);
        }
    }
    let mut groups: Vec<Group> = by_key.into_values().collect();
    groups.sort_by_key(|group| group.cpus.first().copied());
    groups
}

/// Packages. Firmware of large AMD machines before Zen moves the extended APIC ids up to make room
/// for I/O APICs; there the number is taken from the 8-bit id of leaf 1, where it still begins at 0.
fn packages(placed: &[Placed], package_shift: u32) -> Vec<Group> {
    groups(placed, |cpu| {
        let number = match cpu.placement.initial_apic {
            Some(initial) if cpu.placement.apic.0 < 0x100 => initial.above(package_shift),
            _ => cpu.package,
        };
        Some((number, cpu.package))
    })
}

fn domain_groups(placed: &[Placed], domain: Domain, package_shift: u32) -> Vec<Group> {
    groups(placed, |cpu| {
        let shift = cpu.placement.shift(domain)?;
        let id = cpu.within_package(shift, package_shift);
        Some((id, (cpu.package, shift, id)))
    })
}

/// Packages of which CPUs are missing in the dump.
fn partial(placed: &[Placed], packages: &[Group]) -> Vec<Note> {
    packages
        .iter()
        .filter_map(|package| {
            let first = package.cpus.first()?;
            let placement = &placed.iter().find(|cpu| cpu.number == *first)?.placement;
            let declared = placement.declared?;
            let present = u32::try_from(package.cpus.len()).ok()?;
            // Leaf 1 declares how many ids a package may take, which is more than it has when it has
            // not a power of two: CPUs are missing only when half the ids would do.
            let room = match placement.method {
                Method::Legacy => declared.next_power_of_two() >> 1,
                _ => declared.saturating_sub(1),
            };
            (present <= room).then_some(Note::Partial {
                package: package.id,
                present,
                declared,
            })
        })
        .collect()
}

/// Caches: one for each set of CPUs of a package that describe the same level and kind and share it.
fn caches(placed: &[Placed]) -> (Vec<Cache>, Vec<Note>) {
    let mut by_key = BTreeMap::new();
    let mut unknown = BTreeSet::new();
    for cpu in placed {
        for description in &cpu.caches {
            let Some(share) = share_key(description, &cpu.placement, &cpu.identity) else {
                unknown.insert(*description);
                continue;
            };
            let key = (description.level, description.kind, cpu.package, share);
            let cache = by_key.entry(key).or_insert_with(|| Cache {
                description: *description,
                cpus: Vec::new(),
            });
            if cache.cpus.last() != Some(&cpu.number) {
                cache.cpus.push(cpu.number);
            }
        }
    }
    let mut caches: Vec<Cache> = by_key.into_values().collect();
    caches.sort_by_key(|cache| {
        (
            cache.description.level,
            cache.description.kind,
            cache.cpus.first().copied(),
        )
    });
    let unknown = unknown.into_iter().map(|cache| Note::SharingUnknown { cache });
    (caches, unknown.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};
    use crate::leafset::CpuLeaves;

    fn word(text: &str) -> u32 {
        u32::from_le_bytes(text.as_bytes().try_into().unwrap())
    }

    /// An Intel CPU with leaf 0xB: one thread bit, package from bit 3 on.
    fn intel(number: u32, apic: u32, core_type: u32) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(number);
        let mut row = |leaf, subleaf, [a, b, c, d]: [u32; 4]| {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        };
        row(0, 0, [0x1a, word("Genu"), word("ntel"), word("ineI")]);
        row(1, 0, [0x000a_06a4, apic << 24, 0, 1 << 28]);
        row(4, 0, [0x0000_4121, 0x01c0_003f, 63, 0]);
        row(4, 1, [0x0000_c143, 0x03c0_003f, 1023, 0]);
        row(4, 2, [0; 4]);
        row(0xb, 0, [1, 2, 0x100, apic]);
        row(0xb, 1, [3, 4, 0x201, apic]);
        row(0xb, 2, [0, 0, 2, apic]);
        row(0x1a, 0, [core_type << 24, 0, 0, 0]);
        cpu
    }

    #[test]
    fn hybrid_machine_has_two_kinds_and_shared_l2() {
        let set = LeafSet::from_iter([
            intel(0, 0, 0x40),
            intel(1, 1, 0x40),
            intel(2, 4, 0x20),
            intel(3, 6, 0x20),
        ]);
        let topology = decode(&set);
        let cpus = |groups: &[Group]| groups.iter().map(|g| g.cpus.clone()).collect::<Vec<_>>();
        assert_eq!(cpus(&topology.packages), [vec![0, 1, 2, 3]]);
        assert_eq!(cpus(&topology.cores), [vec![0, 1], vec![2], vec![3]]);
        assert_eq!(topology.kinds.len(), 2);
        let l2: Vec<_> = topology.caches.iter().filter(|c| c.description.level == 2).collect();
        assert_eq!(l2[1].cpus, [2, 3], "ids 4 to 7 share one L2");
        assert_eq!(topology.notes, []);
    }

    #[test]
    fn one_apic_id_for_all_gives_no_groups() {
        let set = LeafSet::from_iter([intel(0, 0, 0x40), intel(1, 0, 0x40)]);
        let topology = decode(&set);
        assert!(topology.packages.is_empty() && topology.caches.is_empty());
        assert!(matches!(&topology.notes[..], [Note::SameApicId { cpus, .. }] if cpus == &[0, 1]));
    }

    #[test]
    fn a_dump_of_one_cpu_says_how_many_are_missing() {
        let topology = decode(&LeafSet::from_iter([intel(0, 9, 0x40)]));
        assert_eq!(
            topology.notes,
            [Note::Partial {
                package: 1,
                present: 1,
                declared: 4
            }]
        );
    }

    #[test]
    fn a_cpu_without_leaf_1_is_in_no_group() {
        let mut cpu = CpuLeaves::new(5);
        cpu.insert(Leaf(0), Subleaf(0), Registers::new(0, 1, 2, 3));
        let topology = decode(&LeafSet::from_iter([cpu]));
        assert_eq!(topology.cpus.len(), 1);
        assert_eq!(topology.notes, [Note::NoApicId { cpus: vec![5] }]);
    }
}
