//! Buffers of resource descriptors as `ResourceTemplate`: ACPI 6.5, sections 6.4 and 19.6.
//!
//! A descriptor is shown in words only when the words say every bit of it: reserved bits are zero
//! and lengths and offsets are those that a compiler computes. Otherwise the buffer stays bytes.

mod address;
mod connection;
mod pin;
mod small;

use super::text;
use crate::bytes::u16_at;

/// The lines of a template, or `None` when the bytes are no template or not exactly what the
/// words compile to. `tags` counts the names given so far.
///
/// A range of zeros gets a name: without one a compiler takes it for a mistake, with one for a
/// place that is filled in later. Names leave no trace in the bytes.
pub(super) fn template(bytes: &[u8], tags: &mut usize) -> Option<Vec<String>> {
    let mut given = *tags;
    let lines = lines(bytes, &mut given)?;
    *tags = given;
    Some(lines)
}

fn lines(bytes: &[u8], tags: &mut usize) -> Option<Vec<String>> {
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
                let words = words(tag, body, &tag_name(tag, body, tags))?;
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
    words(tag, body, "").filter(|words| ended && !words.contains('\n'))
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

/// `_Y00` and so on for a range of zeros, empty for anything else.
fn tag_name(tag: u8, body: &[u8], tags: &mut usize) -> String {
    let range = match tag {
        // Flags in front; the alignment of a small one does not count.
        0x08 => body.get(1..5).into_iter().chain(body.get(6..)).collect::<Vec<_>>(),
        0x81 => body.get(1..5).into_iter().chain(body.get(7..)).collect(),
        0x85 => body.get(1..9).into_iter().chain(body.get(13..)).collect(),
        // Granularity, least, most and length; the translation does not count.
        0x87 => body.get(3..15).into_iter().chain(body.get(19..23)).collect(),
        0x88 => body.get(3..9).into_iter().chain(body.get(11..13)).collect(),
        0x8a => body.get(3..27).into_iter().chain(body.get(35..43)).collect(),
        _ => return String::new(),
    };
    let name = format!("_Y{:02X}", *tags);
    if range.into_iter().flatten().any(|byte| *byte != 0) || name.len() > 4 {
        return String::new();
    }
    *tags = tags.saturating_add(1);
    name
}

fn words(tag: u8, body: &[u8], name: &str) -> Option<String> {
    match tag {
        0x04 => small::irq(body),
        0x05 => small::dma(body),
        0x08 => small::io(body, name),
        0x09 => small::fixed_io(body),
        0x0a => small::fixed_dma(body),
        0x0e => small::vendor("VendorShort", body),
        0x81 => small::memory24(body, name),
        0x82 => small::register(body),
        0x84 => small::vendor("VendorLong", body),
        0x85 => small::memory32(body, name),
        0x86 => small::memory32_fixed(body),
        0x87 => address::space(body, address::Width::DWord, name),
        0x88 => address::space(body, address::Width::Word, name),
        0x89 => address::interrupt(body),
        0x8a => address::space(body, address::Width::QWord, name),
        0x8b => address::space(body, address::Width::Extended, name),
        0x8c => connection::gpio(body),
        0x8d => pin::function(body),
        0x8e => connection::serial_bus(body),
        0x8f => pin::config(body),
        0x90 => pin::group(body),
        0x91 => pin::group_function(body),
        0x92 => pin::group_config(body),
        0x93 => pin::clock_input(body),
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

#[cfg(test)]
mod tests;
