//! The flattened form of makedumpfile, made for pipes: a header of 4096 bytes, then pieces of the real
//! file, each with its offset and size as big-endian numbers, to an offset and size of -1.

use std::io;

use crate::damage::Damage;
use crate::memory::physical::{Backing, PhysicalMemory as _, Segment, Sparse};
use crate::memory::{Gpa, ReadAt, Source};
use crate::target::fields::{Fields, size, wide};

/// Mark of the form.
pub(super) const MAGIC: &[u8] = b"makedumpfile\0";

const HEADER: u64 = 4096;
/// Offset and size of a piece.
const PIECE: u64 = 16;
/// Where pieces cannot begin: behind so many times the bytes of the file, and so many bytes more. A dump
/// has few holes; an offset out of all proportion is damage, and would make a file that never ends.
const REACH: (u64, u64) = (4, 16 << 20);

/// Pieces that follow each other in the real file and in this one, all of one size but the last: writers
/// cut what they write into pieces of a page, and an entry for each would be large.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Train {
    /// Offset in the real file.
    start: u64,
    /// Bytes of the real file.
    length: u64,
    /// Offset in this file of the first piece's bytes.
    place: u64,
    /// Bytes of each piece.
    piece: u64,
}

impl Train {
    fn end(&self) -> u64 {
        self.start.saturating_add(self.length)
    }

    /// Takes the piece in if it goes on where this train ends.
    fn take(&mut self, start: u64, length: u64, place: u64) -> bool {
        let whole = self.length.checked_rem(self.piece) == Some(0);
        let count = self.length.checked_div(self.piece).unwrap_or(0);
        let next = count
            .checked_mul(self.piece.saturating_add(PIECE))
            .and_then(|bytes| self.place.checked_add(bytes));
        let fits = whole && self.end() == start && length <= self.piece && next == Some(place);
        if fits {
            self.length = self.length.saturating_add(length);
        }
        fits
    }

    /// Where the byte at `offset` of the real file stands, and how many follow it there.
    fn locate(&self, offset: u64) -> Option<(u64, u64)> {
        let inside = offset.checked_sub(self.start)?;
        let left = self.length.checked_sub(inside).filter(|left| *left > 0)?;
        let (number, rest) = (inside.checked_div(self.piece)?, inside.checked_rem(self.piece)?);
        let place = number
            .checked_mul(self.piece.checked_add(PIECE)?)?
            .checked_add(self.place)?
            .checked_add(rest)?;
        Some((place, left.min(self.piece.saturating_sub(rest))))
    }

    /// Its pieces, one by one.
    fn pieces(self) -> impl Iterator<Item = Segment> {
        let mut at = self.start;
        std::iter::from_fn(move || {
            let (place, length) = self.locate(at)?;
            let start = at;
            at = at.checked_add(length)?;
            Some(Segment {
                start: Gpa(start),
                length,
                backing: Backing::File(place),
            })
        })
    }
}

/// How the pieces lie.
enum Index {
    /// In order and apart.
    Apart(Vec<Train>),
    /// Some over others: the later one holds.
    Over(Sparse),
}

/// The real file of a flattened one. What no piece covers reads as zeroes, as in a file with holes.
pub(super) struct Flattened {
    source: Source,
    index: Index,
    length: u64,
    /// What is wrong with the pieces.
    pub(super) damage: Option<Damage>,
}

impl Flattened {
    /// Reads the heads of all pieces.
    pub(super) fn new(source: Source) -> Self {
        let (mut trains, damage) = trains(&source);
        let length = trains.iter().map(Train::end).max().unwrap_or(0);
        let apart = {
            let mut sorted = trains.clone();
            sorted.sort_by_key(|train| train.start);
            let apart = sorted.windows(2).all(|pair| match pair {
                [first, second] => first.end() <= second.start,
                _ => true,
            });
            if apart {
                trains = sorted;
            }
            apart
        };
        let index = if apart {
            trains.shrink_to_fit();
            Index::Apart(trains)
        } else {
            let segments = trains.into_iter().flat_map(Train::pieces).collect();
            Index::Over(Sparse::new(source.clone(), segments))
        };
        Self {
            source,
            index,
            length,
            damage,
        }
    }

    /// Reads from `at` on what stands there; gives nothing in a hole, with the offset at which it ends.
    fn piece(&self, at: u64, buffer: &mut [u8]) -> io::Result<Result<usize, u64>> {
        match &self.index {
            Index::Apart(trains) => {
                let next = trains.partition_point(|train| train.start <= at);
                let train = next.checked_sub(1).and_then(|before| trains.get(before));
                let Some((place, left)) = train.and_then(|train| train.locate(at)) else {
                    return Ok(Err(trains.get(next).map_or(self.length, |train| train.start)));
                };
                let count = size(left).min(buffer.len());
                let piece = buffer.get_mut(..count).unwrap_or_default();
                Ok(Ok(self.source.read_at(place, piece)?))
            }
            Index::Over(sparse) => Ok(match sparse.read(Gpa(at), buffer) {
                0 => {
                    let next = sparse.runs().partition_point(|run| run.start.0 <= at);
                    Err(sparse.runs().get(next).map_or(self.length, |run| run.start.0))
                }
                count => Ok(count),
            }),
        }
    }
}

