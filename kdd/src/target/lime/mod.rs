//! LiME and AVML: ranges of physical memory, each behind a header of 32 bytes.
//!
//! The header is magic, version, first address, last address (inclusive), eight bytes of zero. LiME
//! (version 1, `EMiL`) has the bytes of the range behind it; AVML (version 2, `AVML`) has them in the
//! framing format of snappy, and behind them the length of the frames as 64-bit number. Follows LiME's
//! `src/lime.h` and AVML's `src/image.rs`. Neither knows registers.

mod avml;

use super::fields::{Fields, Found};
use super::{Capture, Container, Hints, Input, OpenError};
use crate::damage::Damage;
use crate::memory::address::PAGE;
use crate::memory::{Backing, Gpa, Segment, Source, Sparse};

/// Bytes of a header.
const HEADER: u64 = 32;

/// How the bytes of a range are stored.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Framed,
}

/// Whether a file begins with a range of one of the two.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    kind(Fields(head)).is_some()
}

fn kind(fields: Fields<'_>) -> Option<Kind> {
    match (&fields.array(0)?, fields.u32(4)?) {
        (b"EMiL", 1) => Some(Kind::Plain),
        (b"AVML", 2) => Some(Kind::Framed),
        _ => None,
    }
}

/// A range: how it is stored, its first address, its length.
#[derive(Clone, Copy)]
struct Range {
    kind: Kind,
    start: u64,
    length: u64,
}

fn range(source: &Source, at: u64) -> Option<Range> {
    let bytes: [u8; 32] = source.array(at)?;
    let fields = Fields(&bytes);
    let (start, last) = (fields.u64(8)?, fields.u64(16)?);
    Some(Range {
        kind: kind(fields)?,
        start,
        length: last.checked_sub(start)?.checked_add(1)?,
    })
}

/// Opens a file of ranges.
///
/// # Errors
/// When not even the first range can be told.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let source = &input.bytes;
    if range(source, 0).is_none() {
        let damage = Damage::file(
            "lime-header",
            0,
            "first and last address of a range",
            "last before first",
        );
        return Err(OpenError::Damaged {
            name: input.name.clone(),
            damage,
        });
    }
    let mut found = Found::default();
    let mut plain = Vec::new();
    let mut frames = avml::Frames::default();
    let mut ranges: u64 = 0;
    let mut at = 0;
    while at < source.len() {
        let Some(range) = range(source, at) else {
            let left = source.len().saturating_sub(at);
            found.push(Damage::file(
                "lime-header",
                at,
                "the header of a range",
                format!("{left} bytes that are none"),
            ));
            break;
        };
        ranges = ranges.saturating_add(1);
        let data = at.saturating_add(HEADER);
        let next = match range.kind {
            Kind::Plain => {
                plain.push(segment(range, data));
                end_of_plain(source, range, data, &mut found)
            }
            Kind::Framed => frames.range(source, range, data, &mut found),
        };
        match next {
            Some(next) if next > at => at = next,
            _ => break,
        }
    }
    let framed = !frames.is_empty();
    let (format, name) = if framed {
        ("avml", "AVML, version 2, snappy")
    } else {
        ("lime", "LiME, version 1")
    };
    let memory: Box<dyn crate::memory::PhysicalMemory> = if framed {
        Box::new(frames.finish(source.clone(), &plain, &mut found))
    } else {
        Box::new(Sparse::new(source.clone(), plain))
    };
    Ok(Capture {
        container: Container {
            format,
            description: format!("{name}, {ranges} ranges"),
            facts: Vec::new(),
        },
        memory,
        vcpus: Vec::new(),
        hints: Hints::default(),
        virtual_memory: None,
        damage: found.finish(),
    })
}

fn segment(range: Range, data: u64) -> Segment {
    Segment {
        start: Gpa(range.start),
        length: range.length,
        backing: Backing::File(data),
    }
}

/// Where the next header stands: right behind the range, or behind padding to a whole page.
fn end_of_plain(source: &Source, range: Range, data: u64, found: &mut Found) -> Option<u64> {
    let end = data.saturating_add(range.length);
    if end > source.len() {
        let expected = format!("{:#x} bytes of the range at {:#x}", range.length, range.start);
        let seen = format!("{:#x} before the file ends", source.len().saturating_sub(data));
        found.push(Damage::file("lime-range", data, expected, seen));
        return None;
    }
    let padded = data.saturating_add(range.length.checked_next_multiple_of(PAGE)?);
    let begins = |at: u64| self::range(source, at).is_some();
    if end < source.len() && !begins(end) && (padded == source.len() || begins(padded)) {
        return Some(padded);
    }
    Some(end)
}
