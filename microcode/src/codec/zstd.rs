//! Zstandard (RFC 8878): frames one behind the other, checksums verified.

use zstd_safe::{DCtx, DParameter, InBuffer, OutBuffer, ResetDirective, get_error_name};

use super::pushed::{Engine, Step};

/// Largest window: 2 GiB, what `zstd -d --long=31` takes. Linux takes 128 MiB.
const WINDOW_LOG: u32 = 31;

/// The frames of a stream.
pub(super) struct Frames {
    context: Option<DCtx<'static>>,
}

impl Frames {
    pub(super) fn new() -> Self {
        let context = DCtx::try_create().and_then(|mut context| {
            let set = context.set_parameter(DParameter::WindowLogMax(WINDOW_LOG));
            set.is_ok().then_some(context)
        });
        Self { context }
    }
}

impl Engine for Frames {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        let Some(context) = &mut self.context else {
            return Step {
                taken: 0,
                given: 0,
                ended: Err("no memory for a Zstandard decoder".to_owned()),
            };
        };
        let mut packed = InBuffer::around(input);
        let mut unpacked = OutBuffer::around(output);
        let result = context.decompress_stream(&mut unpacked, &mut packed);
        Step {
            taken: packed.pos(),
            given: unpacked.pos(),
            ended: match result {
                Ok(0) => Ok(true),
                Ok(_) => Ok(false),
                Err(code) => Err(format!("Zstandard frame: {}", get_error_name(code))),
            },
        }
    }

    fn goes_on(&mut self, ahead: &[u8]) -> Result<bool, String> {
        let frame = matches!(ahead, [0x28] | [0x28, 0xb5, ..]);
        let skipped = matches!(ahead, [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..]);
        if let Some(context) = &mut self.context {
            let _ = context.reset(ResetDirective::SessionOnly);
        }
        Ok(frame || skipped)
    }

    fn part(&self) -> &'static str {
        "a Zstandard frame"
    }
}
