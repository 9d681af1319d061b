//! gzip: members of RFC 1952 with deflate data of RFC 1951.

use std::io::{self, BufRead, Read};

use crc32fast::Hasher;
use flate2::{Decompress, FlushDecompress, Status};

use super::{damaged, peek, take};

/// Bits of the flag byte (RFC 1952 section 2.3.1).
const FHCRC: u8 = 2;
const FEXTRA: u8 = 4;
const FNAME: u8 = 8;
const FCOMMENT: u8 = 16;
const RESERVED: u8 = 0xe0;

/// Unpacks member after member.
pub(super) struct Members<R> {
    source: R,
    inflate: Decompress,
    state: State,
    crc: Hasher,
    length: u32,
    failed: Option<String>,
}

enum State {
    Header,
    Body,
    Trailer,
    Done,
}

/// Takes header bytes and sums them.
struct Header<'a, R> {
    source: &'a mut R,
    crc: Hasher,
}

impl<R: BufRead> Header<'_, R> {
    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let bytes = take::<N>(self.source, "the end of the gzip header")?;
        self.crc.update(&bytes);
        Ok(bytes)
    }

    /// Skips bytes up to a zero.
    fn text(&mut self) -> io::Result<()> {
        while self.take::<1>()? != [0] {}
        Ok(())
    }

    fn read(mut self) -> io::Result<()> {
        let [id1, id2, method, flags, ..] = self.take::<10>()?;
        if [id1, id2] != [0x1f, 0x8b] {
            return Err(damaged("a gzip member begins with 1f 8b"));
        }
        if method != 8 {
            return Err(damaged(format!("gzip method is {method}, expected 8 (deflate)")));
        }
        if flags & RESERVED != 0 {
            return Err(damaged(format!(
                "gzip flags are {flags:#04x}, expected the upper three bits zero"
            )));
        }
        if flags & FEXTRA != 0 {
            for _ in 0..u16::from_le_bytes(self.take()?) {
                self.take::<1>()?;
            }
        }
        if flags & FNAME != 0 {
            self.text()?;
        }
        if flags & FCOMMENT != 0 {
            self.text()?;
        }
        if flags & FHCRC != 0 {
            let sum = self.crc.clone().finalize() & 0xffff;
            let stored = u32::from(u16::from_le_bytes(self.take()?));
            if sum != stored {
                return Err(damaged(format!(
                    "gzip header sums to {sum:#06x}, expected {stored:#06x}"
                )));
            }
        }
        Ok(())
    }
}

impl<R: BufRead> Members<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            source,
            inflate: Decompress::new(false),
            state: State::Header,
            crc: Hasher::new(),
            length: 0,
            failed: None,
        }
    }

    fn header(&mut self) -> io::Result<()> {
        let header = Header {
            source: &mut self.source,
            crc: Hasher::new(),
        };
        header.read()?;
        self.inflate.reset(false);
        self.crc = Hasher::new();
        self.length = 0;
        self.state = State::Body;
        Ok(())
    }

    fn body(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let input = self.source.fill_buf()?;
        let at_end = input.is_empty();
        let before = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, buffer, FlushDecompress::None);
        let taken = count(before.0, self.inflate.total_in());
        let given = count(before.1, self.inflate.total_out());
        self.source.consume(taken);
        let unpacked = buffer.get(..given).unwrap_or_default();
        self.crc.update(unpacked);
        self.length = self.length.wrapping_add(u32::try_from(given).unwrap_or_default());
        match result {
            Ok(Status::StreamEnd) => self.state = State::Trailer,
            Ok(_) if taken == 0 && given == 0 => {
                self.failed = Some(match at_end {
                    true => "the file ends inside the deflate data of a gzip member".to_owned(),
                    false => "deflate data makes no progress".to_owned(),
                });
            }
            Ok(_) => {}
            Err(error) => self.failed = Some(format!("deflate data of a gzip member: {error}")),
        }
        Ok(given)
    }

    fn trailer(&mut self) -> io::Result<()> {
        let stored = u32::from_le_bytes(take(&mut self.source, "the CRC-32 of a gzip member")?);
        let sum = self.crc.clone().finalize();
        if sum != stored {
            return Err(damaged(format!(
                "gzip data has CRC-32 {sum:#010x}, expected {stored:#010x}"
            )));
        }
        let stored = u32::from_le_bytes(take(&mut self.source, "the length of a gzip member")?);
        if self.length != stored {
            return Err(damaged(format!(
                "gzip data has {} bytes, expected {stored}",
                self.length
            )));
        }
        let again = matches!(peek::<2>(&mut self.source)?, [0x1f] | [0x1f, 0x8b]);
        self.state = if again { State::Header } else { State::Done };
        Ok(())
    }
}

fn count(before: u64, after: u64) -> usize {
    usize::try_from(after.saturating_sub(before)).unwrap_or(usize::MAX)
}

impl<R: BufRead> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            if let Some(failed) = &self.failed {
                return Err(damaged(failed));
            }
            match self.state {
                State::Header => self.header()?,
                State::Body => match self.body(buffer)? {
                    0 => {}
                    count => return Ok(count),
                },
                State::Trailer => self.trailer()?,
                State::Done => return Ok(0),
            }
        }
    }
}
