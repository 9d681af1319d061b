//! Hex rows: `10: 00 00 f0 ff …`, sixteen bytes of configuration space each.
//!
//! A byte that cannot be read is a hole; so is a row that is missing before a later one. A row of
//! the wrong length is one hole, for nobody can tell which byte it lost.

use std::ops::Range;

use super::super::function::Bdf;
use super::bytes::{Line, hex, hex2, shown, take};
use super::damage;
use crate::evidence::Damage;

const ROW: usize = 16;
const SPACE: usize = 4096;

/// The bytes of one function as its rows give them.
#[derive(Clone, Debug, Default)]
pub(super) struct Rows {
    bytes: Vec<u8>,
    holes: Vec<Range<usize>>,
    lost: bool,
}

/// Offset and cells of a line that is a hex row.
pub(super) fn row(line: &[u8]) -> Option<(usize, &[u8])> {
    let digits = take(line, |byte| byte.is_ascii_hexdigit());
    let cells = line.get(digits.len()..)?.strip_prefix(b": ")?;
    if !(2..=8).contains(&digits.len()) {
        return None;
    }
    Some((usize::try_from(hex(digits)?).ok()?, cells))
}

/// A line that was meant as a hex row: most of its words are bytes.
pub(super) fn looks_meant(line: &[u8]) -> bool {
    if line.len() > 200 {
        return false;
    }
    let words = || line.split(|byte| *byte == b' ').filter(|word| !word.is_empty());
    let bytes = words().filter(|word| hex2(word).is_some()).count();
    bytes >= 8 && bytes.saturating_mul(4) >= words().count().saturating_mul(3)
}

impl Rows {
    pub(super) const fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// Takes one row.
    pub(super) fn add(&mut self, at: usize, cells: &[u8], bdf: Bdf, line: &Line<'_>, log: &mut Vec<Damage>) {
        if at == self.bytes.len() && at < SPACE && self.append(cells) {
            self.lost = false;
            return;
        }
        let complain = |expected: String| damage(line.number, format!("hex row of {bdf}"), expected, shown(line.text));
        if at.saturating_add(ROW) > SPACE {
            log.push(complain(format!("an offset below 0x{SPACE:x}")));
            return;
        }
        let (values, lost) = salvage(cells, line.cut);
        if lost {
            log.push(complain("sixteen bytes of two hexadecimal digits".to_owned()));
        }
        if at < self.bytes.len() {
            if !lost {
                self.repeat(at, &values, &complain, log);
            }
            return;
        }
        if at > self.bytes.len() {
            if !self.lost {
                log.push(complain(format!("the row of offset 0x{:02x}", self.bytes.len())));
            }
            self.hole(self.bytes.len(), at);
        }
        for value in &values {
            match value {
                Some(byte) => self.bytes.push(*byte),
                None => self.hole(self.bytes.len(), self.bytes.len().saturating_add(1)),
            }
        }
        self.lost = lost;
    }

    /// Notes a row that could not be read at all; the next one shows its offset.
    pub(super) const fn lose(&mut self) {
        self.lost = true;
    }

    fn append(&mut self, cells: &[u8]) -> bool {
        let before = self.bytes.len();
        if before == 0 {
            self.bytes.reserve_exact(256);
        } else if before == 256 {
            self.bytes.reserve_exact(SPACE.saturating_sub(256));
        }
        for cell in cells.chunks(3) {
            let value = match cell {
                [high, low] | [high, low, b' '] => hex2(&[*high, *low]),
                _ => None,
            };
            match value {
                Some(value) => self.bytes.push(value),
                None => break,
            }
        }
        let whole = cells.len() <= 48 && self.bytes.len() == before.saturating_add(ROW);
        if !whole {
            self.bytes.truncate(before);
        }
        whole
    }

    fn hole(&mut self, from: usize, to: usize) {
        self.bytes.resize(to, 0xff);
        match self.holes.last_mut() {
            Some(last) if last.end == from => last.end = to,
            _ => self.holes.push(from..to),
        }
    }

    /// A row that was already there: it fills a hole, or it must say the same.
    fn repeat(
        &mut self,
        at: usize,
        values: &[Option<u8>],
        complain: &impl Fn(String) -> Damage,
        log: &mut Vec<Damage>,
    ) {
        let end = at.saturating_add(values.len());
        let known: Option<Vec<u8>> = values.iter().copied().collect();
        let (Some(known), Some(there)) = (known, self.bytes.get_mut(at..end)) else {
            return;
        };
        let filled = self.holes.iter().position(|hole| *hole == (at..end));
        if let Some(hole) = filled {
            there.copy_from_slice(&known);
            self.holes.remove(hole);
        } else if there != known.as_slice() {
            log.push(complain(format!("the row of offset 0x{at:02x} once")));
        }
    }

