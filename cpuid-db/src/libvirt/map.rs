//! libvirt's map of features, vendors and CPU models (`data/libvirt-*.tsv`, with the features from
//! `data/fields/*.tsv`), compiled to constants by `build.rs`.

use crate::bits::{Bit, Words};
use crate::database::Database;
use crate::dialect::Dialect;

use super::set::FeatureSet;

/// A feature: always one bit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Feature {
    /// Name in XML.
    pub name: &'static str,
    /// Its bit.
    pub bit: Bit,
    /// A guest with it can move.
    pub migratable: bool,
    /// Other spellings, which XML does not take.
    pub others: &'static [&'static str],
    /// How libvirt spells it to QEMU.
    pub qemu: &'static str,
    /// How libvirt spells it to libxl.
    pub libxl: &'static str,
}

/// A vendor.
#[derive(Debug, PartialEq, Eq)]
pub struct Vendor {
    /// Name in XML.
    pub name: &'static str,
    /// The 12 characters of leaf 0.
    pub string: &'static str,
}

/// Family, model and steppings a CPU model was made after.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    /// Family, extended family added.
    pub family: u32,
    /// Model number, extended model included.
    pub model: u32,
    /// Bit n: stepping n.
    pub steppings: u16,
}

/// A CPU model.
#[derive(Debug, PartialEq, Eq)]
pub struct Model {
    /// Name in XML.
    pub name: &'static str,
    /// Place of the model this one is the canonical name of.
    pub alias_of: Option<usize>,
    /// Place of the model's canonical name (`SandyBridge` → `SandyBridge-v1`).
    pub canonical: Option<usize>,
    /// Place of its vendor.
    pub(super) vendor_index: Option<usize>,
    /// May be chosen for the definition of a host.
    pub decode_host: bool,
    /// May be chosen for the definition of a guest.
    pub decode_guest: bool,
    /// `check='partial'` compares with the features before the added ones.
    pub compat: bool,
    /// What processors it was made after.
    pub signatures: &'static [Signature],
    /// What it has.
    pub features: FeatureSet,
    /// Features the hypervisor took out later: named explicitly in every definition.
    pub removed: &'static [usize],
    /// Features the hypervisor always had in it and libvirt learned of later.
    pub added: &'static [usize],
}

impl Model {
    /// Its vendor; `None` for models of any vendor.
    #[must_use]
    pub fn vendor(&self) -> Option<&'static Vendor> {
        table::VENDORS.get(self.vendor_index?)
    }

    /// Whether it was made after a processor of a family, model and stepping.
    #[must_use]
    pub fn is_of(&self, family: u32, model: u32, stepping: u32) -> bool {
        self.signatures.iter().any(|signature| {
            signature.family == family
                && signature.model == model
                && 1_u16
                    .checked_shl(stepping)
                    .is_some_and(|mask| signature.steppings & mask != 0)
        })
    }
}

mod table {
    //! Written by `build.rs`.
    use super::{Feature, FeatureSet, Model, Signature, Vendor};
    use crate::bits::{Bit, Place, Register, Word};
    use crate::leaf::Subleaf;
    include!(concat!(env!("OUT_DIR"), "/libvirt.rs"));
}

/// The built-in features, vendors and models, with the features of a user's rows.
#[derive(Clone, Debug, Default)]
pub struct Map {
    extra: Vec<Feature>,
}

impl Map {
    /// The built-in map.
    #[must_use]
    pub const fn builtin() -> Self {
        Self { extra: Vec::new() }
    }

    /// The map with the bits that a user's rows give a libvirt name, up to the capacity of a set.
    #[must_use]
    pub fn new(database: &Database) -> Self {
        let mut map = Self::default();
        for field in database.fields() {
            let (Some(name), Some(bit)) = (field.name(Dialect::Libvirt), field.bit()) else {
                continue;
            };
            let room = table::FEATURES.len().saturating_add(map.extra.len()) < FeatureSet::CAPACITY;
            if room && map.find(name).is_none() {
                map.extra.push(Feature {
                    name,
                    bit,
                    migratable: true,
                    others: &[],
                    qemu: field.name(Dialect::Qemu).unwrap_or(name),
                    libxl: field.name(Dialect::Xen).unwrap_or(name),
                });
            }
        }
        map
    }

    /// Features, in the order libvirt lists them.
    pub fn features(&self) -> impl Iterator<Item = &Feature> {
        table::FEATURES.iter().chain(&self.extra)
    }

    /// Feature by its place.
    #[must_use]
    pub fn feature(&self, place: usize) -> Option<&Feature> {
        table::FEATURES
            .get(place)
            .or_else(|| self.extra.get(place.checked_sub(table::FEATURES.len())?))
    }

