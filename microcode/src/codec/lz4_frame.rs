//! lz4 frames (`lz4_Frame_format.md` of LZ4), the default of the `lz4` tool.

use std::hash::Hasher;
use std::io::{self, BufRead, Read};

use twox_hash::XxHash32;

use super::lz4_block::Unpacker;
use super::{damaged, grow, peek, take};

/// First bytes.
const MAGIC: [u8; 4] = [0x04, 0x22, 0x4d, 0x18];

/// Bits of the first flag byte.
mod flag {
    pub(super) const DICTIONARY: u8 = 1;
    pub(super) const RESERVED: u8 = 2;
    pub(super) const CONTENT_CHECKSUM: u8 = 4;
    pub(super) const CONTENT_SIZE: u8 = 8;
    pub(super) const BLOCK_CHECKSUM: u8 = 0x10;
    pub(super) const INDEPENDENT: u8 = 0x20;
}

/// Bit of a block size: the block is stored as it is.
const STORED: u32 = 1 << 31;

/// Unpacks frame after frame.
pub(super) struct Frames<R> {
    source: R,
    state: State,
    flags: u8,
    /// Unpacked bytes of a block, at most, and of this one.
    limit: usize,
    length: usize,
    content_size: Option<u64>,
    total: u64,
    hash: XxHash32,
    /// A block whose checksum was right.
    checked: io::Cursor<Vec<u8>>,
    unpacker: Unpacker,
}

