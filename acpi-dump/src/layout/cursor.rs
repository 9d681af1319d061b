//! Where the engine stands in a table. It reads fields into the current section, never runs past
//! the end of the structure, and makes no more rows than the table has bytes to pay for.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use super::section::{Row, Section, Value};
use super::spec::{Field, Kind};
use super::value::{GAS, fill, gas_words, number};
use crate::finding::Finding;
use crate::table::Table;

/// Structures inside structures; real tables have five levels.
const DEPTH: usize = 16;

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
        // A table that has used up its rows is at its end.
        if self.budget == 0 {
            0
        } else {
            self.end.saturating_sub(self.at)
        }
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

    /// Text of 16-bit characters, at most what is left.
    pub fn utf16(&mut self, name: &'static str, length: usize) {
        let bytes = self.bytes();
        self.raw(name, length);
        let units = bytes.get(..length.min(bytes.len())).unwrap_or_default().chunks_exact(2);
        let units = units.map(|unit| u16::try_from(number(unit)).unwrap_or(0));
        let text = char::decode_utf16(units.take_while(|unit| *unit != 0));
        let text = text.map(|unit| unit.ok().filter(|unit| !unit.is_control()).unwrap_or('.'));
        if let Some(row) = self
            .section
            .rows
            .last_mut()
            .filter(|row| matches!(row.value, Value::Bytes(_)))
        {
            row.value = Value::Text(text.collect());
        }
    }

    /// Say in words what the row read last means.
    pub fn say(&mut self, words: String) {
        if let Some(row) = self.section.rows.last_mut() {
            row.words = Some(words);
        }
    }

    /// Go on at an offset of the table that a field states; what is passed over is kept as bytes
    /// and is a finding, as is an offset that lies behind or outside.
    pub fn skip_to(&mut self, offset: usize) {
        match offset.checked_sub(self.at) {
            Some(0) => {}
            Some(length) if offset <= self.end => {
                self.finding(
                    self.at,
                    format!("structure at {offset:#x}"),
                    format!("{length} bytes before it"),
                );
                self.raw("Further bytes", length);
            }
            _ => self.finding(
                self.at,
                format!("offset between {:#x} and {:#x}", self.at, self.end),
                format!("{offset:#x}"),
            ),
        }
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
