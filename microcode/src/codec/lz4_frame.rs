//! lz4 frames (`lz4_Frame_format.md` of LZ4), the default of the `lz4` tool.

use std::io::{self, BufRead, Read};

use lz4_flex::frame::FrameDecoder;

use super::{damaged, peek};

/// Unpacks frame after frame.
pub(super) struct Frames<R: Read> {
    decoder: Option<FrameDecoder<R>>,
}

impl<R: BufRead> Frames<R> {
    pub(super) fn new(source: R) -> Self {
        Self {
            decoder: Some(FrameDecoder::new(source)),
        }
    }
}

impl<R: BufRead> Read for Frames<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(0) };
            match decoder.read(buffer).map_err(damaged)? {
                0 => {}
                count => return Ok(count),
            }
            let Some(mut source) = self.decoder.take().map(FrameDecoder::into_inner) else {
                return Ok(0);
            };
            if matches!(peek::<2>(&mut source)?, [4] | [4, 0x22]) {
                self.decoder = Some(FrameDecoder::new(source));
            }
        }
    }
}
