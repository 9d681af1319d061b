//! Memory of streams that hold pages one by one, in any order, some more than once: of two copies the
//! later one holds. Pages whose bytes follow each other at a fixed distance share an entry.

use std::collections::BTreeMap;

use super::fields::{size, wide};
use crate::memory::{Gpa, PhysicalMemory, Run, Source};

/// What the stream says of pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stored {
    /// The first stands at `place`, each other `stride` bytes behind the one before.
    File { place: u64, stride: u64 },
    /// All bytes have this value.
    Fill(u8),
    /// There is no such page, whatever the stream said before.
    Gone,
}

/// Pages that follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Pages {
    /// Number of the first.
    pub(crate) frame: u64,
    /// How many.
    pub(crate) count: u64,
    pub(crate) stored: Stored,
}

impl Pages {
    fn end(&self) -> u64 {
        self.frame.saturating_add(self.count)
    }

    /// The part between two frames, renamed to begin at another one.
    fn part(&self, from: u64, to: u64, at: u64) -> Option<Self> {
        let (from, to) = (from.max(self.frame), to.min(self.end()));
        let count = to.checked_sub(from).filter(|count| *count > 0)?;
        let skipped = from.saturating_sub(self.frame);
        let stored = match self.stored {
            Stored::File { place, stride } => Stored::File {
                place: place.saturating_add(skipped.saturating_mul(stride)),
                stride,
            },
            other => other,
        };
        Some(Self {
            frame: at,
            count,
            stored,
        })
    }
}

/// Most bytes between two pages of one entry: what a stream puts before each page.
const GAP: u64 = 512;

/// Pages as the stream gives them.
#[derive(Debug, Default)]
pub(crate) struct Builder {
    pages: Vec<Pages>,
    /// Bytes of a page.
    page: u64,
    /// Behind the highest page.
    end: u64,
    /// Whether a page came that does not lie behind all others.
    over: bool,
}

impl Builder {
    /// For pages of so many bytes.
    pub(crate) fn new(page: u64) -> Self {
        Self {
            page,
            ..Self::default()
        }
    }

    /// One page, its bytes at `place` of the file.
    pub(crate) fn page(&mut self, frame: u64, place: u64) {
        let page = self.page;
        let joined = self.pages.last_mut().is_some_and(|last| {
            let Stored::File { place: first, stride } = &mut last.stored else {
                return false;
            };
            let distance = place
                .checked_sub(*first)
                .filter(|_| last.frame.checked_add(last.count) == Some(frame));
            let fits = match (last.count, distance) {
                (1, Some(distance)) => (page..=page.saturating_add(GAP))
                    .contains(&distance)
                    .then_some(distance),
                (count, Some(distance)) => (stride.checked_mul(count) == Some(distance)).then_some(*stride),
                _ => None,
            };
            if let Some(fits) = fits {
                *stride = fits;
                last.count = last.count.saturating_add(1);
            }
            fits.is_some()
        });
        self.add(joined, frame, 1, Stored::File { place, stride: page });
    }

    /// Pages of one value, or pages that are gone.
    pub(crate) fn set(&mut self, frame: u64, count: u64, stored: Stored) {
        // Nothing was said of what lies behind all pages, so there is nothing to take back.
        if count == 0 || (stored == Stored::Gone && frame >= self.end) {
            return;
        }
        let joined = self.pages.last_mut().is_some_and(|last| {
            let fits = last.stored == stored && last.frame.checked_add(last.count) == Some(frame);
            if fits {
                last.count = last.count.saturating_add(count);
            }
            fits
        });
        self.add(joined, frame, count, stored);
    }

    fn add(&mut self, joined: bool, frame: u64, count: u64, stored: Stored) {
        let end = frame.saturating_add(count);
        self.over |= frame < self.end;
        self.end = self.end.max(end);
        if !joined {
            self.pages.push(Pages { frame, count, stored });
        }
    }

    /// The pages in order, each once.
    pub(crate) fn finish(self) -> Vec<Pages> {
        let mut pages = if self.over { layered(self.pages) } else { self.pages };
        pages.retain(|pages| pages.stored != Stored::Gone);
        pages.shrink_to_fit();
        pages
    }
}

/// Later pages over earlier ones: from the last to the first, each keeps what is still free.
fn layered(pages: Vec<Pages>) -> Vec<Pages> {
    let mut taken: BTreeMap<u64, Pages> = BTreeMap::new();
    let mut free: Vec<Pages> = Vec::new();
    for pages in pages.into_iter().rev() {
        let (mut at, end) = (pages.frame, pages.end());
        if let Some((_, before)) = taken.range(..=at).next_back() {
            at = at.max(before.end());
        }
        while at < end {
            let next = taken.range(at..end).next().map(|(start, other)| (*start, other.end()));
            let (stop, resume) = next.unwrap_or((end, end));
            free.extend(pages.part(at, stop, at));
            at = resume.max(stop);
        }
        taken.extend(free.drain(..).map(|pages| (pages.frame, pages)));
    }
    taken.into_values().collect()
}

