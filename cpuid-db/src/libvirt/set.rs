//! Sets of libvirt's features, by their place in [`super::Map`].

/// 64-bit words of a set: more than the built-in features, so that a user's rows fit in.
const WORDS: usize = 8;

/// A set of features.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FeatureSet(pub(super) [u64; WORDS]);

impl FeatureSet {
    /// Features that a set can hold.
    pub const CAPACITY: usize = WORDS * 64;

    /// Whether a feature is in it.
    #[must_use]
    pub fn has(&self, feature: usize) -> bool {
        self.0
            .get(feature / 64)
            .is_some_and(|word| word >> (feature % 64) & 1 == 1)
    }

    /// Puts a feature in or takes it out; beyond [`Self::CAPACITY`] nothing happens.
    pub fn set(&mut self, feature: usize, on: bool) {
        if let Some(word) = self.0.get_mut(feature / 64) {
            let mask = 1 << (feature % 64);
            *word = if on { *word | mask } else { *word & !mask };
        }
    }

    /// Features in it, in libvirt's order.
    pub fn iter(self) -> impl Iterator<Item = usize> {
        (0..Self::CAPACITY).filter(move |&feature| self.has(feature))
    }

    /// How many features are in it.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|word| word.count_ones() as usize).sum()
    }

    /// No feature is in it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Features of either.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// Features of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// Features of this one that the other lacks.
    #[must_use]
    pub fn without(self, other: Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(mut self, other: Self, of: impl Fn(u64, u64) -> u64) -> Self {
        for (word, other) in self.0.iter_mut().zip(other.0) {
            *word = of(*word, other);
        }
        self
    }
}

impl FromIterator<usize> for FeatureSet {
    fn from_iter<I: IntoIterator<Item = usize>>(features: I) -> Self {
        let mut set = Self::default();
        for feature in features {
            set.set(feature, true);
        }
        set
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_are_combined_feature_by_feature() {
        let a = FeatureSet::from_iter([1, 70, 300]);
        let b = FeatureSet::from_iter([70, 301]);
        assert_eq!(a.and(b), FeatureSet::from_iter([70]));
        assert_eq!(a.or(b).len(), 4);
        assert_eq!(a.without(b).iter().collect::<Vec<_>>(), [1, 300]);
        assert!(!a.has(usize::MAX));
        assert!(a.without(a).is_empty());
    }
}
