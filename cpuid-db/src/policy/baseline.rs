//! The most a pool of hosts can offer a guest that is to run on any of them.
//!
//! Strict semantics: features by the rule of each bit, values by theirs, XSAVE state built anew,
//! dependencies closed last, and a reason for every bit that some host has and guests do not get.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::closure::{Needs, Requirements};
use super::explain;
use super::host::Host;
use super::lost::{Lost, Reason, names};
use super::pool::{maximum, maximum_base, oldest, to_leaves, unmigratable, vendors};
use super::rules::{self, ARCH_CAPABILITIES, IBRS_ALL, RRSBA, RSBA, Span};
use super::state::{self, Pool, Unequal};
use crate::bits::{Bit, Place, Word, Words};
use crate::database::{Combine, Database, Vendors};
use crate::identity::Vendor;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::CpuLeaves;

/// What may differ from the strict rules.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Host (by index) whose signature, brand, topology and caches the guest is told; the oldest
    /// otherwise.
    pub identity: Option<usize>,
    /// Hygon's and AMD's processors may be in one pool.
    pub hygon_with_amd: bool,
    /// The guest's TSC frequency is fixed, so it can move with an invariant TSC.
    pub fixed_tsc: bool,
    /// Keep features a guest cannot be migrated with.
    pub unmigratable: bool,
    /// Take features whose XSAVE component differs from host to host out, rather than refuse.
    pub drop_unequal_state: bool,
}

/// Why a pool has no baseline.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Refusal {
    /// Nothing to combine.
    #[error("no hosts")]
    NoHosts,
    /// Vendors differ.
    #[error("{other} is {other_vendor}, {first} is {first_vendor}: no guest can move between vendors")]
    Vendors {
        /// Name of the first host.
        first: String,
        /// Its vendor.
        first_vendor: String,
        /// Name of the first host of another vendor.
        other: String,
        /// Its vendor.
        other_vendor: String,
    },
    /// XSAVE components are kept differently.
    #[error("XSAVE state cannot be moved between the hosts: {}", .0.iter().map(Unequal::message).collect::<Vec<_>>().join("; "))]
    State(Vec<Unequal>),
}

/// Something to know about a baseline.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Warning {
    /// Hosts (by index) it is about.
    pub hosts: Vec<usize>,
    /// What.
    pub message: String,
}

/// What a pool offers.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Baseline {
    /// Leaves of the guest.
    pub cpu: CpuLeaves,
    /// The same as words.
    #[serde(skip)]
    pub words: Words,
    /// Vendor of the pool.
    pub vendor: Vendor,
    /// Host (by index) whose identity the guest is told.
    pub identity: usize,
    /// Every bit that some host has and the guest has not.
    pub lost: Vec<Lost>,
    /// What may go wrong.
    pub warnings: Vec<Warning>,
    /// What was noticed on the hosts.
    pub notes: Vec<String>,
}

/// What all hosts can offer.
pub fn baseline(db: &Database, hosts: &[Host], options: &Options) -> Result<Baseline, Refusal> {
    let vendors = vendors(hosts, options)?;
    let oldest = options
        .identity
        .filter(|index| *index < hosts.len())
        .unwrap_or_else(|| oldest(hosts));
    let mut work = Work {
        db,
        hosts,
        vendors,
        oldest,
        words: Words::default(),
        gone: BTreeMap::new(),
        reasons: BTreeMap::new(),
        warnings: Vec::new(),
    };
    work.combine();
    work.agree();
    work.return_predictors();
    work.limit_leaves();
    work.migratable(options);
    work.state(options)?;
    work.empty_leaves();
    let cpu = work.leaves();
    work.words = Words::of(&cpu);
    let lost = explain::lost(db, hosts, vendors, oldest, &work.words, &work.reasons);
    work.tell(&lost);
    let notes = hosts
        .iter()
        .flat_map(|host| host.notes.iter().map(move |note| format!("{}: {note}", host.name)))
        .collect();
    Ok(Baseline {
        cpu,
        words: work.words,
        vendor: hosts.get(oldest).map_or(Vendor::Other, |host| host.vendor),
        identity: oldest,
        lost,
        warnings: work.warnings,
        notes,
    })
}

pub(super) struct Work<'a> {
    pub(super) db: &'a Database,
    pub(super) hosts: &'a [Host],
    pub(super) vendors: Vendors,
    pub(super) oldest: usize,
    pub(super) words: Words,
    /// Chains of what was taken out.
    pub(super) gone: BTreeMap<Bit, Vec<&'static str>>,
    pub(super) reasons: BTreeMap<Bit, Reason>,
    pub(super) warnings: Vec<Warning>,
}

