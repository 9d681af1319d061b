//! Which sequences were seen: the last 64, and everything older counts as seen.

/// A window over sequences that grow.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Window {
    /// Largest sequence seen.
    last: Option<u64>,
    /// Bit n: `last - n` was seen.
    seen: u64,
}

impl Window {
    /// Marks a sequence as seen; `false` when it was already.
    pub(super) fn take(&mut self, sequence: u64) -> bool {
        let Some(last) = self.last else {
            (self.last, self.seen) = (Some(sequence), 1);
            return true;
        };
        if let Some(ahead) = sequence.checked_sub(last).filter(|ahead| *ahead > 0) {
            let shift = u32::try_from(ahead).unwrap_or(u32::MAX);
            self.seen = self.seen.checked_shl(shift).unwrap_or(0) | 1;
            self.last = Some(sequence);
            return true;
        }
        let behind = u32::try_from(last.saturating_sub(sequence)).unwrap_or(u32::MAX);
        let Some(bit) = 1u64.checked_shl(behind) else {
            return false;
        };
        let fresh = self.seen & bit == 0;
        self.seen |= bit;
        fresh
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_sequence_is_taken_once_in_any_order() {
        let mut window = Window::default();
        let taken = [5, 7, 6, 6, 5, 7, 70, 8, 6, 71, 69, 69, 135, 71, 72].map(|sequence| window.take(sequence));
        let (yes, no) = (true, false);
        assert_eq!(
            taken,
            [yes, yes, yes, no, no, no, yes, yes, no, yes, yes, no, yes, no, yes]
        );
    }

    #[test]
    fn leap_of_any_width_leaves_nothing_open_behind_the_window() {
        let mut window = Window::default();
        assert!(window.take(1));
        assert!(window.take(u64::MAX));
        assert!(!window.take(2));
        assert!(window.take(u64::MAX - 63));
        assert!(!window.take(u64::MAX - 64));
    }
}
