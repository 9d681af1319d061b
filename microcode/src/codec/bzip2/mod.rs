//! bzip2: streams of blocks of up to 900 000 bytes, each given only when its checksum was right.
//!
//! A block begins at any bit with 48 bits that hardly occur elsewhere, so the reader cuts a stream
//! into blocks without unpacking them ([`bits`]), and threads unpack them ([`block`]). No more than
//! three threads, as each needs 4 MB. By chance the 48 bits stand inside of a block of one in some
//! hundred thousand streams of 40 MB; such a stream is said to be damaged there.

mod bits;
mod block;

use std::io::{self, BufRead, Read};

use super::{damaged, peek, take};
use bits::{Cut, Cutter};
use block::{Block, Pool, Unpacked};

/// Packed bytes of a block, at most: an incompressible one is larger than its 900 000 bytes by its
/// tables.
const PACKED_LIMIT: usize = 1_200_000;

/// Unpacks stream after stream.
pub(super) struct Streams<R> {
    source: R,
    state: State,
    level: u8,
    cutter: Cutter,
    /// Sum of the block checksums.
    sum: u32,
    pool: Pool,
    /// What is wrong behind the blocks that are on their way.
    failed: Option<io::Error>,
    now: Unpacked,
    given: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Header,
    Blocks,
    Done,
}

impl<R: BufRead> Streams<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            state: State::Header,
            level: b'9',
            cutter: Cutter::new(),
            sum: 0,
            pool: Pool::new(),
            failed: None,
            now: Unpacked::Bytes(Vec::new()),
            given: 0,
        }
    }

    fn header(&mut self) -> io::Result<()> {
        let [b, z, h, level] = take(&mut self.source, "the end of the bzip2 header")?;
        if [b, z, h] != *b"BZh" || !(b'1'..=b'9').contains(&level) {
            return Err(damaged("a bzip2 stream begins with \"BZh\" and a digit from 1 to 9"));
        }
        self.level = level;
        self.sum = 0;
        self.cutter = Cutter::new();
        self.state = State::Blocks;
        Ok(())
    }

    /// Takes bytes until the next block is whole; nothing at the end of the last stream.
    fn next_block(&mut self) -> io::Result<Option<Block>> {
        loop {
            match self.state {
                State::Header => self.header()?,
                State::Done => return Ok(None),
                State::Blocks => {}
            }
            let input = self.source.fill_buf()?;
            if input.is_empty() {
                return Err(damaged("the file ends inside a bzip2 stream"));
            }
            let (taken, cut) = self.cutter.push(input);
            self.source.consume(taken);
            let ended = match cut {
                Cut::Nowhere if self.cutter.len() > PACKED_LIMIT => {
                    return Err(damaged(
                        "bzip2 block: no end in 1.2 MB, expected the header of the next block",
                    ));
                }
                Cut::Nowhere => continue,
                Cut::NoHeader => return Err(damaged("bzip2: expected a block header or the end mark")),
                Cut::Block => false,
                Cut::End => true,
            };
            let block = self.cutter.take(self.level);
            if let Some(block) = &block {
                self.sum = self.sum.rotate_left(1) ^ block.sum();
            }
            if ended {
                self.state = State::Done;
                // The error of the sum comes behind the block.
                if let Err(error) = self.end() {
                    self.failed = Some(error);
                }
            }
            if block.is_some() || self.failed.is_some() {
                return Ok(block);
            }
        }
    }

    /// Checks the sum behind the end mark and looks for another stream.
    fn end(&mut self) -> io::Result<()> {
        let stored = loop {
            if let Some(stored) = self.cutter.stored_sum() {
                break stored;
            }
            let [byte] = take(&mut self.source, "the end of a bzip2 stream")?;
            self.cutter.push_byte(byte);
        };
        let sum = self.sum;
        if sum != stored {
            return Err(damaged(format!(
                "bzip2 stream sums to {sum:#010x}, expected {stored:#010x}"
            )));
        }
        if matches!(peek::<2>(&mut self.source)?, [b'B'] | [b'B', b'Z']) {
            self.state = State::Header;
        }
        Ok(())
    }

    /// Gets the next unpacked block; false at the end.
    fn advance(&mut self) -> io::Result<bool> {
        self.given = 0;
        self.now = Unpacked::default();
        while self.failed.is_none() && self.pool.wants() {
            match self.next_block() {
                Ok(Some(block)) => self.pool.push(block, self.state == State::Done),
                Ok(None) => break,
                Err(error) => self.failed = Some(error),
            }
        }
        match self.pool.pop() {
            Some(result) => {
                self.now = result.map_err(damaged)?;
                Ok(true)
            }
            None => self.failed.take().map_or(Ok(false), Err),
        }
    }
}

impl<R: BufRead> Read for Streams<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let count = match &mut self.now {
                Unpacked::Bytes(bytes) => bytes.get(self.given..).unwrap_or_default().read(buffer)?,
                Unpacked::Long(reader) => reader.read(buffer).map_err(damaged)?,
            };
            self.given = self.given.saturating_add(count);
            if count > 0 {
                return Ok(count);
            }
            if !self.advance()? {
                return Ok(0);
            }
        }
    }
}
