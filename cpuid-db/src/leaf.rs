//! The units of CPUID: leaf and subleaf (EAX and ECX going in), four registers coming out.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// CPUID leaf: EAX on input.
///
/// ```
/// use cpuid_db::Leaf;
/// assert_eq!(Leaf(0x8000_0008).to_string(), "0x80000008");
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Leaf(pub u32);

impl Leaf {
    /// The leaf that holds the maximum of this leaf's range: 0, 0x40000000, 0x80000000, 0x80860000, 0xC0000000.
    ///
    /// The ranges: basic; hypervisor (each further 0x100 is a range of its own); extended; Transmeta; Centaur.
    #[must_use]
    pub const fn base(self) -> Self {
        match self.0 >> 16 {
            0x4000 => Self(self.0 & 0xffff_ff00),
            high => Self(high << 16),
        }
    }
}

impl fmt::Display for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{:08x}", self.0)
    }
}

impl Serialize for Leaf {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// CPUID subleaf: ECX on input; 0 for leaves that ignore it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct Subleaf(pub u32);

/// The four registers CPUID returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct Registers {
    /// EAX.
    pub eax: u32,
    /// EBX.
    pub ebx: u32,
    /// ECX.
    pub ecx: u32,
    /// EDX.
    pub edx: u32,
}

impl Registers {
    /// Registers in the order EAX, EBX, ECX, EDX.
    #[must_use]
    pub const fn new(eax: u32, ebx: u32, ecx: u32, edx: u32) -> Self {
        Self { eax, ebx, ecx, edx }
    }

    /// All four are zero: what CPUID returns for many leaves it does not implement.
    #[must_use]
    pub const fn is_zero(self) -> bool {
        self.eax == 0 && self.ebx == 0 && self.ecx == 0 && self.edx == 0
    }
}

/// Bits `high..=low` of a register.
pub(crate) const fn bits(register: u32, high: u32, low: u32) -> u32 {
    let width = high.saturating_sub(low);
    (register >> (low & 31)) & (u32::MAX >> (31_u32.saturating_sub(width)))
}

/// One bit of a register.
pub(crate) const fn bit(register: u32, number: u32) -> bool {
    bits(register, number, number) == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_takes_both_ends() {
        assert_eq!(bits(0x1c00_4143, 4, 0), 3);
        assert_eq!(bits(0x1c00_4143, 31, 26), 7);
        assert_eq!(bits(0xffff_ffff, 31, 0), u32::MAX);
        assert!(bit(0x8000_0000, 31));
    }

    #[test]
    fn each_range_has_its_own_maximum() {
        assert_eq!(Leaf(0xd).base(), Leaf(0));
        assert_eq!(Leaf(0x4000_0101).base(), Leaf(0x4000_0100));
        assert_eq!(Leaf(0x8000_001e).base(), Leaf(0x8000_0000));
        assert_eq!(Leaf(0xc000_0001).base(), Leaf(0xc000_0000));
    }
}
