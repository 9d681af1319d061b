//! Bytes laid over memory.

/// Pieces by address, in order, none over another.
#[derive(Default)]
pub(super) struct Patches(Vec<(u64, Vec<u8>)>);

/// What stands at an address.
enum Here<'a> {
    /// The rest of a piece.
    Piece(&'a [u8]),
    /// Memory, for so many bytes.
    Memory(u64),
}

impl Patches {
    pub fn new(pieces: impl IntoIterator<Item = (u64, Vec<u8>)>) -> Self {
        let mut patches = Self::default();
        for (at, bytes) in pieces {
            patches.add(at, bytes);
        }
        patches
    }

    /// Adds a piece; one that lies over another is left out where it does.
    pub fn add(&mut self, mut at: u64, bytes: Vec<u8>) {
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let skip = match self.here(at) {
                Here::Piece(other) => other.len(),
                Here::Memory(free) => {
                    let count = usize::try_from(free).unwrap_or(usize::MAX).min(rest.len());
                    let place = self.0.partition_point(|(start, _)| *start < at);
                    self.0
                        .insert(place, (at, rest.get(..count).unwrap_or_default().to_vec()));
                    count
                }
            };
            rest = rest.get(skip..).unwrap_or_default();
            let Some(next) = at.checked_add(skip as u64) else {
                return;
            };
            at = next;
        }
    }

    fn here(&self, at: u64) -> Here<'_> {
        let next = self.0.partition_point(|(start, _)| *start <= at);
        let piece = next
            .checked_sub(1)
            .and_then(|index| self.0.get(index))
            .and_then(|(start, bytes)| {
                let skip = usize::try_from(at.checked_sub(*start)?).ok()?;
                bytes.get(skip..).filter(|rest| !rest.is_empty())
            });
        match (piece, self.0.get(next)) {
            (Some(rest), _) => Here::Piece(rest),
            (None, Some((start, _))) => Here::Memory(start.saturating_sub(at)),
            (None, None) => Here::Memory(u64::MAX),
        }
    }

    /// Whether a piece covers the address.
    pub fn covers(&self, at: u64) -> bool {
        matches!(self.here(at), Here::Piece(_))
    }

    /// Reads pieces where there are, and what `below` gives elsewhere, up to the first byte it does not give.
    pub fn read(&self, at: u64, buffer: &mut [u8], mut below: impl FnMut(u64, &mut [u8]) -> usize) -> usize {
        if self.0.is_empty() {
            return below(at, buffer);
        }
        let mut done = 0usize;
        while let Some(rest) = buffer.get_mut(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = at.checked_add(done as u64) else {
                break;
            };
            match self.here(place) {
                Here::Piece(bytes) => {
                    let count = bytes.len().min(rest.len());
                    if let (Some(to), Some(from)) = (rest.get_mut(..count), bytes.get(..count)) {
                        to.copy_from_slice(from);
                    }
                    done = done.saturating_add(count);
                }
                Here::Memory(free) => {
                    let count = usize::try_from(free).unwrap_or(usize::MAX).min(rest.len());
                    let Some(piece) = rest.get_mut(..count) else { break };
                    let read = below(place, piece);
                    done = done.saturating_add(read);
                    if read < count {
                        break;
                    }
                }
            }
        }
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(patches: &Patches, at: u64, length: usize, end: u64) -> Vec<u8> {
        let mut buffer = vec![0; length];
        let count = patches.read(at, &mut buffer, |place, buffer| {
            let count = usize::try_from(end.saturating_sub(place)).unwrap().min(buffer.len());
            buffer[..count].fill(b'.');
            count
        });
        buffer.truncate(count);
        buffer
    }

    #[test]
    fn pieces_stand_between_what_memory_holds() {
        let patches = Patches::new([(20, b"abcd".to_vec()), (10, b"xy".to_vec())]);
        assert_eq!(read(&patches, 8, 18, 100), b"..xy........abcd..");
        assert_eq!(read(&patches, 21, 2, 100), b"bc");
        assert_eq!(read(&patches, 24, 2, 100), b"..");
    }

    #[test]
    fn a_read_ends_where_memory_does_and_not_at_a_piece() {
        let patches = Patches::new([(20, b"abcd".to_vec())]);
        assert_eq!(read(&patches, 18, 10, 18), b"");
        assert_eq!(read(&patches, 18, 10, 20), b"..abcd");
        assert_eq!(read(&patches, u64::MAX - 1, 8, u64::MAX), b".");
    }

    #[test]
    fn of_two_pieces_over_each_other_the_first_one_holds() {
        let patches = Patches::new([(20, b"abcd".to_vec()), (18, b"0123456789".to_vec())]);
        assert_eq!(read(&patches, 17, 12, 100), b".01abcd6789.");
    }
}
