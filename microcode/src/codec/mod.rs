//! Compressed streams of initrds, unpacked in process and in bounded memory.
//!
//! Every codec that Linux unpacks an initramfs with (`lib/decompress.c`), and lz4 frames. All
//! checksums that a format has are verified. A damaged or cut stream gives what is sure to come
//! before the damage, then an error that says what was expected; asked again it says it again.
//!
//! A stream ends where the tool of its format would stop reading: gzip members, bzip2 and xz
//! streams, Zstandard and lz4 frames one directly behind the other are one stream, an `.lzma`
//! stream and what is of another codec is not. Padding behind a stream is left to the caller.
//!
//! Memory: two buffers of the size that the stream's blocks need.

mod ahead;
mod bzip2;
mod gzip;
mod lz4_block;
mod lz4_frame;
mod lz4_legacy;
mod lzo1x;
mod lzop;
mod pushed;
mod source;
mod xz;
mod zstd;

use std::fmt;
use std::io::{self, BufRead, Read};

use schemars::JsonSchema;
use serde::Serialize;

pub use ahead::beside;
pub use source::Source;

/// How a part of an initrd is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Codec {
    /// gzip (RFC 1952).
    Gzip,
    /// bzip2.
    Bzip2,
    /// LZMA "alone", the format of the old `lzma` tool.
    Lzma,
    /// xz.
    Xz,
    /// LZO in an lzop file.
    Lzo,
    /// lz4 in its first format (`lz4 -l`), the one that Linux reads.
    Lz4Legacy,
    /// lz4 frames, the default of the `lz4` tool. Linux reads none.
    Lz4Frame,
    /// Zstandard (RFC 8878).
    Zstd,
}

impl Codec {
    /// All codecs.
    pub const ALL: [Codec; 8] = [
        Codec::Gzip,
        Codec::Bzip2,
        Codec::Lzma,
        Codec::Xz,
        Codec::Lzo,
        Codec::Lz4Legacy,
        Codec::Lz4Frame,
        Codec::Zstd,
    ];

    /// Bytes that [`detect`](Self::detect) looks at.
    pub const HEAD: usize = 4;

    /// The codec of a stream that begins with `head`.
    ///
    /// Linux looks at two bytes, and so is it done here: what a stream with a damaged third byte
    /// lacks is said by its decoder. Formats that Linux does not read need their whole magic.
    pub fn detect(head: &[u8]) -> Option<Codec> {
        Some(match head {
            [0x1f, 0x8b, ..] => Codec::Gzip,
            [b'B', b'Z', ..] => Codec::Bzip2,
            [0x5d, 0x00, ..] => Codec::Lzma,
            [0xfd, b'7', ..] => Codec::Xz,
            [0x89, b'L', ..] => Codec::Lzo,
            [0x02, 0x21, ..] => Codec::Lz4Legacy,
            [0x28, 0xb5, ..] => Codec::Zstd,
            [0x04, 0x22, 0x4d, 0x18, ..] => Codec::Lz4Frame,
            // A frame to skip, of which pzstd writes one first. lz4 has them too.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Codec::Zstd,
            _ => return None,
        })
    }

    /// Name in words.
    pub fn name(self) -> &'static str {
        match self {
            Codec::Gzip => "gzip",
            Codec::Bzip2 => "bzip2",
            Codec::Lzma => "lzma",
            Codec::Xz => "xz",
            Codec::Lzo => "lzo",
            Codec::Lz4Legacy => "lz4 legacy",
            Codec::Lz4Frame => "lz4 frame",
            Codec::Zstd => "Zstandard",
        }
    }

    /// Linux unpacks an initramfs of this codec.
    pub fn read_by_linux(self) -> bool {
        self != Codec::Lz4Frame
    }
}

impl fmt::Display for Codec {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name())
    }
}

/// Unpacked bytes of the stream that begins where `source` stands.
///
/// After `Ok(0)` the source stands directly behind the stream. For that it must give at least four
/// bytes at once while it has them, as a slice and a [`Source`] do.
///
/// # Errors
///
/// None; damage comes out of the reader.
pub fn decoder<'a, R: BufRead + 'a>(codec: Codec, source: R) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match codec {
        Codec::Gzip => Lasting::boxed(gzip::Members::new(source)),
        Codec::Bzip2 => Lasting::boxed(bzip2::Streams::new(source)),
        Codec::Lzma => Lasting::boxed(pushed::Pushed::new(source, xz::Alone::new())),
        Codec::Xz => Lasting::boxed(pushed::Pushed::new(source, xz::Streams::new())),
        Codec::Lzo => Lasting::boxed(lzop::Files::new(source)),
        Codec::Lz4Legacy => Lasting::boxed(lz4_legacy::Blocks::new(source)),
        Codec::Lz4Frame => Lasting::boxed(lz4_frame::Frames::new(source)),
        Codec::Zstd => Lasting::boxed(pushed::Pushed::new(source, zstd::Frames::new())),
    })
}

/// A reader that says an error again when it is asked again.
struct Lasting<R> {
    reader: R,
    failed: Option<(io::ErrorKind, String)>,
}

impl<'a, R: Read + 'a> Lasting<R> {
    fn boxed(reader: R) -> Box<dyn Read + 'a> {
        Box::new(Self { reader, failed: None })
    }
}

impl<R: Read> Read for Lasting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some((kind, text)) = &self.failed {
            return Err(io::Error::new(*kind, text.clone()));
        }
        if buffer.is_empty() {
            return Ok(0);
        }
        let result = self.reader.read(buffer);
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some((error.kind(), error.to_string()));
        }
        result
    }
}

fn damaged(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

/// `N` bytes of the source, or the error that it ended before `wanted`.
fn take<const N: usize>(source: &mut impl BufRead, wanted: &str) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    fill(source, &mut bytes, wanted)?;
    Ok(bytes)
}

/// Fills `bytes` from the source, or says that it ended before `wanted`.
fn fill(source: &mut impl BufRead, bytes: &mut [u8], wanted: &str) -> io::Result<()> {
    source.read_exact(bytes).map_err(|error| match error.kind() {
        io::ErrorKind::UnexpectedEof => damaged(format!("the file ends before {wanted}")),
        _ => error,
    })
}

/// Replaces `bytes` by `length` bytes of the source. The room grows with what is really there.
fn grow(source: &mut impl BufRead, bytes: &mut Vec<u8>, length: usize, wanted: &str) -> io::Result<()> {
    bytes.clear();
    let limit = u64::try_from(length).unwrap_or(u64::MAX);
    if source.take(limit).read_to_end(bytes)? < length {
        return Err(damaged(format!("the file ends before {wanted}")));
    }
    Ok(())
}

/// The next bytes of the source without taking them, fewer than `N` at its end.
fn peek<const N: usize>(source: &mut impl BufRead) -> io::Result<&[u8]> {
    let bytes = loop {
        match source.fill_buf() {
            Ok(bytes) => break bytes.len().min(N),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    };
    source.fill_buf().map(|all| all.get(..bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests;
