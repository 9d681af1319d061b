//! Caches of one logical processor, and which logical processors share them.
//!
//! | processors | leaves |
//! |---|---|
//! | Intel, Zhaoxin | 4 (deterministic cache parameters); Intel before it: 2 (descriptors) |
//! | AMD, Hygon | 0x8000001D; before it 0x80000005 and 0x80000006 |
//! | others | 4, else 0x80000005 and 0x80000006 |
//!
//! Sharing follows from APIC ids. "Shared by n" reserves a power of two of ids on Intel and from
//! AMD family 0x17 on; AMD family 0x15 counts the ids within the package; the L3 of families 0x10 to
//! 0x16 belongs to a node, of which one package may have two.

use schemars::JsonSchema;
use serde::Serialize;

use crate::identity::{Identity, Vendor};
use crate::leaf::{Registers, bit, bits};
use crate::leafset::CpuLeaves;
use crate::placement::{Domain, Placement, bits_for};

/// Most caches read from leaf 4 or 0x8000001D.
const CACHES: usize = 32;

/// Data, instruction or unified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data cache.
    Data,
    /// Instruction cache.
    Instruction,
    /// Unified cache.
    Unified,
}

/// Associativity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ways {
    /// This many ways; 1 is direct mapped.
    Number(u32),
    /// Fully associative.
    Full,
    /// Not told.
    Unknown,
}

/// One cache as a logical processor describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct CacheDescription {
    /// Level, from 1.
    pub level: u8,
    /// Kind.
    pub kind: CacheKind,
    /// Size in bytes.
    pub size: u64,
    /// Line size in bytes.
    pub line: Option<u32>,
    /// Associativity.
    pub ways: Ways,
    /// Sets, where told.
    pub sets: Option<u32>,
    /// Inclusive of the lower levels, where told.
    pub inclusive: Option<bool>,
    /// Logical processors it is made for, where told; the real number may be smaller.
    pub shared_by: Option<u32>,
    /// The leaf that describes it.
    pub leaf: crate::Leaf,
}

/// One cache with the logical processors that share it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cache {
    /// Level, kind, size, …, as its first CPU describes it.
    #[serde(flatten)]
    pub description: CacheDescription,
    /// Numbers of the logical processors that share it, ascending.
    pub cpus: Vec<u32>,
}

/// Caches of one logical processor, as it describes them.
#[must_use]
pub fn describe(cpu: &CpuLeaves, identity: &Identity) -> Vec<CacheDescription> {
    let caches = if identity.vendor.is_amd_like() {
        amd_extended(cpu)
    } else {
        deterministic(cpu, 4, |level| level == 3 && is_knights_landing(identity))
    };
    // A dump may have only subleaf 0 of the newer leaf; processors that have it have more than one cache.
    if caches.len() > 1 {
        return caches;
    }
    let older = match identity.vendor {
        Vendor::Intel => crate::descriptors::leaf_2(cpu, identity),
        _ => older_extended(cpu, identity),
    };
    if older.len() > caches.len() { older } else { caches }
}

/// Knights Landing and Knights Mill have no L3, but leaf 4 describes one.
fn is_knights_landing(identity: &Identity) -> bool {
    identity.vendor == Vendor::Intel && identity.family() == 6 && matches!(identity.model(), 0x57 | 0x85)
}

fn amd_extended(cpu: &CpuLeaves) -> Vec<CacheDescription> {
    if cpu.leaf(0x8000_0001).is_some_and(|row| bit(row.ecx, 22)) {
        deterministic(cpu, 0x8000_001d, |_| false)
    } else {
        Vec::new()
    }
}

/// Leaves 4 and 0x8000001D, which share one layout: rows until one of type 0.
fn deterministic(cpu: &CpuLeaves, leaf: u32, skip: impl Fn(u8) -> bool) -> Vec<CacheDescription> {
    cpu.subleaves(leaf)
        .take(CACHES)
        .take_while(|row| bits(row.eax, 4, 0) != 0)
        .filter_map(|row| deterministic_row(leaf, row))
        .filter(|cache| !skip(cache.level))
        .collect()
}

