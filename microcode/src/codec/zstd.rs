//! Zstandard (RFC 8878): frames one behind the other, checksums verified.
//!
//! The checksum of a frame can be left to another thread ([`Frames::with_sums`]): it takes a tenth of
//! the time. The decoder then sees frame headers without the flag that says that there is one.

use std::hash::Hasher;
use std::sync::mpsc::{Receiver, Sender};

use twox_hash::XxHash64;
use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::pushed::{Engine, Step};

/// Largest window: 2 GiB, what `zstd -d --long=31` takes. Linux takes 128 MiB.
const WINDOW_LOG: u32 = 31;

/// First bytes of a frame that is not to be skipped.
const MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bit of the byte behind them: a checksum follows the last block (section 3.1.1.1.1).
const CHECKSUM: u8 = 4;

/// Where in the unpacked bytes a frame ends, and the checksum that it has to have.
pub(super) struct Sum {
    end: u64,
    stored: u32,
}

/// The frames of a stream.
pub(super) struct Frames {
    context: Option<DCtx<'static>>,
    sums: Option<Sender<Sum>>,
    part: Part,
    unpacked: u64,
}

enum Part {
    Start,
    Blocks { has_sum: bool },
    Sum { bytes: [u8; 4], known: usize },
}

impl Frames {
    pub(super) fn new() -> Self {
        let context = DCtx::try_create().and_then(|mut context| {
            let set = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG));
            set.is_ok().then_some(context)
        });
        Self {
            context,
            sums: None,
            part: Part::Start,
            unpacked: 0,
        }
    }

    /// Frames whose checksums are verified by who has the other end of `sums`.
    pub(super) fn with_sums(sums: Sender<Sum>) -> Self {
        Self {
            sums: Some(sums),
            ..Self::new()
        }
    }

    /// Unpacks, and counts what comes out.
    fn blocks(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let Some(context) = &mut self.context else {
            return Step::failed("no memory for a Zstandard decoder");
        };
        let mut packed = InBuffer::around(input);
        let mut unpacked = OutBuffer::around(output);
        let result = context.decompress_stream(&mut unpacked, &mut packed);
        let given = unpacked.pos();
        self.unpacked = self.unpacked.saturating_add(u64::try_from(given).unwrap_or_default());
        Step {
            taken: packed.pos(),
            given,
            ended: match result {
                Ok(0) => Ok(true),
                Ok(_) => Ok(false),
                Err(code) => Err(format!("Zstandard frame: {}", get_error_name(code))),
            },
        }
    }

    /// Shows the decoder the start of a frame, without the flag when the checksum is not for it.
    fn start(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let head: Option<&[u8; 5]> = input.first_chunk().filter(|head| head.starts_with(&MAGIC));
        match head {
            Some([a, b, c, d, flags]) if self.sums.is_some() && flags & CHECKSUM != 0 => {
                self.part = Part::Blocks { has_sum: true };
                self.blocks(&[*a, *b, *c, *d, flags & !CHECKSUM], output)
            }
            _ => {
                self.part = Part::Blocks { has_sum: false };
                self.blocks(input, output)
            }
        }
    }
}

impl Engine for Frames {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let step = match &mut self.part {
            Part::Start => self.start(input, output),
            Part::Blocks { .. } => self.blocks(input, output),
            Part::Sum { bytes, known } => {
                let room = bytes.get_mut(*known..).unwrap_or_default();
                let taken = room.len().min(input.len());
                for (to, from) in room.iter_mut().zip(input) {
                    *to = *from;
                }
                *known = known.saturating_add(taken);
                let whole = *known == bytes.len();
                if whole && let Some(sums) = &self.sums {
                    let stored = u32::from_le_bytes(*bytes);
                    // Nobody takes it when nobody reads on.
                    let _ = sums.send(Sum {
                        end: self.unpacked,
                        stored,
                    });
                }
                Step {
                    taken,
                    given: 0,
                    ended: Ok(whole),
                }
            }
        };
        if let (Ok(true), Part::Blocks { has_sum: true }) = (&step.ended, &self.part) {
            self.part = Part::Sum {
                bytes: [0; 4],
                known: 0,
            };
            return Step {
                ended: Ok(false),
                ..step
            };
        }
        step
    }

    fn goes_on(&mut self, ahead: &[u8]) -> Result<bool, String> {
        let frame = matches!(ahead, [0x28] | [0x28, 0xb5, ..]);
        let skipped = matches!(ahead, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if let Some(context) = &mut self.context {
            let _ = context.reset(ResetDirective::SessionOnly);
        }
        self.part = Part::Start;
        Ok(frame || skipped)
    }

    fn part(&self) -> &'static str {
        "a Zstandard frame"
    }
}

/// Verifies the checksums of frames as their bytes are read.
pub(super) struct Verifier {
    sums: Receiver<Sum>,
    next: Option<Sum>,
    hash: XxHash64,
    position: u64,
}

impl Verifier {
    pub(super) fn new(sums: Receiver<Sum>) -> Self {
        Self {
            sums,
            next: None,
            hash: XxHash64::with_seed(0),
            position: 0,
        }
    }

    /// Takes the next bytes, none at the end of the stream. A checksum is there before the bytes of
    /// the frame behind it. When one is wrong: how many of the bytes belong to its frame, and what
    /// is wrong.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Result<(), (usize, String)> {
        let mut rest = bytes;
        loop {
            if self.next.is_none() {
                self.next = self.sums.try_recv().ok();
            }
            let until_end = match &self.next {
                Some(sum) => usize::try_from(sum.end.saturating_sub(self.position)).unwrap_or(usize::MAX),
                None => usize::MAX,
            };
            let (frame, behind) = rest.split_at_checked(until_end).unwrap_or((rest, &[]));
            self.hash.write(frame);
            self.position = self
                .position
                .saturating_add(u64::try_from(frame.len()).unwrap_or_default());
            rest = behind;
            let Some(sum) = self.next.take_if(|sum| sum.end <= self.position) else {
                return Ok(());
            };
            let [.., a, b, c, d] = self.hash.finish().to_be_bytes();
            let found = u32::from_be_bytes([a, b, c, d]);
            self.hash = XxHash64::with_seed(0);
            if found != sum.stored {
                let given = bytes.len().saturating_sub(rest.len());
                let stored = sum.stored;
                return Err((
                    given,
                    format!("Zstandard frame has xxHash {found:#010x}, expected {stored:#010x}"),
                ));
            }
        }
    }
}
