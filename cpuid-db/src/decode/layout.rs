//! The lines of one leaf and subleaf with all but the values written: made once, used for every CPU.

use std::io::Write as _;
use std::ops::Range;

use super::titles::title;
use super::{Context, value};
use crate::bits::{Place, Register, Word};
use crate::database::{Database, Field, Kind};
use crate::leaf::{Registers, Subleaf};

/// Columns of the bits and of the id.
const BITS: usize = 12;
const ID: usize = 30;

/// What most leaves need: bytes of constant text, and lines.
const TEXT: usize = 8 << 10;
const LINES: usize = 128;

/// Lines of one leaf and subleaf.
pub(super) struct Layout {
    /// Everything constant, back to back.
    text: Vec<u8>,
    /// Behind the registers, in the line of the row.
    title: Range<usize>,
    /// `  0x00000007 0    `.
    place: Range<usize>,
    lines: Vec<Line>,
}

struct Line {
    register: Register,
    low: u8,
    mask: u32,
    /// What stands before the value.
    before: Range<usize>,
    /// `None`: bits no field names.
    field: Option<&'static Field>,
}

impl Layout {
    /// Resolves the rows of the table for a leaf and subleaf, in the memory of a layout that is done with.
    pub(super) fn new(
        database: &Database,
        context: &Context,
        (place, subleaf, beyond): (Place, Subleaf, bool),
        spare: Option<Self>,
    ) -> Self {
        let (mut text, mut lines) = spare.map_or_else(
            || (Vec::with_capacity(TEXT), Vec::with_capacity(LINES)),
            |spare| (spare.text, spare.lines),
        );
        text.clear();
        lines.clear();
        let title_at = push(&mut text, |text| {
            let words = if beyond {
                "beyond the maximum leaf"
            } else {
                title(place, subleaf.0)
            };
            text.extend_from_slice(words.as_bytes());
        });
        let place_at = push(&mut text, |text| push_place(text, place, subleaf));
        let mut layout = Self {
            text,
            title: title_at,
            place: place_at,
            lines,
        };
        for register in Register::ALL {
            if matches!(place, Place::Msr(_)) && matches!(register, Register::Ebx | Register::Ecx) {
                continue;
            }
            let word = Word {
                place,
                subleaf,
                register,
            };
            let mut fields: Vec<_> = if beyond {
                Vec::new()
            } else {
                context.fields(database, word).collect()
            };
            fields.sort_by_key(|field| field.low);
            layout.register(word, &fields);
        }
        layout
    }

    fn register(&mut self, word: Word, fields: &[&'static Field]) {
        let mut next = 0_u32;
        for field in fields {
            self.gap(word, next, u32::from(field.low));
            next = next.max(u32::from(field.high).saturating_add(1));
            self.line(word, field.low, field.high, Some(field));
        }
        self.gap(word, next, 32);
    }

    /// Bits `first..end` that no field names: one line for a whole register, else one for each bit.
    fn gap(&mut self, word: Word, first: u32, end: u32) {
        let (first, end) = (first.min(32) as u8, end.min(32) as u8);
        if (first, end) == (0, 32) {
            self.line(word, 0, 31, None);
        } else {
            for bit in first..end {
                self.line(word, bit, bit, None);
            }
        }
    }

    fn line(&mut self, word: Word, low: u8, high: u8, field: Option<&'static Field>) {
        let width = high.saturating_sub(low) & 31;
        let mask = (u32::MAX >> (31 - width)) << (low & 31);
        let start = self.text.len();
        self.text.extend_from_within(self.place.clone());
        let text = &mut self.text;
        let column = text.len();
        let (name, base) = match (word.place, word.register) {
            (Place::Leaf(_), register) => (register.name(), 0),
            (Place::Msr(_), Register::Edx) => ("bit", 32),
            (Place::Msr(_), _) => ("bit", 0),
        };
        text.extend_from_slice(name.as_bytes());
        text.push(b'[');
        if low != high {
            push_bit(text, high.saturating_add(base));
            text.push(b':');
        }
        push_bit(text, low.saturating_add(base));
        text.push(b']');
        pad(text, column, BITS);
        let column = text.len();
        text.extend_from_slice(field.map_or("reserved", |field| field.id).as_bytes());
        pad(text, column, ID);
        let before = start..text.len();
        self.lines.push(Line {
            register: word.register,
            low,
            mask,
            before,
            field,
        });
    }

    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.text.get(range.clone()).unwrap_or_default()
    }

