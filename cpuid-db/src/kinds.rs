//! Kinds of core of a machine: which CPUs, what they are for, what differs between them.
//!
//! Intel tells the kind in leaf 0x1A (SDM volume 2A), AMD in leaf 0x80000026 (APM volume 3). Both are
//! told by each CPU of itself, so that a dump of one CPU knows one kind.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Words};
use crate::cache::{CacheDescription, describe};
use crate::codename::{self, Codename};
use crate::database::{Database, Kind as FieldKind, Vendors};
use crate::identity::{Identity, Vendor};
use crate::leaf::bit;
use crate::leafset::{CpuLeaves, LeafSet};
use crate::placement::{CoreKind, CoreType, place};

/// What a core is for, on processors with several kinds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// All cores are alike, or the dump does not tell.
    General,
    /// Performance core.
    Performance,
    /// Efficient core.
    Efficiency,
    /// Efficient core outside of the cluster with the L3 (Intel from Meteor Lake on).
    LowPower,
}

impl Purpose {
    /// Name in the field's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::General => "general",
            Self::Performance => "performance",
            Self::Efficiency => "efficiency",
            Self::LowPower => "low-power efficiency",
        }
    }
}

/// CPUs of one kind of core.
#[derive(Clone, Debug, PartialEq, JsonSchema, Serialize)]
pub struct CoreGroup {
    /// What the cores are for.
    pub purpose: Purpose,
    /// Type and native model, on processors that tell.
    pub kind: Option<CoreKind>,
    /// Numbers of the logical processors, ascending.
    pub cpus: Vec<u32>,
    /// Microarchitecture, codename and technology.
    pub codename: Codename,
    /// Caches as the first CPU of the group describes them.
    pub caches: Vec<CacheDescription>,
    /// Feature bits that the first CPU of this group has and that of another group lacks.
    pub only_here: Vec<Bit>,
}

/// What the core of a CPU is for.
#[must_use]
pub fn purpose(cpu: &CpuLeaves, identity: &Identity) -> Purpose {
    let hybrid = cpu.leaf(7).is_some_and(|row| bit(row.edx, 15));
    if identity.vendor == Vendor::Intel && !hybrid {
        return Purpose::General;
    }
    let kind = place(cpu, identity).and_then(|placement| placement.kind);
    match kind.map(|kind| kind.core_type) {
        Some(CoreType::Core | CoreType::Performance) => Purpose::Performance,
        Some(CoreType::Efficiency) => Purpose::Efficiency,
        Some(CoreType::Atom) => {
            let caches = describe(cpu, identity);
            // A dump without the leaf of caches does not say that there is no L3.
            let outside = !caches.is_empty() && caches.iter().all(|cache| cache.level < 3);
            if outside {
                Purpose::LowPower
            } else {
                Purpose::Efficiency
            }
        }
        Some(CoreType::Unknown(_)) | None => Purpose::General,
    }
}

/// Kinds of core of a dump, by purpose; one entry when all cores are alike.
#[must_use]
pub fn kinds(set: &LeafSet) -> Vec<CoreGroup> {
    let mut groups: Vec<(CoreGroup, Words)> = Vec::new();
    for cpu in set.cpus() {
        let identity = Identity::of(cpu);
        let purpose = purpose(cpu, &identity);
        let kind = place(cpu, &identity).and_then(|placement| placement.kind);
        match groups
            .iter_mut()
            .find(|(group, _)| group.purpose == purpose && group.kind == kind)
        {
            Some((group, _)) => group.cpus.push(cpu.number),
            None => groups.push((
                CoreGroup {
                    purpose,
                    kind,
                    cpus: vec![cpu.number],
                    codename: codename::of(cpu),
                    caches: describe(cpu, &identity),
                    only_here: Vec::new(),
                },
                features(cpu, identity.vendor),
            )),
        }
    }
    groups.sort_by_key(|(group, _)| (group.purpose, group.cpus.first().copied()));
    let all: Vec<Words> = groups.iter().map(|(_, words)| words.clone()).collect();
    groups
        .into_iter()
        .map(|(mut group, words)| {
            group.only_here = words
                .bits()
                .filter(|&bit| all.iter().any(|other| !other.has(bit)))
                .collect();
            group
        })
        .collect()
}

/// Set bits that the table of fields calls features.
fn features(cpu: &CpuLeaves, vendor: Vendor) -> Words {
    let database = Database::builtin();
    Words::of(cpu)
        .bits()
        .filter(|&bit| {
            let field = database.of_bit(bit, Vendors::of(vendor));
            field.is_some_and(|field| field.kind == FieldKind::Feature)
        })
        .collect()
}
