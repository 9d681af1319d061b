//! LZO1X blocks, as described in `Documentation/staging/lzo.rst` of Linux.
//!
//! Instructions copy literals from the packed bytes and matches from what was unpacked before. The
//! state is the number of literals that the last instruction copied: 0 to 3, or 4 for more.

/// What is wrong with a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    /// The packed bytes end before the end mark.
    Cut,
    /// More unpacked bytes than the block has.
    TooLong,
    /// A match goes back behind the first byte.
    Distance,
    /// Packed bytes behind the end mark.
    Behind,
}

impl Fault {
    pub(super) fn name(self) -> &'static str {
        match self {
            Fault::Cut => "the packed bytes end before the end mark",
            Fault::TooLong => "it unpacks to more bytes than it has",
            Fault::Distance => "a match goes back behind its first byte",
            Fault::Behind => "bytes follow the end mark",
        }
    }
}

/// Bytes behind the unpacked ones that fast copies may write.
pub(super) const SLACK: usize = 32;

/// Unpacks `packed` to the start of `unpacked`, which has [`SLACK`] bytes more than the block; the
/// number of bytes.
pub(super) fn unpack(packed: &[u8], unpacked: &mut [u8]) -> Result<usize, Fault> {
    let limit = unpacked.len().saturating_sub(SLACK);
    let mut block = Block {
        rest: packed,
        unpacked,
        at: 0,
        limit,
    };
    let mut state = block.first()?;
    loop {
        let code = usize::from(block.byte()?);
        let (distance, length, literals) = match code {
            0..16 if state == 0 => {
                let count = block.length(code, 15)?.saturating_add(3);
                block.literals(count)?;
                state = 4;
                continue;
            }
            0..16 => {
                let far = usize::from(block.byte()?) << 2;
                let near = far.saturating_add(code >> 2);
                match state {
                    4 => (near.saturating_add(2049), 3, code & 3),
                    _ => (near.saturating_add(1), 2, code & 3),
                }
            }
            16..32 => {
                let length = block.length(code & 7, 7)?.saturating_add(2);
                let word = block.word()?;
                let distance = ((code & 8) << 11).saturating_add(word >> 2);
                if distance == 0 {
                    // The end mark.
                    return if block.rest.is_empty() {
                        Ok(block.at)
                    } else {
                        Err(Fault::Behind)
                    };
                }
                (distance.saturating_add(16384), length, word & 3)
            }
            32..64 => {
                let length = block.length(code & 31, 31)?.saturating_add(2);
                let word = block.word()?;
                ((word >> 2).saturating_add(1), length, word & 3)
            }
            64..128 => {
                let far = usize::from(block.byte()?) << 3;
                let length = if code & 32 == 0 { 3 } else { 4 };
                (far.saturating_add((code >> 2) & 7).saturating_add(1), length, code & 3)
            }
            _ => {
                let far = usize::from(block.byte()?) << 3;
                let length = ((code >> 5) & 3).saturating_add(5);
                (far.saturating_add((code >> 2) & 7).saturating_add(1), length, code & 3)
            }
        };
        block.copy(distance, length)?;
        block.few_literals(literals)?;
        state = literals;
    }
}

struct Block<'a, 'b> {
    rest: &'a [u8],
    unpacked: &'b mut [u8],
    at: usize,
    limit: usize,
}

impl Block<'_, '_> {
    /// Runs the first instruction when it is one that only the first can be; the state behind it.
    fn first(&mut self) -> Result<usize, Fault> {
        let Some(code @ 18..) = self.rest.first().copied() else {
            return Ok(0);
        };
        self.byte()?;
        let count = usize::from(code).saturating_sub(17);
        self.literals(count)?;
        Ok(count.min(4))
    }

    #[inline(always)]
    fn byte(&mut self) -> Result<u8, Fault> {
        let (byte, rest) = self.rest.split_first().ok_or(Fault::Cut)?;
        self.rest = rest;
        Ok(*byte)
    }

    #[inline(always)]
    fn word(&mut self) -> Result<usize, Fault> {
        let (word, rest) = self.rest.split_first_chunk().ok_or(Fault::Cut)?;
        self.rest = rest;
        Ok(usize::from(u16::from_le_bytes(*word)))
    }