impl Work<'_> {
    pub(super) fn warn(&mut self, hosts: Vec<usize>, message: String) {
        self.warnings.push(Warning { hosts, message });
    }

    /// Hosts for which something holds.
    pub(super) fn which(&self, holds: impl Fn(&Host) -> bool) -> Vec<usize> {
        (0..self.hosts.len())
            .filter(|&index| self.hosts.get(index).is_some_and(&holds))
            .collect()
    }

    fn combine(&mut self) {
        let all: BTreeSet<Word> = self
            .hosts
            .iter()
            .flat_map(|host| host.words.iter().map(|(word, _)| word))
            .filter(|word| !state::is_rebuilt(*word) && !rules::is_hypervisor(word.place))
            .collect();
        for word in all {
            let values: Vec<Option<u32>> = self.hosts.iter().map(|host| host.value(word)).collect();
            let value = match maximum_base(word) {
                Some(base) => self.lowest_maximum(base),
                None => rules::spans(self.db, word, self.vendors)
                    .iter()
                    .fold(0, |value, span| value | self.merge(span, word, &values)),
            };
            self.words.put(word, value);
        }
    }

    /// Takes out features whose values differ between hosts that have them.
    fn agree(&mut self) {
        let words: Vec<(Word, Bit)> = self
            .hosts
            .iter()
            .flat_map(|host| host.words.iter())
            .filter_map(|(word, _)| Some((word, rules::agreement_for(word)?)))
            .filter(|(_, feature)| self.words.has(*feature))
            .collect();
        for (word, feature) in words {
            let agrees = rules::spans(self.db, word, self.vendors)
                .iter()
                .filter(|span| span.rule == Some(Combine::Equal))
                .all(|span| {
                    let mut values = self
                        .hosts
                        .iter()
                        .filter_map(|host| host.value(word))
                        .map(|value| value & span.mask);
                    let first = values.next();
                    values.all(|value| Some(value) == first)
                });
            if agrees {
                continue;
            }
            let taken = match feature.word.place {
                Place::Leaf(0x8000_001f) => self
                    .words
                    .iter()
                    .filter(|(other, _)| other.place == word.place)
                    .collect(),
                _ => Words::from_iter([feature]),
            };
            for bit in taken.bits() {
                self.words.set(bit, false);
                self.reasons.insert(bit, Reason::Disagree);
                self.gone.insert(bit, Vec::new());
            }
        }
    }

    fn merge(&self, span: &Span, word: Word, values: &[Option<u32>]) -> u32 {
        let told = || values.iter().flatten().map(|value| value & span.mask);
        let any = || told().fold(0, |all, value| all | value);
        match span.rule {
            None | Some(Combine::Drop) => 0,
            Some(Combine::And) => values.iter().fold(span.mask, |all, value| all & value.unwrap_or(0)),
            Some(Combine::Or) => any(),
            Some(Combine::Min) => told().min().unwrap_or(0),
            Some(Combine::Max) => told().max().unwrap_or(0),
            Some(Combine::Equal) => {
                let first = told().next().unwrap_or(0);
                if told().all(|value| value == first) { first } else { 0 }
            }
            Some(Combine::Policy) => {
                let own = self.hosts.get(self.oldest).filter(|host| {
                    // A dump without leaf 0 says nothing of the vendor.
                    word.place != Place::Leaf(0) || host.vendor_name.is_some()
                });
                own.and_then(|host| host.value(word))
                    .or_else(|| values.iter().flatten().copied().find(|value| *value != 0))
                    .unwrap_or(0)
                    & span.mask
            }
            Some(Combine::Dynamic) => {
                let apic = span.field.and_then(crate::Field::bit).is_some_and(rules::is_apic);
                if apic { any() } else { 0 }
            }
        }
    }

    /// Highest leaf that every host has, of the hosts that tell; when none does, of those seen.
    fn lowest_maximum(&self, base: Leaf) -> u32 {
        let told = self.hosts.iter().filter_map(|host| maximum(host, base)).min();
        let seen = || {
            let rows = self.hosts.iter().flat_map(|host| host.cpu.rows());
            rows.map(|(leaf, ..)| leaf).filter(|leaf| leaf.base() == base).max()
        };
        told.or_else(seen).map_or(0, |leaf| leaf.0)
    }

    /// RSBA and RRSBA: with enhanced IBRS the guest is told the second, otherwise the first.
    fn return_predictors(&mut self) {
        if !self.words.has(RSBA) && !self.words.has(RRSBA) {
            return;
        }
        let enhanced = self.words.has(IBRS_ALL) && self.words.has(ARCH_CAPABILITIES);
        let (kept, other, by) = if enhanced {
            (RRSBA, RSBA, "rrsba")
        } else {
            (RSBA, RRSBA, "rsba")
        };
        self.words.set(kept, true);
        if self.words.has(other) {
            self.words.set(other, false);
            self.reasons.insert(other, Reason::Replaced { by });
        }
    }

    fn limit_leaves(&mut self) {
        let beyond: Vec<Word> = self
            .words
            .iter()
            .map(|(word, _)| word)
            .filter(|word| self.is_beyond(*word))
            .collect();
        for word in beyond {
            for bit in Words::from_iter([(word, self.words.get(word))]).bits() {
                self.reasons.insert(bit, Reason::AboveMaximum);
            }
            self.words.put(word, 0);
        }
    }

    fn is_beyond(&self, word: Word) -> bool {
        let Place::Leaf(leaf) = word.place else {
            return false;
        };
        let base = Leaf(leaf).base();
        let told = self.hosts.iter().any(|host| maximum(host, base).is_some());
        let beyond = told && leaf != base.0 && Leaf(leaf) > Leaf(self.lowest_maximum(base));
        beyond || (leaf == 7 && word.subleaf.0 > self.words.get(rules::LEAF_7_MAXIMUM))
    }

    fn migratable(&mut self, options: &Options) {
        if options.unmigratable {
            return;
        }
        for (bit, _) in unmigratable(self.db, options.fixed_tsc) {
            if self.words.has(bit) {
                self.words.set(bit, false);
                self.gone.insert(bit, Vec::new());
                self.reasons.insert(bit, Reason::NotMigratable);
            }
        }
    }

    /// Closes dependencies and the XSAVE state, each of which takes from the other.
    fn state(&mut self, options: &Options) -> Result<(), Refusal> {
        let needs = Needs::of(self.db, Requirements::All);
        let pool = Pool::of(self.hosts);
        loop {
            for removed in needs.close(&mut self.words, &mut self.gone) {
                let because = removed.because;
                self.reasons.insert(removed.bit, Reason::Dependency { because });
            }
            let mut taken = pool.without_place(&self.words);
            if taken.is_empty() {
                let (user, supervisor) = pool.offered(&self.words);
                let unequal = pool.unequal(user | supervisor, Pool::is_compacted(&self.words));
                if unequal.is_empty() {
                    break;
                }
                if !options.drop_unequal_state {
                    return Err(Refusal::State(unequal));
                }
                taken = self.held_by(&unequal);
                if taken.is_empty() {
                    return Err(Refusal::State(unequal));
                }
            }
            for taken in taken {
                self.take(&taken);
            }
        }
        if !pool.untold.is_empty() {
            let message = format!("leaf 0xd is not in the dump of {}", names(self.hosts, &pool.untold));
            self.warn(
                pool.untold.clone(),
                format!("{message}: sizes of XSAVE components are not compared"),
            );
        }
        let (user, supervisor) = pool.offered(&self.words);
        for unequal in pool.unequal_in_common() {
            if (user | supervisor) >> unequal.number & 1 == 0 {
                let message = format!("XSAVE component that is not offered differs: {}", unequal.message());
                self.warn(Vec::new(), message);
            }
        }
        pool.write(&mut self.words);
        Ok(())
    }

    fn held_by(&self, unequal: &[Unequal]) -> Vec<state::Taken> {
        unequal
            .iter()
            .flat_map(|unequal| Pool::held_by(unequal.number).iter().map(|bit| (unequal.number, *bit)))
            .filter(|(_, bit)| self.words.has(*bit))
            .map(|(component, bit)| state::Taken {
                bit,
                component,
                unequal: true,
            })
            .collect()
    }

    fn take(&mut self, taken: &state::Taken) {
        if !self.words.has(taken.bit) {
            return;
        }
        self.words.set(taken.bit, false);
        self.gone.insert(taken.bit, Vec::new());
        let component = state::component_name(taken.component);
        let reason = if taken.unequal {
            Reason::StateUnequal { component }
        } else {
            Reason::StateMissing { component }
        };
        self.reasons.insert(taken.bit, reason);
    }

    /// Leaves and MSRs that speak of a feature the guest has not.
    fn empty_leaves(&mut self) {
        let empty: Vec<(Word, u32, Bit)> = self
            .words
            .iter()
            .filter_map(|(word, value)| Some((word, value, rules::needed_by(word.place)?)))
            .filter(|(.., needed)| !self.words.has(*needed))
            .collect();
        for (word, value, needed) in empty {
            let mut because: Vec<&'static str> = Vec::new();
            because.extend(self.db.of_bit(needed, self.vendors).map(|field| field.id));
            because.extend(self.gone.get(&needed).into_iter().flatten());
            for bit in Words::from_iter([(word, value)]).bits() {
                let because = because.clone();
                self.reasons.insert(bit, Reason::Dependency { because });
            }
            self.words.put(word, 0);
        }
        self.replaced();
    }

    /// A bit that another was to stand for went as the other did.
    fn replaced(&mut self) {
        let pairs = [(RSBA, RRSBA), (RRSBA, RSBA)];
        for (bit, other) in pairs {
            if !self.words.has(other) && matches!(self.reasons.get(&bit), Some(Reason::Replaced { .. })) {
                match self.reasons.get(&other).cloned() {
                    Some(reason) => self.reasons.insert(bit, reason),
                    None => self.reasons.remove(&bit),
                };
            }
        }
    }

    /// The words as leaves.
    fn leaves(&self) -> CpuLeaves {
        let mut cpu = to_leaves(&self.words);
        if self.hosts.iter().any(|host| maximum(host, Leaf(0)).is_some()) {
            cpu.insert(Leaf(0), Subleaf(0), Registers::default());
        }
        cpu.partial = self.hosts.iter().all(|host| host.partial);
        cpu
    }
}