/// The pieces of a file in their order, and what is wrong with them.
fn trains(source: &Source) -> (Vec<Train>, Option<Damage>) {
    let mut trains: Vec<Train> = Vec::new();
    let mut at = HEADER;
    let limit = source.len().saturating_mul(REACH.0).saturating_add(REACH.1);
    loop {
        let Some([start, length]) = source.array(at).and_then(numbers) else {
            let seen = format!("{} bytes", source.len().saturating_sub(at));
            return (trains, Some(Damage::file("kdump-flattened", at, "an end mark", seen)));
        };
        if start == -1 {
            return (trains, None);
        }
        let (Ok(start), Ok(length)) = (u64::try_from(start), u64::try_from(length)) else {
            let seen = format!("offset {start}, size {length}");
            return (trains, Some(Damage::file("kdump-flattened", at, "a piece", seen)));
        };
        let place = at.saturating_add(PIECE);
        let left = source.len().saturating_sub(place);
        let here = length.min(left);
        let reach = start.checked_add(here).is_some_and(|end| end <= limit);
        if here > 0 && reach && !trains.last_mut().is_some_and(|train| train.take(start, here, place)) {
            trains.push(Train {
                start,
                length: here,
                place,
                piece: here,
            });
        }
        if here < length || !reach {
            let damage = Damage::file(
                "kdump-flattened",
                at,
                format!("{length} bytes"),
                format!("{left} bytes"),
            );
            return (trains, Some(damage));
        }
        at = place.saturating_add(length);
    }
}

/// Offset and size.
fn numbers(head: [u8; 16]) -> Option<[i64; 2]> {
    let fields = Fields(&head);
    Some([
        i64::from_be_bytes(fields.array(0)?),
        i64::from_be_bytes(fields.array(8)?),
    ])
}

impl ReadAt for Flattened {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, offset: u64, buffer: &mut [u8]) -> io::Result<usize> {
        let mut done = 0usize;
        loop {
            let at = offset.saturating_add(wide(done));
            let left = size(self.length.saturating_sub(at));
            let rest = buffer.get_mut(done..).unwrap_or_default();
            let count = rest.len().min(left);
            let rest = rest.get_mut(..count).unwrap_or_default();
            if rest.is_empty() {
                return Ok(done);
            }
            let read = match self.piece(at, rest)? {
                Ok(0) => return Ok(done),
                Ok(count) => count,
                Err(end) => {
                    let count = size(end.saturating_sub(at)).min(rest.len());
                    rest.get_mut(..count).unwrap_or_default().fill(0);
                    count
                }
            };
            done = done.saturating_add(read);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn file(pieces: &[(i64, &[u8])]) -> Flattened {
        let mut bytes = MAGIC.to_vec();
        bytes.resize(4096, 0);
        for (offset, piece) in pieces {
            bytes.extend(offset.to_be_bytes());
            bytes.extend((piece.len() as i64).to_be_bytes());
            bytes.extend(*piece);
        }
        bytes.extend((-1i64).to_be_bytes());
        bytes.extend((-1i64).to_be_bytes());
        Flattened::new(Arc::new(bytes))
    }

    fn read(file: &Flattened, at: u64, length: usize) -> Vec<u8> {
        let mut buffer = vec![0xee; length];
        let count = file.read_at(at, &mut buffer).unwrap();
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn pieces_in_any_order_are_one_file_with_holes_of_zeroes() {
        let file = file(&[(10, b"klmn"), (0, b"abcd"), (4, b"efgh"), (14, b"o")]);
        assert_eq!(file.damage, None);
        assert_eq!(read(&file, 0, 99), b"abcdefgh\0\0klmno");
        assert_eq!(read(&file, 3, 4), b"defg");
        let Index::Apart(trains) = &file.index else {
            panic!("apart")
        };
        assert_eq!(trains.len(), 3);
    }

    #[test]
    fn of_two_pieces_over_each_other_the_later_one_holds() {
        let file = file(&[(0, b"abcdefgh"), (12, b"x"), (2, b"XY")]);
        assert_eq!(read(&file, 0, 99), b"abXYefgh\0\0\0\0x");
    }

    #[test]
    fn pieces_of_one_size_take_one_entry() {
        let pieces: Vec<(i64, &[u8])> = (0..50).map(|number| (number * 4, b"wxyz".as_slice())).collect();
        let file = file(&pieces);
        let Index::Apart(trains) = &file.index else {
            panic!("apart")
        };
        assert_eq!(trains.len(), 1);
        assert_eq!(read(&file, 2, 6), b"yzwxyz");
        assert_eq!(file.len(), 200);
    }
}
