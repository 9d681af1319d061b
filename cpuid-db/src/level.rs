//! The architecture level of a processor: the i386 family, or the micro-architecture levels of
//! x86-64 (psABI for AMD64, chapter 3.1.1).
//!
//! The psABI asks for OSXSAVE in level 3, which the operating system sets. Here XSAVE stands for it,
//! because a dump or a policy describes the processor.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::Identity;
use crate::leaf::bits;
use crate::leafset::CpuLeaves;

/// Level; a higher one has everything of those below it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub enum FeatureLevel {
    /// Family 3.
    #[serde(rename = "i386")]
    I386,
    /// Family 4.
    #[serde(rename = "i486")]
    I486,
    /// Family 5.
    #[serde(rename = "i586")]
    I586,
    /// Family 6 and above without long mode.
    #[serde(rename = "i686")]
    I686,
    /// Long mode, SSE2.
    #[serde(rename = "x86-64-v1")]
    V1,
    /// SSE4.2, POPCNT, CMPXCHG16B.
    #[serde(rename = "x86-64-v2")]
    V2,
    /// AVX2, BMI, FMA.
    #[serde(rename = "x86-64-v3")]
    V3,
    /// AVX-512 F, BW, CD, DQ, VL.
    #[serde(rename = "x86-64-v4")]
    V4,
}

impl FeatureLevel {
    /// Name in the words of compilers.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::I386 => "i386",
            Self::I486 => "i486",
            Self::I586 => "i586",
            Self::I686 => "i686",
            Self::V1 => "x86-64-v1",
            Self::V2 => "x86-64-v2",
            Self::V3 => "x86-64-v3",
            Self::V4 => "x86-64-v4",
        }
    }
}

impl fmt::Display for FeatureLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Name of a feature, its register, its bit.
type Feature = (&'static str, Where, u8);

/// The features a level adds.
const ADDED: [(FeatureLevel, &[Feature]); 4] = [
    (
        FeatureLevel::V1,
        &[
            ("LM", Where::ExtendedEdx, 29),
            ("CMOV", Where::OneEdx, 15),
            ("CX8", Where::OneEdx, 8),
            ("FPU", Where::OneEdx, 0),
            ("FXSR", Where::OneEdx, 24),
            ("MMX", Where::OneEdx, 23),
            ("SSE", Where::OneEdx, 25),
            ("SSE2", Where::OneEdx, 26),
        ],
    ),
    (
        FeatureLevel::V2,
        &[
            ("CMPXCHG16B", Where::OneEcx, 13),
            ("LAHF-SAHF", Where::ExtendedEcx, 0),
            ("POPCNT", Where::OneEcx, 23),
            ("SSE3", Where::OneEcx, 0),
            ("SSE4.1", Where::OneEcx, 19),
            ("SSE4.2", Where::OneEcx, 20),
            ("SSSE3", Where::OneEcx, 9),
        ],
    ),
    (
        FeatureLevel::V3,
        &[
            ("AVX", Where::OneEcx, 28),
            ("AVX2", Where::SevenEbx, 5),
            ("BMI1", Where::SevenEbx, 3),
            ("BMI2", Where::SevenEbx, 8),
            ("F16C", Where::OneEcx, 29),
            ("FMA", Where::OneEcx, 12),
            ("LZCNT", Where::ExtendedEcx, 5),
            ("MOVBE", Where::OneEcx, 22),
            ("XSAVE", Where::OneEcx, 26),
        ],
    ),
    (
        FeatureLevel::V4,
        &[
            ("AVX512F", Where::SevenEbx, 16),
            ("AVX512BW", Where::SevenEbx, 30),
            ("AVX512CD", Where::SevenEbx, 28),
            ("AVX512DQ", Where::SevenEbx, 17),
            ("AVX512VL", Where::SevenEbx, 31),
        ],
    ),
];

#[derive(Clone, Copy)]
enum Where {
    OneEcx,
    OneEdx,
    SevenEbx,
    ExtendedEcx,
    ExtendedEdx,
}

impl Where {
    fn register(self, cpu: &CpuLeaves) -> u32 {
        let leaf = |leaf| cpu.leaf(leaf).unwrap_or_default();
        match self {
            Self::OneEcx => leaf(1).ecx,
            Self::OneEdx => leaf(1).edx,
            Self::SevenEbx => leaf(7).ebx,
            Self::ExtendedEcx => leaf(0x8000_0001).ecx,
            Self::ExtendedEdx => leaf(0x8000_0001).edx,
        }
    }
}

/// Features of a level and those below it that a processor lacks.
#[must_use]
pub fn missing(cpu: &CpuLeaves, level: FeatureLevel) -> Vec<&'static str> {
    ADDED
        .iter()
        .filter(|(of, _)| *of <= level)
        .flat_map(|(_, features)| features.iter())
        .filter(|(_, place, number)| place.register(cpu) >> number & 1 == 0)
        .map(|(name, _, _)| *name)
        .collect()
}

/// The highest level whose features are all there; `None` without leaf 1.
#[must_use]
pub fn feature_level(cpu: &CpuLeaves) -> Option<FeatureLevel> {
    let signature = Identity::of(cpu).signature?;
    let long = ADDED
        .iter()
        .map(|(level, _)| *level)
        .take_while(|&level| missing(cpu, level).is_empty())
        .last();
    Some(long.unwrap_or(match bits(signature.0, 11, 8) {
        0..=3 => FeatureLevel::I386,
        4 => FeatureLevel::I486,
        5 => FeatureLevel::I586,
        _ => FeatureLevel::I686,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};

    fn cpu(one: [u32; 2], seven: u32, extended: [u32; 2]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x0005_0654, 0, one[0], one[1]));
        cpu.insert(Leaf(7), Subleaf(0), Registers::new(0, seven, 0, 0));
        let [c, d] = extended;
        cpu.insert(Leaf(0x8000_0001), Subleaf(0), Registers::new(0, 0, c, d));
        cpu
    }

    #[test]
    fn all_features_of_a_level_are_asked_for() {
        let full = cpu([0x7ffe_fbff, 0xbfeb_fbff], 0xd39f_fffb, [0x121, 0x2c10_0800]);
        assert_eq!(feature_level(&full), Some(FeatureLevel::V4));
        let without_movbe = cpu([0x7fbe_fbff, 0xbfeb_fbff], 0xd39f_fffb, [0x121, 0x2c10_0800]);
        assert_eq!(feature_level(&without_movbe), Some(FeatureLevel::V2));
        assert_eq!(missing(&without_movbe, FeatureLevel::V4), ["MOVBE"]);
    }

    #[test]
    fn without_long_mode_the_family_decides() {
        assert_eq!(
            feature_level(&cpu([0, 0xbfeb_fbff], 0, [0, 0])),
            Some(FeatureLevel::I686)
        );
        assert_eq!(feature_level(&CpuLeaves::new(0)), None);
    }
}
