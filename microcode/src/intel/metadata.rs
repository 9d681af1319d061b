//! The metadata of an update: the last bytes of its data, as many as the header word at 36 says.
//!
//! It is a chain of blocks, each with its type and its length in its first two words; a block of
//! type 0 or length 0 ends it (Linux 6.12, `drivers/platform/x86/intel/ifs/load.c`). Type 1 is
//! In-Field-Scan's own; what the types 2 and 3 of microcode updates mean is not published.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{size, u32_at};
use crate::damage::Damage;
use crate::intel::header::{HEADER, Header};
use crate::intel::rules;

/// Type of In-Field-Scan's block.
const SCAN: u32 = 1;
/// An endless chain is none: no update has more than 3 blocks.
const MOST_BLOCKS: usize = 1024;

/// One block of metadata.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Block {
    /// Offset in the file.
    pub offset: usize,
    /// Type; 1 is In-Field-Scan's.
    pub kind: u32,
    /// Length in bytes, type and length included.
    pub size: usize,
}

/// What the metadata of an In-Field-Scan image says of it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Scan {
    /// Kind of test.
    pub test_type: u32,
    /// Functional safety information.
    pub fusa_info: u32,
    /// Images of the test.
    pub total_images: u32,
    /// Which of them this is; it must be the number in the file's name.
    pub current_image: u32,
    /// Chunks in this image.
    pub total_chunks: u32,
    /// Number of its first chunk.
    pub starting_chunk: u32,
    /// Bytes in each chunk.
    pub chunk_size: u32,
    /// Chunks in a stride.
    pub chunks_per_stride: u32,
}

/// Blocks, and what In-Field-Scan's says.
#[derive(Default)]
pub(super) struct Metadata {
    pub blocks: Vec<Block>,
    pub scan: Option<Scan>,
    pub remarks: Vec<Damage>,
}

/// Read the metadata of the update at `offset`.
pub(super) fn read(offset: usize, header: &Header, update: &[u8]) -> Metadata {
    let mut found = Metadata::default();
    let length = size(header.metadata);
    if length == 0 {
        return found;
    }
    let start = header.body().saturating_sub(length).max(HEADER);
    let region = update.get(start..header.body());
    let (Some(region), true) = (region, length <= header.data()) else {
        let expected = format!("at most {} bytes of metadata", header.data());
        let at = offset.saturating_add(36);
        found
            .remarks
            .push(Damage::new(at, expected, format!("{length} bytes")).rule(rules::METADATA.id));
        return found;
    };
    let mut at: usize = 0;
    while let Some(block) = region.get(at..).filter(|_| found.blocks.len() < MOST_BLOCKS) {
        let (Some(kind), Some(length)) = (u32_at(block, 0), u32_at(block, 4).map(size)) else {
            break;
        };
        if kind == 0 || length == 0 {
            break;
        }
        let place = offset.saturating_add(start).saturating_add(at);
        if length > block.len() || length < 8 {
            let expected = format!("metadata block of 8 to {} bytes", block.len());
            let seen = format!("{length} bytes");
            found
                .remarks
                .push(Damage::new(place, expected, seen).rule(rules::METADATA.id));
            break;
        }
        if kind == SCAN && found.scan.is_none() {
            found.scan = scan(block);
        }
        found.blocks.push(Block {
            offset: place,
            kind,
            size: length,
        });
        at = at.saturating_add(length);
    }
    found
}

fn scan(block: &[u8]) -> Option<Scan> {
    let field = |number: usize| u32_at(block, number.saturating_mul(4));
    Some(Scan {
        test_type: field(2)?,
        fusa_info: field(3)?,
        total_images: field(4)?,
        current_image: field(5)?,
        total_chunks: field(6)?,
        starting_chunk: field(7)?,
        chunk_size: field(8)?,
        chunks_per_stride: field(9)?,
    })
}