/// The pages between two frames of a sorted list, renamed to begin at another frame.
pub(crate) fn moved(pages: &[Pages], from: u64, count: u64, to: u64) -> Vec<Pages> {
    let end = from.saturating_add(count);
    let first = pages.partition_point(|pages| pages.end() <= from);
    let within = pages.iter().skip(first).take_while(|pages| pages.frame < end);
    within
        .filter_map(|pages| {
            let at = pages.frame.max(from).saturating_sub(from).checked_add(to)?;
            pages.part(from, end, at)
        })
        .collect()
}

/// What stands at an address.
enum At {
    /// A byte of the file, there.
    Place(u64),
    /// This byte.
    Value(u8),
}

/// Memory made of such pages.
pub(crate) struct Paged {
    source: Source,
    page: u64,
    pages: Vec<Pages>,
    runs: Vec<Run>,
}

impl Paged {
    /// Memory of pages in order, each once; a page that would lie behind the last address is left out.
    pub(crate) fn new(source: Source, page: u64, pages: Vec<Pages>) -> Self {
        let mut runs: Vec<Run> = Vec::new();
        let reach = u64::MAX.checked_div(page).unwrap_or(0);
        for pages in pages.iter().take_while(|pages| pages.end() <= reach) {
            let start = Gpa(pages.frame.saturating_mul(page));
            let length = pages.count.saturating_mul(page);
            match runs.last_mut() {
                Some(last) if last.end() == start => last.length = last.length.saturating_add(length),
                _ => runs.push(Run { start, length }),
            }
        }
        runs.shrink_to_fit();
        Self {
            source,
            page,
            pages,
            runs,
        }
    }

    /// What an address lies in: the value of its bytes or the place of its byte, and how many bytes
    /// follow in the same manner.
    fn find(&self, at: u64) -> Option<(At, u64)> {
        let frame = at.checked_div(self.page)?;
        let inside = at.checked_rem(self.page)?;
        let index = self
            .pages
            .partition_point(|pages| pages.frame <= frame)
            .checked_sub(1)?;
        let pages = self.pages.get(index)?;
        let number = frame.checked_sub(pages.frame).filter(|number| *number < pages.count)?;
        let rest = pages
            .count
            .saturating_sub(number)
            .saturating_mul(self.page)
            .saturating_sub(inside);
        match pages.stored {
            Stored::File { place, stride } => {
                let place = number.checked_mul(stride)?.checked_add(place)?.checked_add(inside)?;
                let whole = stride == self.page;
                let left = if whole { rest } else { self.page.saturating_sub(inside) };
                Some((At::Place(place), left))
            }
            Stored::Fill(byte) => Some((At::Value(byte), rest)),
            Stored::Gone => None,
        }
    }
}

impl PhysicalMemory for Paged {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let found = at.0.checked_add(wide(done)).and_then(|place| self.find(place));
            let Some((stored, left)) = found else { break };
            let count = size(left).min(rest.len());
            let Some(piece) = rest.get_mut(..count) else { break };
            let seen = match stored {
                At::Value(byte) => {
                    piece.fill(byte);
                    count
                }
                At::Place(place) => self.source.read_at(place, piece).unwrap_or_default(),
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
        match self.find(at.0)? {
            (At::Place(place), left) => Some((&self.source, place, left)),
            (At::Value(_), _) => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn memory(build: impl FnOnce(&mut Builder)) -> Paged {
        let mut builder = Builder::new(4);
        build(&mut builder);
        let source: Source = Arc::new((0..64u8).collect::<Vec<u8>>());
        Paged::new(source, 4, builder.finish())
    }

    fn read(memory: &Paged, at: u64) -> Vec<u8> {
        let mut buffer = vec![0xee; 64];
        let count = memory.read(Gpa(at), &mut buffer);
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn pages_at_a_fixed_distance_share_an_entry() {
        let memory = memory(|builder| {
            builder.page(2, 10);
            builder.page(3, 20);
            builder.page(4, 30);
            builder.page(5, 34);
        });
        assert_eq!(memory.pages.len(), 2);
        assert_eq!(
            read(&memory, 9),
            [11, 12, 13, 20, 21, 22, 23, 30, 31, 32, 33, 34, 35, 36, 37]
        );
        assert_eq!(read(&memory, 0), [0u8; 0]);
    }

    #[test]
    fn the_last_word_on_a_page_holds() {
        let memory = memory(|builder| {
            for frame in 0..4 {
                builder.page(frame, frame * 4);
            }
            builder.set(1, 1, Stored::Fill(9));
            builder.page(3, 40);
            builder.set(2, 1, Stored::Gone);
        });
        assert_eq!(read(&memory, 0), [0, 1, 2, 3, 9, 9, 9, 9]);
        assert_eq!(read(&memory, 12), [40, 41, 42, 43]);
        assert_eq!(memory.runs().len(), 2);
    }

    #[test]
    fn a_range_moves_as_a_whole() {
        let mut builder = Builder::new(4);
        builder.page(0, 0);
        builder.page(1, 8);
        builder.page(2, 16);
        builder.set(3, 5, Stored::Fill(1));
        let pages = builder.finish();
        let moved = moved(&pages, 1, 4, 100);
        let expected = [
            Pages {
                frame: 100,
                count: 2,
                stored: Stored::File { place: 8, stride: 8 },
            },
            Pages {
                frame: 102,
                count: 2,
                stored: Stored::Fill(1),
            },
        ];
        assert_eq!(moved, expected);
    }
}
