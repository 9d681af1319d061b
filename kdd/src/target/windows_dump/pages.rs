//! Pages of a dump: which ones it holds, by runs, by a bitmap or by a list of ranges. In each of the
//! three they stand in the file one behind the other.
//!
//! - Type 1: PHYSICAL_MEMORY_DESCRIPTOR in the header, pages behind the header.
//! - Type 2: a header with 32-bit lengths and a bitmap (SUMMARY_DUMP32 and SUMMARY_DUMP64 of the SDK).
//! - Types 5 and 6: the same idea with 64-bit lengths; in no header file, as kdmp-parser, LeechCore and
//!   Volatility read it.
//! - Types 8 to 10: "RDMP" and a list of page number and count, as kdmp-parser reads it.

use super::layout::{Layout, bitmap, kind};
use super::packed::Packed;
use crate::damage::Damage;
use crate::memory::address::PAGE;
use crate::memory::{Backing, Gpa, PhysicalMemory, Segment, Source, Sparse};
use crate::target::fields::Fields;

/// What a dump holds, with what was wrong on the way.
pub(super) struct Pages {
    pub memory: Box<dyn PhysicalMemory>,
    pub facts: Vec<(String, String)>,
    pub damage: Vec<Damage>,
}

impl Pages {
    fn empty(source: &Source, damage: Damage) -> Self {
        Self {
            memory: Box::new(Packed::new(source.clone(), 0)),
            facts: Vec::new(),
            damage: vec![damage],
        }
    }
}

/// Pages as the type of the dump says.
pub(super) fn read(source: &Source, header: &[u8], layout: &Layout, dump_type: u32) -> Pages {
    match dump_type {
        kind::FULL => full(source, header, layout),
        kind::HEADER | kind::TRIAGE => Pages {
            memory: Box::new(Packed::new(source.clone(), 0)),
            facts: Vec::new(),
            damage: Vec::new(),
        },
        _ => marked(source, layout, dump_type),
    }
}

/// Type 1.
fn full(source: &Source, header: &[u8], layout: &Layout) -> Pages {
    let block = Fields(header.get(layout.block..layout.context).unwrap_or_default());
    let (first, each) = layout.runs();
    let count = block.u32(0).unwrap_or(0);
    let mut damage = Vec::new();
    let room = block.0.len().saturating_sub(first) / each;
    let runs = usize::try_from(count).unwrap_or(usize::MAX).min(room);
    if count == 0 || runs < usize::try_from(count).unwrap_or(usize::MAX) {
        damage.push(Damage::file(
            "dump-runs",
            position(layout.block),
            format!("1 to {room} runs of memory"),
            count.to_string(),
        ));
    }
    let read = |number: usize| {
        let at = first + number * each;
        let page = block.word(at, layout.pointer == 8)?;
        Some((page, block.word(at + layout.pointer, layout.pointer == 8)?))
    };
    let list: Vec<(u64, u64)> = (0..runs).map_while(read).collect();
    let facts = vec![("runs in the header".to_owned(), count.to_string())];
    let pages = block.word(layout.pointer, layout.pointer == 8).unwrap_or(0);
    let listed = list.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    if pages != listed {
        damage.push(Damage::file(
            "dump-pages",
            position(layout.block + layout.pointer),
            format!("{listed} pages, the sum of the runs"),
            pages.to_string(),
        ));
    }
    let (memory, cut) = lay_out(source, position(layout.length), &list);
    damage.extend(cut);
    Pages { memory, facts, damage }
}

/// Types with a header of their own behind the dump's.
fn marked(source: &Source, layout: &Layout, dump_type: u32) -> Pages {
    let at = position(layout.length);
    let bytes = source.bytes(at, 0x40);
    let fields = Fields(&bytes);
    let mark: Option<[u8; 4]> = fields.array(0);
    match mark {
        Some(mark) if mark == bitmap::FULL || mark == bitmap::KERNEL => {
            by_bitmap(source, at, fields, layout, dump_type)
        }
        _ if fields.array(4) == Some(*b"RDMP") => by_ranges(source, at, fields, dump_type),
        _ => Pages::empty(
            source,
            Damage::file("dump-mark", at, "SDMP, FDMP or RDMP", super::printable(&bytes, 8)),
        ),
    }
}

/// Where a bitmap stands and what it is said to hold.
struct BitmapHeader {
    first_page: u64,
    present: u64,
    bits: u64,
    /// Offset in the file.
    map: u64,
}

