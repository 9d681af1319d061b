//! The features Xen 4.20 knows: names, annotations (who may have them) and which needs which, from the
//! columns `xen`, `xen_attr` and `requires_xen` of the table, by the rules of Xen's `gen-cpuid.py`.

use std::collections::{BTreeMap, BTreeSet};

use crate::bits::Bit;
use crate::bits::COMMON_1D;
use crate::database::Database;
use crate::dialect::Dialect;
use crate::xen::featureset::{Featureset, ORDER, WORDS, feature_of};

/// A bit of a featureset, named or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Feature(u16);

impl Feature {
    /// Bit of a word.
    #[must_use]
    pub fn new(word: usize, number: u8) -> Option<Self> {
        if word >= WORDS || number > 31 {
            return None;
        }
        let word = u16::try_from(word).ok()?;
        Some(Self((word << 5) | u16::from(number)))
    }

    /// All 608, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        (0..WORDS).flat_map(|word| (0..32).filter_map(move |number| Self::new(word, number)))
    }

    /// Index of its word.
    #[must_use]
    pub fn word_index(self) -> usize {
        usize::from(self.0 >> 5)
    }

    /// Its bit as a mask of the word.
    #[must_use]
    pub const fn mask(self) -> u32 {
        1 << (self.0 & 31)
    }

    /// Where it stands.
    #[must_use]
    pub fn bit(self) -> Bit {
        let number = u8::try_from(self.0 & 31).unwrap_or_default();
        // A feature is only made of a word that is there.
        let place = ORDER.get(self.word_index()).unwrap_or(&ORDER[0]);
        place.word.bit(number)
    }
}

/// A set that follows from the hypervisor's source alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StaticSet {
    /// Every feature with a name.
    Known,
    /// Features Xen handles in a way of their own (`!`).
    Special,
    /// What a PV guest may have.
    PvMax,
    /// What a PV guest has when nothing is asked for.
    PvDefault,
    /// What an HVM guest with shadow paging may have.
    HvmShadowMax,
    /// … and has when nothing is asked for.
    HvmShadowDefault,
    /// What an HVM or PVH guest with hardware-assisted paging may have.
    HvmHapMax,
    /// … and has when nothing is asked for.
    HvmHapDefault,
}

impl StaticSet {
    /// In the order `xen-cpuid` prints them.
    pub const ALL: [Self; 8] = [
        Self::Known,
        Self::Special,
        Self::PvMax,
        Self::PvDefault,
        Self::HvmShadowMax,
        Self::HvmShadowDefault,
        Self::HvmHapMax,
        Self::HvmHapDefault,
    ];

    /// As `xen-cpuid` prints it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Known => "Known",
            Self::Special => "Special",
            Self::PvMax => "PV Max",
            Self::PvDefault => "PV Default",
            Self::HvmShadowMax => "HVM Shadow Max",
            Self::HvmShadowDefault => "HVM Shadow Default",
            Self::HvmHapMax => "HVM Hap Max",
            Self::HvmHapDefault => "HVM Hap Default",
        }
    }

    /// Letters of the annotation of which one suffices; `None`: every feature.
    const fn letters(self) -> Option<&'static [char]> {
        match self {
            Self::Known => None,
            Self::Special => Some(&['!']),
            Self::PvMax => Some(&['A', 'a']),
            Self::PvDefault => Some(&['A']),
            Self::HvmShadowMax => Some(&['A', 'a', 'S', 's']),
            Self::HvmShadowDefault => Some(&['A', 'S']),
            Self::HvmHapMax => Some(&['A', 'a', 'S', 's', 'H', 'h']),
            Self::HvmHapDefault => Some(&['A', 'S', 'H']),
        }
    }
}

/// What is known of the named features.
#[derive(Clone, Debug, Default)]
pub struct Features {
    known: BTreeMap<Feature, (&'static str, &'static str)>,
    names: BTreeMap<&'static str, Feature>,
    requires: BTreeMap<Feature, BTreeSet<Feature>>,
    deep: BTreeMap<Feature, Featureset>,
}

impl Features {
    /// The features of a table.
    #[must_use]
    pub fn of(database: &Database) -> Self {
        let mut this = Self::default();
        let mut ids = BTreeMap::new();
        let mut required = Vec::new();
        for field in database.fields() {
            let Some(name) = field.name(Dialect::Xen) else { continue };
            let Some(feature) = field.bit().and_then(feature_of) else {
                continue;
            };
            this.known.insert(feature, (name, field.xen_attr));
            this.names.insert(name, feature);
            ids.insert(field.id, feature);
            required.push((feature, field.requires_xen));
        }
        let mut dependents: BTreeMap<Feature, BTreeSet<Feature>> = BTreeMap::new();
        for (feature, keys) in required {
            for key in keys.iter().filter_map(|id| ids.get(id)) {
                this.requires.entry(feature).or_default().insert(*key);
                dependents.entry(*key).or_default().insert(feature);
            }
        }
        for &key in dependents.keys() {
            this.deep.insert(key, closure(key, &dependents));
        }
        this
    }

