//! Where the engine stands in a table. It reads fields into the current section, never runs past
//! the end of the structure, and makes no more rows than the table has bytes to pay for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::section::{BitRow, Row, Section, Value};
use super::spec::{BitField, Field, Kind, Names, one_of};
use crate::finding::Finding;
use crate::header::printable;
use crate::table::Table;

/// Structures inside structures; real tables have five levels.
const DEPTH: usize = 16;

/// Address spaces of a Generic Address Structure: ACPI 6.5, table 5.1.
const SPACES: Names = &[
    (0, "system memory"),
    (1, "system I/O"),
    (2, "PCI configuration"),
    (3, "embedded controller"),
    (4, "SMBus"),
    (5, "system CMOS"),
    (6, "PCI BAR target"),
    (7, "IPMI"),
    (8, "general-purpose I/O"),
    (9, "generic serial bus"),
    (10, "platform communications channel"),
    (11, "platform runtime mechanism"),
    (0x7f, "functional fixed hardware"),
];

const ACCESS: Names = &[(0, "undefined"), (1, "byte"), (2, "word"), (3, "dword"), (4, "qword")];

const GAS: &[Field] = &[
    one_of("Address space", 1, SPACES),
    super::spec::dec("Register bit width", 1),
    super::spec::dec("Register bit offset", 1),
    one_of("Access size", 1, ACCESS),
    super::spec::hex("Address", 8),
];

/// Where the engine stands in a table: it reads fields into the current section and never runs past `end`.
#[derive(Debug)]
pub struct Cursor<'a> {
    /// The table.
    pub table: &'a Table,
    /// Next byte.
    pub at: usize,
    /// Byte behind the structure that is being read.
    pub end: usize,
    /// Section that rows go to.
    pub section: Section,
    /// Damage met so far.
    pub findings: Vec<Finding>,
    /// Rows and sections that may still be made.
    budget: usize,
    depth: usize,
    /// Ranges that a damaged dump did not give, sorted and apart.
    gaps: Vec<Range<usize>>,
    /// Structures that were read at a stated offset: start and end.
    covered: BTreeMap<usize, usize>,
    visited: BTreeSet<(usize, usize)>,
}

impl<'a> Cursor<'a> {
    /// At the first byte of a table.
    #[must_use]
    pub fn new(table: &'a Table) -> Self {
        let length = table.bytes.len();
        Self {
            table,
            at: 0,
            end: length,
            section: Section {
                length,
                ..Section::default()
            },
            findings: Vec::new(),
            budget: length.saturating_mul(2).saturating_add(64),
            depth: 0,
            gaps: merged(&table.missing),
            covered: BTreeMap::new(),
            visited: BTreeSet::new(),
        }
    }

    /// Bytes that the structure still has.
    #[must_use]
    pub fn left(&self) -> usize {
        self.end.saturating_sub(self.at)
    }

