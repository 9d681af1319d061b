//! Where in the bits of a bzip2 stream blocks begin and the stream ends.

use super::block::Block;

/// The 48 bits before a block, and those before the sum that ends a stream.
pub(super) const BLOCK: u64 = 0x3141_5926_5359;
pub(super) const END: u64 = 0x1772_4538_5090;

/// Bits of them.
pub(super) const MARK: usize = 48;

/// Which of the 16 cases (two marks, eight shifts) have a byte as their fourth and fifth one: those
/// bytes lie inside the mark whatever the shift.
struct Table {
    fourth: [u16; 256],
    fifth: [u16; 256],
}

static TABLE: Table = table();

#[allow(
    clippy::indexing_slicing,
    reason = "runs while compiling: a wrong index does not compile"
)]
const fn table() -> Table {
    let mut table = Table {
        fourth: [0; 256],
        fifth: [0; 256],
    };
    let mut case = 0;
    while case < 16 {
        let mark = if case < 8 { BLOCK } else { END };
        let shift = case % 8;
        table.fourth[(mark >> (16 + shift) & 0xff) as usize] |= 1 << case;
        table.fifth[(mark >> (8 + shift) & 0xff) as usize] |= 1 << case;
        case += 1;
    }
    table
}

/// What ended where.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cut {
    /// Nothing did: more bytes are wanted.
    Nowhere,
    /// The first bits are neither mark.
    NoHeader,
    /// Another block begins.
    Block,
    /// The stream ends.
    End,
}

/// Cuts bytes into blocks.
pub(super) struct Cutter {
    /// Bytes from that on in which the block begins.
    bytes: Vec<u8>,
    /// Bit of the first byte where the block begins.
    first: usize,
    /// Byte that is looked at next.
    next: usize,
    /// Bit where the mark behind the block begins, once it is known.
    mark: usize,
}

impl Cutter {
    pub(super) fn new() -> Self {
        Self {
            bytes: Vec::new(),
            first: 0,
            next: 4,
            mark: 0,
        }
    }

    /// Bytes of the block.
    pub(super) fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Takes input up to the next mark; how many bytes, and what was found.
    pub(super) fn push(&mut self, input: &[u8]) -> (usize, Cut) {
        let known = self.bytes.len();
        self.bytes.extend_from_slice(input);
        let Some((bit, cut)) = self.find() else {
            // The first mark lies in the first seven bytes.
            let none = self.mark == 0 && self.first == 0 && self.bytes.len() > 7 && !self.begins();
            return (input.len(), if none { Cut::NoHeader } else { Cut::Nowhere });
        };
        self.mark = bit;
        let whole = bit.saturating_add(MARK).div_ceil(8);
        self.bytes.truncate(whole);
        (whole.saturating_sub(known).min(input.len()), cut)
    }

    pub(super) fn push_byte(&mut self, byte: u8) {
        self.bytes.push(byte);
    }

    fn begins(&self) -> bool {
        matches!(self.number(0, MARK), Some(BLOCK | END))
    }

    /// The next mark behind the one that the block begins with.
    fn find(&mut self) -> Option<(usize, Cut)> {
        // The two bytes of the table, two more of the mark behind them.
        while let Some([fourth, fifth, _, _]) = self.bytes.get(self.next.checked_sub(1)?..)?.first_chunk() {
            let cases = TABLE.fourth.get(usize::from(*fourth))? & TABLE.fifth.get(usize::from(*fifth))?;
            if cases != 0
                && let Some(found) = self.verify(cases)
            {
                return Some(found);
            }
            self.next = self.next.saturating_add(1);
        }
        None
    }

    #[cold]
    fn verify(&mut self, cases: u16) -> Option<(usize, Cut)> {
        for case in (0..16_usize).filter(|case| cases >> case & 1 == 1) {
            // Behind the fifth byte are the last eight bits of the mark, and as many as it is shifted by.
            let end = self.next.checked_add(2)?.checked_mul(8)?.checked_add(case % 8)?;
            let bit = end.checked_sub(MARK)?;
            let mark = self.number(bit, MARK)?;
            // The mark that the block itself begins with is no end of it.
            let own = bit == self.first && mark == BLOCK;
            if own || bit < self.first || !matches!(mark, BLOCK | END) {
                continue;
            }
            self.next = self.next.saturating_add(1);
            return Some((bit, if mark == BLOCK { Cut::Block } else { Cut::End }));
        }
        None
    }

    /// `count` bits from bit `from` on, at most 56.
    fn number(&self, from: usize, count: usize) -> Option<u64> {
        number(&self.bytes, from, count)
    }

    /// The block before the mark that was found, and the bytes from there on for the next one.
    pub(super) fn take(&mut self, level: u8) -> Option<Block> {
        let block = Block::cut(level, &self.bytes, self.first, self.mark);
        let byte = self.mark / 8;
        self.bytes.drain(..byte);
        self.next = self.next.saturating_sub(byte).max(4);
        self.first = self.mark % 8;
        self.mark = self.first;
        block
    }

    /// The sum behind the end mark, when all bytes of it are there.
    pub(super) fn stored_sum(&self) -> Option<u32> {
        let sum = self.number(self.first.checked_add(MARK)?, 32)?;
        u32::try_from(sum).ok()
    }
}

/// `count` bits from bit `from` on, at most 56.
pub(super) fn number(bytes: &[u8], from: usize, count: usize) -> Option<u64> {
    let end = from.checked_add(count)?;
    let bytes = bytes.get(from / 8..end.div_ceil(8))?;
    let number = bytes.iter().fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
    let number = number >> (end.div_ceil(8) * 8).checked_sub(end)?;
    Some(number & (1_u64 << count).wrapping_sub(1))
}
