//! What all evaluations of a machine share.

use std::collections::{HashMap, HashSet};
use std::hash::BuildHasherDefault;

use super::super::names::{NameId, QuickHash};
use super::super::namespace::{Namespace, ObjectKind};
use super::regions::Regions;
use super::uses::Silent;
use super::values::Value;

/// Bounds of one evaluation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Terms that are executed, on all paths together.
    pub steps: usize,
    /// Ways that are followed beside the first one.
    pub forks: usize,
    /// Bytes of strings, buffers and packages on one path.
    pub memory: usize,
    /// Terms that all evaluations of an [`super::Evaluator`] together may execute.
    pub total: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            steps: 100_000,
            forks: 64,
            memory: 1 << 20,
            total: 20_000_000,
        }
    }
}

pub(super) struct Setup<'a> {
    pub(super) limits: Limits,
    /// The largest integer: 32 or 64 bits.
    pub(super) ones: u64,
    pub(super) regions: Option<&'a dyn Regions>,
    /// Strings to which `_OSI` answers yes.
    pub(super) interfaces: HashSet<&'static str>,
    /// Values of names after start-up, where they differ from the declared ones.
    pub(super) start: HashMap<NameId, Value, BuildHasherDefault<QuickHash>>,
    /// Names and methods of which another branch of a table has another declaration.
    pub(super) ambiguous: HashSet<NameId, BuildHasherDefault<QuickHash>>,
    /// What start-up may have left in names of which the value is not known.
    pub(super) choices: HashMap<NameId, Vec<Value>, BuildHasherDefault<QuickHash>>,
    /// Methods that change nothing but registers.
    pub(super) silent: Silent,
    /// Integers and strings that methods may change later.
    pub(super) variables: HashSet<NameId, BuildHasherDefault<QuickHash>>,
}

/// What Linux answers yes to: Windows up to its newest known version, and the feature groups.
const INTERFACES: [&str; 29] = [
    "Windows 2000",
    "Windows 2001",
    "Windows 2001 SP1",
    "Windows 2001.1",
    "Windows 2001 SP2",
    "Windows 2001.1 SP1",
    "Windows 2006",
    "Windows 2006.1",
    "Windows 2006 SP1",
    "Windows 2006 SP2",
    "Windows 2009",
    "Windows 2012",
    "Windows 2013",
    "Windows 2015",
    "Windows 2016",
    "Windows 2017",
    "Windows 2017.2",
    "Windows 2018",
    "Windows 2018.2",
    "Windows 2019",
    "Windows 2020",
    "Windows 2021",
    "Windows 2022",
    "Module Device",
    "Processor Device",
    "3.0 Thermal Model",
    "3.0 _SCP Extensions",
    "Processor Aggregator Device",
    "Extended Address Space Descriptor",
];

impl<'a> Setup<'a> {
    pub(super) fn new(space: &Namespace) -> Self {
        let dsdt = space
            .trees()
            .first()
            .map(|tree| tree.bytes.as_slice())
            .unwrap_or_default();
        // ACPI 6.5, 5.2.11.1: integers have 32 bits where the DSDT's revision is below 2.
        let narrow = dsdt.get(8).is_some_and(|revision| *revision < 2);
        // On Apple's machines Linux answers as Apple's system does.
        let apple = dsdt.get(10..16).is_some_and(|oem| oem.starts_with(b"APPLE"));
        Self {
            limits: Limits::default(),
            ones: if narrow { u64::from(u32::MAX) } else { u64::MAX },
            regions: None,
            interfaces: if apple {
                HashSet::from(["Darwin"])
            } else {
                HashSet::from(INTERFACES)
            },
            start: HashMap::default(),
            ambiguous: ambiguous(space),
            choices: HashMap::default(),
            silent: Silent::default(),
            variables: HashSet::default(),
        }
    }
}

fn ambiguous(space: &Namespace) -> HashSet<NameId, BuildHasherDefault<QuickHash>> {
    let conditional = |name: NameId| {
        let object = space.object_of(name).and_then(|id| space.object(id));
        object.is_some_and(|object| {
            object.condition.is_some() && matches!(object.kind, ObjectKind::Name | ObjectKind::Method { .. })
        })
    };
    let repeats = space.repeats().iter().map(|other| other.name_id);
    repeats.filter(|name| conditional(*name)).collect()
}
