//! DEBUG_IO: text for the debugger's window, or a question for its user.
//!
//! API u32, processor level u16, processor u16; a print has the length of its text at 8, a question the
//! length of the prompt at 8 and of the answer at 12. Text stands at 16.

use super::Words;
use super::field::{bytes, quoted, u16, u32};
use crate::kd::trace::Direction;

/// A DEBUG_IO packet in words.
pub(super) fn words(direction: Direction, payload: &[u8]) -> Words {
    let Some(number) = u32(payload, 0) else {
        return Words::short("text without a header");
    };
    let text = payload.get(16..).unwrap_or_default();
    let first = u32(payload, 8)
        .and_then(|length| usize::try_from(length).ok())
        .unwrap_or(usize::MAX);
    let prompt = text.get(..first).unwrap_or(text);
    let processor = u16(payload, 6).map_or_else(String::new, |number| format!("cpu {number} "));
    let short = payload.len() < 16;
    let words = match (number, direction) {
        (0x3230, _) => format!("{processor}prints {}", quoted(prompt)),
        (0x3231, Direction::ToTarget) => format!("answer {}", quoted(text)),
        (0x3231, _) => {
            let room = u32(payload, 12).unwrap_or(0);
            format!("{processor}asks {}, at most {room} bytes", quoted(prompt))
        }
        _ => return Words::unknown(format!("debug I/O {number:#06x}: {}", bytes(payload))),
    };
    Words {
        short,
        ..Words::new(words)
    }
}
