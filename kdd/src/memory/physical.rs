//! Physical memory of a guest: which parts a capture holds, and where their bytes stand.
//!
//! A part that the capture does not hold is missing and is never read as zeroes.

use schemars::JsonSchema;
use serde::Serialize;

use super::{Gpa, Source};

/// A range of physical memory that a capture holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Run {
    /// First byte.
    pub start: Gpa,
    /// Length in bytes.
    pub length: u64,
}

impl Run {
    /// First address behind it.
    #[must_use]
    pub fn end(self) -> Gpa {
        self.start.plus(self.length)
    }
}

/// Physical memory that may have holes.
pub trait PhysicalMemory: Send + Sync {
    /// Reads from `at` on. Gives the bytes read before the first one that is missing; the rest of
    /// `buffer` holds no meaning.
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize;

    /// What is there: in order, not touching, not overlapping.
    fn runs(&self) -> &[Run];

    /// Where the bytes at `at` stand in a file one after the other: the file, the offset, and how
    /// many bytes. `None` where they are compressed, filled or missing.
    fn extent(&self, _at: Gpa) -> Option<(&Source, u64, u64)> {
        None
    }
}

/// Where the bytes of a segment come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backing {
    /// They stand in the file from this offset on.
    File(u64),
    /// The container says that each byte has this value (a page of zeroes that it leaves out).
    Fill(u8),
}

/// A range with its backing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Segment {
    /// First byte.
    pub start: Gpa,
    /// Length in bytes.
    pub length: u64,
    /// Its bytes.
    pub backing: Backing,
}

impl Segment {
    fn end(&self) -> u64 {
        self.start.0.saturating_add(self.length)
    }
}

/// Physical memory made of segments of one file.
pub struct Sparse {
    source: Source,
    segments: Vec<Segment>,
    runs: Vec<Run>,
}

impl Sparse {
    /// Memory of the segments, in the order in which the container gives them: where two overlap, the
    /// later one holds. Parts of segments that lie behind the end of the file are missing.
    #[must_use]
    pub fn new(source: Source, segments: Vec<Segment>) -> Self {
        let length = source.len();
        let cut = segments.into_iter().filter_map(|mut segment| {
            if let Backing::File(offset) = segment.backing {
                segment.length = segment.length.min(length.saturating_sub(offset));
            }
            segment.length = segment.length.min(u64::MAX.saturating_sub(segment.start.0));
            (segment.length > 0).then_some(segment)
        });
        let segments = layered(cut.collect());
        let runs = runs(&segments);
        Self { source, segments, runs }
    }

    /// The segments, in order of address.
    #[must_use]
    pub fn segments(&self) -> &[Segment] {
        &self.segments
    }

    /// The segment that holds an address, and the offset in it.
    fn find(&self, at: u64) -> Option<(&Segment, u64)> {
        let next = self.segments.partition_point(|segment| segment.start.0 <= at);
        let segment = self.segments.get(next.checked_sub(1)?)?;
        let offset = at.checked_sub(segment.start.0)?;
        (offset < segment.length).then_some((segment, offset))
    }
}

/// Segments sorted and cut so that none overlaps; joined where the file goes on.
fn layered(segments: Vec<Segment>) -> Vec<Segment> {
    let sorted = segments.windows(2).all(|pair| match pair {
        [first, second] => first.end() <= second.start.0,
        _ => true,
    });
    let flat = if sorted { segments } else { flatten(segments) };
    let mut joined: Vec<Segment> = Vec::with_capacity(flat.len());
    for segment in flat {
        match joined.last_mut() {
            Some(last) if last.end() == segment.start.0 && follows(last, &segment) => {
                last.length = last.length.saturating_add(segment.length);
            }
            _ => joined.push(segment),
        }
    }
    joined.shrink_to_fit();
    joined
}

fn follows(last: &Segment, next: &Segment) -> bool {
    match (last.backing, next.backing) {
        (Backing::File(first), Backing::File(second)) => first.checked_add(last.length) == Some(second),
        (Backing::Fill(first), Backing::Fill(second)) => first == second,
        _ => false,
    }
}

/// Later segments over earlier ones: walked from the last to the first, each keeps what is still free.
/// What is taken is kept as ranges that do not touch, so each is met only until it is joined.
fn flatten(segments: Vec<Segment>) -> Vec<Segment> {
    use std::collections::BTreeMap;
    let mut taken: BTreeMap<u64, u64> = BTreeMap::new();
    let mut pieces = Vec::new();
    for segment in segments.into_iter().rev() {
        let (mut start, mut end) = (segment.start.0, segment.end());
        let mut at = start;
        // The one that begins before and reaches into this one or touches it.
        if let Some((first, last)) = taken.range(..=at).next_back().map(|(first, last)| (*first, *last))
            && last >= at
        {
            taken.remove(&first);
            start = first;
            at = last;
        }
        // A range whose end is before its start would panic: this one may lie in the other whole.
        while at <= end
            && let Some((first, last)) = taken.range(at..=end).next().map(|(first, last)| (*first, *last))
        {
            taken.remove(&first);
            if first > at {
                pieces.push(piece(&segment, at, first));
            }
            at = last;
        }
        if at < end {
            pieces.push(piece(&segment, at, end));
        }
        end = end.max(at);
        taken.insert(start, end);
    }
    pieces.sort_unstable_by_key(|piece| piece.start.0);
    pieces
}

