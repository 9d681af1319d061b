//! Sums of 32-bit words over any range, without reading a range again and again.
//!
//! Data can be full of headers that all claim to be long. Running sums are kept at every 4096th
//! byte for each of the four alignments, so the cost of one question does not depend on the range.

use crate::bytes::sum;

const STEP: usize = 4096;

/// Running sums of some bytes, made when first asked for.
#[derive(Debug)]
pub(super) struct Sums<'a> {
    bytes: &'a [u8],
    tables: [Vec<u32>; 4],
}

impl<'a> Sums<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            tables: Default::default(),
        }
    }

    /// Sum of the words from `start` to `end`; `None` when they are not whole or not there.
    pub(super) fn of(&mut self, start: usize, end: usize) -> Option<u32> {
        let length = end.checked_sub(start)?;
        if !length.is_multiple_of(4) || end > self.bytes.len() {
            return None;
        }
        if length <= 4 * STEP {
            return self.bytes.get(start..end).map(sum);
        }
        Some(self.up_to(end)?.wrapping_sub(self.up_to(start)?))
    }

    /// Sum of the words of this alignment before `end`.
    fn up_to(&mut self, end: usize) -> Option<u32> {
        let phase = end % 4;
        let bytes = self.bytes.get(phase..)?;
        let table = self.tables.get_mut(phase)?;
        if table.is_empty() {
            let mut running = 0u32;
            table.push(0);
            table.extend(bytes.chunks_exact(STEP).map(|chunk| {
                running = running.wrapping_add(sum(chunk));
                running
            }));
        }
        let end = end.checked_sub(phase)?;
        let whole = end / STEP;
        let rest = bytes.get(whole.checked_mul(STEP)?..end)?;
        Some(table.get(whole)?.wrapping_add(sum(rest)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_words_at_any_alignment() {
        let mut state = 5u32;
        let bytes: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            state.to_le_bytes()[3]
        })
        .take(100_003)
        .collect();
        let mut sums = Sums::new(&bytes);
        for (start, words) in [
            (0, 25_000),
            (1, 10),
            (2, 20_001),
            (3, 25_000),
            (4097, 23_000),
            (99_999, 1),
        ] {
            let end = start + 4 * words;
            assert_eq!(sums.of(start, end), Some(sum(&bytes[start..end])));
        }
        assert_eq!((sums.of(0, 6), sums.of(8, 4), sums.of(0, 100_004)), (None, None, None));
    }
}