/// Reads the header of a bitmap: with 32-bit lengths in type 2, as long as they make sense.
fn bitmap_header(fields: Fields<'_>, at: u64, layout: &Layout, dump_type: u32) -> Option<BitmapHeader> {
    let old_map = if layout.pointer == 8 { 0x28 } else { 0x20 };
    let old = || {
        Some(BitmapHeader {
            first_page: fields.u32(0xc)?.into(),
            bits: fields.u32(0x10)?.into(),
            present: fields.u32(0x14)?.into(),
            map: at.checked_add(old_map)?,
        })
    };
    let sensible = |header: &BitmapHeader| header.first_page > header.map && header.present <= header.bits;
    if dump_type == kind::SUMMARY
        && let Some(header) = old().filter(sensible)
    {
        return Some(header);
    }
    Some(BitmapHeader {
        first_page: fields.u64(bitmap::FIRST_PAGE)?,
        present: fields.u64(bitmap::PRESENT)?,
        bits: fields.u64(bitmap::BITS)?,
        map: at.checked_add(position(bitmap::MAP))?,
    })
}

fn by_bitmap(source: &Source, at: u64, fields: Fields<'_>, layout: &Layout, dump_type: u32) -> Pages {
    let Some(header) = bitmap_header(fields, at, layout, dump_type) else {
        return Pages::empty(source, Damage::file("dump-bitmap", at, "a bitmap's header", "the end"));
    };
    let mut damage = Vec::new();
    let room = header.first_page.min(source.len()).saturating_sub(header.map);
    let length = header.bits.div_ceil(8);
    if length > room {
        let expected = format!("a bitmap of at most {room} bytes");
        damage.push(Damage::file("dump-bitmap", at, expected, format!("{length} bytes")));
    }
    let bits = header.bits.min(room.saturating_mul(8));
    let mut memory = Packed::new(source.clone(), header.first_page);
    let mut seen: u64 = 0;
    let mut whole = true;
    each_run(source, header.map, bits, |page, count| {
        seen = seen.saturating_add(count);
        whole = whole && memory.push(page, count);
    });
    if seen != header.present {
        let expected = format!("{seen} pages, the set bits");
        damage.push(Damage::file("dump-pages", at, expected, header.present.to_string()));
    }
    if !whole {
        damage.push(short(source, header.first_page, seen));
    }
    Pages {
        memory: Box::new(memory.finish()),
        facts: vec![("pages in the bitmap".to_owned(), seen.to_string())],
        damage,
    }
}

/// Runs of set bits: first bit and count. Reads the bitmap in pieces.
fn each_run(source: &Source, map: u64, bits: u64, mut give: impl FnMut(u64, u64)) {
    const PIECE: usize = 0x1_0000;
    let mut buffer = vec![0; PIECE];
    let (mut start, mut count) = (0u64, 0u64);
    let mut at: u64 = 0;
    while at < bits {
        let offset = map.saturating_add(at / 8);
        let wanted = usize::try_from((bits - at).div_ceil(8)).unwrap_or(PIECE).min(PIECE);
        let piece = buffer.get_mut(..wanted).unwrap_or_default();
        let read = source.read_at(offset, piece).unwrap_or(0);
        if read == 0 {
            break;
        }
        for word in buffer.get(..read).unwrap_or_default().chunks(8) {
            let mut bytes = [0; 8];
            bytes.iter_mut().zip(word).for_each(|(to, from)| *to = *from);
            let mut value = u64::from_le_bytes(bytes);
            let width = (position(word.len()) * 8).min(bits - at);
            if width < 64 {
                value &= (1 << width) - 1;
            }
            let mut place: u64 = 0;
            while place < width {
                let rest = value >> place;
                let (set, same) = if rest & 1 == 1 {
                    (true, u64::from(rest.trailing_ones()))
                } else {
                    (false, u64::from(rest.trailing_zeros()))
                };
                let same = same.min(width - place);
                if set {
                    if count == 0 {
                        start = at + place;
                    }
                    count += same;
                } else if count > 0 {
                    give(start, count);
                    count = 0;
                }
                place += same;
            }
            at += width;
        }
    }
    if count > 0 {
        give(start, count);
    }
}