fn deterministic_row(leaf: u32, row: Registers) -> Option<CacheDescription> {
    let kind = match bits(row.eax, 4, 0) {
        1 => CacheKind::Data,
        2 => CacheKind::Instruction,
        3 => CacheKind::Unified,
        _ => return None,
    };
    let plus_one = |field: u32| u64::from(field).saturating_add(1);
    let (line, parts, ways) = (bits(row.ebx, 11, 0), bits(row.ebx, 21, 12), bits(row.ebx, 31, 22));
    let size = plus_one(line)
        .saturating_mul(plus_one(parts))
        .saturating_mul(plus_one(ways))
        .saturating_mul(plus_one(row.ecx));
    Some(CacheDescription {
        level: u8::try_from(bits(row.eax, 7, 5)).ok().filter(|&level| level > 0)?,
        kind,
        size,
        line: Some(line.saturating_add(1)),
        ways: if bit(row.eax, 9) {
            Ways::Full
        } else {
            Ways::Number(ways.saturating_add(1))
        },
        sets: row.ecx.checked_add(1),
        inclusive: Some(bit(row.edx, 1)),
        shared_by: Some(bits(row.eax, 25, 14).saturating_add(1)),
        leaf: crate::Leaf(leaf),
    })
}

/// A cache of which only size, line and ways are told.
pub(crate) fn plain(leaf: u32, level: u8, kind: CacheKind, size: u64, line: u32, ways: Ways) -> CacheDescription {
    CacheDescription {
        level,
        kind,
        size,
        line: (line > 0).then_some(line),
        ways,
        sets: None,
        inclusive: None,
        shared_by: None,
        leaf: crate::Leaf(leaf),
    }
}

/// Leaves 0x80000005 (L1) and 0x80000006 (L2, L3).
fn older_extended(cpu: &CpuLeaves, identity: &Identity) -> Vec<CacheDescription> {
    let mut caches = Vec::new();
    if let Some(row) = cpu.leaf(0x8000_0005) {
        caches.extend(legacy_l1(CacheKind::Data, row.ecx));
        caches.extend(legacy_l1(CacheKind::Instruction, row.edx));
    }
    if let Some(row) = cpu.leaf(0x8000_0006) {
        caches.extend(legacy_l2(row.ecx, identity));
        if identity.vendor.is_amd_like() {
            caches.extend(legacy_l3(row.edx, identity));
        }
    }
    caches
}

/// L1: size in KiB, ways (0xFF is full), lines per tag, line size.
fn legacy_l1(kind: CacheKind, register: u32) -> Option<CacheDescription> {
    let size = u64::from(bits(register, 31, 24)).saturating_mul(1024);
    let ways = match bits(register, 23, 16) {
        0 => Ways::Unknown,
        0xff => Ways::Full,
        number => Ways::Number(number),
    };
    (size > 0).then(|| plain(0x8000_0005, 1, kind, size, bits(register, 7, 0), ways))
}

/// The four-bit code of leaf 0x80000006; `None` is "no such cache".
pub(crate) fn legacy_ways(code: u32) -> Option<Ways> {
    Some(match code {
        0 => return None,
        1..=4 => Ways::Number(code),
        5 => Ways::Number(6),
        6 => Ways::Number(8),
        8 => Ways::Number(16),
        0xa => Ways::Number(32),
        0xb => Ways::Number(48),
        0xc => Ways::Number(64),
        0xd => Ways::Number(96),
        0xe => Ways::Number(128),
        0xf => Ways::Full,
        _ => Ways::Unknown,
    })
}