    /// The feature of a name, spelled as Xen spells it.
    #[must_use]
    pub fn by_name(&self, name: &str) -> Option<Feature> {
        self.names.get(name).copied()
    }

    /// Every name with its feature, in the order of names.
    pub fn names(&self) -> impl Iterator<Item = (&'static str, Feature)> {
        self.names.iter().map(|(&name, &feature)| (name, feature))
    }

    /// Name of a feature.
    #[must_use]
    pub fn name(&self, feature: Feature) -> Option<&'static str> {
        self.known.get(&feature).map(|&(name, _)| name)
    }

    /// Name of a feature, or its place when Xen has no name for it.
    #[must_use]
    pub fn label(&self, feature: Feature) -> String {
        self.name(feature)
            .map_or_else(|| feature.bit().to_string(), str::to_owned)
    }

    /// Name `xen-cpuid` prints for a bit: in 0x80000001.EDX also the names of the bits of 1.EDX that AMD
    /// processors repeat there.
    #[must_use]
    pub fn printed_name(&self, bit: Bit) -> Option<&'static str> {
        let feature = feature_of(bit)?;
        if let Some(name) = self.name(feature) {
            return Some(name);
        }
        let repeated = feature.word_index() == 2 && COMMON_1D & feature.mask() != 0;
        repeated
            .then(|| Feature::new(0, bit.number))
            .flatten()
            .and_then(|feature| self.name(feature))
    }

    /// Xen's annotation of a feature.
    #[must_use]
    pub fn attributes(&self, feature: Feature) -> &'static str {
        self.known.get(&feature).map_or("", |&(_, attributes)| attributes)
    }

    /// Features annotated with a letter.
    #[must_use]
    pub fn with_attribute(&self, letter: char) -> Featureset {
        self.known
            .iter()
            .filter(|(_, (_, attributes))| attributes.contains(letter))
            .map(|(&feature, _)| feature)
            .collect()
    }

    /// A static set.
    #[must_use]
    pub fn static_set(&self, set: StaticSet) -> Featureset {
        let letters = set.letters();
        self.known
            .iter()
            .filter(|(_, (_, attributes))| letters.is_none_or(|letters| attributes.contains(letters)))
            .map(|(&feature, _)| feature)
            .collect()
    }

    /// Features a feature cannot be without, directly.
    #[must_use]
    pub fn requires(&self, feature: Feature) -> Vec<Feature> {
        self.requires.get(&feature).into_iter().flatten().copied().collect()
    }

    /// Features that go when a feature goes, directly or through others.
    #[must_use]
    pub fn dependents(&self, feature: Feature) -> Featureset {
        self.deep.get(&feature).copied().unwrap_or_default()
    }

    /// What Xen makes of a set: unknown bits go, and with every missing feature go those that need it.
    /// With each feature that went for another, the one that took it.
    #[must_use]
    pub fn sanitise(&self, set: &Featureset) -> (Featureset, Vec<(Feature, Feature)>) {
        let mut set = set.and(&self.static_set(StaticSet::Known));
        let mut taken = Vec::new();
        for (&key, dependents) in &self.deep {
            if set.has(key) {
                continue;
            }
            for feature in set.and(dependents).iter() {
                taken.push((feature, key));
            }
            set = set.without(dependents);
        }
        (set, taken)
    }
}

fn closure(key: Feature, dependents: &BTreeMap<Feature, BTreeSet<Feature>>) -> Featureset {
    let mut found = BTreeSet::new();
    let mut next = vec![key];
    while let Some(feature) = next.pop() {
        for &dependent in dependents.get(&feature).into_iter().flatten() {
            if dependent != key && found.insert(dependent) {
                next.push(dependent);
            }
        }
    }
    found.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn features() -> Features {
        Features::of(&Database::builtin())
    }

    #[test]
    fn avx512_goes_with_xsave_through_avx_and_avx2() {
        let features = features();
        let feature = |name| features.by_name(name).unwrap();
        let all = features.static_set(StaticSet::Known);
        let mut set = all;
        set.set(feature("xsave"), false);
        let (kept, taken) = features.sanitise(&set);
        assert!(!kept.has(feature("avx512-fp16")));
        assert!(kept.has(feature("aesni")));
        assert!(taken.contains(&(feature("avx512-fp16"), feature("xsave"))));
        assert_eq!(features.sanitise(&all), (all, vec![]));
    }

    #[test]
    fn a_bit_without_a_name_does_not_survive() {
        let features = features();
        let unnamed = Feature::new(0, 10).unwrap();
        assert_eq!(features.name(unnamed), None);
        assert_eq!(features.label(unnamed), "1.0.edx[10]");
        assert!(features.sanitise(&Featureset::from_iter([unnamed])).0.is_empty());
    }

    #[test]
    fn amd_repeats_are_printed_by_the_names_of_leaf_1() {
        let features = features();
        let word = ORDER[2].word;
        assert_eq!(features.printed_name(word.bit(0)), Some("fpu"));
        assert_eq!(features.printed_name(word.bit(11)), Some("syscall"));
        assert_eq!(features.printed_name(word.bit(10)), None);
    }
}
