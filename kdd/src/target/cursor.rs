//! Reading a file from front to back in small pieces, with long skips in between.

use super::fields::{size, wide};
use crate::memory::Source;

/// Bytes read ahead: heads of pages are short, and their bytes are skipped.
const AHEAD: usize = 512;

/// A place in a file.
pub(crate) struct Cursor<'a> {
    source: &'a Source,
    at: u64,
    /// Offset of the first byte read ahead.
    start: u64,
    ahead: Vec<u8>,
}

impl<'a> Cursor<'a> {
    /// At an offset.
    pub(crate) fn new(source: &'a Source, at: u64) -> Self {
        Self {
            source,
            at,
            start: 0,
            ahead: Vec::new(),
        }
    }

    /// The offset of the next byte.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Goes on at another offset.
    pub(crate) fn seek(&mut self, at: u64) {
        self.at = at;
    }

    /// Bytes to the end of the file.
    pub(crate) fn left(&self) -> u64 {
        self.source.len().saturating_sub(self.at)
    }

    /// Leaves bytes out; none when there are not so many.
    pub(crate) fn skip(&mut self, length: u64) -> Option<()> {
        self.at = (length <= self.left()).then(|| self.at.checked_add(length)).flatten()?;
        Some(())
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = self.peek::<N>()?;
        self.at = self.at.checked_add(wide(N))?;
        Some(bytes)
    }

    /// The next `N` bytes, which stay to be read.
    pub(crate) fn peek<const N: usize>(&mut self) -> Option<[u8; N]> {
        if let Some(bytes) = self.kept() {
            return Some(bytes);
        }
        self.ahead.resize(AHEAD.max(N), 0);
        let count = self.source.read_at(self.at, &mut self.ahead).unwrap_or(0);
        self.ahead.truncate(count);
        self.start = self.at;
        self.kept()
    }

    fn kept<const N: usize>(&self) -> Option<[u8; N]> {
        let from = size(self.at.checked_sub(self.start)?);
        self.ahead.get(from..from.checked_add(N)?)?.try_into().ok()
    }

    /// The next `length` bytes; none when there are not so many.
    pub(crate) fn bytes(&mut self, length: u64) -> Option<Vec<u8>> {
        if length > self.left() {
            return None;
        }
        let bytes = self.source.bytes(self.at, size(length));
        self.at = (wide(bytes.len()) == length)
            .then(|| self.at.checked_add(length))
            .flatten()?;
        Some(bytes)
    }

    /// Text behind a byte that gives its length.
    pub(crate) fn counted(&mut self) -> Option<String> {
        let length = u64::from(self.u8()?);
        Some(String::from_utf8_lossy(&self.bytes(length)?).into_owned())
    }

    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_be_bytes)
    }

    pub(crate) fn u16_be(&mut self) -> Option<u16> {
        self.array().map(u16::from_be_bytes)
    }

    pub(crate) fn u32_be(&mut self) -> Option<u32> {
        self.array().map(u32::from_be_bytes)
    }

    pub(crate) fn u64_be(&mut self) -> Option<u64> {
        self.array().map(u64::from_be_bytes)
    }

    pub(crate) fn u32_le(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }
}
