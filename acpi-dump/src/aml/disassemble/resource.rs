//! Buffers of resource descriptors as `ResourceTemplate`: ACPI 6.5, sections 6.4 and 19.6.
//!
//! A descriptor is shown in words only when the words say every bit of it: reserved bits are zero
//! and lengths and offsets are those that a compiler computes. Otherwise the buffer stays bytes.

mod address;
mod connection;
mod small;

use super::text;
use crate::bytes::u16_at;

/// The lines of a template, or `None` when the bytes are no template or not exactly what the
/// words compile to.
pub(super) fn template(bytes: &[u8]) -> Option<Vec<String>> {
    // The end tag, whose checksum a compiler leaves zero.
    let mut rest = bytes.strip_suffix(&[0x79, 0])?;
    let mut lines = Vec::new();
    let mut dependent = false;
    while !rest.is_empty() {
        let (tag, body, next) = item(rest)?;
        rest = next;
        if dependent && matches!(tag, 0x06 | 0x07) {
            lines.push("}".to_owned());
        }
        match tag {
            0x06 => {
                lines.push(small::start_dependent(body)?);
                lines.push("{".to_owned());
                dependent = true;
            }
            // It ends an alternative, of which one must be open.
            0x07 => {
                (dependent && body.is_empty()).then_some(())?;
                dependent = false;
                lines.push("EndDependentFn ()".to_owned());
            }
            _ => {
                let indent = if dependent { "    " } else { "" };
                let words = words(tag, body)?;
                lines.extend(words.lines().map(|line| format!("{indent}{line}")));
            }
        }
    }
    // A compiler writes the braces itself: an alternative without an end has no words.
    (!dependent).then_some(lines)
}

/// As [`template`], for the one descriptor of a connection.
pub(super) fn single(bytes: &[u8]) -> Option<String> {
    let (tag, body, rest) = item(bytes)?;
    let ended = rest.is_empty() || rest == [0x79, 0];
    words(tag, body).filter(|words| ended && !words.contains('\n'))
}

/// Tag of the first descriptor (0x80 set for a large one), its bytes, and what follows.
fn item(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (tag, length, rest) = if first & 0x80 == 0 {
        (first >> 3, usize::from(first & 7), rest)
    } else {
        (*first, usize::from(u16_at(rest, 0)?), rest.get(2..)?)
    };
    let (body, rest) = rest.split_at_checked(length)?;
    Some((tag, body, rest))
}

fn words(tag: u8, body: &[u8]) -> Option<String> {
    match tag {
        0x04 => small::irq(body),
        0x05 => small::dma(body),
        0x08 => small::io(body),
        0x09 => small::fixed_io(body),
        0x0a => small::fixed_dma(body),
        0x0e => small::vendor("VendorShort", body),
        0x81 => small::memory24(body),
        0x82 => small::register(body),
        0x84 => small::vendor("VendorLong", body),
        0x85 => small::memory32(body),
        0x86 => small::memory32_fixed(body),
        0x87 => address::space(body, address::Width::DWord),
        0x88 => address::space(body, address::Width::Word),
        0x89 => address::interrupt(body),
        0x8a => address::space(body, address::Width::QWord),
        0x8b => address::space(body, address::Width::Extended),
        0x8c => connection::gpio(body),
        0x8d => connection::pin_function(body),
        0x8e => connection::serial_bus(body),
        _ => None,
    }
}

/// The word of a value.
fn pick<const N: usize>(words: [&'static str; N], value: impl TryInto<usize>) -> Option<&'static str> {
    words.get(value.try_into().ok()?).copied()
}

fn share(value: impl TryInto<usize>) -> Option<&'static str> {
    pick(["Exclusive", "Shared", "ExclusiveAndWake", "SharedAndWake"], value)
}

/// Bytes between braces.
fn byte_list(bytes: &[u8]) -> String {
    let list: Vec<String> = bytes.iter().map(|byte| format!("{byte:#04X}")).collect();
    match list.is_empty() {
        true => "{ }".to_owned(),
        false => format!("{{ {} }}", list.join(", ")),
    }
}

/// A string with its final zero and no other, in quotes.
fn string(bytes: &[u8]) -> Option<String> {
    let text = bytes.strip_suffix(&[0])?;
    text.iter().all(|byte| matches!(byte, 0x20..=0x7e)).then_some(())?;
    let mut quoted = String::new();
    text::quoted(&mut quoted, text);
    Some(quoted)
}
