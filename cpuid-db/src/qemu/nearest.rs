//! The models nearest to what a processor or a guest has.

use std::cmp::Reverse;

use schemars::JsonSchema;
use serde::Serialize;

use super::cpu::{Class, Cpu};
use super::expand::HYPERVISOR;
use super::model::{self, Model, WORDS};
use crate::bits::{Bit, Place, Register, Word, Words};
use crate::database::Database;
use crate::policy;

/// Set by the number of CPUs, or for every guest: tells nothing of the model.
const NOT_COMPARED: [Bit; 3] = [
    HYPERVISOR,
    Word::cpuid(1, 0, Register::Edx).bit(28),
    Word::cpuid(0x8000_0001, 0, Register::Ecx).bit(1),
];

/// How far a model is from words.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Nearness {
    /// The model.
    pub model: &'static Model,
    /// Bits the model has and the words have not.
    pub missing: Vec<Bit>,
    /// Bits with a QEMU name that the words have beyond the model.
    pub extra: Vec<Bit>,
}

impl Nearness {
    /// What a difference costs: 1 for a bit to add, 2, 3, 4 … for those to take away.
    #[must_use]
    pub fn cost(&self) -> usize {
        policy::cost(self.missing.len(), self.extra.len())
    }
}

/// All models, the nearest first: those of the vendor before others, then by cost, then the newest.
/// Features that QEMU has no name for, and MSRs the words do not tell of, are not compared.
#[must_use]
pub fn nearest(database: &Database, words: &Words, vendor: Option<&str>) -> Vec<Nearness> {
    let masks = masks(words);
    let mut list: Vec<(usize, Nearness)> = model::models()
        .iter()
        .map(|model| {
            let own = of_model(database, model);
            Nearness {
                model,
                missing: difference(&masks, &own, words),
                extra: difference(&masks, words, &own),
            }
        })
        .enumerate()
        .collect();
    list.sort_by_cached_key(|(index, nearness)| {
        let stranger = vendor.is_some_and(|vendor| vendor != nearness.model.vendor);
        (stranger, nearness.cost(), Reverse(*index))
    });
    list.into_iter().map(|(_, nearness)| nearness).collect()
}

/// Bits of a model as its vCPU has them, but for those that follow from others.
pub(super) fn of_model(database: &Database, model: &'static Model) -> Words {
    Cpu::new(database, model.name, Class::Model(model))
        .realize()
        .map(|(_, realized)| realized.asked)
        .unwrap_or_default()
}

/// Bits that are compared: those with a name, of leaves and of MSRs that are told of.
fn masks(told: &Words) -> Vec<(Word, u32)> {
    let is_told = |place: Place| match place {
        Place::Leaf(_) => true,
        Place::Msr(_) => told.iter().any(|(word, _)| word.place == place),
    };
    let mask = |word: Word, named: u32| {
        let left_out = NOT_COMPARED.into_iter().filter(|bit| bit.word == word);
        left_out.fold(named, |mask, bit| mask & !(1 << (bit.number & 31)))
    };
    WORDS
        .iter()
        .filter(|known| is_told(known.word.place))
        .map(|known| (known.word, mask(known.word, known.named)))
        .collect()
}

/// Bits of `a` that `b` lacks, in ascending order.
fn difference(masks: &[(Word, u32)], a: &Words, b: &Words) -> Vec<Bit> {
    let lacking = masks
        .iter()
        .map(|&(word, mask)| (word, a.get(word) & !b.get(word) & mask))
        .collect::<Words>();
    lacking.bits().collect()
}
