//! Zstandard (RFC 8878): all frames of a file, checksums verified.

use std::io::{self, BufRead, Read};

use ruzstd::decoding::errors::{
    DecodeBlockContentError, DecompressBlockError, FrameDecoderError, ReadFrameHeaderError,
};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::damaged;

/// Largest window that is accepted: what `zstd -d` takes without being asked.
const WINDOW_LIMIT: u64 = 1 << 27;

/// Most bytes one block unpacks to (section 3.1.1.2.4).
const BLOCK_LIMIT: usize = 128 << 10;

/// An empty raw block that is the last of its frame (section 3.1.1.2), and room for a checksum.
const LAST_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];

/// Unpacks frame after frame. When a block is damaged the whole blocks before it are still given:
/// the frame is closed with an empty block, so that the decoder hands out its window.
pub(super) struct Frames<R> {
    source: R,
    decoder: FrameDecoder,
    in_frame: bool,
    /// What broke off, told after `left` more bytes.
    failed: Option<io::Error>,
    left: usize,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(WINDOW_LIMIT);
        Self {
            source,
            decoder,
            in_frame: false,
            failed: None,
            left: 0,
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
                    let length = u64::from(length);
                    let skipped = io::copy(&mut (&mut self.source).take(length), &mut io::sink())?;
                    if skipped < length {
                        return Err(damaged("the file ends inside a skippable frame"));
                    }
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

    fn fail(&mut self, error: &FrameDecoderError) {
        // Only the execution of sequences writes bytes of a block that fails later.
        let doubtful = match error {
            FrameDecoderError::FailedToReadBlockBody(DecodeBlockContentError::DecompressBlockError(
                DecompressBlockError::ExecuteSequencesError(_),
            )) => BLOCK_LIMIT,
            _ => 0,
        };
        let wanted = BlockDecodingStrategy::UptoBlocks(1);
        let closed = self.decoder.decode_blocks(&LAST_BLOCK[..], wanted);
        self.left = match closed {
            Ok(_) => self.decoder.can_collect().saturating_sub(doubtful),
            Err(_) => 0,
        };
        let ended = self.source.fill_buf().is_ok_and(<[u8]>::is_empty);
        self.failed = Some(match ended {
            true => damaged("the file ends inside a Zstandard block"),
            false => damaged(error),
        });
    }

    /// What the decoder held when it failed, then the error.
    fn rest(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let wanted = self.left.min(buffer.len());
        let part = buffer.get_mut(..wanted).unwrap_or_default();
        let count = self.decoder.read(part)?;
        self.left = self.left.saturating_sub(count);
        if count > 0 {
            return Ok(count);
        }
        let error = self.failed.as_ref().map(ToString::to_string);
        Err(damaged(error.unwrap_or_default()))
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            if self.failed.is_some() {
                return self.rest(buffer);
            }
            if !self.in_frame && !self.next_frame()? {
                return Ok(0);
            }
            while self.decoder.can_collect() == 0 && !self.decoder.is_finished() {
                let wanted = BlockDecodingStrategy::UptoBlocks(1);
                if let Err(error) = self.decoder.decode_blocks(&mut self.source, wanted) {
                    self.fail(&error);
                    return self.rest(buffer);
                }
            }
            let count = self.decoder.read(buffer)?;
            if count > 0 {
                return Ok(count);
            }
            self.end_frame()?;
        }
    }
}
