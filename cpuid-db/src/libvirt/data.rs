//! What libvirt keeps of a processor: the features it knows, vendor and signature.

use crate::bits::{Register, Word, Words};
use crate::leafset::CpuLeaves;

use super::cpu::{Kind, LibvirtCpu, Policy};
use super::fault::{self, unknown_feature, unknown_model};
use super::map::{Map, Model, Vendor};
use super::set::FeatureSet;
use crate::guest::Fault;

/// Bits of leaf 1 EAX that make the signature.
const SIGNATURE: u32 = 0x0fff_3fff;

/// Features, vendor and signature.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuData {
    /// Features.
    pub features: FeatureSet,
    /// Vendor, when libvirt knows it.
    pub vendor: Option<&'static Vendor>,
    /// Leaf 1 EAX; 0 when not known.
    pub signature: u32,
}

impl CpuData {
    /// Of a dump: every row within its leaf maxima, and its MSRs.
    #[must_use]
    pub fn of(map: &Map, cpu: &CpuLeaves) -> Self {
        Self::of_words(map, &Words::of(cpu))
    }

    /// Of registers.
    #[must_use]
    pub fn of_words(map: &Map, words: &Words) -> Self {
        Self {
            features: map.of_words(words),
            vendor: vendor(map, words),
            signature: words.get(Word::cpuid(1, 0, Register::Eax)) & SIGNATURE,
        }
    }

    /// Family, model and stepping.
    #[must_use]
    pub const fn family_model_stepping(&self) -> (u32, u32, u32) {
        let s = self.signature;
        let family = ((s >> 20) & 0xff) + ((s >> 8) & 0xf);
        let model = ((s >> 12) & 0xf0) + ((s >> 4) & 0xf);
        (family, model, s & 0xf)
    }
}

/// The vendor whose characters are in leaf 0: libvirt looks for their bits.
fn vendor(map: &Map, words: &Words) -> Option<&'static Vendor> {
    map.vendors().iter().find(|vendor| {
        characters(vendor.string).is_some_and(|registers| {
            registers
                .into_iter()
                .all(|(register, mask)| words.get(Word::cpuid(0, 0, register)) & mask == mask)
        })
    })
}

/// The registers of leaf 0 for 12 characters.
#[must_use]
pub fn characters(text: &str) -> Option<[(Register, u32); 3]> {
    let (groups, rest) = text.as_bytes().as_chunks::<4>();
    let [ebx, edx, ecx] = groups else { return None };
    rest.is_empty().then_some([
        (Register::Ebx, u32::from_le_bytes(*ebx)),
        (Register::Edx, u32::from_le_bytes(*edx)),
        (Register::Ecx, u32::from_le_bytes(*ecx)),
    ])
}

/// Leaf 1 EAX of a family, model and stepping; what does not fit is cut off as libvirt does.
#[must_use]
pub const fn signature(family: u32, model: u32, stepping: u32) -> u32 {
    let (extended, family) = if family > 0xf { (family - 0xf, 0xf) } else { (0, family) };
    (extended << 20) | ((model >> 4) << 16) | (family << 8) | ((model & 0xf) << 4) | (stepping & 0xf)
}

/// Features of a definition, and the model they began with.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Expanded {
    pub features: FeatureSet,
    pub model: Option<&'static Model>,
}

impl LibvirtCpu {
    /// All features a definition gives, in the order of its settings: of the model, and those required
    /// or forced, without those disabled or forbidden. Optional ones do not count.
    pub fn features(&self, map: &Map) -> Result<FeatureSet, Fault> {
        self.expanded(map).map(|expanded| expanded.features)
    }

    pub(super) fn expanded(&self, map: &Map) -> Result<Expanded, Fault> {
        let model = self.known_model(map)?;
        let mut features = model.map_or_else(FeatureSet::default, |model| model.features);
        for setting in &self.features {
            let on = match setting.policy.unwrap_or(Policy::Require) {
                Policy::Force | Policy::Require => true,
                Policy::Disable | Policy::Forbid => false,
                Policy::Optional => continue,
            };
            let place = map.find(&setting.name).ok_or_else(|| unknown_feature(setting))?;
            features.set(place, on);
        }
        Ok(Expanded { features, model })
    }

    /// The features with one policy; those of the model count as required.
    pub(super) fn with_policy(&self, map: &Map, policy: Policy) -> Result<FeatureSet, Fault> {
        let mut features = FeatureSet::default();
        if self.kind == Kind::Host && policy != Policy::Require {
            return Ok(features);
        }
        if policy == Policy::Require
            && let Some(model) = self.known_model(map)?
        {
            features = model.features;
        }
        for setting in &self.features {
            if setting.policy.unwrap_or(Policy::Require) == policy {
                let place = map.find(&setting.name).ok_or_else(|| unknown_feature(setting))?;
                features.set(place, true);
            }
        }
        Ok(features)
    }

    fn known_model(&self, map: &Map) -> Result<Option<&'static Model>, Fault> {
        match &self.model {
            None => Ok(None),
            Some(name) => match map.model(name) {
                Some(model) => Ok(Some(model)),
                None => Err(unknown_model(self.model_at, name)),
            },
        }
    }

    /// Checks that features are known, as libvirt does when it defines a domain.
    pub fn validate_features(&self, map: &Map) -> Result<(), Fault> {
        match self.features.iter().find(|setting| map.find(&setting.name).is_none()) {
            None => Ok(()),
            Some(setting) => Err(fault::new(
                setting.at,
                &setting.name,
                format!("unsupported configuration: unknown CPU feature: {}", setting.name),
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signatures_are_put_together_and_taken_apart() {
        for (family, model, stepping, eax) in [
            (6, 42, 7, 0x0002_06a7),
            (23, 49, 0, 0x0083_0f10),
            (15, 6, 1, 0xf61),
            (6, 85, 11, 0x0005_065b),
        ] {
            assert_eq!(signature(family, model, stepping), eax);
            let data = CpuData {
                signature: eax,
                ..CpuData::default()
            };
            assert_eq!(data.family_model_stepping(), (family, model, stepping));
        }
    }

    #[test]
    fn a_vendor_is_read_from_leaf_0() {
        let map = Map::builtin();
        let registers = characters("HygonGenuine").unwrap();
        let words: Words = registers
            .into_iter()
            .map(|(register, value)| (Word::cpuid(0, 0, register), value))
            .collect();
        assert_eq!(CpuData::of_words(&map, &words).vendor.unwrap().name, "Hygon");
        assert_eq!(characters("short"), None);
        assert_eq!(CpuData::of_words(&map, &Words::default()).vendor, None);
    }
}
