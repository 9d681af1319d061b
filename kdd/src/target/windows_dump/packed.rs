//! Memory whose pages stand in a file in order of address with nothing between them.

use crate::memory::address::PAGE;
use crate::memory::{Gpa, PhysicalMemory, Run, Source};

/// Runs of pages whose bytes stand in a file one run behind the other, in order of address. It takes 24
/// bytes for a run, so its size follows from how torn the memory is and not from how large.
pub(super) struct Packed {
    source: Source,
    runs: Vec<Run>,
    /// Where the bytes of each run stand.
    offsets: Vec<u64>,
    next: u64,
}

impl Packed {
    /// Memory without pages; the first will stand at `first` in the file.
    pub(super) fn new(source: Source, first: u64) -> Self {
        Self {
            source,
            runs: Vec::new(),
            offsets: Vec::new(),
            next: first,
        }
    }

    /// Adds the next pages of the file. Gives back `false` once the file is at its end.
    pub(super) fn push(&mut self, page: u64, count: u64) -> bool {
        let left = self.source.len().saturating_sub(self.next);
        let (Some(start), Some(wanted)) = (page.checked_mul(PAGE), count.checked_mul(PAGE)) else {
            return false;
        };
        let length = wanted.min(left).min(u64::MAX - start);
        if length == 0 {
            return false;
        }
        match self.runs.last_mut() {
            Some(last) if last.end().0 == start => last.length = last.length.saturating_add(length),
            _ => {
                self.runs.push(Run {
                    start: Gpa(start),
                    length,
                });
                self.offsets.push(self.next);
            }
        }
        self.next = self.next.saturating_add(length);
        length == wanted
    }

    /// Gives back the room that was not needed.
    pub(super) fn finish(mut self) -> Self {
        self.runs.shrink_to_fit();
        self.offsets.shrink_to_fit();
        self
    }

    /// Offset in the file of an address, and how many bytes follow.
    fn find(&self, at: u64) -> Option<(u64, u64)> {
        let number = self.runs.partition_point(|run| run.start.0 <= at).checked_sub(1)?;
        let run = self.runs.get(number)?;
        let skipped = at.checked_sub(run.start.0)?;
        let left = run.length.checked_sub(skipped).filter(|left| *left > 0)?;
        Some((self.offsets.get(number)?.checked_add(skipped)?, left))
    }
}

impl PhysicalMemory for Packed {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let Some((offset, left)) = self.find(at.0) else {
            return 0;
        };
        // Runs do not touch, so nothing follows the end of one.
        let count = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let piece = buffer.get_mut(..count).unwrap_or_default();
        self.source.read_at(offset, piece).unwrap_or(0)
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn extent(&self, at: Gpa) -> Option<(&Source, u64, u64)> {
        let (offset, left) = self.find(at.0)?;
        Some((&self.source, offset, left))
    }
}
