//! xz (`xz-file-format.txt` of XZ Utils) and LZMA alone (`lzma-file-format.txt`), by liblzma.

use liblzma::stream::{Action, Error, Status, Stream};

use super::pushed::{Engine, Step};

/// Most memory that a stream may ask for: its dictionary and a little more. Linux and the tool take
/// dictionaries of up to 4 GiB; `xz -9` writes 64 MiB. The pages of a dictionary that is never
/// filled are never touched.
const MEMORY_LIMIT: u64 = (4 << 30) + (1 << 20);

/// An xz file: streams one behind the other.
pub(super) struct Streams(Result<Stream, Error>);

/// One LZMA stream.
pub(super) struct Alone(Result<Stream, Error>);

impl Streams {
    pub(super) fn new() -> Self {
        Self(Stream::new_stream_decoder(
            MEMORY_LIMIT,
            liblzma::stream::TELL_UNSUPPORTED_CHECK,
        ))
    }
}

impl Alone {
    pub(super) fn new() -> Self {
        Self(Stream::new_lzma_decoder(MEMORY_LIMIT))
    }
}

impl Engine for Streams {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        step(&mut self.0, input, output, "xz")
    }

    fn goes_on(&mut self, ahead: &[u8]) -> Result<bool, String> {
        if !matches!(ahead, [0xfd] | [0xfd, b'7', ..]) {
            return Ok(false);
        }
        *self = Self::new();
        Ok(true)
    }

    fn part(&self) -> &'static str {
        "an xz stream"
    }
}

impl Engine for Alone {
    fn step(&mut self, input: &[u8], output: &mut [u8]) -> Step {
        step(&mut self.0, input, output, "lzma")
    }

    fn goes_on(&mut self, _: &[u8]) -> Result<bool, String> {
        Ok(false)
    }

    fn part(&self) -> &'static str {
        "an lzma stream"
    }
}

fn step(stream: &mut Result<Stream, Error>, input: &[u8], output: &mut [u8], name: &str) -> Step {
    let stream = match stream {
        Ok(stream) => stream,
        Err(error) => {
            return Step {
                taken: 0,
                given: 0,
                ended: Err(format!("{name} decoder: {error}")),
            };
        }
    };
    let before = (stream.total_in(), stream.total_out());
    let result = stream.process(input, output, Action::Run);
    let moved = |from: u64, to: u64| usize::try_from(to.saturating_sub(from)).unwrap_or(usize::MAX);
    Step {
        taken: moved(before.0, stream.total_in()),
        given: moved(before.1, stream.total_out()),
        ended: match result {
            Ok(Status::StreamEnd) => Ok(true),
            Ok(_) => Ok(false),
            Err(error) => Err(said(error, name)),
        },
    }
}

fn said(error: Error, name: &str) -> String {
    match error {
        Error::Data => format!("{name} data is damaged"),
        Error::Options => format!("{name} header asks for what is not known"),
        Error::Format => format!("{name} header expected"),
        Error::MemLimit => format!("{name} dictionary is larger than 4 GiB"),
        Error::Mem => format!("no memory for the {name} dictionary"),
        Error::UnsupportedCheck => format!("{name} integrity check is of an unknown kind"),
        other => format!("{name} decoder: {other}"),
    }
}
