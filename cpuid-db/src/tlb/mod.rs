//! Translation lookaside buffers of one logical processor.
//!
//! | processors | leaves |
//! |---|---|
//! | Intel | 0x18 (deterministic address translation parameters), else 2 (descriptors) |
//! | AMD, Hygon | 0x80000005, 0x80000006, 0x80000019 |
//! | Zhaoxin, Centaur, Transmeta | 0x80000005, and descriptors of leaf 2 |
//! | Cyrix, National | leaf 2 with meanings of its own |
//!
//! Intel SDM volume 2A, CPUID; AMD APM volume 3, appendix E.

mod table;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cache::Ways;
use crate::identity::{Identity, Vendor};
use crate::leaf::{Leaf, Registers, bit, bits};
use crate::leafset::CpuLeaves;

/// Most subleaves of leaf 0x18 that are read.
const SUBLEAVES: usize = 64;

/// What is looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TlbKind {
    /// Instruction fetches.
    Instruction,
    /// Loads and stores.
    Data,
    /// Loads only.
    Load,
    /// Stores only.
    Store,
    /// Instructions and data.
    Unified,
}

impl TlbKind {
    /// Name in the field's words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Instruction => "instruction",
            Self::Data => "data",
            Self::Load => "load",
            Self::Store => "store",
            Self::Unified => "unified",
        }
    }
}

/// Page sizes a TLB holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[allow(clippy::struct_excessive_bools, reason = "four page sizes, any of them together")]
pub struct Pages {
    /// 4 KiB.
    #[serde(rename = "4k")]
    pub k4: bool,
    /// 2 MiB.
    #[serde(rename = "2m")]
    pub m2: bool,
    /// 4 MiB.
    #[serde(rename = "4m")]
    pub m4: bool,
    /// 1 GiB.
    #[serde(rename = "1g")]
    pub g1: bool,
}

impl Pages {
    const fn of(set: u32) -> Self {
        Self {
            k4: bit(set, 0),
            m2: bit(set, 1),
            m4: bit(set, 2),
            g1: bit(set, 3),
        }
    }

    /// Names, smallest first.
    #[must_use]
    pub fn names(self) -> Vec<&'static str> {
        [(self.k4, "4K"), (self.m2, "2M"), (self.m4, "4M"), (self.g1, "1G")]
            .into_iter()
            .filter(|(has, _)| *has)
            .map(|(_, name)| name)
            .collect()
    }
}

/// One TLB as a logical processor describes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
pub struct Tlb {
    /// Level, where told.
    pub level: Option<u8>,
    /// What is looked up.
    pub kind: TlbKind,
    /// Page sizes.
    pub pages: Pages,
    /// Entries.
    pub entries: u32,
    /// Associativity. A number of leaf 0x80000006 is the lowest of the range its code stands for.
    pub ways: Ways,
    /// Logical processors it is made for, where told.
    pub shared_by: Option<u32>,
    /// The leaf that describes it.
    pub leaf: Leaf,
}

impl Tlb {
    /// `L2 unified TLB: 1024 entries of 4K/2M, 8-way`.
    #[must_use]
    pub fn line(&self) -> String {
        let level = self.level.map(|level| format!("L{level} ")).unwrap_or_default();
        let ways = match self.ways {
            Ways::Unknown => String::new(),
            other => format!(", {}", table::ways(other)),
        };
        let pages = self.pages.names().join("/");
        format!(
            "{level}{} TLB: {} entries of {pages}{ways}",
            self.kind.name(),
            self.entries
        )
    }
}

/// A byte of leaf 2.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Descriptor {
    /// The byte.
    pub byte: u8,
    /// What it stands for.
    pub meaning: String,
}

/// TLBs of one logical processor, as it describes them.
#[must_use]
pub fn of(cpu: &CpuLeaves, identity: &Identity) -> Vec<Tlb> {
    let mut list = if identity.vendor.is_amd_like() {
        let mut list = legacy(cpu, identity);
        list.extend(amd_gigabyte(cpu, identity));
        list
    } else {
        let deterministic = leaf_18(cpu);
        if deterministic.is_empty() {
            let mut list = leaf_2(cpu, identity);
            if identity.vendor != Vendor::Intel {
                list.extend(legacy(cpu, identity));
            }
            list
        } else {
            deterministic
        }
    };
    list.sort_unstable();
    list.dedup();
    list
}

/// Descriptors of leaf 2 in the order of its registers, with what each stands for.
#[must_use]
pub fn descriptors(cpu: &CpuLeaves, identity: &Identity) -> Vec<Descriptor> {
    bytes(cpu)
        .map(|byte| Descriptor {
            byte,
            meaning: table::meaning(byte, identity),
        })
        .collect()
}

/// Descriptor bytes of leaf 2: the lowest byte of EAX is how often to call, bit 31 makes a register
/// invalid, 0 stands for nothing.
fn bytes(cpu: &CpuLeaves) -> impl Iterator<Item = u8> {
    let row = cpu.leaf(2).unwrap_or_default();
    [row.eax & !0xff, row.ebx, row.ecx, row.edx]
        .into_iter()
        .filter(|&register| !bit(register, 31))
        .flat_map(u32::to_le_bytes)
        .filter(|&byte| byte != 0)
}

