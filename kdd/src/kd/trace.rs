//! Captured serial traffic: raw bytes, or text with the direction of each piece.
//!
//! Text has lines `H>T <hex>` (debugger to target) and `T>H <hex>`; `#` begins a comment. Anything
//! else is taken as raw bytes, of one direction or of both as a line monitor mixed them.

use schemars::JsonSchema;
use serde::Serialize;

use crate::kd::packet::{Decoder, Event};

/// Which way bytes went.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub enum Direction {
    /// Debugger to target.
    #[serde(rename = "H>T")]
    ToTarget,
    /// Target to debugger.
    #[serde(rename = "T>H")]
    ToHost,
    /// Not known: raw bytes.
    #[serde(rename = "-")]
    Unknown,
}

impl Direction {
    /// Short form for lists.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::ToTarget => "H>T",
            Self::ToHost => "T>H",
            Self::Unknown => "-",
        }
    }
}

/// Events of a capture in the order in which they were complete; offsets count per direction.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// Events with their direction.
    pub events: Vec<(Direction, Event)>,
    /// Lines of a text capture that could not be read, from 1.
    pub bad_lines: Vec<usize>,
}

/// Cut a capture into events.
#[must_use]
pub fn read(bytes: &[u8]) -> Trace {
    if is_text(bytes) {
        read_text(bytes)
    } else {
        read_raw(bytes)
    }
}

fn read_raw(bytes: &[u8]) -> Trace {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    decoder.finish();
    let events = std::iter::from_fn(|| decoder.next_event()).map(|event| (Direction::Unknown, event));
    Trace {
        events: events.collect(),
        bad_lines: Vec::new(),
    }
}

/// The first line that is no comment names a direction.
pub(crate) fn is_text(bytes: &[u8]) -> bool {
    let mut lines = bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = lines.find(|line| !line.is_empty() && !line.starts_with(b"#"));
    first.is_some_and(|line| direction(line).is_some())
}

fn direction(line: &[u8]) -> Option<(Direction, &[u8])> {
    let toward = |prefix: &[u8], direction| line.strip_prefix(prefix).map(|rest| (direction, rest));
    toward(b"H>T ", Direction::ToTarget).or_else(|| toward(b"T>H ", Direction::ToHost))
}

fn read_text(bytes: &[u8]) -> Trace {
    let mut trace = Trace::default();
    let (mut to_target, mut to_host) = (Decoder::new(), Decoder::new());
    for (number, line) in bytes.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).enumerate() {
        if line.is_empty() || line.starts_with(b"#") {
            continue;
        }
        let Some((direction, piece)) = piece(line) else {
            trace.bad_lines.push(number.saturating_add(1));
            continue;
        };
        let decoder = if direction == Direction::ToTarget {
            &mut to_target
        } else {
            &mut to_host
        };
        decoder.push(&piece);
        trace
            .events
            .extend(std::iter::from_fn(|| decoder.next_event()).map(|event| (direction, event)));
    }
    for (direction, mut decoder) in [(Direction::ToTarget, to_target), (Direction::ToHost, to_host)] {
        decoder.finish();
        trace
            .events
            .extend(std::iter::from_fn(|| decoder.next_event()).map(|event| (direction, event)));
    }
    trace
}

/// Direction and bytes of a line of text.
pub(crate) fn piece(line: &[u8]) -> Option<(Direction, Vec<u8>)> {
    let (direction, text) = direction(line)?;
    Some((direction, hex(text)?))
}

fn hex(text: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| u8::try_from(char::from(byte).to_digit(16)?).ok();
    let (pairs, rest) = text.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    pairs
        .iter()
        .map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kd::packet::Damage;

    const RESET: &str = "69696969060000000000000000000000";

    #[test]
    fn directions_are_decoded_apart() {
        let (half, other) = RESET.split_at(6);
        let text = format!("# made by hand\nH>T {half}\nT>H {RESET}\nH>T {other}\nH>T 62\n");
        let trace = read(text.as_bytes());
        let directions: Vec<_> = trace.events.iter().map(|(direction, _)| direction.text()).collect();
        assert_eq!(
            (directions.join(" ").as_str(), trace.bad_lines.len()),
            ("T>H H>T H>T", 0)
        );
        assert!(matches!(trace.events[2].1, Event::BreakIn { offset: 16 }));
    }

    #[test]
    fn unreadable_lines_are_numbered() {
        let text = format!("H>T {RESET}\nnonsense\nT>H 6\nT>H zz\n");
        assert_eq!(read(text.as_bytes()).bad_lines, [2, 3, 4]);
    }

    #[test]
    fn raw_bytes_have_no_direction() {
        let trace = read(&[0x69, 0x69]);
        let (
            direction,
            Event::Damage {
                damage: Damage::Cut { seen: 2, .. },
                ..
            },
        ) = &trace.events[0]
        else {
            panic!("{trace:?}");
        };
        assert_eq!(*direction, Direction::Unknown);
    }
}
