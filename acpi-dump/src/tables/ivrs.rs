//! I/O Virtualization Reporting Structure: the AMD IOMMUs.
//! Follows the AMD I/O Virtualization Technology (IOMMU) specification 3.08, section 5.2.
//! The device entries of a unit are kept as their bytes' count; which devices it serves is not decoded.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u16_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::{Gpa, PciAddress, Segment};
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// One hardware definition block (IVHD). A machine lists the same IOMMU in up to three of them,
/// for software of different age; [`Ivrs::units`] gives each once.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Block {
    /// Offset in the table.
    pub offset: usize,
    /// 0x10, 0x11 or 0x40; the higher the newer.
    pub kind: u16,
    /// The IOMMU's own PCI function.
    pub address: PciAddress,
    /// Its registers.
    pub base: Gpa,
    /// Bytes of device entries that follow.
    pub device_entry_bytes: usize,
}

/// A memory definition block (IVMD).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryBlock {
    /// Offset in the table.
    pub offset: usize,
    /// First byte.
    pub base: Gpa,
    /// Length in bytes.
    pub length: u64,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Ivrs {
    /// Hardware definition blocks in table order.
    pub blocks: Vec<Block>,
    /// Memory definition blocks in table order.
    pub memory: Vec<MemoryBlock>,
    /// Number of blocks of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Ivrs {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::IVRS {
            return None;
        }
        let mut findings = Vec::new();
        let mut ivrs = Self::default();
        for entry in entries(table, 48, Layout::FlaggedWord, &mut findings) {
            if ivrs.add(&entry, &mut findings).is_none() {
                let slot = ivrs.other.entry(entry.kind).or_default();
                *slot = slot.saturating_add(1);
            }
        }
        Some(Decoded { value: ivrs, findings })
    }

    /// Each IOMMU once: its newest block, by PCI address.
    #[must_use]
    pub fn units(&self) -> Vec<&Block> {
        let mut units: BTreeMap<PciAddress, &Block> = BTreeMap::new();
        for block in &self.blocks {
            let unit = units.entry(block.address).or_insert(block);
            if block.kind > unit.kind {
                *unit = block;
            }
        }
        units.into_values().collect()
    }

    fn add(&mut self, entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Option<()> {
        match entry.kind {
            0x10 if entry.has(24, "IVHD 10h", findings) => self.blocks.push(block(entry, 24)?),
            0x11 | 0x40 if entry.has(40, "IVHD 11h/40h", findings) => self.blocks.push(block(entry, 40)?),
            0x20..=0x22 if entry.has(32, "IVMD", findings) => self.memory.push(MemoryBlock {
                offset: entry.offset,
                base: Gpa(u64_at(entry.bytes, 16)?),
                length: u64_at(entry.bytes, 24)?,
            }),
            _ => return None,
        }
        Some(())
    }
}

fn block(entry: &Entry<'_>, head: usize) -> Option<Block> {
    let bytes = entry.bytes;
    Some(Block {
        offset: entry.offset,
        kind: entry.kind,
        address: PciAddress::from_requester(Segment(u16_at(bytes, 16)?), u16_at(bytes, 4)?),
        base: Gpa(u64_at(bytes, 8)?),
        device_entry_bytes: bytes.len().saturating_sub(head),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(blocks: &str) -> Decoded<Ivrs> {
        let body = [vec![0; 12], hex(blocks)].concat();
        Ivrs::decode(&Table::parse(&sdt(b"IVRS", 2, &body)).unwrap()).unwrap()
    }

    #[test]
    fn one_iommu_in_two_blocks_is_one_unit() {
        let old = "10 b0 1c00 0200 4000 000080fd00000000 0000 0000 00000000  00000000";
        let new = "11 b0 2800 0200 4000 000080fd00000000 0000 0000 00000000 0000000000000000 0000000000000000";
        let ivrs = decode(&format!("{old} {new}"));
        assert!(ivrs.findings.is_empty());
        let units = ivrs.value.units();
        assert_eq!((ivrs.value.blocks.len(), units.len(), units[0].kind), (2, 1, 0x11));
        assert_eq!(
            (units[0].address.to_string().as_str(), units[0].base),
            ("0000:00:00.2", Gpa(0xfd80_0000))
        );
        assert_eq!(ivrs.value.blocks[0].device_entry_bytes, 4);
    }

    #[test]
    fn short_block_is_a_finding() {
        let ivrs = decode("40 b0 0800 0200 4000");
        assert_eq!(
            (ivrs.value.blocks.len(), ivrs.findings.len(), ivrs.findings[0].offset),
            (0, 1, 48)
        );
    }
}
