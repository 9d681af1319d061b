//! Who a processor is: vendor, family, model, stepping, brand, and the hypervisor it runs under.
//!
//! Leaf 0 (vendor), 1 (signature), 0x80000002-4 (brand), 0x40000000 (hypervisor); Intel SDM volume 2A
//! and AMD APM volume 3, CPUID.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::leaf::{Leaf, Registers, bit, bits};
use crate::leafset::CpuLeaves;

pub use crate::addresses::Addresses;
pub use crate::kinds::{CoreGroup, Purpose, kinds, purpose};
pub use crate::level::{FeatureLevel, feature_level};

/// Processor signature: EAX of leaf 1.
///
/// ```
/// use cpuid_db::Signature;
/// let signature = Signature(0x000a_06d1);
/// assert_eq!((signature.family(), signature.model(), signature.stepping()), (6, 0xad, 1));
/// assert_eq!(signature.to_string(), "06-ad-01");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signature(pub u32);

impl Signature {
    /// Family as displayed: the extended family is added to a base family of 15.
    #[must_use]
    pub const fn family(self) -> u32 {
        let base = bits(self.0, 11, 8);
        if base == 15 {
            base.saturating_add(bits(self.0, 27, 20))
        } else {
            base
        }
    }

    /// Model as displayed: the extended model counts from base family 6 on.
    #[must_use]
    pub const fn model(self) -> u32 {
        let base = bits(self.0, 7, 4);
        if bits(self.0, 11, 8) >= 6 {
            (bits(self.0, 19, 16) << 4) | base
        } else {
            base
        }
    }

    /// Stepping.
    #[must_use]
    pub const fn stepping(self) -> u32 {
        bits(self.0, 3, 0)
    }
}

impl fmt::Display for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:02x}-{:02x}-{:02x}", self.family(), self.model(), self.stepping())
    }
}

impl Serialize for Signature {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{:08x}", self.0))
    }
}

/// Whose rules the leaves follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD` (and `AMDisbetter!`).
    Amd,
    /// `HygonGenuine`: Zen under licence.
    Hygon,
    /// `  Shanghai  `, and `CentaurHauls` from family 7 on.
    Zhaoxin,
    /// `CentaurHauls` before family 7: IDT and VIA.
    Centaur,
    /// `GenuineTMx86`, `TransmetaCPU`.
    Transmeta,
    /// Any other.
    #[default]
    Other,
}

impl Vendor {
    /// The 12 characters of leaf 0, and the family where it decides.
    pub(crate) fn of(name: &str, family: Option<u32>) -> Self {
        match name {
            "GenuineIntel" => Self::Intel,
            "AuthenticAMD" | "AMDisbetter!" => Self::Amd,
            "HygonGenuine" => Self::Hygon,
            "  Shanghai  " => Self::Zhaoxin,
            "CentaurHauls" if family.is_some_and(|family| family >= 7) => Self::Zhaoxin,
            "CentaurHauls" => Self::Centaur,
            "GenuineTMx86" | "TransmetaCPU" => Self::Transmeta,
            _ => Self::Other,
        }
    }

    /// AMD's extended leaves (0x8000001E, 0x80000026, …) have AMD's meaning.
    #[must_use]
    pub const fn is_amd_like(self) -> bool {
        matches!(self, Self::Amd | Self::Hygon)
    }
}

/// What a processor says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Identity {
    /// Whose rules the leaves follow.
    pub vendor: Vendor,
    /// Vendor string of leaf 0 (`GenuineIntel`).
    pub vendor_name: Option<String>,
    /// Family, model and stepping.
    pub signature: Option<Signature>,
    /// Brand string of leaves 0x80000002-4, without the blanks around it.
    pub brand: Option<String>,
    /// Leaf 1 ECX bit 31: under a hypervisor.
    pub under_hypervisor: bool,
    /// Vendor string of leaf 0x40000000 (`KVMKVMKVM`, `XenVMMXenVMM`).
    pub hypervisor: Option<String>,
    /// Highest basic leaf.
    pub max_basic: Option<Leaf>,
    /// Highest extended leaf.
    pub max_extended: Option<Leaf>,
    /// Highest hypervisor leaf of the range at 0x40000000.
    pub max_hypervisor: Option<Leaf>,
}

