//! Which of some models comes nearest to a processor.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Words};

/// How far a model is from a processor.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Nearness {
    /// Name of the model.
    pub name: String,
    /// Bits of the model that the processor lacks: to be switched off.
    pub missing: Vec<Bit>,
    /// Bits of the processor that the model lacks: to be added.
    pub extra: Vec<Bit>,
}

impl Nearness {
    /// What a configuration on top of the model costs: one for each bit to add; for those to switch
    /// off two, three, four, …, since a guest named after a model it is not is a surprise.
    #[must_use]
    pub fn cost(&self) -> usize {
        cost(self.missing.len(), self.extra.len())
    }
}

/// See [`Nearness::cost`].
pub(crate) const fn cost(missing: usize, extra: usize) -> usize {
    extra.saturating_add(missing.saturating_mul(missing.saturating_add(3)) / 2)
}

/// Candidates, the nearest first; of equal ones that with fewer missing bits, then by name. Only bits
/// of `consider` count.
#[must_use]
pub fn nearest(
    words: &Words,
    candidates: impl IntoIterator<Item = (String, Words)>,
    consider: &Words,
) -> Vec<Nearness> {
    let mut found: Vec<Nearness> = candidates
        .into_iter()
        .map(|(name, model)| Nearness {
            name,
            missing: only(&model, words, consider),
            extra: only(words, &model, consider),
        })
        .collect();
    found.sort_by(|left, right| {
        let key = |nearness: &Nearness| (nearness.cost(), nearness.missing.len());
        key(left).cmp(&key(right)).then_with(|| left.name.cmp(&right.name))
    });
    found
}

/// Bits of one that the other lacks.
fn only(one: &Words, other: &Words, consider: &Words) -> Vec<Bit> {
    one.iter()
        .map(|(word, value)| (word, value & !other.get(word) & consider.get(word)))
        .collect::<Words>()
        .bits()
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bits::{Register, Word};

    const WORD: Word = Word::cpuid(1, 0, Register::Ecx);

    fn words(value: u32) -> Words {
        Words::from_iter([(WORD, value)])
    }

    #[test]
    fn a_bit_to_switch_off_costs_more_than_one_to_add() {
        let models = [("more", 0b1111), ("less", 0b0011), ("other", 0b1000)];
        let models = models.map(|(name, value)| (name.to_owned(), words(value)));
        let found = nearest(&words(0b0111), models, &words(u32::MAX));
        let seen: Vec<_> = found.iter().map(|near| (near.name.as_str(), near.cost())).collect();
        assert_eq!(seen, [("less", 1), ("more", 2), ("other", 5)]);
        assert_eq!(found[1].missing, [WORD.bit(3)]);
        assert_eq!(found[0].extra, [WORD.bit(2)]);
    }

    #[test]
    fn bits_that_are_not_considered_do_not_count() {
        let found = nearest(&words(0b0111), [("m".to_owned(), words(0b1011))], &words(0b0011));
        assert_eq!(found[0].cost(), 0);
    }
}
