//! Compressed streams, recognised by their first bytes: gzip, bzip2, xz, Zstandard.
//!
//! Streams one after the other in a file are read as one (RFC 1952 section 2.2, RFC 8878 section 3).

use std::io::{self, BufRead, Read};

use bzip2::bufread::MultiBzDecoder;
use flate2::bufread::MultiGzDecoder;
use lzma_rust2::XzReader;
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

/// Largest Zstandard window that is accepted: what `zstd -d` takes without being asked.
const WINDOW_LIMIT: u64 = 1 << 27;

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
        Codec::Gzip => Box::new(MultiGzDecoder::new(source)),
        Codec::Bzip2 => Box::new(MultiBzDecoder::new(source)),
        Codec::Xz => Box::new(XzReader::new(source, true)),
        Codec::Zstd => Box::new(ZstdReader::new(source)),
    })
}

/// Unpacked bytes of a buffer, at most `limit`, and what broke off, if anything did.
pub(crate) fn unpack(bytes: &[u8], limit: usize) -> (Vec<u8>, Option<String>) {
    let limit = u64::try_from(limit).unwrap_or(u64::MAX);
    let mut unpacked = Vec::new();
    let result = decoder(bytes).and_then(|reader| reader.take(limit).read_to_end(&mut unpacked));
    (unpacked, result.err().map(|error| error.to_string()))
}

/// All frames of a Zstandard file, checksums verified.
struct ZstdReader<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
}

impl<R: BufRead> ZstdReader<R> {
    fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_LIMIT);
        Self {
            source,
            decoder,
            in_frame: false,
        }
    }

    /// Starts the next frame; false at the end of the file.
    fn next_frame(&mut self) -> io::Result<bool> {
        while !self.source.fill_buf()?.is_empty() {
            match self.decoder.reset(&mut self.source) {
                Ok(()) => {
                    self.in_frame = true;
                    return Ok(true);
                }
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame { length, .. })) => {
                    io::copy(&mut (&mut self.source).take(length.into()), &mut io::sink())?;
                }
                Err(error) => return Err(damaged(error)),
            }
        }
        Ok(false)
    }

    fn end_frame(&mut self) -> io::Result<()> {
        self.in_frame = false;
        match self.decoder.get_checksum_from_data() {
            Some(stored) if Some(stored) != self.decoder.get_calculated_checksum() => {
                Err(damaged("content checksum does not match"))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for ZstdReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let wanted = BlockDecodingStrategy::UptoBytes(buffer.len());
                self.decoder.decode_blocks(&mut self.source, wanted).map_err(damaged)?;
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end_frame()?;
        }
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
        let mut bzip2 = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
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
