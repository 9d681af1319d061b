//! Compressed streams, recognised by their first bytes: gzip, bzip2, xz, Zstandard.
//!
//! Streams one after the other in a file are read as one (RFC 1952 section 2.2, RFC 8878 section 3).
//! A damaged or cut stream gives all that is sure to come before the damage, then the error.

mod bzip2;
mod xz;
mod zstd;

use std::io::{self, BufRead, Read};

use flate2::bufread::MultiGzDecoder;

/// Packed bytes a gzip decoder is given at once: what one call unpacks is lost when it fails.
const GZIP_STEP: usize = 64;

/// How a file is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Codec {
    Plain,
    Gzip,
    Bzip2,
    Xz,
    Zstd,
}

/// The codec of a file that starts with `head`.
pub(crate) fn detect(head: &[u8]) -> Codec {
    match head {
        [0x1f, 0x8b, 0x08, ..] => Codec::Gzip,
        [b'B', b'Z', b'h', b'1'..=b'9', 0x31, 0x41, 0x59, 0x26, 0x53, 0x59, ..]
        | [b'B', b'Z', b'h', b'1'..=b'9', 0x17, 0x72, 0x45, 0x38, 0x50, 0x90, ..] => Codec::Bzip2,
        [0xfd, b'7', b'z', b'X', b'Z', 0, ..] => Codec::Xz,
        [0x28, 0xb5, 0x2f, 0xfd, ..] | [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Codec::Zstd,
        _ => Codec::Plain,
    }
}

/// Reads the unpacked bytes; damage is an error in the middle, after what came before it.
pub(crate) fn decoder<'a, R: BufRead + 'a>(mut source: R) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match detect(source.fill_buf()?) {
        Codec::Plain => Box::new(source),
        Codec::Gzip => Box::new(Lasting::new(MultiGzDecoder::new(Steps(source)))),
        Codec::Bzip2 => Box::new(Lasting::new(bzip2::Blocks::new(source))),
        Codec::Xz => Box::new(Lasting::new(xz::Stream::new(source))),
        Codec::Zstd => Box::new(Lasting::new(zstd::Frames::new(source))),
    })
}

/// Unpacked bytes of a buffer, at most `limit`, and what broke off, if anything did.
pub(crate) fn unpack(bytes: &[u8], limit: usize) -> (Vec<u8>, Option<String>) {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut unpacked = Vec::new();
    let result = decoder(bytes).and_then(|reader| reader.take(limit).read_to_end(&mut unpacked));
    (unpacked, result.err().map(|error| error.to_string()))
}

/// A reader that says an error again when it is asked again.
struct Lasting<R> {
    reader: R,
    failed: Option<String>,
}

impl<R> Lasting<R> {
    fn new(reader: R) -> Self {
        Self { reader, failed: None }
    }
}

impl<R: Read> Read for Lasting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if let Some(failed) = &self.failed {
            return Err(damaged(failed));
        }
        let result = self.reader.read(buffer);
        if let Err(error) = &result
            && error.kind() != io::ErrorKind::Interrupted
        {
            self.failed = Some(error.to_string());
        }
        result
    }
}

/// A source that is read in small steps.
struct Steps<R>(R);

impl<R: BufRead> Read for Steps<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.read(buffer)
    }
}

impl<R: BufRead> BufRead for Steps<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let bytes = self.0.fill_buf()?;
        Ok(bytes.get(..GZIP_STEP).unwrap_or(bytes))
    }

    fn consume(&mut self, count: usize) {
        self.0.consume(count);
    }
}

fn damaged(error: impl ToString) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use ruzstd::encoding::{CompressionLevel, compress_to_vec};

    use super::*;

    fn sample() -> Vec<u8> {
        (0..9_000_u32).flat_map(|n| (n / 3).to_le_bytes()).collect()
    }

    fn packed() -> Vec<(Codec, Vec<u8>)> {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(&sample()).unwrap();
        let mut bzip2 = ::bzip2::write::BzEncoder::new(Vec::new(), ::bzip2::Compression::fast());
        bzip2.write_all(&sample()).unwrap();
        let options = lzma_rust2::XzOptions::with_preset(1);
        let mut xz = lzma_rust2::XzWriter::new(Vec::new(), options).unwrap();
        xz.write_all(&sample()).unwrap();
        let zstd = compress_to_vec(sample().as_slice(), CompressionLevel::Fastest);
        vec![
            (Codec::Gzip, gzip.finish().unwrap()),
            (Codec::Bzip2, bzip2.finish().unwrap()),
            (Codec::Xz, xz.finish().unwrap()),
            (Codec::Zstd, zstd),
        ]
    }

    #[test]
    fn each_codec_is_known_by_its_magic_and_gives_the_bytes() {
        for (codec, bytes) in packed() {
            assert_eq!(detect(&bytes), codec);
            assert_eq!(unpack(&bytes, usize::MAX), (sample(), None));
        }
    }

    #[test]
    fn streams_one_after_the_other_are_one() {
        for (_, bytes) in packed() {
            let twice = [bytes.as_slice(), bytes.as_slice()].concat();
            let (unpacked, damage) = unpack(&twice, usize::MAX);
            assert_eq!((unpacked.len(), damage), (2 * sample().len(), None));
        }
    }

    #[test]
    fn a_skippable_zstd_frame_is_skipped() {
        let zstd = compress_to_vec(&b"body"[..], CompressionLevel::Fastest);
        let skip = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9];
        let bytes = [&skip[..], &zstd].concat();
        assert_eq!(unpack(&bytes, 100), (b"body".to_vec(), None));
    }

    #[test]
    fn truncation_gives_a_prefix_and_says_so() {
        for (codec, bytes) in packed() {
            for cut in [20, 40, bytes.len() / 3, bytes.len() / 2, bytes.len() - 9] {
                let (unpacked, damage) = unpack(&bytes[..cut], usize::MAX);
                assert!(sample().starts_with(&unpacked), "{codec:?} cut at {cut}");
                assert!(damage.is_some(), "{codec:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn the_limit_holds() {
        for (_, bytes) in packed() {
            assert_eq!(unpack(&bytes, 1000).0.len(), 1000);
        }
    }

    #[test]
    fn changed_bytes_never_panic() {
        for (_, bytes) in packed() {
            for step in 0..100 {
                let mut changed = bytes.clone();
                let at = step * 7919 % changed.len();
                changed[at] ^= 1 << (step % 8);
                let _ = unpack(&changed, 2_000_000);
            }
        }
    }
}
