//! Buffered reading that can look ahead and skip: of the initrd itself, where skipping is seeking,
//! and of what a codec unpacks from it, where it is reading.

use std::io::{self, BufRead, Read, Seek, SeekFrom};

/// Bytes of a buffer: a header with the longest name fits many times.
const SIZE: usize = 128 << 10;

/// Bytes read first, and after each skip: what follows may be skipped as well.
const FIRST: usize = 4 << 10;

/// Bytes that are shown at least unless the end is nearer, so that a codec knows what follows.
const AHEAD: usize = 16;

/// Where bytes come from.
pub(super) trait Raw {
    /// As [`Read::read`].
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize>;

    /// Goes `count` bytes ahead, to the end at most, or up to an error; how many it went.
    fn skip(&mut self, count: u64) -> (u64, io::Result<()>);
}

/// A file, or what is like one.
pub(super) struct Seekable<R> {
    input: R,
    position: u64,
    length: u64,
}

impl<R: Read + Seek> Seekable<R> {
    /// All of `input`.
    pub(super) fn new(mut input: R) -> io::Result<Self> {
        let length = input.seek(SeekFrom::End(0))?;
        input.seek(SeekFrom::Start(0))?;
        Ok(Self {
            input,
            position: 0,
            length,
        })
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }
}

impl<R: Read + Seek> Raw for Seekable<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(room)?;
        self.position = self.position.saturating_add(count as u64);
        Ok(count)
    }

    fn skip(&mut self, count: u64) -> (u64, io::Result<()>) {
        let count = count.min(self.length.saturating_sub(self.position));
        let position = self.position.saturating_add(count);
        match self.input.seek(SeekFrom::Start(position)) {
            Ok(_) => {
                self.position = position;
                (count, Ok(()))
            }
            Err(error) => (0, Err(error)),
        }
    }
}

/// What a codec unpacks, up to a limit.
pub(super) struct Unpacked<'a> {
    stream: &'a mut dyn BufRead,
    left: u64,
    too_long: bool,
}

impl<'a> Unpacked<'a> {
    pub(super) fn new(stream: &'a mut dyn BufRead, limit: u64) -> Self {
        Self {
            stream,
            left: limit,
            too_long: false,
        }
    }

    /// The limit was reached, and more was there.
    pub(super) fn too_long(&self) -> bool {
        self.too_long
    }

    fn took(&mut self, count: u64) -> io::Result<()> {
        self.too_long |= count > self.left;
        self.left = self.left.saturating_sub(count);
        if self.too_long {
            let text = "more than the bytes that may be unpacked";
            return Err(io::Error::new(io::ErrorKind::InvalidData, text));
        }
        Ok(())
    }
}

impl Raw for Unpacked<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        self.took(0)?;
        let count = self.stream.read(room)?;
        self.took(count as u64)?;
        Ok(count)
    }

    fn skip(&mut self, count: u64) -> (u64, io::Result<()>) {
        let mut skipped = 0_u64;
        while skipped < count {
            let there = match self.took(0).and_then(|()| self.stream.fill_buf()) {
                Ok(bytes) => bytes.len(),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return (skipped, Err(error)),
            };
            let step = count.saturating_sub(skipped).min(there as u64);
            if step == 0 {
                break;
            }
            if let Err(error) = self.took(step) {
                return (skipped, Err(error));
            }
            self.stream.consume(usize::try_from(step).unwrap_or(there));
            skipped = skipped.saturating_add(step);
        }
        (skipped, Ok(()))
    }
}

/// A buffer over [`Raw`].
pub(super) struct Buffered<R> {
    raw: R,
    buffer: Box<[u8]>,
    start: usize,
    end: usize,
    position: u64,
    piece: usize,
}

impl<R: Raw> Buffered<R> {
    pub(super) fn new(raw: R) -> Self {
        Self {
            raw,
            buffer: vec![0; SIZE].into_boxed_slice(),
            start: 0,
            end: 0,
            position: 0,
            piece: FIRST,
        }
    }

    pub(super) fn raw(&self) -> &R {
        &self.raw
    }

    fn held(&self) -> &[u8] {
        self.buffer.get(self.start..self.end).unwrap_or_default()
    }