fn legacy_l2(register: u32, identity: &Identity) -> Option<CacheDescription> {
    let via = identity.vendor == Vendor::Centaur && identity.family() == 6;
    let (size, ways) = if via && identity.model() < 9 {
        // VIA C3 before Nehemiah uses the layout of leaf 0x80000005 here.
        let ways = match bits(register, 23, 16) {
            0 => Ways::Unknown,
            number => Ways::Number(number),
        };
        (bits(register, 31, 24), ways)
    } else {
        // Vendors other than AMD leave the code 0 although there is a cache.
        let ways = match legacy_ways(bits(register, 15, 12)) {
            None if identity.vendor.is_amd_like() => return None,
            None => Ways::Unknown,
            Some(ways) => ways,
        };
        (bits(register, 31, 16), ways)
    };
    let size = u64::from(size).saturating_mul(1024);
    (size > 0).then(|| plain(0x8000_0006, 2, CacheKind::Unified, size, bits(register, 7, 0), ways))
}

fn legacy_l3(register: u32, identity: &Identity) -> Option<CacheDescription> {
    let ways = legacy_ways(bits(register, 15, 12))?;
    let size = u64::from(bits(register, 31, 18)).saturating_mul(512 << 10);
    let line = bits(register, 7, 0);
    let (size, ways) = if is_magny_cours(identity) {
        // Two dies in one package: the leaf adds both halves up.
        let ways = match ways {
            Ways::Number(number) if number.is_multiple_of(2) => Ways::Number(number >> 1),
            other => other,
        };
        (size >> 1, ways)
    } else {
        (size, ways)
    };
    (size > 0).then(|| plain(0x8000_0006, 3, CacheKind::Unified, size, line, ways))
}

/// AMD family 0x10 model 9: two dies in one package, before the leaf that tells the node.
fn is_magny_cours(identity: &Identity) -> bool {
    identity.vendor == Vendor::Amd && identity.family() == 0x10 && identity.model() == 9
}

/// What all sharers of one cache have in common, within their package.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ShareKey {
    /// APIC id above a shift.
    Above(u32, u32),
    /// Part of the package's APIC ids, counted.
    Slice(u32),
    /// Node of the package.
    Node(u32),
    /// Compute unit of the package.
    Unit(u32),
    /// The whole package.
    Package,
}

/// What a CPU's sharers of `cache` have in common with it, besides the package; `None` when the
/// leaf does not tell and the processor's family does not settle it.
pub(crate) fn share_key(cache: &CacheDescription, placement: &Placement, identity: &Identity) -> Option<ShareKey> {
    match (cache.leaf.0, cache.shared_by) {
        (4, Some(count)) => {
            let shift = bits_for(count);
            Some(ShareKey::Above(shift, placement.apic.above(shift)))
        }
        (0x8000_001d, Some(count)) => Some(amd_share_key(cache, count, placement, identity)),
        _ if identity.vendor.is_amd_like() => amd_legacy_share_key(cache, placement, identity),
        _ => legacy_share_key(cache, placement, identity),
    }
}

fn core(placement: &Placement) -> Option<ShareKey> {
    let shift = placement.shift(Domain::Core)?;
    Some(ShareKey::Above(shift, placement.apic.above(shift)))
}

/// Leaves 0x80000005 and 0x80000006 tell no sharing.
fn amd_legacy_share_key(cache: &CacheDescription, placement: &Placement, identity: &Identity) -> Option<ShareKey> {
    let family = identity.family();
    let unit = placement.extended.and_then(|extended| extended.unit);
    match (cache.level, cache.kind) {
        (1, CacheKind::Data) => core(placement),
        (1 | 2, _) if family == 0x15 => unit.map(|(unit, _)| ShareKey::Unit(unit)),
        (1, _) => core(placement),
        // Family 0x16: one L2 for a number of cores that these leaves do not tell.
        (2, _) => core(placement).filter(|_| family != 0x16),
        // From Zen on the L3 is one for each complex, and leaf 0x80000006 adds them up.
        _ if family >= 0x17 => None,
        _ if is_magny_cours(identity) => Some(slice(placement, placement.declared.unwrap_or(1).div_ceil(2))),
        _ => match placement.extended {
            Some(extended) if extended.node.1 > 1 => Some(ShareKey::Node(extended.node.0)),
            _ => Some(ShareKey::Package),
        },
    }
}