/// Types 8 to 10. The list stands from +0x30 to the first page; it ends with a count of zero, or with
/// the number of pages that type 10 says.
fn by_ranges(source: &Source, at: u64, fields: Fields<'_>, dump_type: u32) -> Pages {
    const LIST: u64 = 0x30;
    let (Some(metadata), Some(first_page)) = (fields.u64(0x10), fields.u64(0x18)) else {
        return Pages::empty(
            source,
            Damage::file("dump-ranges", at, "a header of 48 bytes", "the end"),
        );
    };
    let mut damage = Vec::new();
    let begin = at.saturating_add(LIST);
    let room = first_page.min(source.len()).saturating_sub(begin);
    // The length counts from the 32 bytes of the mark on, with the 16 bytes before the list.
    let listed = metadata.saturating_sub(0x10);
    if listed.checked_add(begin) != Some(first_page) {
        let expected = format!("{:#x} bytes up to the first page", first_page.saturating_sub(begin));
        damage.push(Damage::file("dump-ranges", at, expected, format!("{listed:#x}")));
    }
    let total = (dump_type == kind::RANGES_FULL).then(|| fields.u64(0x28)).flatten();
    let (list, seen) = ranges(source, begin, room / 16, total);
    if let Some(total) = total.filter(|total| *total != seen) {
        let expected = format!("{seen} pages, the sum of the ranges");
        damage.push(Damage::file("dump-pages", at, expected, total.to_string()));
    }
    let (memory, cut) = lay_out(source, first_page, &list);
    damage.extend(cut);
    let facts = vec![("ranges of pages".to_owned(), list.len().to_string())];
    Pages { memory, facts, damage }
}

/// Entries of a list of ranges, and the sum of their pages. Ends where the file has no pages left, so
/// that the list is never longer than there are pages.
fn ranges(source: &Source, begin: u64, most: u64, total: Option<u64>) -> (Vec<(u64, u64)>, u64) {
    let pages = source.len() / PAGE;
    const PIECE: u64 = 0x1000;
    let (mut list, mut seen, mut at) = (Vec::new(), 0u64, 0u64);
    while at < most {
        let entries = (most - at).min(PIECE);
        let bytes = source.bytes(
            begin.saturating_add(at * 16),
            usize::try_from(entries * 16).unwrap_or(0),
        );
        if bytes.len() < 16 {
            break;
        }
        for entry in bytes.chunks_exact(16) {
            let range = Fields(entry);
            let (Some(page), Some(count)) = (range.u64(0), range.u64(8)) else {
                return (list, seen);
            };
            if count == 0 || total == Some(seen) || seen > pages {
                return (list, seen);
            }
            list.push((page, count));
            seen = seen.saturating_add(count);
        }
        at += entries;
    }
    (list, seen)
}

/// Memory of ranges that stand one behind the other from `first` on. Most are in order of address and
/// need little room; others are layered, the later over the earlier.
fn lay_out(source: &Source, first: u64, list: &[(u64, u64)]) -> (Box<dyn PhysicalMemory>, Option<Damage>) {
    let pages = list.iter().fold(0u64, |sum, (_, count)| sum.saturating_add(*count));
    let ordered = list.windows(2).all(|pair| match pair {
        [(page, count), (next, _)] => page.checked_add(*count).is_some_and(|end| end <= *next),
        _ => true,
    });
    let end = pages.checked_mul(PAGE).and_then(|bytes| bytes.checked_add(first));
    let cut = end
        .is_none_or(|end| end > source.len())
        .then(|| short(source, first, pages));
    if ordered {
        let mut memory = Packed::new(source.clone(), first);
        for (page, count) in list.iter().filter(|(_, count)| *count > 0) {
            if !memory.push(*page, *count) {
                break;
            }
        }
        return (Box::new(memory.finish()), cut);
    }
    let mut offset = first;
    let segments = list.iter().filter_map(|(page, count)| {
        let (start, length) = (page.checked_mul(PAGE)?, count.checked_mul(PAGE)?);
        let backing = Backing::File(offset);
        offset = offset.saturating_add(length);
        let start = Gpa(start);
        Some(Segment { start, length, backing })
    });
    let segments = segments.collect();
    (Box::new(Sparse::new(source.clone(), segments)), cut)
}

fn short(source: &Source, first: u64, pages: u64) -> Damage {
    let expected = format!("{pages} pages from {first:#x} on");
    let seen = format!("the end at {:#x}", source.len());
    Damage::file("dump-length", first, expected, seen)
}

fn position(at: usize) -> u64 {
    u64::try_from(at).unwrap_or(u64::MAX)
}
