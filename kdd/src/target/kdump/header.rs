//! Main header (`disk_dump_header`) and sub header (`kdump_sub_header`) of kdump-compressed files, after
//! makedumpfile's IMPLEMENTATION and diskdump_mod.h; both exist with the words of 32-bit and of 64-bit
//! machines.

use crate::damage::Damage;
use crate::memory::Source;
use crate::target::fields::{Fields, size};

/// Marks of the two formats that share the main header.
pub(super) const KDUMP: &[u8] = b"KDUMP   ";
pub(super) const DISKDUMP: &[u8] = b"DISKDUMP";

/// Status bit: the writer ran out of space.
pub(super) const INCOMPLETE: u32 = 8;
/// Status bit: pages of unused memory map were left out.
pub(super) const WITHOUT_VMEMMAP: u32 = 0x10;

/// Bytes of a page descriptor: offset, size, flags, page flags.
pub(super) const DESCRIPTOR: u64 = 24;

/// What the two headers say, with the places of all that follows.
#[derive(Debug, Default)]
pub(super) struct Header {
    /// Whether words are of 8 bytes.
    pub(super) wide: bool,
    /// Whether it is the older diskdump, which has no sub header of this kind.
    pub(super) diskdump: bool,
    pub(super) version: u32,
    /// Machine, release and node of `utsname`.
    pub(super) machine: String,
    pub(super) release: String,
    pub(super) node: String,
    pub(super) seconds: u64,
    pub(super) status: u32,
    pub(super) block: u64,
    pub(super) cpus: u32,
    /// Number of page frames that the bitmaps tell of.
    pub(super) frames: u64,
    /// Offset and length of the bitmap of dumped pages.
    pub(super) bitmap: (u64, u64),
    /// Whether there is a bitmap of existing pages before it.
    pub(super) partial: bool,
    /// Offset of the first page descriptor.
    pub(super) descriptors: u64,
    pub(super) phys_base: Option<u64>,
    pub(super) dump_level: Option<u32>,
    /// Frames that this file of a split dump holds.
    pub(super) split: Option<(u64, u64)>,
    /// Offset and size.
    pub(super) vmcoreinfo: Option<(u64, u64)>,
    pub(super) notes: Option<(u64, u64)>,
    pub(super) eraseinfo: Option<(u64, u64)>,
}

/// Offset of `status`, the first number behind the time stamp.
fn status_at(wide: bool) -> usize {
    if wide { 424 } else { 412 }
}

/// The main header's numbers behind the time stamp: block size, blocks of the sub header, blocks of the
/// bitmaps, frames.
fn numbers(fields: Fields<'_>, wide: bool) -> Option<(u64, u64, u64, u64)> {
    let at = status_at(wide);
    let number = |index: usize| fields.u32(at.checked_add(index)?).map(u64::from);
    Some((number(4)?, number(8)?, number(12)?, number(16)?))
}

/// Whether these numbers can be a header's: tells the two word sizes apart.
fn plausible((block, sub, bitmaps, frames): (u64, u64, u64, u64)) -> bool {
    let bits = bitmaps.saturating_mul(block).saturating_mul(8);
    block.is_power_of_two()
        && (512..=0x1_0000).contains(&block)
        && (1..=0x10_0000).contains(&sub)
        && bitmaps > 0
        && bits >= frames
}

/// Reads both headers.
pub(super) fn read(source: &Source) -> Result<Header, Damage> {
    let bytes = source.bytes(0, 464);
    let fields = Fields(&bytes);
    let machine = fields.text(12 + 4 * 65, 65);
    let candidate = |wide| {
        numbers(fields, wide)
            .filter(|numbers| plausible(*numbers))
            .map(|numbers| (wide, numbers))
    };
    let narrow_first = matches!(machine.as_str(), "i386" | "i486" | "i586" | "i686");
    let found = candidate(!narrow_first).or_else(|| candidate(narrow_first));
    let Some((wide, (block, sub, bitmaps, frames))) = found else {
        return Err(Damage::file(
            "kdump-header",
            0,
            "sizes of blocks, sub header and bitmaps of a little-endian machine",
            if bytes.len() < 464 {
                format!("{} bytes", bytes.len())
            } else {
                "sizes that no dump has".to_owned()
            },
        ));
    };
    let at = status_at(wide);
    let mut header = Header {
        wide,
        diskdump: fields.slice(0, 8) == Some(DISKDUMP),
        version: fields.u32(8).unwrap_or(0),
        machine,
        release: fields.text(12 + 2 * 65, 65),
        node: fields.text(12 + 65, 65),
        seconds: if wide {
            fields.u64(408)
        } else {
            fields.u32(404).map(u64::from)
        }
        .unwrap_or(0),
        status: fields.u32(at).unwrap_or(0),
        block,
        cpus: fields.u32(at.saturating_add(36)).unwrap_or(0),
        frames,
        ..Header::default()
    };
    if !header.diskdump {
        sub_header(source, &mut header);
    }
    let bitmap = sub.saturating_add(1).saturating_mul(block);
    let length = bitmaps.saturating_mul(block);
    let single = header.frames.div_ceil(8).div_ceil(block);
    header.partial = bitmaps >= single.saturating_mul(2);
    header.bitmap = if header.partial {
        (bitmap.saturating_add(length / 2), length / 2)
    } else {
        (bitmap, length)
    };
    header.descriptors = bitmap.saturating_add(length);
    Ok(header)
}

/// The sub header, as far as the version of the format has it.
fn sub_header(source: &Source, header: &mut Header) {
    let wide = header.wide;
    let bytes = source.bytes(header.block, size(if wide { 104 } else { 80 }));
    let fields = Fields(&bytes);
    // Offsets with 4-byte and with 8-byte words.
    let pick = |narrow: usize, broad: usize| if wide { broad } else { narrow };
    let word = |narrow, broad| fields.word(pick(narrow, broad), wide);
    let number = |narrow, broad| fields.u64(pick(narrow, broad));
    let range = |offset: Option<u64>, length: Option<u64>| offset.zip(length).filter(|(_, length)| *length > 0);
    header.phys_base = word(0, 0);
    if header.version >= 1 {
        header.dump_level = fields.u32(pick(4, 8));
    }
    let split = header.version >= 2 && fields.u32(pick(8, 12)).is_some_and(|split| split != 0);
    if split {
        header.split = word(12, 16).zip(word(16, 24));
    }
    if header.version >= 3 {
        header.vmcoreinfo = range(number(20, 32), word(28, 40));
    }
    if header.version >= 4 {
        header.notes = range(number(32, 48), word(40, 56));
    }
    if header.version >= 5 {
        header.eraseinfo = range(number(44, 64), word(52, 72));
    }
    if header.version >= 6 {
        if split {
            header.split = number(56, 80).zip(number(64, 88));
        }
        if let Some(frames) = number(72, 96).filter(|frames| *frames > 0) {
            header.frames = frames;
        }
    }
}
