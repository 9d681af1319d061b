//! The one pass over the data: places where a header or a table could begin.
//!
//! Blocks of 64 bytes are tested as a whole with a handful of byte comparisons that compile to
//! vector instructions; only in a block with a match are its offsets looked at one by one.

use std::ops::Range;

/// What could begin at an offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    /// Header of an Intel update.
    Intel,
    /// AMD patch.
    Patch,
    /// AMD container.
    Container,
    /// Firmware Interface Table.
    Fit,
    /// AMD embedded firmware structure.
    Rom,
    /// Update of VIA.
    Via,
}

/// Offsets tested at once.
const BLOCK: usize = 64;
/// Bytes behind an offset that the test reads, at least.
const AHEAD: usize = 32;
/// Erased flash, which most of an image is.
const ERASED: [u8; BLOCK + AHEAD] = [0xff; BLOCK + AHEAD];
/// In a header of Intel: high byte of the year, loader version; in one of AMD: high byte of the data id.
const NINTH: usize = 9;
const LOADER: usize = 20;

/// Call `found` for each anchor whose offset is in `range`, in order.
pub(super) fn each(bytes: &[u8], range: Range<usize>, mut found: impl FnMut(usize, Anchor)) {
    let to = range.end.min(bytes.len());
    let mut at = range.start;
    while at < to {
        let end = at.saturating_add(BLOCK).min(to);
        let block = bytes.get(at..).and_then(|rest| rest.first_chunk::<{ BLOCK + AHEAD }>());
        if block.is_none_or(|block| *block != ERASED && any(block)) {
            for offset in at..end {
                if let Some(anchor) = bytes.get(offset..).and_then(one) {
                    found(offset, anchor);
                }
            }
        }
        at = end;
    }
}

fn lane(block: &[u8; BLOCK + AHEAD], skip: usize) -> &[u8; BLOCK] {
    const NONE: &[u8; BLOCK] = &[0; BLOCK];
    block.get(skip..).and_then(|rest| rest.first_chunk()).unwrap_or(NONE)
}

fn any(block: &[u8; BLOCK + AHEAD]) -> bool {
    let first = lane(block, 0).iter().zip(lane(block, 1));
    let next = lane(block, 2).iter().zip(lane(block, 3));
    let far = lane(block, NINTH).iter().zip(lane(block, LOADER));
    let lanes = first.zip(next).zip(far);
    let matched = lanes.fold(0u8, |seen, (((a, b), (c, d)), (ninth, loader))| {
        seen | u8::from(matches(*a, *b, *c, *d, *ninth, *loader))
    });
    matched != 0
}

/// Needed for any anchor; not enough for one. No short cuts: that is what lets it be vectorised.
#[inline(always)]
fn matches(a: u8, b: u8, c: u8, d: u8, ninth: u8, loader: u8) -> bool {
    let intel = (a.wrapping_sub(1) < 2) & ((b | c | d) == 0) & (loader == 1) & ((ninth == 0x20) | (ninth == 0x19));
    let patch = (b == 0x20) & (ninth == 0x80);
    let container = (a == b'D') & (b == b'M') & (c == b'A');
    let fit = (a == b'_') & (b == b'F') & (c == b'I');
    let rom = (a == 0xaa) & (b == 0x55) & (c == 0xaa);
    let via = (a == b'R') & (b == b'R') & (c == b'A');
    intel | patch | container | fit | rom | via
}

fn one(bytes: &[u8]) -> Option<Anchor> {
    let head = bytes.first_chunk::<24>();
    let word = bytes.first_chunk::<4>()?;
    match word {
        b"DMA\0" if bytes.get(4..8) == Some(&[0; 4]) => return Some(Anchor::Container),
        b"_FIT" if bytes.get(4..8) == Some(b"_   ") => return Some(Anchor::Fit),
        [0xaa, 0x55, 0xaa, 0x55] => return Some(Anchor::Rom),
        b"RRAS" => return Some(Anchor::Via),
        _ => {}
    }
    let head = head?;
    let [_, century, ..] = word;
    let [_, _, _, _, _, _, _, _, _, ninth, ..] = head;
    if matches!(word, [1 | 2, 0, 0, 0]) && head.ends_with(&[1, 0, 0, 0]) && matches!(ninth, 0x19 | 0x20) {
        return Some(Anchor::Intel);
    }
    (*century == 0x20 && *ninth == 0x80).then_some(Anchor::Patch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(bytes: &[u8]) -> Vec<(usize, Anchor)> {
        let mut list = Vec::new();
        each(bytes, 0..bytes.len(), |offset, anchor| list.push((offset, anchor)));
        list
    }

    #[test]
    fn anchors_are_found_at_every_offset_of_a_block() {
        let mut header = [0u8; 24];
        (header[0], header[9], header[20]) = (1, 0x20, 1);
        let mut patch = [0u8; 24];
        (patch[1], patch[9]) = (0x20, 0x80);
        let pieces: [(&[u8], Anchor); 6] = [
            (&header, Anchor::Intel),
            (&patch, Anchor::Patch),
            (b"DMA\0\0\0\0\0", Anchor::Container),
            (b"_FIT_   ", Anchor::Fit),
            (&[0xaa, 0x55, 0xaa, 0x55], Anchor::Rom),
            (b"RRAS", Anchor::Via),
        ];
        for (piece, anchor) in pieces {
            for offset in 0..200 {
                let mut bytes = vec![0xff; 230];
                bytes[offset..offset + piece.len()].copy_from_slice(piece);
                assert_eq!(all(&bytes), [(offset, anchor)]);
            }
        }
    }

    #[test]
    fn filler_has_no_anchor() {
        for fill in [0, 1, 0x20, 0x80, 0xff] {
            assert_eq!(all(&[fill; 1000]), []);
        }
    }
}
