//! A buffered source that shows enough bytes ahead.

use std::io::{self, BufRead, Read};

/// Bytes that are read at once.
const SIZE: usize = 128 << 10;

/// Bytes that are shown at least, unless the end is nearer.
const AHEAD: usize = 16;

/// A buffered reader like [`std::io::BufReader`], whose [`fill_buf`](BufRead::fill_buf) shows at
/// least 16 bytes as long as there are so many: what follows a compressed stream is told by its
/// first bytes, and they must not be taken for that.
pub struct Source<R> {
    reader: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
}

impl<R: Read> Source<R> {
    /// A source of all bytes of `reader`.
    pub fn new(reader: R) -> Self {
        Self {
            reader,
            buffer: vec![0; SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            position: 0,
        }
    }

    /// Bytes that were taken.
    pub fn position(&self) -> u64 {
        self.position
    }

    fn refill(&mut self) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        while self.end < AHEAD {
            let Some(room) = self.buffer.get_mut(self.end..) else {
                break;
            };
            match self.reader.read(room) {
                Ok(0) => break,
                Ok(count) => self.end = self.end.saturating_add(count),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // What is there comes first; the error comes when it is asked for again.
                Err(error) if self.end == 0 => return Err(error),
                Err(_) => break,
            }
        }
        Ok(())
    }
}

impl<R: Read> BufRead for Source<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.end.saturating_sub(self.start) < AHEAD {
            self.refill()?;
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(count);
        self.position = self.position.saturating_add(count as u64);
    }
}

impl<R: Read> Read for Source<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        // Large pieces go past the buffer.
        if self.start == self.end && buffer.len() >= SIZE {
            let count = self.reader.read(buffer)?;
            self.position = self.position.saturating_add(count as u64);
            return Ok(count);
        }
        let count = self.fill_buf()?.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}
