//! Bytes of which some bits may be unknown.

use super::symbol::SymbolId;

/// Bits that are not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gap {
    pub(super) first: usize,
    pub(super) end: usize,
    pub(super) symbol: SymbolId,
}

/// Bytes and what of them is not known; unknown bits are zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Bytes {
    pub(super) data: Vec<u8>,
    pub(super) gaps: Vec<Gap>,
}

/// Gaps of one buffer; when there are more, neighbours are joined.
const GAPS: usize = 256;

impl Bytes {
    pub(super) fn known(data: Vec<u8>) -> Self {
        Self { data, gaps: Vec::new() }
    }

    pub(super) fn bits(&self) -> usize {
        self.data.len().saturating_mul(8)
    }

    /// Everything becomes unknown.
    pub(super) fn forget(&mut self, symbol: SymbolId) {
        self.data.fill(0);
        let end = self.bits();
        self.gaps.clear();
        if end > 0 {
            self.gaps.push(Gap { first: 0, end, symbol });
        }
    }

    /// A symbol of the unknown bits in that range, if there are any.
    pub(super) fn gap(&self, first: usize, end: usize) -> Option<SymbolId> {
        let inside = |gap: &&Gap| gap.first < end && gap.end > first;
        self.gaps.iter().find(inside).map(|gap| gap.symbol)
    }

    /// Symbol of any unknown bit.
    pub(super) fn any_gap(&self) -> Option<SymbolId> {
        self.gaps.first().map(|gap| gap.symbol)
    }

    /// Bytes of a range of bits, moved to bit 0; the last one is filled up with zeros.
    pub(super) fn read(&self, first: usize, bits: usize) -> Vec<u8> {
        let count = bits.div_ceil(8);
        let (start, shift) = (first / 8, first % 8);
        let mut list: Vec<u8> = (0..count)
            .map(|at| {
                let at = start.saturating_add(at);
                let low = u16::from(self.data.get(at).copied().unwrap_or_default());
                let high = u16::from(self.data.get(at.saturating_add(1)).copied().unwrap_or_default());
                let [byte, _] = ((low | high << 8) >> shift).to_le_bytes();
                byte
            })
            .collect();
        let rest = bits % 8;
        if let Some(last) = list.last_mut().filter(|_| rest != 0) {
            *last &= (1 << rest) - 1;
        }
        list
    }

    /// Write a range of bits from bytes that begin at bit 0; missing ones are zero.
    pub(super) fn write(&mut self, first: usize, bits: usize, source: &[u8]) {
        let end = first.saturating_add(bits).min(self.bits());
        self.clear_gaps(first, end);
        let mut bit = first;
        while bit < end {
            let from = bit.saturating_sub(first);
            if bit.is_multiple_of(8) && from.is_multiple_of(8) && end.saturating_sub(bit) >= 8 {
                if let Some(byte) = self.data.get_mut(bit / 8) {
                    *byte = source.get(from / 8).copied().unwrap_or_default();
                }
                bit = bit.saturating_add(8);
                continue;
            }
            let set = source.get(from / 8).is_some_and(|byte| byte >> (from % 8) & 1 != 0);
            if let Some(byte) = self.data.get_mut(bit / 8) {
                let mask = 1 << (bit % 8);
                *byte = if set { *byte | mask } else { *byte & !mask };
            }
            bit = bit.saturating_add(1);
        }
    }

    /// A range of bits becomes unknown.
    pub(super) fn write_unknown(&mut self, first: usize, bits: usize, symbol: SymbolId) {
        self.write(first, bits, &[]);
        let end = first.saturating_add(bits).min(self.bits());
        if first >= end {
            return;
        }
        let at = self.gaps.partition_point(|gap| gap.first < first);
        self.gaps.insert(at, Gap { first, end, symbol });
        if self.gaps.len() > GAPS {
            self.join();
        }
    }

    /// Bytes `from..to`, with their gaps.
    pub(super) fn part(&self, from: usize, to: usize) -> Self {
        let to = to.min(self.data.len());
        let from = from.min(to);
        let (low, high) = (from.saturating_mul(8), to.saturating_mul(8));
        let gaps = self.gaps.iter().filter(|gap| gap.first < high && gap.end > low);
        Self {
            data: self.data.get(from..to).unwrap_or_default().to_vec(),
            gaps: gaps
                .map(|gap| Gap {
                    first: gap.first.max(low).saturating_sub(low),
                    end: gap.end.min(high).saturating_sub(low),
                    symbol: gap.symbol,
                })
                .collect(),
        }
    }

    /// Put other bytes behind these.
    pub(super) fn append(&mut self, other: &Self) {
        let shift = self.bits();
        self.data.extend(&other.data);
        self.gaps.extend(other.gaps.iter().map(|gap| Gap {
            first: gap.first.saturating_add(shift),
            end: gap.end.saturating_add(shift),
            symbol: gap.symbol,
        }));
        while self.gaps.len() > GAPS {
            self.join();
        }
    }

    fn clear_gaps(&mut self, first: usize, end: usize) {
        if self.gap(first, end).is_none() {
            return;
        }
        let mut left = Vec::with_capacity(self.gaps.len().saturating_add(1));
        for gap in &self.gaps {
            if gap.first >= end || gap.end <= first {
                left.push(*gap);
                continue;
            }
            if gap.first < first {
                left.push(Gap { end: first, ..*gap });
            }
            if gap.end > end {
                left.push(Gap { first: end, ..*gap });
            }
        }
        left.sort_by_key(|gap| gap.first);
        self.gaps = left;
    }

    /// Join gaps in pairs, with what lies between them.
    fn join(&mut self) {
        let pairs: Vec<Gap> = self
            .gaps
            .chunks(2)
            .filter_map(|pair| {
                let (first, last) = (pair.first()?, pair.last()?);
                Some(Gap {
                    end: last.end,
                    ..*first
                })
            })
            .collect();
        self.gaps = pairs;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_read_and_written_across_bytes() {
        let mut bytes = Bytes::known(vec![0xff, 0x00, 0xf0]);
        assert_eq!(bytes.read(4, 8), [0x0f]);
        assert_eq!(bytes.read(15, 9), [0xe0, 0x01]);
        bytes.write(4, 12, &[0x5a, 0x0c]);
        assert_eq!(bytes.data, [0xaf, 0xc5, 0xf0]);
        bytes.write(20, 100, &[0xff]);
        assert_eq!(bytes.data, [0xaf, 0xc5, 0xf0]);
    }

    #[test]
    fn unknown_bits_go_when_they_are_written_and_move_with_their_bytes() {
        let symbol = SymbolId(7);
        let mut bytes = Bytes::known(vec![0xff; 8]);
        bytes.write_unknown(8, 32, symbol);
        assert_eq!(bytes.data, [0xff, 0, 0, 0, 0, 0xff, 0xff, 0xff]);
        bytes.write(16, 8, &[1]);
        assert_eq!((bytes.gap(16, 24), bytes.gap(16, 25)), (None, Some(symbol)));
        let part = bytes.part(1, 3);
        assert_eq!(
            part.gaps,
            [Gap {
                first: 0,
                end: 8,
                symbol
            }]
        );
        let mut both = Bytes::known(vec![0]);
        both.append(&part);
        assert_eq!(
            both.gaps,
            [Gap {
                first: 8,
                end: 16,
                symbol
            }]
        );
    }
}
