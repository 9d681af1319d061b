//! The CPU models of QEMU 10.0, its feature words, their dependencies and the properties of a CPU that
//! are no feature: `data/qemu-*.tsv`, compiled by `build.rs`.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Word, Words};

/// One version of a CPU model.
#[derive(Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Model {
    /// Name with the version, as `Haswell-v2`.
    pub name: &'static str,
    /// Name without, as `Haswell`.
    pub family_name: &'static str,
    /// Version, from 1.
    pub version: u32,
    /// Another name of this version, as `Haswell-noTSX`.
    pub alias: Option<&'static str>,
    /// What the version is for.
    pub note: Option<&'static str>,
    /// The 12 characters of leaf 0.
    pub vendor: &'static str,
    /// Family as displayed.
    pub family: u32,
    /// Model number as displayed.
    pub model_number: u32,
    /// Stepping.
    pub stepping: u32,
    /// Highest basic leaf, when no feature needs a higher one.
    pub level: u32,
    /// Highest extended leaf, when no feature needs a higher one.
    pub extended_level: u32,
    /// Version of AVX10; 0 for none.
    pub avx10_version: u32,
    /// Brings a description of its caches.
    pub own_caches: bool,
    /// To be removed from QEMU.
    pub deprecated: bool,
    /// Brand string.
    pub brand: &'static str,
    /// Words of the definition: before accelerator, options and dependencies.
    #[serde(skip)]
    words: &'static [(Word, u32)],
}

impl Model {
    /// Bits of the definition: before accelerator, options and dependencies.
    #[must_use]
    pub fn definition(&self) -> Words {
        self.words.iter().copied().collect()
    }

    /// The shortest name: the alias, the name without version for version 1, or the full name.
    #[must_use]
    pub fn short_name(&self) -> &'static str {
        self.alias.unwrap_or(match self.version {
            1 => self.family_name,
            _ => self.name,
        })
    }
}

/// A word of features as QEMU keeps them.
pub(super) struct FeatureWord {
    pub word: Word,
    /// Bits that have a name.
    pub named: u32,
    /// Bits that TCG emulates.
    pub tcg: u32,
    /// Bits without a name that `max` passes on.
    pub migratable: u32,
    /// Bits that are not passed on while the guest is to be migratable.
    pub unmigratable: u32,
    /// Bits that `max` leaves to the user.
    pub not_automatic: u32,
}

impl FeatureWord {
    /// What `max` passes on of what the accelerator supports.
    pub const fn automatic(&self, migratable: bool) -> u32 {
        let supported = if migratable {
            self.tcg & (self.migratable | (self.named & !self.unmigratable))
        } else {
            self.tcg
        };
        supported & !self.not_automatic
    }
}

/// Without any bit of `needs`, the bits of `taken` are cleared.
pub(super) struct Dependency {
    pub needs: (Word, u32),
    pub taken: (Word, u32),
}

/// A property that is no feature.
pub(super) struct Property {
    pub name: &'static str,
    pub kind: Type,
    /// Only `max` and `host` have it.
    pub only_max: bool,
}

/// What a property takes.
pub(super) enum Type {
    Bool,
    /// Of so many bits.
    Unsigned(u32),
    Signed32,
    /// Bits of a mask.
    Mask(u64),
    /// A number up to this.
    Most(u64),
    OneOf(&'static [&'static str]),
    Text,
    Vendor,
    Frequency,
    ReadOnly,
}

mod table {
    //! Written by `build.rs`.
    use super::{Dependency, FeatureWord, Model, Property, Type};
    use crate::bits::{Register, Word};
    include!(concat!(env!("OUT_DIR"), "/qemu.rs"));
}

pub(super) use table::{DEPENDENCIES, WORDS};

/// Every version of every model, in QEMU's order.
#[must_use]
pub fn models() -> &'static [Model] {
    &table::MODELS
}

/// Every name of a model, sorted: versions, names without version (version 1 for the machine types
/// `pc` and `q35`), aliases. Without `base`, `max` and `host`.
pub fn model_names() -> impl Iterator<Item = (&'static str, &'static Model)> {
    table::MODEL_NAMES
        .iter()
        .filter_map(|&(name, at)| Some((name, table::MODELS.get(usize::from(at))?)))
}

/// Model of a name: `Haswell`, `Haswell-v2`, `Haswell-noTSX`.
#[must_use]
pub fn model(name: &str) -> Option<&'static Model> {
    let at = table::MODEL_NAMES
        .binary_search_by_key(&name, |&(known, _)| known)
        .ok()?;
    table::MODELS.get(usize::from(table::MODEL_NAMES.get(at)?.1))
}

/// Versioned name that a name stands for: `Haswell-noTSX` → `Haswell-v2`.
#[must_use]
pub fn resolve(name: &str) -> Option<&'static str> {
    model(name).map(|model| model.name)
}

pub(super) fn property(name: &str) -> Option<&'static Property> {
    let at = table::PROPERTIES
        .binary_search_by_key(&name, |property| property.name)
        .ok()?;
    table::PROPERTIES.get(at)
}

/// The feature word a bit is in.
pub(super) fn feature_word(word: Word) -> Option<&'static FeatureWord> {
    WORDS.iter().find(|known| known.word == word)
}

/// Whether QEMU has a name for a bit.
pub(super) fn is_named(bit: Bit) -> bool {
    feature_word(bit.word).is_some_and(|word| word.named >> (bit.number & 31) & 1 == 1)
}