fn leaf_2(cpu: &CpuLeaves, identity: &Identity) -> Vec<Tlb> {
    bytes(cpu).flat_map(|byte| table::tlbs(byte, identity)).collect()
}

fn leaf_18(cpu: &CpuLeaves) -> Vec<Tlb> {
    let last = cpu.leaf(0x18).map_or(0, |row| row.eax);
    (0_u32..=last)
        .zip(cpu.subleaves(0x18))
        .take(SUBLEAVES)
        .filter_map(|(_, row)| leaf_18_row(row))
        .collect()
}

fn leaf_18_row(row: Registers) -> Option<Tlb> {
    let kind = match bits(row.edx, 4, 0) {
        1 => TlbKind::Data,
        2 => TlbKind::Instruction,
        3 => TlbKind::Unified,
        4 => TlbKind::Load,
        5 => TlbKind::Store,
        _ => return None,
    };
    let ways = bits(row.ebx, 31, 16);
    Some(Tlb {
        level: u8::try_from(bits(row.edx, 7, 5)).ok(),
        kind,
        pages: Pages::of(row.ebx),
        entries: ways.saturating_mul(row.ecx),
        ways: if bit(row.edx, 8) {
            Ways::Full
        } else {
            Ways::Number(ways)
        },
        shared_by: Some(bits(row.edx, 25, 14).saturating_add(1)),
        leaf: Leaf(0x18),
    })
}

/// Leaves 0x80000005 (L1) and 0x80000006 (L2): EAX for large pages, EBX for 4 KiB; high half data, low
/// half instructions.
fn legacy(cpu: &CpuLeaves, identity: &Identity) -> Vec<Tlb> {
    let (large, small) = (Pages::of(0b110), Pages::of(0b1));
    let mut list = Vec::new();
    if let Some(row) = cpu.leaf(0x8000_0005) {
        for (register, pages) in [(row.eax, large), (row.ebx, small)] {
            list.extend(first_level(TlbKind::Data, register >> 16, pages));
            list.extend(first_level(TlbKind::Instruction, register & 0xffff, pages));
        }
    }
    if let Some(row) = cpu.leaf(0x8000_0006).filter(|_| identity.vendor.is_amd_like()) {
        let unit = unit(cpu);
        for (register, pages) in [(row.eax, large), (row.ebx, small)] {
            list.extend(second_level(0x8000_0006, 2, register, pages, unit));
        }
    }
    list
}

/// 0x80000021 EAX bit 14: sizes of second-level TLBs are multiples of 32.
fn unit(cpu: &CpuLeaves) -> u32 {
    match cpu.leaf(0x8000_0021) {
        Some(row) if bit(row.eax, 14) => 32,
        _ => 1,
    }
}

/// 8 bits associativity (0xFF is full), 8 bits entries.
fn first_level(kind: TlbKind, half: u32, pages: Pages) -> Option<Tlb> {
    let entries = bits(half, 7, 0);
    let ways = match bits(half, 15, 8) {
        0 => Ways::Unknown,
        0xff => Ways::Full,
        number => Ways::Number(number),
    };
    (entries > 0).then_some(Tlb {
        level: Some(1),
        kind,
        pages,
        entries,
        ways,
        shared_by: None,
        leaf: Leaf(0x8000_0005),
    })
}

/// 4 bits code of associativity, 12 bits entries, twice; a high half of 0 makes the low one unified.
fn second_level(leaf: u32, level: u8, register: u32, pages: Pages, unit: u32) -> Vec<Tlb> {
    let tlb = |kind, half: u32| {
        let entries = bits(half, 11, 0);
        let ways = crate::cache::legacy_ways(bits(half, 15, 12))?;
        (entries > 0).then_some(Tlb {
            level: Some(level),
            kind,
            pages,
            entries: entries.saturating_mul(unit),
            ways,
            shared_by: None,
            leaf: Leaf(leaf),
        })
    };
    let (data, instruction) = (register >> 16, register & 0xffff);
    if data == 0 {
        return tlb(TlbKind::Unified, instruction).into_iter().collect();
    }
    tlb(TlbKind::Data, data)
        .into_iter()
        .chain(tlb(TlbKind::Instruction, instruction))
        .collect()
}

/// Leaf 0x80000019: 1 GiB pages, L1 in EAX, L2 in EBX.
fn amd_gigabyte(cpu: &CpuLeaves, identity: &Identity) -> Vec<Tlb> {
    let Some(row) = cpu.leaf(0x8000_0019).filter(|_| identity.vendor.is_amd_like()) else {
        return Vec::new();
    };
    let pages = Pages::of(0b1000);
    let mut list: Vec<Tlb> = second_level(0x8000_0019, 1, row.eax, pages, 1);
    list.extend(second_level(0x8000_0019, 2, row.ebx, pages, unit(cpu)));
    list
}

#[cfg(test)]
mod tests;
