//! LZO1X in lzop files, as `lzop` writes and Linux reads them (big endian throughout).

use std::io::{self, BufRead, Read};

use simd_adler32::Adler32;

use super::lzo1x::{self, SLACK};
use super::{damaged, grow, peek, take};

/// First bytes.
const MAGIC: [u8; 9] = [0x89, b'L', b'Z', b'O', 0, 0x0d, 0x0a, 0x1a, 0x0a];

/// Unpacked bytes of a block, at most: what the tool takes. Linux takes 256 KiB.
const BLOCK: usize = 64 << 20;

/// Bits of the flag word: which checksums there are, and header fields.
mod flag {
    pub(super) const ADLER32_UNPACKED: u32 = 1;
    pub(super) const ADLER32_PACKED: u32 = 2;
    pub(super) const EXTRA_FIELD: u32 = 0x40;
    pub(super) const CRC32_UNPACKED: u32 = 0x100;
    pub(super) const CRC32_PACKED: u32 = 0x200;
    pub(super) const MULTIPART: u32 = 0x400;
    pub(super) const FILTER: u32 = 0x800;
    pub(super) const CRC32_HEADER: u32 = 0x1000;
}

/// Unpacks file after file, each of its blocks given only when its checksums were right.
pub(super) struct Files<R> {
    source: R,
    state: State,
    flags: u32,
    packed: Vec<u8>,
    unpacked: Vec<u8>,
    given: usize,
}

enum State {
    Header,
    Block,
    Done,
}

/// Takes header bytes and keeps them for their checksum.
struct Header<'a, R> {
    source: &'a mut R,
    bytes: Vec<u8>,
}

impl<R: BufRead> Header<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = take::<N>(self.source, "the end of the lzop header")?;
        self.bytes.extend_from_slice(&bytes);
        Ok(bytes)
    }

    fn short(&mut self) -> io::Result<u16> {
        self.take().map(u16::from_be_bytes)
    }

    fn word(&mut self) -> io::Result<u32> {
        self.take().map(u32::from_be_bytes)
    }

    fn check(&mut self, crc: bool, what: &str) -> io::Result<()> {
        let sum = if crc {
            crc32fast::hash(&self.bytes)
        } else {
            adler32(&self.bytes)
        };
        let stored = u32::from_be_bytes(take(self.source, "the checksum of the lzop header")?);
        match sum == stored {
            true => Ok(()),
            false => Err(damaged(format!("{what} sums to {sum:#010x}, expected {stored:#010x}"))),
        }
    }

    /// Reads up to the first block; the flags.
    fn read(mut self) -> io::Result<u32> {
        if take(self.source, "the end of the lzop magic")? != MAGIC {
            return Err(damaged("an lzop file begins with 89 \"LZO\" 00 0d 0a 1a 0a"));
        }
        let version = self.short()?;
        let _library = self.short()?;
        if version >= 0x940 {
            let needed = self.short()?;
            if needed > 0x1040 {
                return Err(damaged(format!("lzop {needed:#06x} is needed, 0x1040 is known")));
            }
        }
        let [method] = self.take()?;
        if !(1..=3).contains(&method) {
            return Err(damaged(format!("lzop method is {method}, expected 1 to 3 (LZO1X)")));
        }
        if version >= 0x940 {
            let [_level] = self.take()?;
        }
        let flags = self.word()?;
        if flags & flag::FILTER != 0 {
            return Err(damaged(format!("lzop filter {} is not known", self.word()?)));
        }
        if flags & flag::MULTIPART != 0 {
            return Err(damaged("an lzop file of several parts is not known"));
        }
        let _mode_and_time = self.take::<8>()?;
        if version >= 0x940 {
            let _time_high = self.word()?;
        }
        let [name] = self.take()?;
        for _ in 0..name {
            self.take::<1>()?;
        }
        let crc = flags & flag::CRC32_HEADER != 0;
        self.check(crc, "lzop header")?;
        if flags & flag::EXTRA_FIELD != 0 {
            self.bytes.clear();
            for _ in 0..self.word()? {
                self.take::<1>()?;
            }
            self.check(crc, "lzop extra field")?;
        }
        Ok(flags)
    }
}