enum State {
    Magic,
    Size,
    Block { stored: bool, left: usize },
    End,
    Done,
    Failed(io::Error),
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            state: State::Magic,
            flags: 0,
            limit: 0,
            length: 0,
            content_size: None,
            total: 0,
            hash: XxHash32::with_seed(0),
            checked: io::Cursor::default(),
            unpacker: Unpacker::new(),
        }
    }

    fn has(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }

    fn magic(&mut self) -> io::Result<State> {
        let magic = take(&mut self.source, "the end of the lz4 magic")?;
        if let [0x50..=0x5f, 0x2a, 0x4d, 0x18] = magic {
            self.skip()?;
            return self.next();
        }
        if magic != MAGIC {
            return Err(damaged("an lz4 frame begins with 04 22 4d 18"));
        }
        self.header()?;
        Ok(State::Size)
    }

    fn skip(&mut self) -> io::Result<()> {
        let length = u32::from_le_bytes(take(&mut self.source, "the length of a frame to skip")?);
        let length = u64::from(length);
        if io::copy(&mut self.source.by_ref().take(length), &mut io::sink())? < length {
            return Err(damaged("the file ends inside a frame to skip"));
        }
        Ok(())
    }

    /// Is there another frame?
    fn next(&mut self) -> io::Result<State> {
        let ahead = peek::<4>(&mut self.source)?;
        let again = matches!(ahead, [4] | [4, 0x22, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18]);
        Ok(if again { State::Magic } else { State::Done })
    }

    fn header(&mut self) -> io::Result<()> {
        const END: &str = "the end of an lz4 frame header";
        let [flags, size] = take(&mut self.source, END)?;
        let mut header = vec![flags, size];
        if flags >> 6 != 1 || flags & flag::RESERVED != 0 {
            return Err(damaged(format!("lz4 frame flags are {flags:#04x}, expected version 1")));
        }
        self.limit = match size {
            0x40 => 64 << 10,
            0x50 => 256 << 10,
            0x60 => 1 << 20,
            0x70 => 4 << 20,
            _ => return Err(damaged(format!("lz4 block size is {size:#04x}, expected 0x40 to 0x70"))),
        };
        self.content_size = None;
        if flags & flag::CONTENT_SIZE != 0 {
            let bytes = take(&mut self.source, END)?;
            header.extend(bytes);
            self.content_size = Some(u64::from_le_bytes(bytes));
        }
        if flags & flag::DICTIONARY != 0 {
            let number = u32::from_le_bytes(take(&mut self.source, END)?);
            return Err(damaged(format!(
                "lz4 frame needs dictionary {number:#x}, which is not known"
            )));
        }
        let [stored] = take(&mut self.source, END)?;
        let [_, _, sum, _] = xxh32(&header).to_be_bytes();
        if sum != stored {
            return Err(damaged(format!(
                "lz4 frame header sums to {sum:#04x}, expected {stored:#04x}"
            )));
        }
        self.flags = flags;
        self.total = 0;
        self.hash = XxHash32::with_seed(0);
        self.unpacker.begin(false);
        Ok(())
    }

    fn size(&mut self) -> io::Result<State> {
        let word = u32::from_le_bytes(take(&mut self.source, "the end mark of an lz4 frame")?);
        if word == 0 {
            return Ok(State::End);
        }
        let left = usize::try_from(word & !STORED).unwrap_or(usize::MAX);
        if left > self.limit {
            let limit = self.limit;
            return Err(damaged(format!(
                "an lz4 block has {left} packed bytes, expected at most {limit}"
            )));
        }
        if self.has(flag::BLOCK_CHECKSUM) {
            grow(
                &mut self.source,
                self.checked.get_mut(),
                left,
                "the end of an lz4 block",
            )?;
            self.checked.set_position(0);
            let stored = u32::from_le_bytes(take(&mut self.source, "the checksum of an lz4 block")?);
            let sum = xxh32(self.checked.get_ref());
            if sum != stored {
                return Err(damaged(format!(
                    "lz4 block has xxHash {sum:#010x}, expected {stored:#010x}"
                )));
            }
        }
        self.length = 0;
        self.unpacker.begin(!self.has(flag::INDEPENDENT));
        Ok(State::Block {
            stored: word & STORED != 0,
            left,
        })
    }

    fn block(&mut self, stored: bool, mut left: usize) -> State {
        let result = match (self.has(flag::BLOCK_CHECKSUM), stored) {
            (true, true) => self.unpacker.store(&mut self.checked, &mut left),
            (true, false) => self.unpacker.run(&mut self.checked, &mut left),
            (false, true) => self.unpacker.store(&mut self.source, &mut left),
            (false, false) => self.unpacker.run(&mut self.source, &mut left),
        };
        self.length = self.length.saturating_add(self.unpacker.unpacked().len());
        let over = self.length.saturating_sub(self.limit);
        self.unpacker.forget(over);
        let unpacked = self.unpacker.unpacked();
        if self.flags & flag::CONTENT_CHECKSUM != 0 {
            self.hash.write(unpacked);
        }
        self.total = self
            .total
            .saturating_add(u64::try_from(unpacked.len()).unwrap_or(u64::MAX));
        match result {
            Err(error) => State::Failed(error),
            Ok(()) if over > 0 => State::Failed(damaged(format!(
                "an lz4 block unpacks to more than {} bytes",
                self.limit
            ))),
            Ok(()) if left == 0 && self.unpacker.at_token() => State::Size,
            Ok(()) => State::Block { stored, left },
        }
    }

    fn end(&mut self) -> io::Result<State> {
        if self.has(flag::CONTENT_CHECKSUM) {
            let stored = u32::from_le_bytes(take(&mut self.source, "the checksum of an lz4 frame")?);
            let sum = u32::try_from(self.hash.finish()).unwrap_or_default();
            if sum != stored {
                return Err(damaged(format!(
                    "lz4 frame has xxHash {sum:#010x}, expected {stored:#010x}"
                )));
            }
        }
        match self.content_size {
            Some(size) if size != self.total => {
                let total = self.total;
                Err(damaged(format!("lz4 frame has {total} bytes, expected {size}")))
            }
            _ => self.next(),
        }
    }
}

fn xxh32(bytes: &[u8]) -> u32 {
    XxHash32::oneshot(0, bytes)
}

impl<R: BufRead> Read for Frames<R> {
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
                State::Block { stored, left } => {
                    let (stored, left) = (*stored, *left);
                    self.block(stored, left)
                }
                State::End => self.end()?,
                State::Done => return Ok(0),
                State::Failed(error) => return Err(damaged(error)),
            };
        }
    }
}