    /// Those bytes.
    #[must_use]
    pub fn bytes(&self) -> &'a [u8] {
        self.table.bytes.get(self.at..self.end).unwrap_or_default()
    }

    /// Number of `width` bytes at an offset of the table; `None` behind the structure or in a gap.
    #[must_use]
    pub fn peek(&self, at: usize, width: u8) -> Option<u64> {
        let end = at.checked_add(width.into()).filter(|end| *end <= self.end)?;
        let bytes = self.table.bytes.get(at..end)?;
        (width <= 8 && !self.is_missing(&(at..end))).then(|| number(bytes))
    }

    /// Row already read under this name, looking at the current section only.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.section.row(name)
    }

    /// Number already read under this name in the current section.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<u64> {
        self.section.number(name)
    }

    /// The same as a count or an offset.
    #[must_use]
    pub fn size(&self, name: &str) -> Option<usize> {
        usize::try_from(self.value(name)?).ok()
    }

    /// Note damage at an offset of the table.
    pub fn finding(&mut self, offset: usize, expected: impl Into<String>, seen: impl Into<String>) {
        // As many findings as bytes say enough.
        if self.findings.len() <= self.table.bytes.len() {
            self.findings.push(Finding::new(offset, expected, seen));
        }
    }

    /// Go to an offset of the table inside the current structure.
    pub fn seek(&mut self, offset: usize) {
        self.at = offset.clamp(self.section.offset, self.end);
    }

    /// Read fields; whether all of them were there.
    pub fn fields(&mut self, fields: &[Field]) -> bool {
        for field in fields {
            if self.left() == 0 {
                return false;
            }
            self.field(field);
        }
        true
    }

    /// Read one field; its number, where it is one and all its bytes are there. Behind the end of
    /// the structure there is no row.
    pub fn field(&mut self, field: &Field) -> Option<u64> {
        self.field_named(field, field.name)
    }

    /// As [`Self::field`], under another name.
    pub fn field_named(&mut self, field: &Field, name: &str) -> Option<u64> {
        let length = field.kind.length();
        let fits = length <= self.left();
        if self.left() == 0 || length == 0 || !self.spend() {
            return None;
        }
        if matches!(field.kind, Kind::Gas) && fits {
            self.gas(name);
            return None;
        }
        let range = self.at..self.at.saturating_add(length.min(self.left()));
        let bytes = self.table.bytes.get(range.clone()).unwrap_or_default();
        let mut row = Row {
            offset: self.at,
            length: range.len(),
            name: name.to_owned(),
            value: Value::Missing,
            words: None,
            bits: Vec::new(),
            reserved: matches!(field.kind, Kind::Reserved(_)),
        };
        if !fits {
            let expected = format!("{length} bytes of {name}");
            self.finding(self.at, expected, format!("{} bytes", range.len()));
        } else if !self.is_missing(&range) {
            fill(&mut row, &field.kind, bytes);
        }
        let value = row.value.number();
        self.section.rows.push(row);
        self.at = range.end;
        value
    }

    /// Number of one byte.
    pub fn u8(&mut self, name: &'static str) -> Option<u64> {
        self.field(&super::spec::hex(name, 1))
    }

    /// Number of two bytes.
    pub fn u16(&mut self, name: &'static str) -> Option<u64> {
        self.field(&super::spec::hex(name, 2))
    }

    /// Number of four bytes.
    pub fn u32(&mut self, name: &'static str) -> Option<u64> {
        self.field(&super::spec::hex(name, 4))
    }

    /// Number of eight bytes.
    pub fn u64(&mut self, name: &'static str) -> Option<u64> {
        self.field(&super::spec::hex(name, 8))
    }

    /// The same field `count` times, called `name[0]`, `name[1]`; fewer where the structure ends.
    pub fn array(&mut self, field: &Field, count: usize) {
        let start = self.at;
        let mut index = 0;
        while index < count && self.left() > 0 && self.budget > 0 {
            self.field_named(field, &format!("{}[{index}]", field.name));
            index = index.saturating_add(1);
        }
        if index < count {
            self.finding(start, format!("{count} of {}", field.name), format!("room for {index}"));
        }
    }

    /// Raw bytes, at most what is left.
    pub fn raw(&mut self, name: &'static str, length: usize) {
        self.field(&super::spec::raw(name, length.min(self.left())));
    }

    /// Text, at most what is left.
    pub fn text(&mut self, name: &'static str, length: usize) {
        self.field(&super::spec::text(name, length.min(self.left())));
    }

    /// Text with a zero byte behind it; without one, all that is left.
    pub fn zero_ended(&mut self, name: &'static str) {
        let zero = self.bytes().iter().position(|byte| *byte == 0);
        self.text(name, zero.map_or(usize::MAX, |zero| zero.saturating_add(1)));
    }

    /// A structure inside this one, from here up to `end`. What `body` leaves unread is kept as
    /// bytes and is a finding; reading goes on at `end`.
    pub fn nested(&mut self, title: impl Into<String>, end: usize, body: impl FnOnce(&mut Self)) {
        let end = end.clamp(self.at, self.end);
        if !self.spend() {
            self.at = end;
            return;
        }
        let section = Section {
            title: title.into(),
            offset: self.at,
            length: end.saturating_sub(self.at),
            ..Section::default()
        };
        let outer = std::mem::replace(&mut self.section, section);
        let outer_end = std::mem::replace(&mut self.end, end);
        self.depth = self.depth.saturating_add(1);
        if self.depth <= DEPTH {
            body(self);
        }
        self.leftover();
        self.depth = self.depth.saturating_sub(1);
        let section = std::mem::replace(&mut self.section, outer);
        self.section.sections.push(section);
        self.at = end;
        self.end = outer_end;
    }

    /// A structure of `length` bytes at an offset of the table, inside this structure or not; a
    /// finding where the table does not hold it. Reading goes on where it was. The same offset
    /// and length are read once only; whether they were now.
    pub fn jump(
        &mut self,
        title: impl Into<String>,
        offset: usize,
        length: usize,
        body: impl FnOnce(&mut Self),
    ) -> bool {
        let title = title.into();
        let whole = self.table.bytes.len();
        let Some(end) = offset.checked_add(length).filter(|end| *end <= whole) else {
            let seen = format!("offset {offset:#x}, length {length:#x}");
            self.finding(self.section.offset, format!("{title} inside the table"), seen);
            return false;
        };
        if length == 0 || !self.visited.insert((offset, length)) {
            return false;
        }
        let old_end = self.covered.get(&offset).copied().unwrap_or(0);
        self.covered.insert(offset, end.max(old_end));
        let (at, outer_end) = (self.at, self.end);
        (self.at, self.end) = (offset, whole);
        self.nested(title, end, body);
        (self.at, self.end) = (at, outer_end);
        true
    }

    /// Keep what nothing has read as bytes, with a finding for each piece.
    pub(super) fn leftover(&mut self) {
        let end = self.end;
        while self.at < end {
            let before = self.covered.range(..=self.at).next_back();
            if let Some((_, behind)) = before.filter(|(_, behind)| **behind > self.at) {
                self.at = (*behind).min(end);
                continue;
            }
            let next = self.covered.range(self.at..end).next().map_or(end, |(start, _)| *start);
            let length = next.saturating_sub(self.at);
            let zero = self
                .table
                .bytes
                .get(self.at..next)
                .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
            let seen = if zero { "bytes more, all zero" } else { "bytes more" };
            let expected = format!("end of {}", self.section.title);
            self.finding(self.at, expected, format!("{length} {seen}"));
            if self.field(&super::spec::raw("Further bytes", length)).is_none() && self.at < next {
                self.at = next;
            }
        }
    }

    /// Whether any byte of `range` is unknown.
    fn is_missing(&self, range: &Range<usize>) -> bool {
        let first = self.gaps.partition_point(|gap| gap.end <= range.start);
        self.gaps.get(first).is_some_and(|gap| gap.start < range.end)
    }

    /// Pay for a row or a section.
    pub(super) fn spend(&mut self) -> bool {
        match self.budget.checked_sub(1) {
            Some(0) => {
                let seen = "structures that overlap or repeat; the rest is not shown";
                self.finding(self.at, "each byte described once", seen);
                self.budget = 0;
                false
            }
            Some(left) => {
                self.budget = left;
                true
            }
            None => false,
        }
    }

    fn gas(&mut self, name: &str) {
        let end = self.at.saturating_add(12);
        self.nested(name, end, |cursor| {
            cursor.fields(GAS);
            cursor.section.words = gas_words(&cursor.section);
        });
    }
}