/// Leaf 2, and leaf 0x80000006 of other vendors: settled by a package with one core, and on
/// Intel family 15, whose L2 is a core's own and whose L3 is the package's.
fn legacy_share_key(cache: &CacheDescription, placement: &Placement, identity: &Identity) -> Option<ShareKey> {
    let one_core = placement.shift(Domain::Core) == Some(placement.package_shift());
    let netburst = identity.vendor == Vendor::Intel && identity.family() == 15;
    match cache.level {
        1 => core(placement),
        _ if one_core => core(placement),
        2 if netburst => core(placement),
        _ if netburst => Some(ShareKey::Package),
        _ => None,
    }
}

fn amd_share_key(cache: &CacheDescription, count: u32, placement: &Placement, identity: &Identity) -> ShareKey {
    if identity.family() >= 0x17 {
        let complex = placement.shift(Domain::Complex).filter(|_| cache.level == 3);
        let shift = complex.unwrap_or_else(|| bits_for(count));
        return ShareKey::Above(shift, placement.apic.above(shift));
    }
    match placement.extended {
        Some(extended) if cache.level == 3 && extended.node.1 > 1 => ShareKey::Node(extended.node.0),
        _ => slice(placement, count),
    }
}

/// Every `count` APIC ids of a package, counted from its first.
fn slice(placement: &Placement, count: u32) -> ShareKey {
    let within = placement.apic.below(placement.package_shift());
    ShareKey::Slice(within.checked_div(count).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Subleaf};

    fn cpu(rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(0);
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    fn identity(vendor: Vendor, signature: u32) -> Identity {
        Identity {
            vendor,
            signature: Some(crate::Signature(signature)),
            ..Identity::default()
        }
    }

    #[test]
    fn size_is_line_times_partitions_times_ways_times_sets() {
        let cpu = cpu(&[(4, 0, [0x1c03_c163, 0x03c0_003f, 0x1fff, 6]), (4, 1, [0; 4])]);
        let caches = describe(&cpu, &identity(Vendor::Intel, 0x106a5));
        assert_eq!(caches.len(), 1);
        assert_eq!((caches[0].level, caches[0].kind), (3, CacheKind::Unified));
        assert_eq!((caches[0].size, caches[0].ways), (8 << 20, Ways::Number(16)));
        assert_eq!((caches[0].shared_by, caches[0].inclusive), (Some(16), Some(true)));
    }

    #[test]
    fn magny_cours_describes_both_halves_of_its_l3() {
        let cpu = cpu(&[(0x8000_0006, 0, [0, 0, 0x0200_8140, 0x0050_d140])]);
        let caches = describe(&cpu, &identity(Vendor::Amd, 0x0010_0f91));
        assert_eq!((caches[0].level, caches[0].size), (2, 512 << 10));
        assert_eq!((caches[1].size, caches[1].ways), (5 << 20, Ways::Number(48)));
    }

    #[test]
    fn disabled_l3_is_no_cache() {
        let cpu = cpu(&[(0x8000_0006, 0, [0, 0, 0x0200_8140, 0])]);
        assert_eq!(describe(&cpu, &identity(Vendor::Amd, 0x0010_0f42)).len(), 1);
    }

    #[test]
    fn l3_of_knights_landing_is_not_believed() {
        let cpu = cpu(&[(4, 0, [0x0000_0163, 0, 0, 0]), (4, 1, [0; 4])]);
        assert!(describe(&cpu, &identity(Vendor::Intel, 0x0005_0671)).is_empty());
    }
}
