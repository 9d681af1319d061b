//! Address widths and frequencies that CPUID tells.
//!
//! Widths: leaf 0x80000008 (SDM volume 2A, APM volume 3), memory encryption takes bits away in
//! 0x8000001F. Frequencies: leaves 0x15 and 0x16 (SDM), 0x40000010 (the timing leaf of VMware, which
//! KVM and Xen guests show too).

use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::{Identity, Vendor};
use crate::leaf::{bit, bits};
use crate::leafset::CpuLeaves;

/// Widths of addresses in bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Addresses {
    /// Physical addresses.
    pub physical: u8,
    /// Linear addresses.
    pub linear: u8,
    /// Physical addresses of guests, where told apart (AMD).
    pub guest_physical: Option<u8>,
    /// Bits that memory encryption takes from physical addresses (AMD).
    pub encryption_takes: Option<u8>,
    /// Told by leaf 0x80000008; else what the architecture gives processors without it.
    pub told: bool,
}

impl Addresses {
    /// Widths of one processor; `None` without leaf 1.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Option<Self> {
        let one = cpu.leaf(1)?;
        let byte = |value: u32| u8::try_from(value & 0xff).unwrap_or(0);
        let Some(row) = cpu.leaf(0x8000_0008).filter(|row| row.eax & 0xff != 0) else {
            let long = cpu.leaf(0x8000_0001).is_some_and(|row| bit(row.edx, 29));
            // PAE and PSE-36 reach 36 bits.
            let wide = bit(one.edx, 6) || bit(one.edx, 17);
            return Some(Self {
                physical: if wide { 36 } else { 32 },
                linear: if long { 48 } else { 32 },
                guest_physical: None,
                encryption_takes: None,
                told: false,
            });
        };
        let linear = bits(row.eax, 15, 8);
        let amd = Identity::of(cpu).vendor.is_amd_like();
        let encryption = cpu.leaf(0x8000_001f).filter(|row| amd && row.eax & 3 != 0);
        Some(Self {
            physical: byte(row.eax),
            linear: if linear == 0 { 32 } else { byte(linear) },
            guest_physical: Some(byte(bits(row.eax, 23, 16))).filter(|&width| amd && width != 0),
            encryption_takes: encryption.map(|row| byte(bits(row.ebx, 11, 6))),
            told: true,
        })
    }
}

/// Frequencies, where told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Frequencies {
    /// Time-stamp counter in Hz: leaf 0x15 with its crystal, or a hypervisor's.
    pub tsc: Option<u64>,
    /// Crystal clock in Hz (0x15 ECX).
    pub crystal: Option<u32>,
    /// Base, maximum and bus frequency in MHz (0x16); 0 is not told.
    pub base: Option<u32>,
    /// Maximum frequency in MHz.
    pub maximum: Option<u32>,
    /// Bus (reference) frequency in MHz.
    pub bus: Option<u32>,
    /// Local APIC timer in kHz (hypervisor).
    pub apic_khz: Option<u32>,
}

impl Frequencies {
    /// Frequencies of one processor.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Self {
        let identity = Identity::of(cpu);
        let told = |value: u32| (value != 0).then_some(value);
        let mut frequencies = Self::default();
        if matches!(identity.vendor, Vendor::Intel | Vendor::Zhaoxin | Vendor::Centaur) {
            if let Some(row) = cpu.leaf(0x15) {
                frequencies.crystal = told(row.ecx);
                frequencies.tsc = frequencies.crystal.and_then(|crystal| {
                    u64::from(crystal)
                        .checked_mul(row.ebx.into())?
                        .checked_div(row.eax.into())
                        .filter(|&hertz| hertz != 0)
                });
            }
            if let Some(row) = cpu.leaf(0x16) {
                frequencies.base = told(bits(row.eax, 15, 0));
                frequencies.maximum = told(bits(row.ebx, 15, 0));
                frequencies.bus = told(bits(row.ecx, 15, 0));
            }
        }
        let timing = identity
            .max_hypervisor
            .filter(|maximum| maximum.0 >= 0x4000_0010)
            .and_then(|_| cpu.leaf(0x4000_0010));
        if let Some(row) = timing {
            frequencies.tsc = told(row.eax)
                .map(|khz| u64::from(khz).saturating_mul(1000))
                .or(frequencies.tsc);
            frequencies.apic_khz = told(row.ebx);
        }
        frequencies
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};

    fn cpu(rows: &[(u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(0), Registers::new(a, b, c, d));
        }
        cpu
    }

    /// Leaf 0 of `GenuineIntel`, and of `AuthenticAMD`.
    const INTEL: (u32, [u32; 4]) = (0, [0x20, 0x756e_6547, 0x6c65_746e, 0x4965_6e69]);
    const AMD: (u32, [u32; 4]) = (0, [0x10, 0x6874_7541, 0x444d_4163, 0x6974_6e65]);

    #[test]
    fn widths_are_told_or_follow_from_the_architecture() {
        let told = Addresses::of(&cpu(&[
            AMD,
            (1, [0; 4]),
            (0x8000_0008, [0x3030, 0, 0, 0]),
            (0x8000_001f, [2, 0x16f, 0, 0]),
        ]));
        let told = told.unwrap();
        assert_eq!((told.physical, told.linear, told.encryption_takes), (48, 48, Some(5)));
        let old = Addresses::of(&cpu(&[(1, [0x633, 0, 0, 0x80_f9ff])])).unwrap();
        assert_eq!((old.physical, old.linear, old.told), (36, 32, false));
    }

    #[test]
    fn tsc_is_the_crystal_times_the_ratio() {
        let frequencies = Frequencies::of(&cpu(&[
            INTEL,
            (0x15, [2, 0xa8, 25_000_000, 0]),
            (0x16, [2100, 3700, 100, 0]),
        ]));
        assert_eq!(frequencies.tsc, Some(2_100_000_000));
        assert_eq!(
            (frequencies.base, frequencies.maximum, frequencies.bus),
            (Some(2100), Some(3700), Some(100))
        );
    }

    #[test]
    fn a_hypervisor_tells_the_counter_it_shows() {
        let hypervisor = (0x4000_0000, [0x4000_0010, 0x4b4d_564b, 0x564b_4d56, 0x4d]);
        let rows = [
            INTEL,
            (1, [0, 0, 1 << 31, 0]),
            hypervisor,
            (0x4000_0010, [2_600_000, 1_000_000, 0, 0]),
        ];
        let frequencies = Frequencies::of(&cpu(&rows));
        assert_eq!(
            (frequencies.tsc, frequencies.apic_khz),
            (Some(2_600_000_000), Some(1_000_000))
        );
    }
}
