//! Patterns for paths.

/// A pattern, compiled once.
pub(super) struct Pattern {
    pieces: Vec<Piece>,
    anywhere: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Byte(u8),
    /// `?`.
    One,
    /// `*`.
    Segment,
    /// `**`.
    Any,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        let mut pieces = Vec::new();
        for byte in text.bytes() {
            let piece = match byte {
                b'?' => Piece::One,
                b'*' if matches!(pieces.last(), Some(Piece::Segment | Piece::Any)) => {
                    pieces.pop();
                    Piece::Any
                }
                b'*' => Piece::Segment,
                other => Piece::Byte(other.to_ascii_uppercase()),
            };
            pieces.push(piece);
        }
        Self {
            pieces,
            anywhere: !text.starts_with(['\\', '*']),
        }
    }

    pub(super) fn fits(&self, path: &str) -> bool {
        if self.fits_from(path.as_bytes()) {
            return true;
        }
        let begins = path
            .bytes()
            .enumerate()
            .filter(|(_, byte)| matches!(byte, b'.' | b'\\'));
        self.anywhere
            && begins
                .filter_map(|(at, _)| path.as_bytes().get(at.saturating_add(1)..))
                .any(|rest| self.fits_from(rest))
    }

    /// One pass over the text with the set of places in the pattern that are reached so far.
    fn fits_from(&self, text: &[u8]) -> bool {
        let end = self.pieces.len();
        let mut reached = vec![false; end.saturating_add(1)];
        let mark = |reached: &mut Vec<bool>, mut at: usize| loop {
            if let Some(place) = reached.get_mut(at) {
                *place = true;
            }
            match self.pieces.get(at) {
                Some(Piece::Segment | Piece::Any) => at = at.saturating_add(1),
                _ => break,
            }
        };
        mark(&mut reached, 0);
        for byte in text {
            let mut next = vec![false; end.saturating_add(1)];
            for (at, piece) in self.pieces.iter().enumerate() {
                if !reached.get(at).copied().unwrap_or_default() {
                    continue;
                }
                match piece {
                    Piece::Byte(wanted) if wanted == byte => mark(&mut next, at.saturating_add(1)),
                    Piece::One if *byte != b'.' => mark(&mut next, at.saturating_add(1)),
                    Piece::Segment if *byte != b'.' => mark(&mut next, at),
                    Piece::Any => mark(&mut next, at),
                    _ => {}
                }
            }
            reached = next;
        }
        reached.last().copied().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn star_stays_within_a_segment_and_two_stars_do_not() {
        let fits = |pattern, path| Pattern::new(pattern).fits(path);
        assert!(fits("\\_SB.PCI?", "\\_SB.PCI0"));
        assert!(!fits("\\_SB.*", "\\_SB.PCI0.EC"));
        assert!(fits("\\_SB.**", "\\_SB.PCI0.EC"));
        assert!(fits("**.EC", "\\_SB.PCI0.EC"));
        assert!(fits("*", "\\") && !fits("\\*._HID", "\\_SB.PCI0._HID"));
    }

    #[test]
    fn pattern_without_root_begins_at_any_segment() {
        let fits = |pattern, path| Pattern::new(pattern).fits(path);
        assert!(fits("_hid", "\\_SB.PCI0._HID"));
        assert!(fits("PCI*._HID", "\\_SB.PCI0._HID"));
        assert!(!fits("CI0._HID", "\\_SB.PCI0._HID"));
        assert!(!fits("_HI", "\\_SB.PCI0._HID"));
    }
}
