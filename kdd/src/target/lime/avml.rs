//! Ranges in snappy frames, read at random: an index of the frames, and a small cache of unpacked ones.
//!
//! Follows snappy's `framing_format.txt`: chunks of a type byte and a 24-bit length; types 0 (packed) and
//! 1 (plain) carry a masked CRC-32C and at most 65,536 bytes of data, 0xff names the stream, 0x80 to 0xfe
//! are passed over. A frame whose checksum is wrong is missing.

use std::sync::{Arc, Mutex, PoisonError};

use super::super::fields::{Fields, Found};
use super::Range;
use crate::damage::Damage;
use crate::memory::{Backing, Gpa, PhysicalMemory, Run, Segment, Source};

/// Most bytes of a frame.
const FRAME: usize = 0x1_0000;
/// Frames that are kept unpacked: 4 MiB.
const CACHE: usize = 64;

/// Bytes one after the other in memory and in the file.
#[derive(Clone, Copy)]
struct Piece {
    start: u64,
    length: u64,
    /// Offset of the checksum, or of the bytes of a plain range.
    offset: u64,
    /// Bytes in the file without the checksum.
    stored: u32,
    store: Store,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Store {
    /// Bytes of a plain range.
    Range,
    /// A frame that is not packed.
    Plain,
    /// A packed frame.
    Packed,
}

/// Frames in the order of the file.
#[derive(Default)]
pub(super) struct Frames(Vec<Piece>);

impl Frames {
    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Indexes a range whose frames begin at `data`; where the next header stands.
    pub(super) fn range(&mut self, source: &Source, range: Range, data: u64, found: &mut Found) -> Option<u64> {
        let mut at = data;
        let mut done = 0;
        loop {
            let tail: Option<[u8; 8]> = source.array(at);
            let length = at.saturating_sub(data);
            if done >= range.length && tail.map(u64::from_le_bytes) == Some(length) {
                return at.checked_add(8);
            }
            let Some([kind, low, middle, high]) = source.array(at) else {
                let expected = format!("{:#x} bytes of the range at {:#x}", range.length, range.start);
                found.push(Damage::file(
                    "avml-range",
                    at,
                    expected,
                    format!("{done:#x} before the file ends"),
                ));
                return None;
            };
            let size = u32::from_le_bytes([low, middle, high, 0]);
            match kind {
                0 | 1 if done < range.length => {
                    let left = range.length.saturating_sub(done);
                    match piece(source, kind, at.saturating_add(4), size) {
                        Some(piece) if piece.length <= left => {
                            let start = range.start.saturating_add(done);
                            self.0.push(Piece { start, ..piece });
                            done = done.saturating_add(piece.length);
                        }
                        _ => {
                            found.push(Damage::file(
                                "avml-frame",
                                at,
                                "a whole frame of at most 64 KiB",
                                format!("{size} bytes"),
                            ));
                            return None;
                        }
                    }
                }
                0x80..=0xff => {}
                _ => {
                    let (expected, seen) = if done >= range.length {
                        (
                            format!("the length of the frames, {length:#x}"),
                            format!("{:x?}", tail.unwrap_or_default()),
                        )
                    } else {
                        ("a chunk of snappy".to_owned(), format!("type {kind:#x}"))
                    };
                    found.push(Damage::file("avml-chunk", at, expected, seen));
                    // The length may be wrong and a header still follow.
                    return if done >= range.length { at.checked_add(8) } else { None };
                }
            }
            at = at.checked_add(4)?.checked_add(u64::from(size))?;
        }
    }