impl Identity {
    /// Identity of one logical processor.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Self {
        let vendor_name = cpu.leaf(0).map(|r| text(&[r.ebx, r.edx, r.ecx]));
        let one = cpu.leaf(1);
        let signature = one.map(|row| Signature(row.eax));
        let family = signature.map(Signature::family);
        let under_hypervisor = one.is_some_and(|row| bit(row.ecx, 31));
        Self {
            vendor: Vendor::of(vendor_name.as_deref().unwrap_or_default(), family),
            vendor_name,
            signature,
            brand: brand(cpu),
            under_hypervisor,
            hypervisor: under_hypervisor.then(|| hypervisor(cpu)).flatten(),
            max_basic: cpu.maximum(Leaf(0)),
            max_extended: cpu.maximum(Leaf(0x8000_0000)),
            max_hypervisor: under_hypervisor.then(|| cpu.maximum(Leaf(0x4000_0000))).flatten(),
        }
    }

    /// Family as displayed; 0 when leaf 1 is missing.
    pub(crate) fn family(&self) -> u32 {
        self.signature.map_or(0, Signature::family)
    }

    /// Model as displayed; 0 when leaf 1 is missing.
    pub(crate) fn model(&self) -> u32 {
        self.signature.map_or(0, Signature::model)
    }
}

/// Characters of registers, lowest byte first, up to the first NUL; others than printable ASCII become `?`.
fn text(registers: &[u32]) -> String {
    registers
        .iter()
        .flat_map(|register| register.to_le_bytes())
        .take_while(|&byte| byte != 0)
        .map(|byte| match byte {
            b' '..=b'~' => char::from(byte),
            _ => '?',
        })
        .collect()
}

/// Some tools leave rows out that are all 0: the end of a short text.
fn brand(cpu: &CpuLeaves) -> Option<String> {
    cpu.leaf(0x8000_0002)?;
    let rows: Vec<Registers> = (0x8000_0002..=0x8000_0004)
        .map(|leaf| cpu.leaf(leaf).unwrap_or_default())
        .collect();
    let registers: Vec<u32> = rows.iter().flat_map(|r| [r.eax, r.ebx, r.ecx, r.edx]).collect();
    let brand = text(&registers).trim().to_owned();
    (!brand.is_empty()).then_some(brand)
}

fn hypervisor(cpu: &CpuLeaves) -> Option<String> {
    let row = cpu.leaf(0x4000_0000)?;
    let name = text(&[row.ebx, row.ecx, row.edx]);
    (!name.is_empty()).then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::Subleaf;

    fn cpu(rows: &[(u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(0), Registers::new(a, b, c, d));
        }
        cpu
    }

    fn word(text: &str) -> u32 {
        u32::from_le_bytes(text.as_bytes().try_into().unwrap())
    }

    #[test]
    fn extended_family_counts_only_with_base_family_15() {
        assert_eq!(Signature(0x00a2_0f12).to_string(), "19-21-02");
        assert_eq!(Signature(0x0000_0633).to_string(), "06-03-03");
        assert_eq!(Signature(0x0000_0f5a).to_string(), "0f-05-0a");
        assert_eq!(Signature(0x0001_0543).to_string(), "05-04-03");
    }

    #[test]
    fn vendor_brand_and_hypervisor_are_read_as_text() {
        let identity = Identity::of(&cpu(&[
            (0, [1, word("Auth"), word("cAMD"), word("enti")]),
            (1, [0x0080_0f12, 0, 1 << 31, 0]),
            (0x4000_0000, [0x4000_0001, word("KVMK"), word("VMKV"), word("M\0\0\0")]),
            (0x8000_0000, [0x8000_0004, 0, 0, 0]),
            (0x8000_0002, [word("  AM"), word("D EP"), word("YC 7"), word("451 ")]),
            (0x8000_0003, [word("    "), word("    "), word("    "), word("    ")]),
            (0x8000_0004, [word("    "), word("    "), word("    "), word("   \0")]),
        ]));
        assert_eq!(identity.vendor, Vendor::Amd);
        assert_eq!(identity.vendor_name.as_deref(), Some("AuthenticAMD"));
        assert_eq!(identity.brand.as_deref(), Some("AMD EPYC 7451"));
        assert_eq!(identity.hypervisor.as_deref(), Some("KVMKVMKVM"));
        assert_eq!(identity.max_basic, Some(Leaf(1)));
    }

    #[test]
    fn centaur_of_family_7_is_zhaoxin() {
        let rows = |eax| cpu(&[(0, [1, word("Cent"), word("auls"), word("aurH")]), (1, [eax, 0, 0, 0])]);
        assert_eq!(Identity::of(&rows(0x0005_07bb)).vendor, Vendor::Zhaoxin);
        assert_eq!(Identity::of(&rows(0x0000_06fa)).vendor, Vendor::Centaur);
    }

    #[test]
    fn hypervisor_leaf_without_the_hypervisor_bit_is_not_believed() {
        let identity = Identity::of(&cpu(&[
            (1, [0x0080_0f12, 0, 0, 0]),
            (0x4000_0000, [0x4000_0001, word("KVMK"), word("VMKV"), word("M\0\0\0")]),
        ]));
        assert_eq!(identity.hypervisor, None);
    }
}