/// `system I/O 0xcf9, 8 bits, byte access`.
fn gas_words(section: &Section) -> Option<String> {
    let space = section.row("Address space")?;
    let address = section.number("Address")?;
    let width = section.number("Register bit width")?;
    let offset = section.number("Register bit offset")?;
    let access = section.row("Access size")?;
    if section.rows.iter().all(|row| row.value.is_zero()) {
        return Some("none".to_owned());
    }
    let mut words = match (space.value.number()?, &space.words) {
        // ACPI 6.5, table 5.1: device in bits 47:32, function in 31:16, offset in 15:0, on bus 0.
        (2, Some(space)) => format!(
            "{space} 00:{:02x}.{:x} offset {:#x}",
            address >> 32,
            address >> 16 & 0xffff,
            address & 0xffff
        ),
        (number, None) => format!("address space {number:#x} {address:#x}"),
        (_, Some(space)) => format!("{space} {address:#x}"),
    };
    words.push_str(&format!(", {width} bits"));
    if offset != 0 {
        words.push_str(&format!(" from bit {offset}"));
    }
    match (access.value.number()?, &access.words) {
        (0, _) => {}
        (_, Some(size)) => words.push_str(&format!(", {size} access")),
        (size, None) => words.push_str(&format!(", access size {size}")),
    }
    Some(words)
}