    /// Memory of the frames, and of plain ranges of the same file.
    pub(super) fn finish(mut self, source: Source, plain: &[Segment], found: &mut Found) -> Framed {
        let ranges = plain.iter().filter_map(|segment| match segment.backing {
            Backing::File(offset) => Some(Piece {
                start: segment.start.0,
                length: segment.length.min(source.len().saturating_sub(offset)),
                offset,
                stored: 0,
                store: Store::Range,
            }),
            Backing::Fill(_) => None,
        });
        self.0.extend(ranges);
        self.0.sort_by_key(|piece| piece.start);
        let mut pieces: Vec<Piece> = Vec::with_capacity(self.0.len());
        let mut runs: Vec<Run> = Vec::new();
        for piece in self.0 {
            let Some(end) = piece.start.checked_add(piece.length).filter(|end| *end > piece.start) else {
                continue;
            };
            let free = pieces.last().map_or(0, |last| last.start.saturating_add(last.length));
            if piece.start < free {
                found.push(Damage::file(
                    "avml-overlap",
                    piece.offset,
                    format!("a range from {free:#x} on"),
                    format!("{:#x}", piece.start),
                ));
                continue;
            }
            match runs.last_mut() {
                Some(run) if run.end().0 == piece.start => run.length = end.saturating_sub(run.start.0),
                _ => runs.push(Run {
                    start: Gpa(piece.start),
                    length: piece.length,
                }),
            }
            pieces.push(piece);
        }
        pieces.shrink_to_fit();
        Framed {
            source,
            pieces,
            runs,
            cache: Mutex::default(),
        }
    }
}

/// A frame: `at` is where its checksum stands, `size` counts checksum and data.
fn piece(source: &Source, kind: u8, at: u64, size: u32) -> Option<Piece> {
    let stored = size.checked_sub(4)?;
    let data = at.checked_add(4)?;
    (data.checked_add(u64::from(stored))? <= source.len()).then_some(())?;
    let length = if kind == 0 {
        // The length of the data stands in the first bytes of the packed block.
        snap::raw::decompress_len(&source.bytes(data, 5.min(usize::try_from(stored).ok()?))).ok()?
    } else {
        usize::try_from(stored).ok()?
    };
    (1..=FRAME).contains(&length).then_some(Piece {
        start: 0,
        length: u64::try_from(length).ok()?,
        offset: at,
        stored,
        store: if kind == 0 { Store::Packed } else { Store::Plain },
    })
}

/// Memory in frames.
pub(super) struct Framed {
    source: Source,
    pieces: Vec<Piece>,
    runs: Vec<Run>,
    cache: Mutex<Cache>,
}

/// Unpacked frames by their place in the index, the last used one at the end; `None` when damaged.
#[derive(Default)]
struct Cache(Vec<(usize, Option<Arc<[u8]>>)>);

impl Framed {
    fn frame(&self, index: usize, piece: &Piece) -> Option<Arc<[u8]>> {
        let mut cache = self.cache.lock().unwrap_or_else(PoisonError::into_inner);
        let known = cache.0.iter().position(|(other, _)| *other == index);
        let entry = match known {
            Some(place) => cache.0.remove(place),
            None => (index, self.unpack(piece)),
        };
        let bytes = entry.1.clone();
        if cache.0.len() >= CACHE {
            cache.0.remove(0);
        }
        cache.0.push(entry);
        bytes
    }

    fn unpack(&self, piece: &Piece) -> Option<Arc<[u8]>> {
        let stored = self
            .source
            .bytes(piece.offset, usize::try_from(piece.stored).ok()?.checked_add(4)?);
        let sum = Fields(&stored).u32(0)?;
        let data = stored.get(4..)?;
        let length = usize::try_from(piece.length).ok()?;
        let bytes = if piece.store == Store::Packed {
            let mut bytes = vec![0; length];
            let count = snap::raw::Decoder::new().decompress(data, &mut bytes).ok()?;
            (count == length).then_some(bytes)?
        } else {
            data.to_vec()
        };
        (masked(&bytes) == sum).then(|| bytes.into())
    }

    /// Copies from one piece as much as there is.
    fn copy(&self, index: usize, piece: &Piece, offset: u64, to: &mut [u8]) -> usize {
        if piece.store == Store::Range {
            return self
                .source
                .read_at(piece.offset.saturating_add(offset), to)
                .unwrap_or(0);
        }
        let Some(bytes) = self.frame(index, piece) else {
            return 0;
        };
        let from = usize::try_from(offset).ok().and_then(|offset| bytes.get(offset..));
        match from.and_then(|from| from.get(..to.len())) {
            Some(from) => {
                to.copy_from_slice(from);
                to.len()
            }
            None => 0,
        }
    }
}

impl PhysicalMemory for Framed {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = at.0.checked_add(done as u64) else {
                break;
            };
            let next = self.pieces.partition_point(|piece| piece.start <= place);
            let Some(index) = next.checked_sub(1) else { break };
            let Some(piece) = self.pieces.get(index) else { break };
            let offset = place.saturating_sub(piece.start);
            let left = piece.length.saturating_sub(offset);
            let count = usize::try_from(left).unwrap_or(usize::MAX).min(rest.len());
            let Some(to) = rest.get_mut(..count).filter(|to| !to.is_empty()) else {
                break;
            };
            let seen = self.copy(index, piece, offset, to);
            done = done.saturating_add(seen);
            if seen < count {
                break;
            }
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn extent(&self, at: Gpa) -> Option<(&Source, u64, u64)> {
        let index = self
            .pieces
            .partition_point(|piece| piece.start <= at.0)
            .checked_sub(1)?;
        let piece = self.pieces.get(index).filter(|piece| piece.store == Store::Range)?;
        let offset = at.0.checked_sub(piece.start)?;
        let left = piece.length.checked_sub(offset).filter(|left| *left > 0)?;
        Some((&self.source, piece.offset.checked_add(offset)?, left))
    }
}

/// CRC-32C (polynomial 0x1edc6f41) as snappy masks it.
fn masked(bytes: &[u8]) -> u32 {
    let mut sum = !0u32;
    for byte in bytes {
        let [low, ..] = sum.to_le_bytes();
        let entry = TABLE.get(usize::from(low ^ byte)).copied().unwrap_or_default();
        sum = (sum >> 8) ^ entry;
    }
    (!sum).rotate_right(15).wrapping_add(0xa282_ead8)
}

const TABLE: [u32; 256] = table();

#[allow(clippy::indexing_slicing, clippy::cast_possible_truncation)]
const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 {
                (value >> 1) ^ 0x82f6_3b78
            } else {
                value >> 1
            };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}
