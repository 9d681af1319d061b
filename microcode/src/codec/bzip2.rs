//! bzip2: streams of blocks of up to 900 000 bytes, each given only when its checksum was right.

use std::io::{self, BufRead, Read};

use bzip2::{Decompress, Status};

use super::{damaged, peek};

/// Bytes that are unpacked at once.
const PIECE: usize = 64 << 10;

/// Most bytes of one block that are held back. A block is 900 000 bytes whose runs of 4 to 255 are
/// packed into 5: no block has more.
const HELD_LIMIT: usize = 900_000 / 5 * 255 + PIECE;

/// Unpacks stream after stream.
///
/// The decoder goes on to the next byte only behind a block whose checksum was right. So it is
/// given single bytes, and what it gave is sure as soon as it wants another one.
pub(super) struct Streams<R> {
    source: R,
    decoder: Decompress,
    in_stream: bool,
    held: Vec<u8>,
    sure: usize,
    given: usize,
}

impl<R: BufRead> Streams<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            decoder: Decompress::new(false),
            in_stream: true,
            held: Vec::new(),
            sure: 0,
            given: 0,
        }
    }

    /// Unpacks until bytes are sure; false at the end of the stream.
    fn advance(&mut self) -> io::Result<bool> {
        self.held.clear();
        self.sure = 0;
        self.given = 0;
        while self.sure == 0 {
            if !self.in_stream {
                if !matches!(peek::<2>(&mut self.source)?, [b'B'] | [b'B', b'Z']) {
                    return Ok(false);
                }
                self.decoder = Decompress::new(false);
                self.in_stream = true;
            }
            let input = self.source.fill_buf()?;
            if input.is_empty() && self.held.is_empty() {
                return Err(damaged("the file ends inside a bzip2 stream"));
            }
            let start = self.held.len();
            if start > HELD_LIMIT {
                return Err(damaged("a bzip2 block is longer than a block can be"));
            }
            self.held.reserve(PIECE);
            // No byte while a block is given out: the next one belongs to what follows it.
            let input = if start == 0 { input.get(..1) } else { None }.unwrap_or_default();
            let used_before = self.decoder.total_in();
            let status = self.decoder.decompress_vec(input, &mut self.held);
            let used = self.decoder.total_in() > used_before;
            if used {
                self.source.consume(1);
            }
            let nothing_new = self.held.len() == start;
            match status.map_err(damaged)? {
                Status::StreamEnd => {
                    self.in_stream = false;
                    self.sure = self.held.len();
                }
                _ if nothing_new && start > 0 => self.sure = start,
                _ if nothing_new && !used => return Err(damaged("a bzip2 block makes no progress")),
                _ => {}
            }
        }
        Ok(true)
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.given == self.sure && !self.advance()? {
            return Ok(0);
        }
        let mut rest = self.held.get(self.given..self.sure).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.given = self.given.saturating_add(count);
        Ok(count)
    }
}