/// Put the bytes of a field into its row.
fn fill(row: &mut Row, kind: &Kind, bytes: &[u8]) {
    let width = u8::try_from(bytes.len()).unwrap_or(u8::MAX);
    let hex = |bytes| Value::Hex {
        value: number(bytes),
        bytes: width,
    };
    row.value = match kind {
        Kind::Decimal(_) => Value::Number(number(bytes)),
        Kind::Hex(_) => hex(bytes),
        Kind::Enum(_, names) => {
            row.words = named(names, number(bytes));
            Value::Number(number(bytes))
        }
        Kind::Flags(_, bits) => {
            row.bits = bits.iter().map(|bit| bit_row(bit, number(bytes))).collect();
            hex(bytes)
        }
        Kind::Bdf => {
            let value = number(bytes);
            row.words = Some(format!("{:02x}:{:02x}.{:x}", value >> 8, value >> 3 & 0x1f, value & 7));
            hex(bytes)
        }
        Kind::Text(_) => {
            let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
            Value::Text(printable(bytes.get(..end).unwrap_or_default()))
        }
        Kind::Guid => guid(bytes).map_or_else(|| Value::Bytes(bytes.to_vec()), Value::Guid),
        Kind::Reserved(length) if *length <= 8 => hex(bytes),
        Kind::Bytes(_) | Kind::Reserved(_) | Kind::Gas => Value::Bytes(bytes.to_vec()),
    };
}

fn bit_row(bit: &BitField, value: u64) -> BitRow {
    let mut row = BitRow {
        first: bit.first,
        count: bit.count,
        name: bit.name.to_owned(),
        value: 0,
        words: None,
    };
    row.value = (value & row.mask()).checked_shr(bit.first.into()).unwrap_or(0);
    row.words = named(bit.values, row.value);
    row
}

/// Name of a value.
fn named(names: Names, value: u64) -> Option<String> {
    let name = names.iter().find(|(number, _)| *number == value);
    name.map(|(_, name)| (*name).to_owned())
}

/// Little-endian number of up to eight bytes.
fn number(bytes: &[u8]) -> u64 {
    let low = bytes.iter().take(8).rev();
    low.fold(0, |value, byte| value << 8 | u64::from(*byte))
}

/// Text form of a GUID: the first three groups are little-endian.
fn guid(bytes: &[u8]) -> Option<String> {
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::new();
    for (place, index) in order.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02X}", bytes.get(index)?));
    }
    Some(text)
}

/// Ranges sorted and joined.
fn merged(ranges: &[Range<usize>]) -> Vec<Range<usize>> {
    let mut sorted = ranges.to_vec();
    sorted.sort_by_key(|range| range.start);
    let mut merged: Vec<Range<usize>> = Vec::new();
    for range in sorted {
        match merged.last_mut().filter(|last| last.end >= range.start) {
            Some(last) => last.end = last.end.max(range.end),
            None => merged.push(range),
        }
    }
    merged
}
