//! FILE_IO: the target reads files of the debugger's machine, such as drivers to use in place of its own.
//!
//! A header of 64 bytes: API u32, status u32, then the fields of the API at 8. A path in UTF-16 follows a
//! request to open; data follows a read's answer and a write's request.

use super::Words;
use super::field::{Field, Show, bytes, count, joined, plain, status, u32};
use crate::kd::trace::Direction;

/// Length of the header.
const HEADER: usize = 64;

const OPEN: &[Field] = &[
    Field("access", 8, Show::Code),
    Field("attributes", 12, Show::Hex32),
    Field("share", 16, Show::Hex32),
    Field("disposition", 20, Show::Count),
    Field("options", 24, Show::Hex32),
];
const OPENED: &[Field] = &[Field("handle", 32, Show::Hex64), Field("length", 40, Show::Count64)];
const TRANSFER: &[Field] = &[
    Field("handle", 8, Show::Hex64),
    Field("offset", 16, Show::Hex64),
    Field("count", 24, Show::Hex32),
];
const CLOSE: &[Field] = &[Field("handle", 8, Show::Hex64)];

/// A FILE_IO packet in words.
pub(super) fn words(direction: Direction, payload: &[u8]) -> Words {
    let Some(number) = u32(payload, 0) else {
        return Words::short("file request without a header");
    };
    let answer = direction == Direction::ToTarget;
    let (name, fields) = match (number, answer) {
        (0x3430, false) => ("open", OPEN),
        (0x3430, true) => ("open", OPENED),
        (0x3431, _) => ("read", TRANSFER),
        (0x3432, _) => ("write", TRANSFER),
        (0x3433, _) => ("close", CLOSE),
        _ => return Words::unknown(format!("file request {number:#06x}: {}", bytes(payload))),
    };
    let mut parts = Vec::new();
    let data = payload.get(HEADER..).unwrap_or_default();
    let code = u32(payload, 4).filter(|_| answer);
    parts.extend(code.map(status));
    if number == 0x3430 && !answer {
        parts.push(path(data));
    }
    if code.is_none_or(|code| code & 0x8000_0000 == 0) {
        parts.push(joined(fields, payload));
    }
    if number != 0x3430 && !data.is_empty() {
        parts.push(format!("{}: {}", count(data.len()), bytes(data)));
    }
    Words {
        short: payload.len() < HEADER,
        ..Words::new(format!("file {name} {}", parts.join(", ")))
    }
}

fn path(data: &[u8]) -> String {
    let (units, _) = data.as_chunks::<2>();
    let units = units
        .iter()
        .map(|unit| u16::from_le_bytes(*unit))
        .take_while(|unit| *unit != 0);
    let text = char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER));
    format!("\"{}\"", plain(text))
}