impl<R: BufRead> Files<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            state: State::Header,
            flags: 0,
            packed: Vec::new(),
            unpacked: Vec::new(),
            given: 0,
        }
    }

    fn word(&mut self) -> io::Result<u32> {
        take(&mut self.source, "the end of an lzop block").map(u32::from_be_bytes)
    }

    /// A checksum, when the flags say that there is one.
    fn sum(&mut self, flag: u32) -> io::Result<Option<u32>> {
        if self.flags & flag == 0 {
            Ok(None)
        } else {
            self.word().map(Some)
        }
    }

    /// Unpacks a block; false at the end of the stream.
    fn block(&mut self) -> io::Result<bool> {
        self.given = 0;
        self.unpacked.clear();
        let unpacked = size(self.word()?);
        if unpacked == 0 {
            let again = matches!(peek::<2>(&mut self.source)?, [0x89] | [0x89, b'L']);
            self.state = if again { State::Header } else { State::Done };
            return Ok(false);
        }
        if unpacked > BLOCK {
            return Err(damaged(format!(
                "an lzop block has {unpacked} bytes, expected at most {BLOCK}"
            )));
        }
        let packed = size(self.word()?);
        if packed == 0 || packed > unpacked {
            return Err(damaged(format!(
                "an lzop block has {packed} packed bytes, expected 1 to {unpacked}"
            )));
        }
        // A packed byte stands for 255 bytes at most: room is not made for what cannot come.
        if unpacked > packed.saturating_add(1).saturating_mul(256) {
            return Err(damaged(format!(
                "an lzop block has {packed} packed bytes for {unpacked}, more than they can be"
            )));
        }
        let adler = self.sum(flag::ADLER32_UNPACKED)?;
        let crc = self.sum(flag::CRC32_UNPACKED)?;
        let is_packed = packed < unpacked;
        let packed_adler = if is_packed {
            self.sum(flag::ADLER32_PACKED)?
        } else {
            None
        };
        let packed_crc = if is_packed { self.sum(flag::CRC32_PACKED)? } else { None };
        grow(&mut self.source, &mut self.packed, packed, "the end of an lzop block")?;
        same(packed_adler, || adler32(&self.packed), "packed lzop block: Adler-32")?;
        same(
            packed_crc,
            || crc32fast::hash(&self.packed),
            "packed lzop block: CRC-32",
        )?;
        if is_packed {
            self.unpacked.resize(unpacked.saturating_add(SLACK), 0);
            let result = lzo1x::unpack(&self.packed, &mut self.unpacked);
            self.unpacked.truncate(*result.as_ref().unwrap_or(&0));
            let length = result.map_err(|fault| damaged(format!("lzop block: {}", fault.name())))?;
            if length != unpacked {
                self.unpacked.clear();
                return Err(damaged(format!(
                    "an lzop block has {length} bytes, expected {unpacked}"
                )));
            }
        } else {
            std::mem::swap(&mut self.packed, &mut self.unpacked);
        }
        let checked = same(adler, || adler32(&self.unpacked), "lzop block: Adler-32")
            .and_then(|()| same(crc, || crc32fast::hash(&self.unpacked), "lzop block: CRC-32"));
        if checked.is_err() {
            self.unpacked.clear();
        }
        checked.map(|()| true)
    }
}

fn size(word: u32) -> usize {
    usize::try_from(word).unwrap_or(usize::MAX)
}

fn adler32(bytes: &[u8]) -> u32 {
    let mut sum = Adler32::new();
    sum.write(bytes);
    sum.finish()
}

fn same(stored: Option<u32>, sum: impl FnOnce() -> u32, what: &str) -> io::Result<()> {
    let Some(stored) = stored else { return Ok(()) };
    let sum = sum();
    if sum == stored {
        return Ok(());
    }
    Err(damaged(format!("{what} is {sum:#010x}, expected {stored:#010x}")))
}

impl<R: BufRead> Read for Files<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let mut rest = self.unpacked.get(self.given..).unwrap_or_default();
            if !rest.is_empty() {
                let count = rest.read(buffer)?;
                self.given = self.given.saturating_add(count);
                return Ok(count);
            }
            match self.state {
                State::Header => {
                    let header = Header {
                        source: &mut self.source,
                        bytes: Vec::new(),
                    };
                    self.flags = header.read()?;
                    self.state = State::Block;
                }
                State::Block => {
                    self.block()?;
                }
                State::Done => return Ok(0),
            }
        }
    }
}
