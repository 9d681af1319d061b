//! Which pages go into a dump, and where they stand in it.

use crate::memory::address::PAGE;
use crate::memory::{Gpa, Run};

/// A set of pages, kept as runs: collected from runs in any order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PageSet {
    runs: Vec<Run>,
}

impl FromIterator<Run> for PageSet {
    /// Each run counts with every page that it touches.
    fn from_iter<I: IntoIterator<Item = Run>>(runs: I) -> Self {
        let widened = runs.into_iter().filter(|run| run.length > 0).map(|run| {
            let start = run.start.page();
            let last = run.start.plus(run.length - 1).page();
            Run {
                start,
                length: (last.0 - start.0).saturating_add(PAGE),
            }
        });
        let mut all: Vec<Run> = widened.collect();
        all.sort_unstable_by_key(|run| run.start);
        let mut runs: Vec<Run> = Vec::new();
        for run in all {
            match runs.last_mut() {
                Some(last) if last.end() >= run.start => {
                    let end = last.end().max(run.end());
                    last.length = end.0.saturating_sub(last.start.0);
                }
                _ => runs.push(run),
            }
        }
        Self { runs }
    }
}

impl PageSet {
    /// Number of pages.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.runs
            .iter()
            .fold(0, |sum, run| sum.saturating_add(run.length / PAGE))
    }

    /// The parts of runs, which are in order, that are in the set.
    pub(super) fn within(&self, runs: &[Run]) -> Vec<Run> {
        let mut common = Vec::new();
        let (mut mine, mut theirs) = (self.runs.iter().peekable(), runs.iter().peekable());
        while let (Some(first), Some(second)) = (mine.peek(), theirs.peek()) {
            let start = first.start.max(second.start);
            let end = first.end().min(second.end());
            if start < end {
                let length = end.0 - start.0;
                common.push(Run { start, length });
            }
            if first.end() <= second.end() {
                mine.next();
            } else {
                theirs.next();
            }
        }
        common
    }
}

/// The whole pages of runs, and the bytes that are in none.
pub(super) fn whole(runs: &[Run]) -> (Vec<Run>, u64) {
    let mut torn: u64 = 0;
    let mut pages = Vec::with_capacity(runs.len());
    for run in runs {
        let end = run.end().page();
        let start = run.start.0.checked_next_multiple_of(PAGE).unwrap_or(u64::MAX);
        let length = end.0.saturating_sub(start);
        torn = torn.saturating_add(run.length.saturating_sub(length));
        if length > 0 {
            pages.push(Run {
                start: Gpa(start),
                length,
            });
        }
    }
    (pages, torn)
}

/// Runs of whole pages, one behind the other in a file.
pub(super) struct Placed {
    runs: Vec<Run>,
    offsets: Vec<u64>,
    first: u64,
    end: u64,
}

impl Placed {
    pub(super) fn new(runs: Vec<Run>, first: u64) -> Self {
        let mut end = first;
        let offsets = runs.iter().map(|run| {
            let offset = end;
            end = end.saturating_add(run.length);
            offset
        });
        let offsets = offsets.collect();
        Self {
            runs,
            offsets,
            first,
            end,
        }
    }

    pub(super) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// Offset of the first page.
    pub(super) fn first(&self) -> u64 {
        self.first
    }

    /// Length of the file.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    pub(super) fn pages(&self) -> u64 {
        self.end.saturating_sub(self.first) / PAGE
    }

    /// Offset of an address, where its page is there.
    pub(super) fn offset(&self, at: Gpa) -> Option<u64> {
        let number = self.runs.partition_point(|run| run.start <= at).checked_sub(1)?;
        let run = self.runs.get(number)?;
        let skipped = at.0.checked_sub(run.start.0).filter(|skipped| *skipped < run.length)?;
        self.offsets.get(number)?.checked_add(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(start: u64, length: u64) -> Run {
        Run {
            start: Gpa(start),
            length,
        }
    }

    #[test]
    fn a_set_joins_pages_in_any_order() {
        let set: PageSet = [run(0x5000, 1), run(0x1fff, 2), run(0x1000, 0x1000), run(0x5fff, 1)]
            .into_iter()
            .collect();
        assert_eq!(set.runs, [run(0x1000, 0x2000), run(0x5000, 0x1000)]);
        assert_eq!(set.pages(), 3);
    }

    #[test]
    fn a_set_takes_what_both_have() {
        let set: PageSet = [run(0x1000, 0x3000), run(0x6000, 0x4000)].into_iter().collect();
        let runs = [run(0, 0x2000), run(0x3000, 0x4000), run(0x8000, 0x1000)];
        let common = [
            run(0x1000, 0x1000),
            run(0x3000, 0x1000),
            run(0x6000, 0x1000),
            run(0x8000, 0x1000),
        ];
        assert_eq!(set.within(&runs), common);
    }

    #[test]
    fn torn_pages_are_left_out_and_counted() {
        let (pages, torn) = whole(&[run(0x800, 0x2000), run(0x5001, 0xfff), run(0x8000, 0x1000)]);
        assert_eq!(pages, [run(0x1000, 0x1000), run(0x8000, 0x1000)]);
        assert_eq!(torn, 0x1000 + 0xfff);
        let (pages, _) = whole(&[run(u64::MAX - 0x10, 0x10)]);
        assert_eq!(pages, []);
    }
}