    /// The bytes up to the first hole: what nobody can misread.
    pub(super) fn intact(&self) -> &[u8] {
        let end = self.holes.first().map_or(self.bytes.len(), |hole| hole.start);
        self.bytes.get(..end).unwrap_or_default()
    }

    /// Whether bytes are missing in the middle.
    pub(super) const fn has_holes(&self) -> bool {
        !self.holes.is_empty()
    }

    /// All bytes, with the holes set to `fill`.
    pub(super) fn filled(&self, fill: u8) -> Vec<u8> {
        let mut bytes = self.bytes.clone();
        for hole in &self.holes {
            if let Some(hole) = bytes.get_mut(hole.clone()) {
                hole.fill(fill);
            }
        }
        bytes
    }

    /// The length, when it is none that `lspci` prints: the rows stop early.
    pub(super) const fn odd_length(&self) -> Option<usize> {
        match self.bytes.len() {
            0 | 64 | 128 | 256 | SPACE => None,
            other => Some(other),
        }
    }

    /// Whether the last row was damaged, which explains an odd length.
    pub(super) const fn ends_damaged(&self) -> bool {
        self.lost
    }
}

/// The cells of a row that is not plainly good, and whether anything was lost.
fn salvage(cells: &[u8], cut: bool) -> (Vec<Option<u8>>, bool) {
    let mut values = Vec::with_capacity(ROW);
    let mut lost = false;
    for word in cells.split(|byte| *byte == b' ').filter(|word| !word.is_empty()) {
        let value = hex2(word);
        lost |= value.is_none();
        if values.len() == ROW {
            return (values, true);
        }
        values.push(value);
        if word.len() != 2 {
            // The places of all later bytes are unknown.
            values.pop();
            if !cut {
                values.resize(ROW, None);
            }
            return (values, true);
        }
    }
    if values.len() < ROW && !cut {
        return (vec![None; ROW], true);
    }
    let short = values.len() < ROW;
    (values, lost || short)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(rows: &[&str]) -> (Rows, Vec<Damage>) {
        let (mut all, mut log) = (Rows::default(), Vec::new());
        for (number, text) in (1..).zip(rows) {
            let (at, cells) = row(text.as_bytes()).unwrap();
            let line = Line {
                number,
                start: 0,
                end: 0,
                text: text.as_bytes(),
                cut: false,
            };
            all.add(at, cells, Bdf::default(), &line, &mut log);
        }
        (all, log)
    }

    const A: &str = "00: 00 01 02 03 04 05 06 07 08 09 0a 0b 0c 0d 0e 0f";
    const B: &str = "10: 10 11 12 13 14 15 16 17 18 19 1a 1b 1c 1d 1e 1f";

    #[test]
    fn good_rows_are_bytes() {
        let (rows, log) = read(&[A, B]);
        assert_eq!(rows.intact(), (0..32).collect::<Vec<u8>>());
        assert!(log.is_empty());
    }

    #[test]
    fn a_wrong_digit_is_a_hole_of_one_byte() {
        let (rows, log) = read(&[&A.replace("07", "0x"), B]);
        assert_eq!(log.len(), 1);
        assert_eq!(log[0].place, crate::evidence::Place::Line(1));
        assert_eq!(rows.intact(), (0..7).collect::<Vec<u8>>());
        assert_eq!(rows.filled(0)[6..9], [6, 0, 8]);
        assert_eq!(rows.filled(0).len(), 32);
    }

    #[test]
    fn a_lost_blank_makes_the_rest_of_the_row_a_hole() {
        let (rows, log) = read(&[&A.replace("07 08", "0708"), B]);
        assert_eq!(log.len(), 1);
        assert_eq!(
            rows.filled(0xee)[6..17],
            [6, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0x10]
        );
    }

    #[test]
    fn a_short_row_and_a_missing_row_are_holes() {
        let (rows, log) = read(&[&A.replace(" 07", ""), B]);
        assert_eq!((log.len(), rows.intact().len(), rows.filled(0).len()), (1, 0, 32));
        let (rows, log) = read(&[B]);
        assert_eq!((log.len(), rows.intact().len(), rows.filled(0).len()), (1, 0, 32));
    }

    #[test]
    fn a_repeated_row_must_agree_and_an_offset_must_fit() {
        assert_eq!(read(&[A, A]).1.len(), 0);
        assert_eq!(read(&[A, &A.replace("0f", "ff")]).1.len(), 1);
        assert_eq!(read(&[A, "1000: 00 01"]).1.len(), 1);
        assert_eq!(read(&[A, "ffffffff: 00 01"]).1.len(), 1);
    }
}
