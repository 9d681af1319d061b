//! Recorded sessions: text that holds every byte of a line with its direction and time.
//!
//! The format is that of [`crate::kd::trace`], with more in the comments:
//!
//! ```text
//! # delid kdd record 1
//! # line serial
//! # session
//! # t=0.000312
//! H>T 69696969060000000000000000000000
//! # t=0.000419
//! T>H 69696969060000000000000000000000
//! ```
//!
//! `line` is `serial`, where bytes are a stream cut anywhere, or `datagram`, where each line of hexadecimal
//! digits is the decrypted body of one KDNET datagram. `session` begins a session with another debugger; `t` is
//! the time of the next bytes in seconds since the record's begin. Text without these comments is a record of a serial line with one session.

use std::fmt::Write as _;
use std::io::{self, Write};
use std::time::Duration;

use crate::kd::session::Line;
use crate::kd::trace::{Direction, piece};

mod replay;

pub use replay::{Difference, Replay, replay};

/// First line of a record.
const TITLE: &str = "# delid kdd record 1";

/// Writes a record.
pub struct Recorder<'a> {
    out: &'a mut dyn Write,
    text: String,
    failed: Option<io::Error>,
    over: bool,
}

impl<'a> Recorder<'a> {
    /// A recorder of a line.
    pub fn new(out: &'a mut dyn Write, line: Line) -> Self {
        let line = match line {
            Line::Serial => "serial",
            Line::Datagram => "datagram",
        };
        let mut recorder = Self {
            out,
            text: format!("{TITLE}\n# line {line}\n"),
            failed: None,
            over: false,
        };
        recorder.write();
        recorder
    }

    /// A session begins.
    pub fn session(&mut self) {
        self.text.push_str("# session\n");
        self.write();
    }

    /// Bytes of the debugger, `now` after the record's begin.
    pub fn to_target(&mut self, bytes: &[u8], now: Duration) {
        self.bytes(Direction::ToTarget, bytes, now);
    }

    /// Bytes of the target.
    pub fn to_host(&mut self, bytes: &[u8], now: Duration) {
        self.bytes(Direction::ToHost, bytes, now);
    }

    /// Why nothing is recorded any more; said once.
    pub fn failed(&mut self) -> Option<String> {
        self.failed.take().map(|error| error.to_string())
    }

    fn bytes(&mut self, direction: Direction, bytes: &[u8], now: Duration) {
        if self.over {
            return;
        }
        let (seconds, micros) = (now.as_secs(), now.subsec_micros());
        let _ = write!(self.text, "# t={seconds}.{micros:06}\n{} ", direction.text());
        for byte in bytes {
            let _ = write!(self.text, "{byte:02x}");
        }
        self.text.push('\n');
        self.write();
    }

    fn write(&mut self) {
        if self.over {
            return;
        }
        if let Err(error) = self.out.write_all(self.text.as_bytes()).and_then(|()| self.out.flush()) {
            self.failed = Some(error);
            self.over = true;
        }
        self.text.clear();
    }
}

/// Bytes of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// Which way.
    pub direction: Direction,
    /// Time since the begin of the record, where it tells.
    pub time: Option<Duration>,
    /// Line in the text, from 1.
    pub line: usize,
    /// The bytes.
    pub bytes: Vec<u8>,
}

/// A record that was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// What kind of line was recorded.
    pub line: Line,
    /// Sessions, each with its pieces in order.
    pub sessions: Vec<Vec<Piece>>,
    /// Lines that could not be read, from 1.
    pub bad_lines: Vec<usize>,
}

/// Reads a record.
#[must_use]
pub fn read(text: &[u8]) -> Record {
    let mut record = Record {
        line: Line::Serial,
        sessions: vec![Vec::new()],
        bad_lines: Vec::new(),
    };
    let mut time = None;
    for (line, text) in (1..).zip(text.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii)) {
        if let Some(comment) = text.strip_prefix(b"#") {
            comment_line(comment.trim_ascii(), &mut record, &mut time);
        } else if let Some((direction, bytes)) = piece(text) {
            let time = time.take();
            let piece = Piece {
                direction,
                time,
                line,
                bytes,
            };
            if let Some(session) = record.sessions.last_mut() {
                session.push(piece);
            }
        } else if !text.is_empty() {
            record.bad_lines.push(line);
        }
    }
    record
}

fn comment_line(comment: &[u8], record: &mut Record, time: &mut Option<Duration>) {
    match comment {
        b"line datagram" => record.line = Line::Datagram,
        b"session" if record.sessions.last().is_some_and(|session| !session.is_empty()) => {
            record.sessions.push(Vec::new());
        }
        _ => {
            let seconds = comment.strip_prefix(b"t=").and_then(|text| str::from_utf8(text).ok());
            let seconds = seconds.and_then(|text| text.parse().ok());
            *time = seconds
                .and_then(|seconds| Duration::try_from_secs_f64(seconds).ok())
                .or(*time);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_recorded_is_read() {
        let mut out = Vec::new();
        let mut recorder = Recorder::new(&mut out, Line::Datagram);
        recorder.session();
        recorder.to_target(&[0x62], Duration::from_micros(1_000_042));
        recorder.to_host(&[0xde, 0xad], Duration::from_secs(3));
        recorder.session();
        recorder.to_target(&[1], Duration::ZERO);
        assert_eq!(recorder.failed(), None);
        let record = read(&out);
        assert_eq!(
            (record.line, record.sessions.len(), record.bad_lines.len()),
            (Line::Datagram, 2, 0)
        );
        let first = &record.sessions[0];
        assert_eq!(first[0].time, Some(Duration::from_micros(1_000_042)));
        assert_eq!(
            (first[1].direction, &first[1].bytes[..]),
            (Direction::ToHost, &[0xde, 0xad][..])
        );
        assert_eq!(record.sessions[1][0].bytes, [1]);
        let trace = crate::kd::trace::read(&out);
        assert!(trace.bad_lines.is_empty());
    }

    #[test]
    fn text_without_comments_is_one_serial_session() {
        let record = read(b"H>T 62\nT>H 6\nT>H 00\n");
        assert_eq!((record.line, record.sessions.len()), (Line::Serial, 1));
        assert_eq!(
            record.sessions[0].iter().map(|piece| piece.line).collect::<Vec<_>>(),
            [1, 3]
        );
        assert_eq!(record.bad_lines, [2]);
    }

    #[test]
    fn record_ends_at_the_first_failed_write_and_says_so_once() {
        struct Full;
        impl Write for Full {
            fn write(&mut self, _: &[u8]) -> io::Result<usize> {
                Err(io::Error::other("full"))
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut full = Full;
        let mut recorder = Recorder::new(&mut full, Line::Serial);
        recorder.to_host(&[1], Duration::ZERO);
        assert_eq!(recorder.failed().as_deref(), Some("full"));
        recorder.to_host(&[1], Duration::ZERO);
        assert_eq!(recorder.failed(), None);
    }
}
