//! lz4 in its first format, as `lz4 -l` writes and Linux reads it: a magic, then blocks of 8 MiB
//! behind their packed size. It has neither a checksum nor an end mark.

use std::io::{self, BufRead, Read};

use super::lz4_block::Unpacker;
use super::{damaged, peek, take};

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
    state: State,
    unpacker: Unpacker,
    /// Unpacked bytes of this block, and of all, as a kernel image has it at its end.
    length: usize,
    total: u32,
}

enum State {
    Magic,
    Size,
    /// Inside a block of which so many packed bytes are left.
    Block(usize),
    Done,
    Failed(io::Error),
}

impl<R: BufRead> Blocks<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            state: State::Magic,
            unpacker: Unpacker::new(),
            length: 0,
            total: 0,
        }
    }

    fn magic(&mut self) -> io::Result<State> {
        if take(&mut self.source, "the end of the lz4 magic")? != MAGIC {
            return Err(damaged("an lz4 legacy stream begins with 02 21 4c 18"));
        }
        Ok(State::Size)
    }

    fn size(&mut self) -> io::Result<State> {
        let ahead = peek::<4>(&mut self.source)?;
        if ahead.iter().all(|byte| *byte == 0) {
            return Ok(State::Done);
        }
        let Ok(word) = <[u8; 4]>::try_from(ahead) else {
            return Err(damaged("the file ends inside the size of an lz4 block"));
        };
        let size = usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX);
        if word != MAGIC && size > PACKED {
            return Ok(State::Done);
        }
        self.source.consume(4);
        if word == MAGIC {
            return Ok(State::Size);
        }
        // Kernel images have the unpacked size behind the last block.
        if word == self.total.to_le_bytes() && self.source.fill_buf()?.is_empty() {
            return Ok(State::Done);
        }
        self.unpacker.begin(false);
        self.length = 0;
        Ok(State::Block(size))
    }

    fn block(&mut self, mut left: usize) -> State {
        let result = self.unpacker.run(&mut self.source, &mut left);
        let count = self.unpacker.unpacked().len();
        self.length = self.length.saturating_add(count);
        self.total = self.total.wrapping_add(u32::try_from(count).unwrap_or_default());
        match result {
            Err(error) => State::Failed(error),
            Ok(()) if self.length > BLOCK => {
                let over = self.length.saturating_sub(BLOCK);
                self.unpacker.forget(over);
                State::Failed(damaged("an lz4 block unpacks to more than 8 MiB"))
            }
            Ok(()) if left == 0 && self.unpacker.at_token() => State::Size,
            Ok(()) => State::Block(left),
        }
    }
}

impl<R: BufRead> Read for Blocks<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut unpacked = self.unpacker.unpacked();
            if !unpacked.is_empty() {
                let count = unpacked.read(buffer)?;
                self.unpacker.consume(count);
                return Ok(count);
            }
            self.state = match &self.state {
                State::Magic => self.magic()?,
                State::Size => self.size()?,
                State::Block(left) => {
                    let left = *left;
                    self.block(left)
                }
                State::Done => return Ok(0),
                State::Failed(error) => return Err(damaged(error)),
            };
        }
    }
}
