//! The data of a member, read when wanted.

use std::io::{self, BufRead, Read};

use super::stream::Stream;
use crate::cpio::{Format, Header};

/// The data of a member, as a reader that ends with it. What is not read is skipped.
pub struct Body<'a> {
    stream: &'a mut dyn Stream,
    left: u64,
    /// Sum of the bytes read, in the crc format.
    sum: Option<u32>,
    /// Where the data stands in the initrd, if it stands there as it is.
    plain: Option<u64>,
    failed: Option<io::Error>,
    skipped: bool,
}

impl<'a> Body<'a> {
    pub(super) fn new(stream: &'a mut dyn Stream, header: &Header, plain: bool) -> Self {
        let position = stream.position();
        Self {
            stream,
            left: u64::from(header.size),
            sum: (header.format == Format::Crc).then_some(0),
            plain: plain.then_some(position),
            failed: None,
            skipped: false,
        }
    }

    /// Bytes still to be read.
    #[must_use]
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Where in the initrd the data begins, when it is not compressed: it can be copied from there.
    #[must_use]
    pub fn plain(&self) -> Option<u64> {
        self.plain
    }

    /// The error that its reading ended with.
    pub(super) fn failed(&mut self) -> Option<io::Error> {
        self.failed.take()
    }

    /// Skips the rest. Whether it was all there.
    ///
    /// # Errors
    ///
    /// Those of the input.
    pub fn skip(&mut self) -> io::Result<bool> {
        if self.left == 0 {
            return Ok(true);
        }
        self.skipped = true;
        let skipped = self.stream.skip(self.left)?;
        self.left = self.left.saturating_sub(skipped);
        Ok(self.left == 0)
    }

    /// The sum of all data, when it differs from that of the header. `None` also where the data
    /// was not read.
    pub(super) fn wrong_sum(&self, header: &Header) -> Option<u32> {
        let whole = !self.skipped && self.left == 0;
        self.sum.filter(|sum| whole && *sum != header.sum)
    }

    fn keep<T>(&mut self, error: io::Error) -> io::Result<T> {
        let copy = io::Error::new(error.kind(), error.to_string());
        self.failed = Some(error);
        Err(copy)
    }
}

impl Read for Body<'_> {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let count = self.fill_buf()?.read(room)?;
        self.consume(count);
        Ok(count)
    }
}

impl BufRead for Body<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.left == 0 {
            return Ok(&[]);
        }
        match self.stream.fill_buf().map(<[u8]>::len) {
            Ok(0) => self.keep(io::ErrorKind::UnexpectedEof.into()),
            Err(error) => self.keep(error),
            Ok(count) => {
                let count = usize::try_from(self.left).unwrap_or(count).min(count);
                let bytes = self.stream.fill_buf()?;
                Ok(bytes.get(..count).unwrap_or(bytes))
            }
        }
    }

    fn consume(&mut self, count: usize) {
        let count = usize::try_from(self.left).unwrap_or(count).min(count);
        if let (Some(sum), Ok(bytes)) = (&mut self.sum, self.stream.fill_buf()) {
            let taken = bytes.get(..count).unwrap_or(bytes);
            *sum = taken.iter().fold(*sum, |sum, byte| sum.wrapping_add(u32::from(*byte)));
        }
        self.stream.consume(count);
        self.left = self.left.saturating_sub(count as u64);
    }
}
