//! Cache descriptors of leaf 2: one byte for each cache of Intel processors before leaf 4.
//!
//! Intel SDM volume 2A, CPUID, table "Encoding of CPUID leaf 2 descriptors". Bytes for TLBs,
//! prefetch and the trace cache are not caches in the sense of this crate and are left out.

use crate::cache::{CacheDescription, CacheKind, Ways, plain};
use crate::identity::{Identity, Signature};
use crate::leaf::bit;
use crate::leafset::CpuLeaves;

use CacheKind::{Data, Instruction, Unified};

/// Descriptor byte, level, kind, size in KiB, ways, line size.
type Row = (u8, u8, CacheKind, u32, u32, u32);

const TABLE: [Row; 69] = [
    (0x06, 1, Instruction, 8, 4, 32),
    (0x08, 1, Instruction, 16, 4, 32),
    (0x09, 1, Instruction, 32, 4, 64),
    (0x0a, 1, Data, 8, 2, 32),
    (0x0c, 1, Data, 16, 4, 32),
    (0x0d, 1, Data, 16, 4, 64),
    (0x0e, 1, Data, 24, 6, 64),
    (0x1d, 2, Unified, 128, 2, 64),
    (0x21, 2, Unified, 256, 8, 64),
    (0x22, 3, Unified, 512, 4, 64),
    (0x23, 3, Unified, 1024, 8, 64),
    (0x24, 2, Unified, 1024, 16, 64),
    (0x25, 3, Unified, 2048, 8, 64),
    (0x29, 3, Unified, 4096, 8, 64),
    (0x2c, 1, Data, 32, 8, 64),
    (0x30, 1, Instruction, 32, 8, 64),
    (0x41, 2, Unified, 128, 4, 32),
    (0x42, 2, Unified, 256, 4, 32),
    (0x43, 2, Unified, 512, 4, 32),
    (0x44, 2, Unified, 1024, 4, 32),
    (0x45, 2, Unified, 2048, 4, 32),
    (0x46, 3, Unified, 4096, 4, 64),
    (0x47, 3, Unified, 8192, 8, 64),
    (0x48, 2, Unified, 3072, 12, 64),
    (0x49, 2, Unified, 4096, 16, 64),
    (0x4a, 3, Unified, 6144, 12, 64),
    (0x4b, 3, Unified, 8192, 16, 64),
    (0x4c, 3, Unified, 12288, 12, 64),
    (0x4d, 3, Unified, 16384, 16, 64),
    (0x4e, 2, Unified, 6144, 24, 64),
    (0x60, 1, Data, 16, 8, 64),
    (0x66, 1, Data, 8, 4, 64),
    (0x67, 1, Data, 16, 4, 64),
    (0x68, 1, Data, 32, 4, 64),
    (0x78, 2, Unified, 1024, 4, 64),
    (0x79, 2, Unified, 128, 8, 64),
    (0x7a, 2, Unified, 256, 8, 64),
    (0x7b, 2, Unified, 512, 8, 64),
    (0x7c, 2, Unified, 1024, 8, 64),
    (0x7d, 2, Unified, 2048, 8, 64),
    (0x7f, 2, Unified, 512, 2, 64),
    (0x80, 2, Unified, 512, 8, 64),
    (0x82, 2, Unified, 256, 8, 32),
    (0x83, 2, Unified, 512, 8, 32),
    (0x84, 2, Unified, 1024, 8, 32),
    (0x85, 2, Unified, 2048, 8, 32),
    (0x86, 2, Unified, 512, 4, 64),
    (0x87, 2, Unified, 1024, 8, 64),
    (0xd0, 3, Unified, 512, 4, 64),
    (0xd1, 3, Unified, 1024, 4, 64),
    (0xd2, 3, Unified, 2048, 4, 64),
    (0xd6, 3, Unified, 1024, 8, 64),
    (0xd7, 3, Unified, 2048, 8, 64),
    (0xd8, 3, Unified, 4096, 8, 64),
    (0xdc, 3, Unified, 1536, 12, 64),
    (0xdd, 3, Unified, 3072, 12, 64),
    (0xde, 3, Unified, 6144, 12, 64),
    (0xe2, 3, Unified, 2048, 16, 64),
    (0xe3, 3, Unified, 4096, 16, 64),
    (0xe4, 3, Unified, 8192, 16, 64),
    (0xea, 3, Unified, 12288, 24, 64),
    (0xeb, 3, Unified, 18432, 24, 64),
    (0xec, 3, Unified, 24576, 24, 64),
    // Sectored second-level caches of the first Pentium 4 based Celerons.
    (0x39, 2, Unified, 128, 4, 64),
    (0x3a, 2, Unified, 192, 6, 64),
    (0x3b, 2, Unified, 128, 2, 64),
    (0x3c, 2, Unified, 256, 4, 64),
    (0x3d, 2, Unified, 384, 6, 64),
    (0x3e, 2, Unified, 512, 4, 64),
];

/// Caches of leaf 2, in ascending level.
pub(crate) fn leaf_2(cpu: &CpuLeaves, identity: &Identity) -> Vec<CacheDescription> {
    let Some(row) = cpu.leaf(2) else {
        return Vec::new();
    };
    // The lowest byte of EAX is how often to call, not a descriptor; bit 31 makes a register invalid.
    let mut caches: Vec<CacheDescription> = [row.eax & !0xff, row.ebx, row.ecx, row.edx]
        .into_iter()
        .filter(|&register| !bit(register, 31))
        .flat_map(u32::to_le_bytes)
        .filter_map(|byte| describe_byte(byte, identity.signature))
        .collect();
    caches.sort_unstable();
    caches.dedup();
    caches
}

/// The cache a descriptor byte stands for; `None` for other bytes.
pub(crate) fn describe_byte(byte: u8, signature: Option<Signature>) -> Option<CacheDescription> {
    let &(_, level, kind, kib, ways, line) = TABLE.iter().find(|row| row.0 == byte)?;
    // The one byte with two meanings: an L3 on the Xeon MP of family 15 model 6.
    let level = if byte == 0x49 && signature.is_some_and(|s| s.family() == 15 && s.model() == 6) {
        3
    } else {
        level
    };
    let size = u64::from(kib).saturating_mul(1024);
    Some(plain(2, level, kind, size, line, Ways::Number(ways)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};

    #[test]
    fn no_descriptor_stands_twice() {
        let mut bytes: Vec<u8> = TABLE.iter().map(|row| row.0).collect();
        bytes.sort_unstable();
        bytes.dedup();
        assert_eq!(bytes.len(), TABLE.len());
    }

    #[test]
    fn pentium_3_has_its_caches_in_leaf_2() {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(2), Subleaf(0), Registers::new(0x0302_0101, 0, 0, 0x0c04_0882));
        let caches = leaf_2(&cpu, &Identity::default());
        let seen: Vec<(u8, CacheKind, u64)> = caches.iter().map(|c| (c.level, c.kind, c.size >> 10)).collect();
        assert_eq!(seen, [(1, Data, 16), (1, Instruction, 16), (2, Unified, 256)]);
    }

    #[test]
    fn register_with_bit_31_is_invalid() {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(2), Subleaf(0), Registers::new(1, 0x8000_0082, 0, 0));
        assert!(leaf_2(&cpu, &Identity::default()).is_empty());
    }
}
