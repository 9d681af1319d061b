//! Checksums of any part of a file: straight through while the file is in order, from a table of
//! running sums once a search may look at the same bytes again and again.

use crate::bytes;

/// Sums of 32-bit words.
pub(super) struct Sums<'a> {
    bytes: &'a [u8],
    /// Running sums of the words that begin at 0, 1, 2, 3 modulo 4; empty until asked for.
    running: [Vec<u32>; 4],
    repeated: bool,
}

impl<'a> Sums<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            running: Default::default(),
            repeated: false,
        }
    }

    /// From here on a sum costs the same whatever its length.
    pub(super) fn repeat(&mut self) {
        self.repeated = true;
    }

    /// Sum of the whole words of `length` bytes at `start`; 0 outside the file.
    pub(super) fn sum(&mut self, start: usize, length: usize) -> u32 {
        let covered = self.bytes.get(start..).and_then(|rest| rest.get(..length));
        let Some(covered) = covered else { return 0 };
        if !self.repeated {
            return bytes::sum(covered);
        }
        let phase = start % 4;
        let Some(running) = self.running.get_mut(phase) else {
            return 0;
        };
        if running.is_empty() {
            *running = table(self.bytes.get(phase..).unwrap_or_default());
        }
        let first = start / 4;
        let upto = |word: usize| running.get(word).copied().unwrap_or(0);
        upto(first.saturating_add(length / 4)).wrapping_sub(upto(first))
    }
}

/// Sums of the first 0, 1, 2, ... words.
fn table(bytes: &[u8]) -> Vec<u32> {
    let (words, _) = bytes.as_chunks::<4>();
    let mut sum = 0u32;
    let sums = words.iter().map(|word| {
        sum = sum.wrapping_add(u32::from_le_bytes(*word));
        sum
    });
    std::iter::once(0).chain(sums).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_gives_the_same_sums_at_every_alignment() {
        let bytes: Vec<u8> = (0..200u8).map(|byte| byte.wrapping_mul(91)).collect();
        for start in 0..40 {
            for length in [0, 4, 7, 48, 150] {
                let straight = Sums::new(&bytes).sum(start, length);
                let mut sums = Sums::new(&bytes);
                sums.repeat();
                assert_eq!(sums.sum(start, length), straight, "{start} {length}");
            }
        }
        let mut sums = Sums::new(&bytes);
        assert_eq!(sums.sum(190, 20), 0);
        sums.repeat();
        assert_eq!(sums.sum(190, 20), 0);
    }
}