    /// The length that begins in an instruction, which has zero when bytes follow: they are added
    /// to `base` until one is not zero; a zero counts 255.
    #[inline(always)]
    fn length(&mut self, length: usize, base: usize) -> Result<usize, Fault> {
        if length != 0 {
            return Ok(length);
        }
        let mut length = base;
        loop {
            match self.byte()? {
                0 => length = length.saturating_add(255),
                last => return Ok(length.saturating_add(usize::from(last))),
            }
        }
    }

    fn literals(&mut self, count: usize) -> Result<(), Fault> {
        let (from, rest) = self.rest.split_at_checked(count).ok_or(Fault::Cut)?;
        let end = self.at.saturating_add(count);
        if end > self.limit {
            return Err(Fault::TooLong);
        }
        let to = self.unpacked.get_mut(self.at..end).ok_or(Fault::TooLong)?;
        to.copy_from_slice(from);
        self.rest = rest;
        self.at = end;
        Ok(())
    }

    /// Up to three literals.
    #[inline(always)]
    fn few_literals(&mut self, count: usize) -> Result<(), Fault> {
        let to = self.unpacked.get_mut(self.at..).and_then(<[u8]>::first_chunk_mut::<4>);
        match (self.rest.first_chunk::<4>(), to) {
            (Some(from), Some(to)) if self.at.saturating_add(count) <= self.limit => {
                *to = *from;
                self.rest = self.rest.get(count..).ok_or(Fault::Cut)?;
                self.at = self.at.saturating_add(count);
                Ok(())
            }
            _ => self.literals(count),
        }
    }

    #[inline(always)]
    fn copy(&mut self, distance: usize, length: usize) -> Result<(), Fault> {
        let from = self.at.checked_sub(distance).ok_or(Fault::Distance)?;
        let end = self.at.saturating_add(length);
        if end > self.limit {
            return Err(Fault::TooLong);
        }
        let done = if distance >= 16 && length <= 32 {
            self.pieces::<16>(from, length)
        } else if distance >= 8 && length <= 24 {
            self.pieces::<8>(from, length)
        } else {
            None
        };
        if done.is_none() {
            self.repeat(from, distance, length);
        }
        self.at = end;
        Ok(())
    }

    /// Copies in pieces that do not overlap, a little too much at the end.
    #[inline(always)]
    fn pieces<const N: usize>(&mut self, from: usize, length: usize) -> Option<()> {
        let mut done = 0;
        while done < length {
            let piece: [u8; N] = *self.unpacked.get(from.wrapping_add(done)..)?.first_chunk()?;
            *self.unpacked.get_mut(self.at.wrapping_add(done)..)?.first_chunk_mut()? = piece;
            done = done.wrapping_add(N);
        }
        Some(())
    }

    /// Copies what may overlap: every round doubles the piece.
    fn repeat(&mut self, from: usize, distance: usize, length: usize) {
        let mut done = 0;
        while done < length {
            let part = distance.saturating_add(done).min(length.saturating_sub(done));
            let to = self.at.saturating_add(done);
            self.unpacked.copy_within(from..from.saturating_add(part), to);
            done = done.saturating_add(part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(packed: &[u8], length: usize) -> Result<Vec<u8>, Fault> {
        let mut room = vec![0; length + SLACK];
        unpack(packed, &mut room).map(|count| room[..count].to_vec())
    }

    /// Four literals, three bytes from the first of them on, the end mark.
    const SMALL: [u8; 10] = [21, b'a', b'b', b'c', b'd', 0x40 | 3 << 2, 0, 0x11, 0, 0];

    #[test]
    fn literals_and_a_match_come_out() {
        assert_eq!(unpacked(&SMALL, 7), Ok(b"abcdabc".to_vec()));
    }

    #[test]
    fn a_match_that_overlaps_itself_repeats() {
        let packed = [18, b'x', 0x20 | 18, 0, 0, 0x11, 0, 0];
        assert_eq!(unpacked(&packed, 21), Ok(vec![b'x'; 21]));
    }

    #[test]
    fn every_fault_is_named() {
        for cut in 0..SMALL.len() {
            assert_eq!(unpacked(&SMALL[..cut], 7), Err(Fault::Cut), "{cut}");
        }
        assert_eq!(unpacked(&SMALL, 6), Err(Fault::TooLong));
        assert_eq!(unpacked(&SMALL, 3), Err(Fault::TooLong));
        assert_eq!(unpacked(&[&SMALL[..], &[0]].concat(), 7), Err(Fault::Behind));
        let mut far = SMALL;
        far[6] = 1;
        assert_eq!(unpacked(&far, 7), Err(Fault::Distance));
    }
}
