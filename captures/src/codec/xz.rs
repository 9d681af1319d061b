//! xz: streams of LZMA2 chunks, each up to 64 KiB packed and 2 MiB unpacked.

use std::io::{self, Read};

use lzma_rust2::XzReader;

use super::damaged;

/// Unpacked bytes asked for at once: what one call unpacks is lost when it fails.
const PIECE: usize = 512;

/// Packed bytes kept for reading the last chunk of a cut file.
const KEPT_LIMIT: usize = 16 << 20;

/// Most bytes a chunk unpacks to.
const UNPACKED: usize = 2 << 20;

/// Packed bytes of a chunk, and its header.
const CHUNK: usize = (64 << 10) + 8;

/// Unpacks a file. The decoder wants whole chunks; of a chunk that is cut, [`end_of_cut`] gives what
/// its bytes still tell.
pub(super) struct Stream<R: Read> {
    reader: XzReader<Kept<R>>,
    given: u64,
    failed: Option<String>,
    end: io::Cursor<Vec<u8>>,
}

/// A source whose first bytes are kept as they are read.
struct Kept<R> {
    source: R,
    bytes: Vec<u8>,
    at_end: bool,
    too_long: bool,
}

impl<R: Read> Read for Kept<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.source.read(buffer)?;
        self.at_end |= count == 0 && !buffer.is_empty();
        let read = buffer.get(..count).unwrap_or_default();
        if self.bytes.len().saturating_add(count) > KEPT_LIMIT {
            self.too_long = true;
            self.bytes = Vec::new();
        }
        if !self.too_long {
            self.bytes.extend_from_slice(read);
        }
        Ok(count)
    }
}

impl<R: Read> Stream<R> {
    pub(super) fn new(source: R) -> Self {
        let kept = Kept {
            source,
            bytes: Vec::new(),
            at_end: false,
            too_long: false,
        };
        Self {
            reader: XzReader::new(kept, true),
            given: 0,
            failed: None,
            end: io::Cursor::default(),
        }
    }

    fn fail(&mut self, error: &io::Error) {
        let kept = self.reader.inner_mut();
        if kept.at_end && !kept.too_long {
            self.end = io::Cursor::new(end_of_cut(&kept.bytes, self.given));
            self.failed = Some("the file ends inside an xz block".to_owned());
        } else {
            self.failed = Some(error.to_string());
        }
        kept.bytes = Vec::new();
        kept.too_long = true;
    }
}

impl<R: Read> Read for Stream<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_none() {
            let length = buffer.len().min(PIECE);
            match self.reader.read(buffer.get_mut(..length).unwrap_or_default()) {
                Ok(count) => {
                    self.given = self.given.saturating_add(count as u64);
                    return Ok(count);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => self.fail(&error),
            }
        }
        match self.end.read(buffer)? {
            0 if !buffer.is_empty() => Err(damaged(self.failed.as_deref().unwrap_or_default())),
            count => Ok(count),
        }
    }
}

/// Unpacked bytes behind the first `given` that a cut file determines.
///
/// A range decoder compares a number with bounds, and the missing bytes are its lowest digits. What
/// comes out the same with all zeros and with all ones there comes out so whatever they were.
fn end_of_cut(packed: &[u8], given: u64) -> Vec<u8> {
    let mut low = behind(packed, 0, given);
    let high = behind(packed, 0xff, given);
    let same = low.iter().zip(&high).take_while(|(low, high)| low == high).count();
    low.truncate(same);
    low
}

fn behind(packed: &[u8], filler: u8, given: u64) -> Vec<u8> {
    let missing = io::repeat(filler).take(CHUNK as u64);
    let mut reader = XzReader::new(packed.chain(missing), true);
    let mut unpacked = Vec::new();
    let mut piece = [0; PIECE];
    let mut skip = usize::try_from(given).unwrap_or(usize::MAX);
    // Single bytes where the decoder may fail, so that none of them is lost.
    loop {
        let length = if skip > 0 { PIECE } else { 1 };
        let Some(count) = piece.get_mut(..length).and_then(|part| reader.read(part).ok()) else {
            return unpacked;
        };
        if count == 0 || unpacked.len() >= UNPACKED {
            return unpacked;
        }
        let skipped = skip.min(count);
        skip = skip.saturating_sub(skipped);
        unpacked.extend_from_slice(piece.get(skipped..count).unwrap_or_default());
    }
}