    /// Writes the line of the row itself: its registers and what it is about.
    pub(super) fn write_head(&self, out: &mut Vec<u8>, place: Place, r: Registers) {
        out.extend_from_slice(self.part(&self.place).strip_prefix(b"  ").unwrap_or_default());
        if let Place::Msr(_) = place {
            push_hex(out, r.edx);
            push_hex(out, r.eax);
        } else {
            for register in Register::ALL {
                out.extend_from_slice(register.name().as_bytes());
                out.push(b' ');
                push_hex(out, register.of(r));
                out.push(b' ');
            }
        }
        out.push(b' ');
        out.extend_from_slice(self.part(&self.title));
        trim(out);
        out.push(b'\n');
    }

    /// Writes a line for each field, and for each set bit that none names.
    pub(super) fn write_fields(&self, out: &mut Vec<u8>, r: Registers, zero: bool) {
        for line in &self.lines {
            let raw = (line.register.of(r) & line.mask) >> (line.low & 31);
            let Some(field) = line.field else {
                if raw != 0 {
                    out.extend_from_slice(self.part(&line.before));
                    value::push_padded(out, raw, line.mask == u32::MAX);
                    out.push(b'\n');
                }
                continue;
            };
            if raw == 0 && (!zero || field.kind == Kind::Reserved) {
                continue;
            }
            out.extend_from_slice(self.part(&line.before));
            value::push_number(out, field, raw);
            out.extend_from_slice(b"   ");
            let start = out.len();
            out.push(b'(');
            if value::write_meaning(out, field, raw) {
                out.extend_from_slice(b") ");
            } else {
                out.truncate(start);
            }
            out.extend_from_slice(field.description.as_bytes());
            trim(out);
            out.push(b'\n');
        }
    }

    /// Writes a line for what several fields say together.
    pub(super) fn write_note(&self, out: &mut Vec<u8>, name: &str, value: &str) {
        out.extend_from_slice(self.part(&self.place));
        let start = out.len();
        out.push(b'=');
        pad(out, start, BITS);
        let start = out.len();
        out.extend_from_slice(name.as_bytes());
        pad(out, start, ID);
        out.extend_from_slice(b"             ");
        out.extend_from_slice(value.as_bytes());
        out.push(b'\n');
    }
}

fn push(text: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) -> Range<usize> {
    let start = text.len();
    write(text);
    start..text.len()
}

/// The number of a bit: below 64.
fn push_bit(text: &mut Vec<u8>, bit: u8) {
    if bit > 9 {
        text.push(b'0'.saturating_add(bit / 10));
    }
    text.push(b'0'.saturating_add(bit % 10));
}

/// Fills with blanks up to a width, at least one.
fn pad(text: &mut Vec<u8>, start: usize, width: usize) {
    text.push(b' ');
    let end = start.saturating_add(width);
    if text.len() < end {
        text.resize(end, b' ');
    }
}

fn trim(out: &mut Vec<u8>) {
    while out.last() == Some(&b' ') {
        out.pop();
    }
}

fn push_hex(out: &mut Vec<u8>, number: u32) {
    for shift in (0..8).rev() {
        let digit = number >> (shift * 4) & 0xf;
        out.push(char::from_digit(digit, 16).map_or(b'?', |digit| digit as u8));
    }
}

fn push_place(text: &mut Vec<u8>, place: Place, subleaf: Subleaf) {
    let start = text.len();
    let _ = match (place, subleaf.0) {
        (Place::Leaf(leaf), 0..=9) => write!(text, "  0x{leaf:08x} {}", subleaf.0),
        (Place::Leaf(leaf), _) => write!(text, "  0x{leaf:08x} {:#x}", subleaf.0),
        (Place::Msr(index), _) => write!(text, "  msr {index:#x}"),
    };
    pad(text, start, 18);
}