    /// Place of a feature by its name in XML.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<usize> {
        let built_in = table::FEATURE_NAMES.binary_search_by_key(&name, |&(known, _)| known);
        match built_in.ok().and_then(|at| table::FEATURE_NAMES.get(at)) {
            Some(&(_, place)) => Some(place),
            None => self
                .extra
                .iter()
                .position(|feature| feature.name == name)
                .map(|at| at.saturating_add(table::FEATURES.len())),
        }
    }

    /// Place of the feature of a bit.
    #[must_use]
    pub fn of_bit(&self, bit: Bit) -> Option<usize> {
        match table::FEATURES.binary_search_by_key(&bit, |feature| feature.bit) {
            Ok(place) => Some(place),
            Err(_) => self
                .extra
                .iter()
                .position(|feature| feature.bit == bit)
                .map(|at| at.saturating_add(table::FEATURES.len())),
        }
    }

    /// Names of a set of features, in libvirt's order.
    pub fn names(&self, set: FeatureSet) -> impl Iterator<Item = &'static str> {
        set.iter()
            .filter_map(|place| self.feature(place).map(|feature| feature.name))
    }

    /// The features whose bits are set.
    #[must_use]
    pub fn of_words(&self, words: &Words) -> FeatureSet {
        self.features()
            .enumerate()
            .filter(|(_, feature)| words.has(feature.bit))
            .map(|(place, _)| place)
            .collect()
    }

    /// Bits of a set of features.
    #[must_use]
    pub fn words(&self, set: FeatureSet) -> Words {
        set.iter()
            .filter_map(|place| self.feature(place).map(|feature| feature.bit))
            .collect()
    }

    /// CPU models, in the order of libvirt's index (oldest first).
    #[must_use]
    pub fn models(&self) -> &'static [Model] {
        &table::MODELS
    }

    /// Model by name.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<&'static Model> {
        let at = table::MODEL_NAMES
            .binary_search_by_key(&name, |&(known, _)| known)
            .ok()?;
        table::MODELS.get(table::MODEL_NAMES.get(at)?.1)
    }

    /// Vendors.
    #[must_use]
    pub fn vendors(&self) -> &'static [Vendor] {
        &table::VENDORS
    }

    /// Vendor by its name in XML.
    #[must_use]
    pub fn vendor(&self, name: &str) -> Option<&'static Vendor> {
        self.vendors().iter().find(|vendor| vendor.name == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn features_are_in_the_order_of_their_bits_and_found_by_name_and_bit() {
        let map = Map::builtin();
        assert!(table::FEATURES.is_sorted_by_key(|feature| feature.bit));
        for (place, feature) in map.features().enumerate() {
            assert_eq!(map.find(feature.name), Some(place));
            assert_eq!(map.of_bit(feature.bit), Some(place));
        }
        assert_eq!(map.find("sse3"), None, "another spelling is no name");
    }

    #[test]
    fn libvirt_has_364_features_and_150_models() {
        let map = Map::builtin();
        assert_eq!(map.features().count(), 364, "of data/fields, column libvirt");
        assert_eq!(map.models().len(), 150);
    }

    #[test]
    fn canonical_names_and_aliases_point_at_each_other() {
        let map = Map::builtin();
        let model = map.model("Haswell-noTSX").unwrap();
        let canonical = &map.models()[model.canonical.unwrap()];
        assert_eq!(canonical.name, "Haswell-v2");
        assert_eq!(canonical.features, model.features);
        assert_eq!(map.models()[canonical.alias_of.unwrap()].name, "Haswell-noTSX");
        assert!(model.is_of(6, 63, 2) && !model.is_of(6, 61, 2));
    }

    #[test]
    fn steppings_of_a_signature_are_told_apart() {
        let map = Map::builtin();
        assert!(map.model("Cooperlake").unwrap().is_of(6, 85, 11));
        assert!(!map.model("Cooperlake").unwrap().is_of(6, 85, 7));
        assert!(!map.model("Cooperlake").unwrap().is_of(6, 85, 99));
    }

    #[test]
    fn a_row_of_a_user_adds_a_feature() {
        let row = "0x7\t0\tedx\t6\tours\tfeature\t-\tany\t-\t-\tour-feature\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\t-\tours";
        let database = Database::builtin().with_rows(row);
        assert_eq!(database.damage, []);
        let map = Map::new(&database.value);
        let place = map.find("our-feature").unwrap();
        assert_eq!(map.feature(place).unwrap().bit.to_string(), "7.0.edx[6]");
        assert_eq!(
            map.names(FeatureSet::from_iter([place])).collect::<Vec<_>>(),
            ["our-feature"]
        );
    }
}
