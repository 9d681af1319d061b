//! lz4 in its first format, as `lz4 -l` writes and Linux reads it: a magic, then blocks of 8 MiB
//! behind their packed size. It has neither a checksum nor an end mark.

use std::io::{self, BufRead, Read};

use super::{damaged, grow, peek, take};

/// First bytes.
const MAGIC: [u8; 4] = [0x02, 0x21, 0x4c, 0x18];

/// Unpacked bytes of a block, at most.
const BLOCK: usize = 8 << 20;

/// Packed bytes of a block, at most.
const PACKED: usize = BLOCK + BLOCK / 255 + 16;

/// Unpacks block after block.
///
/// The stream ends at the end of the file, at a block size of zero (Linux takes it for padding; it
/// is left to the caller) and at a number larger than any block, which is the magic of what
/// follows. Another magic of this format goes on with the stream.
pub(super) struct Blocks<R> {
    source: R,
    begun: bool,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    length: usize,
    given: usize,
    total: u32,
}

impl<R: BufRead> Blocks<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            begun: false,
            packed: Vec::new(),
            unpacked: Vec::new(),
            length: 0,
            given: 0,
            total: 0,
        }
    }

    /// The size of the next block, nothing at the end of the stream.
    fn next(&mut self) -> io::Result<Option<usize>> {
        if !self.begun {
            if take(&mut self.source, "the end of the lz4 magic")? != MAGIC {
                return Err(damaged("an lz4 legacy stream begins with 02 21 4c 18"));
            }
            self.begun = true;
        }
        loop {
            let ahead = peek::<4>(&mut self.source)?;
            if ahead.is_empty() || (ahead.len() < 4 && ahead.iter().all(|byte| *byte == 0)) {
                return Ok(None);
            }
            let Ok(word) = <[u8; 4]>::try_from(ahead) else {
                return Err(damaged("the file ends inside the size of an lz4 block"));
            };
            let size = usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX);
            if word != MAGIC && (size == 0 || size > PACKED) {
                return Ok(None);
            }
            self.source.consume(4);
            if word == MAGIC {
                continue;
            }
            // Kernel images have the unpacked size behind the last block.
            let size_word = word == self.total.to_le_bytes() && self.source.fill_buf()?.is_empty();
            return Ok(if size_word { None } else { Some(size) });
        }
    }

    fn advance(&mut self) -> io::Result<bool> {
        let Some(size) = self.next()? else { return Ok(false) };
        self.given = 0;
        self.length = 0;
        grow(&mut self.source, &mut self.packed, size, "the end of an lz4 block")?;
        self.unpacked.resize(BLOCK, 0);
        self.length = lz4_flex::block::decompress_into(&self.packed, &mut self.unpacked)
            .map_err(|error| damaged(format!("lz4 block: {error}")))?;
        self.total = self.total.wrapping_add(u32::try_from(self.length).unwrap_or_default());
        Ok(true)
    }
}

impl<R: BufRead> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.length {
            if !self.advance()? {
                return Ok(0);
            }
        }
        let mut rest = self.unpacked.get(self.given..self.length).unwrap_or_default();
        let count = rest.read(buffer)?;
        self.given = self.given.saturating_add(count);
        Ok(count)
    }
}