    /// Reads until `count` bytes are held or the input ends.
    fn hold(&mut self, count: usize) -> io::Result<()> {
        if self.held().len() >= count {
            return Ok(());
        }
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        while self.end < count.min(SIZE) {
            let until = self.end.saturating_add(self.piece).min(SIZE);
            let Some(room) = self.buffer.get_mut(self.end..until) else {
                break;
            };
            match self.raw.read(room) {
                Ok(0) => break,
                Ok(read) => self.end = self.end.saturating_add(read),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            }
            self.piece = self.piece.saturating_mul(2).min(SIZE);
        }
        Ok(())
    }
}

/// What the reader of members needs; the same for a file and for what is unpacked from one.
pub(super) trait Stream: BufRead {
    /// Bytes taken so far.
    fn position(&self) -> u64;

    /// The next `count` bytes, fewer at the end, without taking them.
    fn peek(&mut self, count: usize) -> io::Result<&[u8]>;

    /// Goes `count` bytes ahead, to the end at most, and says how many.
    fn skip(&mut self, count: u64) -> io::Result<u64>;

    /// Goes over zeros and says how many.
    fn skip_zeros(&mut self) -> io::Result<u64> {
        let begin = self.position();
        loop {
            let bytes = self.fill_buf()?;
            let (all, zeros) = (bytes.len(), zeros(bytes));
            self.consume(zeros);
            if zeros < all || all == 0 {
                return Ok(self.position().saturating_sub(begin));
            }
        }
    }
}

fn zeros(bytes: &[u8]) -> usize {
    let (blocks, _) = bytes.as_chunks::<64>();
    let whole = blocks.iter().take_while(|block| **block == [0; 64]).count();
    let begin = whole.saturating_mul(64);
    let rest = bytes.get(begin..).unwrap_or_default();
    begin.saturating_add(rest.iter().take_while(|byte| **byte == 0).count())
}

impl<R: Raw> Stream for Buffered<R> {
    fn position(&self) -> u64 {
        self.position
    }

    fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        self.hold(count)?;
        let held = self.held();
        Ok(held.get(..count).unwrap_or(held))
    }

    fn skip(&mut self, count: u64) -> io::Result<u64> {
        let held = self.held().len();
        let Some(beyond) = count.checked_sub(held as u64) else {
            self.consume(usize::try_from(count).unwrap_or(held));
            return Ok(count);
        };
        self.consume(held);
        if beyond == 0 {
            return Ok(count);
        }
        let (skipped, result) = self.raw.skip(beyond);
        self.piece = FIRST;
        self.position = self.position.saturating_add(skipped);
        result?;
        Ok(skipped.saturating_add(held as u64))
    }
}

impl<R: Raw> Read for Buffered<R> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Raw> BufRead for Buffered<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // What came before an error comes first; the error is said again.
        let held = self.hold(AHEAD);
        if self.held().is_empty() {
            held?;
        }
        Ok(self.held())
    }

    fn consume(&mut self, count: usize) {
        let count = count.min(self.held().len());
        self.start = self.start.saturating_add(count);
        self.position = self.position.saturating_add(count as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Cursor;

    fn over(bytes: Vec<u8>) -> Buffered<Seekable<Cursor<Vec<u8>>>> {
        Buffered::new(Seekable::new(Cursor::new(bytes)).unwrap())
    }

    #[test]
    fn skipping_goes_no_further_than_the_end() {
        let mut stream = over(vec![7; 200_000]);
        assert_eq!(stream.peek(10).unwrap().len(), 10);
        assert_eq!(stream.skip(5).unwrap(), 5);
        assert_eq!(stream.skip(150_000).unwrap(), 150_000);
        assert_eq!(stream.position(), 150_005);
        assert_eq!(stream.skip(u64::MAX).unwrap(), 49_995);
        assert_eq!(stream.fill_buf().unwrap().len(), 0);
    }

    #[test]
    fn looking_ahead_takes_nothing() {
        let mut stream = over((0..=255).cycle().take(300_000).collect());
        stream.skip(131_070).unwrap();
        assert_eq!(stream.peek(4).unwrap(), [254, 255, 0, 1]);
        assert_eq!(stream.position(), 131_070);
        assert_eq!(stream.peek(5000).unwrap().len(), 5000);
    }

    #[test]
    fn zeros_are_counted_over_buffers() {
        let mut bytes = vec![0; 300_001];
        bytes.push(1);
        let mut stream = over(bytes);
        assert_eq!(stream.skip_zeros().unwrap(), 300_001);
        assert_eq!(stream.peek(9).unwrap(), [1]);
    }
}
