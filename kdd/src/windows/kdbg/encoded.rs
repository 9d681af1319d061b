//! The encoded KDBG of x64 kernels since Windows 8, decoded with nothing but the base of the kernel.
//!
//! The kernel encodes each 64-bit word of the block with two random values, KiWaitNever *N* and
//! KiWaitAlways *W*, and the address *A* of KdpDataBlockEncoded (as QEMU's elf2dmp describes):
//!
//! ```text
//! plain = bswap(rol(word ^ N, N & 0xff) ^ A) ^ W
//! ```
//!
//! Rotation and byte swap only move bits, so they pass through an exclusive or. For two words of the
//! same block all three secrets but the count of the rotation cancel:
//!
//! ```text
//! plain1 ^ plain2 = bswap(rol(word1 ^ word2, N & 0x3f))
//! ```
//!
//! One plain word is known, the base of the kernel at offset 0x18. There are 64 counts to try, and the
//! tag with its size at 0x10 (52 known bits) tells the right one; the list links then must be addresses
//! of the kernel. No symbol is needed, and chance has no part in it.

use super::{CHUNK, Place, SIZES};
use crate::memory::Gva;
use crate::windows::Architecture;
use crate::windows::fields::{read, read_some, u64_at};

/// Offset of the tag and the size.
const TAG: u64 = 0x10;

/// The plain word that goes with `word`, when `known` is the plain one of `known_word`.
fn word(word: u64, known_word: u64, known: u64, count: u32) -> u64 {
    (word ^ known_word).rotate_left(count).swap_bytes() ^ known
}

/// Count of the rotation and size of the block, from its words at 0x10 and 0x18.
fn solve(tag: u64, base_word: u64, base: u64) -> Option<(u32, usize)> {
    (0..64).find_map(|count| {
        let [a, b, c, d, size @ ..] = word(tag, base_word, base, count).to_le_bytes();
        let size = u32::from_le_bytes(size);
        let right = [a, b, c, d] == *b"KDBG" && SIZES.contains(&size) && size % 8 == 0;
        right.then(|| usize::try_from(size).ok().map(|size| (count, size)))?
    })
}

/// The plain bytes of the block at an address.
#[must_use]
pub fn at(place: &Place<'_>, at: Gva) -> Option<Vec<u8>> {
    if place.architecture != Architecture::X64 {
        return None;
    }
    let header: [u8; 32] = read(place.space, at)?;
    let base_word = u64_at(&header, 0x18)?;
    let (count, size) = solve(u64_at(&header, 0x10)?, base_word, place.base.0)?;
    let bytes = read_some(place.space, at, size);
    let words = bytes.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0));
    let plain: Vec<u64> = words
        .map(|encoded| word(encoded, base_word, place.base.0, count))
        .collect();
    let linked = plain
        .iter()
        .take(2)
        .all(|link| place.kernel(Gva(*link)) && link % 8 == 0);
    (linked && bytes.len() == size).then(|| plain.into_iter().flat_map(u64::to_le_bytes).collect())
}

/// Looks for an encoded block in the kernel's data.
#[must_use]
pub fn scan(place: &Place<'_>) -> Option<(Gva, Vec<u8>)> {
    if place.architecture != Architecture::X64 {
        return None;
    }
    // Each word with the next one.
    place.data(8, |start, bytes| {
        let words: Vec<u64> = bytes.chunks_exact(8).filter_map(|bytes| u64_at(bytes, 0)).collect();
        let pairs = words
            .iter()
            .zip(words.iter().skip(1))
            .zip((start.0..).step_by(8))
            .take(CHUNK / 8);
        let different = pairs.filter(|((tag, base), _)| tag != base);
        let mut blocks = different.filter(|((tag, base), _)| solve(**tag, **base, place.base.0).is_some());
        blocks.find_map(|(_, tag)| {
            let block = Gva(tag.checked_sub(TAG)?);
            Some((block, at(place, block)?))
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::VirtualMemory;

    struct Bytes(u64, Vec<u8>);

    impl VirtualMemory for Bytes {
        fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
            let start = at.0.checked_sub(self.0).map_or(usize::MAX, |start| start as usize);
            let rest = self.1.get(start..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            count
        }
    }

    const BASE: u64 = 0xffff_f806_3a40_0000;
    const HEAD: u64 = 0xffff_f806_3af2_1770;

    fn block() -> Vec<u64> {
        let mut words: Vec<u64> = (0..0x70u64).map(|index| BASE + index * 0x1_2348).collect();
        words[0] = HEAD;
        words[1] = HEAD;
        words[2] = 0x0000_0380_4742_444b;
        words[3] = BASE;
        words
    }

    /// As the kernel encodes, word by word with all three values.
    fn encode(words: &[u64], never: u64, always: u64, address: u64) -> Vec<u8> {
        let encoded = words
            .iter()
            .map(|plain| ((plain ^ always).swap_bytes() ^ address).rotate_right((never & 0x3f) as u32) ^ never);
        encoded.flat_map(u64::to_le_bytes).collect()
    }

    fn place(space: &Bytes) -> Place<'_> {
        Place {
            space,
            architecture: Architecture::X64,
            base: Gva(BASE),
            image: None,
        }
    }

    #[test]
    fn every_rotation_is_undone_without_knowing_the_secrets() {
        let plain: Vec<u8> = block().into_iter().flat_map(u64::to_le_bytes).collect();
        for count in 0..=255u64 {
            let never = 0x9d31_77c0_52ee_1400 | count;
            let always = 0x0042_a9f1_8bd2_e5c7u64.wrapping_mul(count * 2 + 1);
            let memory = Bytes(BASE, encode(&block(), never, always, BASE + 0xc2_1a40));
            assert_eq!(at(&place(&memory), Gva(BASE)).unwrap(), plain, "count {count}");
        }
    }

    #[test]
    fn a_block_is_found_by_a_scan_and_nothing_else_is() {
        let mut bytes = vec![0; 0x1_fff0];
        bytes.extend(encode(
            &block(),
            0x1234_5678_9abc_def5,
            0xfeed_0123_4567_89ab,
            BASE + 0x55_5558,
        ));
        let mut noise = 1u64;
        for chunk in bytes[..0x8000].chunks_exact_mut(8) {
            noise = noise
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            chunk.copy_from_slice(&noise.to_le_bytes());
        }
        // The tag and the base fall into two pieces of the scan.
        let memory = Bytes(BASE, bytes.clone());
        assert_eq!(scan(&place(&memory)).unwrap().0, Gva(BASE + 0x1_fff0));
        let without = Bytes(BASE, bytes[..0x1_fff0].to_vec());
        assert_eq!(scan(&place(&without)), None);
        // A block whose end is missing is none.
        let cut = Bytes(BASE, bytes[..0x2_0300].to_vec());
        assert_eq!(scan(&place(&cut)), None);
    }
}