fn piece(segment: &Segment, start: u64, end: u64) -> Segment {
    let skipped = start.saturating_sub(segment.start.0);
    let backing = match segment.backing {
        Backing::File(offset) => Backing::File(offset.saturating_add(skipped)),
        fill @ Backing::Fill(_) => fill,
    };
    Segment {
        start: Gpa(start),
        length: end.saturating_sub(start),
        backing,
    }
}

/// Ranges that a sorted list of segments covers.
fn runs(segments: &[Segment]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for segment in segments {
        match runs.last_mut() {
            Some(last) if last.end() == segment.start => last.length = last.length.saturating_add(segment.length),
            _ => runs.push(Run {
                start: segment.start,
                length: segment.length,
            }),
        }
    }
    runs
}

impl PhysicalMemory for Sparse {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done: usize = 0;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = at.0.checked_add(done as u64) else {
                break;
            };
            let Some((segment, offset)) = self.find(place) else {
                break;
            };
            let left = usize::try_from(segment.length.saturating_sub(offset)).unwrap_or(usize::MAX);
            let count = left.min(rest.len());
            let Some(piece) = rest.get_mut(..count) else { break };
            let seen = match segment.backing {
                Backing::File(start) => self
                    .source
                    .read_at(start.saturating_add(offset), piece)
                    .unwrap_or_default(),
                Backing::Fill(byte) => {
                    piece.fill(byte);
                    count
                }
            };
            done = done.saturating_add(seen);
            if seen < count {
                break;
            }
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }

    fn extent(&self, at: Gpa) -> Option<(&Source, u64, u64)> {
        let (segment, offset) = self.find(at.0)?;
        match segment.backing {
            Backing::File(start) => Some((
                &self.source,
                start.checked_add(offset)?,
                segment.length.saturating_sub(offset),
            )),
            Backing::Fill(_) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn memory(segments: &[(u64, u64, Backing)]) -> Sparse {
        let source: Source = Arc::new((0..64u8).collect::<Vec<u8>>());
        let list = segments.iter().map(|(start, length, backing)| Segment {
            start: Gpa(*start),
            length: *length,
            backing: *backing,
        });
        Sparse::new(source, list.collect())
    }

    fn read(memory: &Sparse, at: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; length];
        let count = memory.read(Gpa(at), &mut buffer);
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn a_read_ends_at_the_first_missing_byte() {
        let memory = memory(&[
            (0x100, 4, Backing::File(8)),
            (0x104, 4, Backing::Fill(7)),
            (0x200, 4, Backing::File(0)),
        ]);
        assert_eq!(read(&memory, 0x102, 20), [10, 11, 7, 7, 7, 7]);
        assert_eq!(read(&memory, 0x108, 4), [0u8; 0]);
        assert_eq!(read(&memory, 0xff, 4), [0u8; 0]);
        assert_eq!(memory.runs().len(), 2);
    }

    #[test]
    fn of_two_segments_over_each_other_the_later_one_holds() {
        let memory = memory(&[
            (0x100, 16, Backing::File(0)),
            (0x104, 4, Backing::File(32)),
            (0x106, 1, Backing::Fill(0xff)),
            (0xf8, 10, Backing::File(48)),
        ]);
        let seen = read(&memory, 0xf8, 64);
        let expected: Vec<u8> = (48..58).chain([2, 3, 32, 33, 0xff, 35]).chain(8..16).collect();
        assert_eq!(seen, expected);
        assert_eq!(
            memory.runs(),
            [Run {
                start: Gpa(0xf8),
                length: 24
            }]
        );
    }

    #[test]
    fn any_layers_give_what_writing_them_one_after_the_other_gives() {
        let mut state = 7u64;
        let mut next = |end: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 33) % end
        };
        for _ in 0..2000 {
            let mut written = [None; 64];
            let mut list = Vec::new();
            for _ in 0..next(12) {
                let (start, length, offset) = (next(60), next(20), next(40));
                let backing = if next(4) == 0 {
                    Backing::Fill(0xaa)
                } else {
                    Backing::File(offset)
                };
                list.push((start, length, backing));
                for at in start..(start + length).min(64) {
                    written[at as usize] = Some(match backing {
                        Backing::File(offset) => (offset + at - start) as u8,
                        Backing::Fill(byte) => byte,
                    });
                }
            }
            let memory = memory(&list);
            for (at, byte) in written.into_iter().enumerate() {
                let seen = read(&memory, at as u64, 1);
                assert_eq!(seen.first().copied(), byte, "{at} of {list:?}");
            }
        }
    }

    #[test]
    fn what_lies_behind_the_end_of_the_file_is_missing() {
        let memory = memory(&[(0, 100, Backing::File(60)), (0x1000, 4, Backing::File(64))]);
        assert_eq!(read(&memory, 0, 100), [60, 61, 62, 63]);
        assert_eq!(
            memory.runs(),
            [Run {
                start: Gpa(0),
                length: 4
            }]
        );
        assert!(
            memory
                .extent(Gpa(2))
                .is_some_and(|(_, offset, left)| (offset, left) == (62, 2))
        );
    }

    #[test]
    fn segments_that_go_on_in_the_file_are_one() {
        let pages: Vec<_> = (0..8).map(|page| (page * 4, 4, Backing::File(page * 4))).collect();
        assert_eq!(memory(&pages).segments().len(), 1);
    }
}
