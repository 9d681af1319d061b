//! Memory of each node of a NUMA machine, by the SRAT among the ACPI tables that the machine hands to its
//! firmware: the stream holds them as a block, and tells the order of the nodes nowhere else.

use std::collections::BTreeMap;

use super::ram::{Block, PAGE};
use crate::memory::{Gpa, PhysicalMemory as _, Source};
use crate::target::fields::Fields;
use crate::target::paged::Paged;

/// Name of the block with the tables.
const TABLES: &str = "/rom@etc/acpi/tables";
/// Longest such block that is read; QEMU makes them of 128 KiB to 2 MiB.
const LONGEST: u64 = 4 << 20;

/// Bytes before the first structure of an SRAT.
const SRAT_HEADER: usize = 48;
/// Type and length of a structure for a range of memory.
const MEMORY: [u8; 2] = [1, 40];
/// Flags of a range: in use; can be plugged in, so that it is none of the machine's own.
const ENABLED: u32 = 1;
const HOT_PLUGGABLE: u32 = 2;

/// The hole of the first megabyte, which a table leaves out and a block has.
const HOLE: u64 = 0x6_0000;

/// Length of each node's memory, in order of the nodes; none when there is no such table.
pub(super) fn lengths(blocks: &[Block], source: &Source) -> Option<Vec<u64>> {
    let block = blocks.iter().find(|block| block.name == TABLES)?;
    let length = usize::try_from(block.length.min(LONGEST)).ok()?;
    let memory = Paged::new(source.clone(), PAGE, block.pages.clone());
    let mut bytes = vec![0; length];
    let seen = memory.read(Gpa(0), &mut bytes);
    read(bytes.get(..seen)?)
}

/// The same from the bytes of the tables.
fn read(bytes: &[u8]) -> Option<Vec<u64>> {
    let start = bytes.windows(4).position(|name| name == b"SRAT")?;
    let length = usize::try_from(Fields(bytes).u32(start.checked_add(4)?)?).ok()?;
    let table = Fields(bytes).slice(start, length)?;
    let mut nodes: BTreeMap<u32, u64> = BTreeMap::new();
    let mut at = SRAT_HEADER;
    while let Some([kind, length]) = Fields(table).array::<2>(at) {
        let structure = Fields(table).slice(at, usize::from(length))?;
        if [kind, length] == MEMORY {
            let fields = Fields(structure);
            let (node, base) = (fields.u32(2)?, fields.u64(8)?);
            let (bytes, flags) = (fields.u64(16)?, fields.u32(28)?);
            if flags & (ENABLED | HOT_PLUGGABLE) == ENABLED {
                let node = nodes.entry(node).or_default();
                let hole = if base == 1 << 20 { HOLE } else { 0 };
                *node = node.checked_add(bytes)?.checked_add(hole)?;
            }
        }
        at = at.checked_add(usize::from(length).max(1))?;
    }
    Some(nodes.into_values().filter(|length| *length > 0).collect())
}

/// The blocks that make the nodes, in order; none when lengths do not tell. Of blocks of one length those
/// that stand first in the list come first: they were made in this order.
pub(super) fn order<'a>(candidates: &[&'a Block], lengths: &[u64]) -> Option<Vec<&'a Block>> {
    let mut left: Vec<&Block> = candidates.to_vec();
    let mut ordered = Vec::new();
    for length in lengths {
        let index = left.iter().position(|block| block.length == *length)?;
        ordered.push(left.remove(index));
    }
    (!ordered.is_empty()).then_some(ordered)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn range(node: u32, base: u64, length: u64, flags: u32) -> Vec<u8> {
        let mut bytes = vec![1, 40];
        bytes.extend(node.to_le_bytes());
        bytes.extend([0; 2]);
        bytes.extend(base.to_le_bytes());
        bytes.extend(length.to_le_bytes());
        bytes.extend([0; 4]);
        bytes.extend(flags.to_le_bytes());
        bytes.resize(40, 0);
        bytes
    }

    #[test]
    fn nodes_have_their_ranges_and_what_can_be_plugged_in_is_none_of_them() {
        let structures = [
            vec![0; 16],
            range(0, 0, 0xa_0000, 1),
            range(0, 1 << 20, 0x3ff0_0000, 1),
            range(1, 0x4000_0000, 0x4000_0000, 1),
            range(1, 0x1_0000_0000, 0x8000_0000, 1),
            range(1, 0x2_0000_0000, 0x8000_0000, 3),
        ];
        let mut structures = structures.concat();
        structures[1] = 16;
        let mut table = b"....SRAT".to_vec();
        table.extend((48 + structures.len() as u32).to_le_bytes());
        table.resize(4 + 48, 0);
        table.extend(structures);
        assert_eq!(read(&table), Some(vec![0x4000_0000, 0xc000_0000]));
        assert_eq!(read(b"SRAT"), None);
    }
}
