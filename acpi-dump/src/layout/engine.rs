//! From a table to sections of rows: common header, fields, what follows them.
//!
//! Damage never stops more than it must: a structure that runs past the end is read as far as it
//! goes, an entry of unknown type keeps its bytes, and only an entry whose length says nothing
//! ends its list.

use super::cursor::Cursor;
use super::section::{Row, Section, Value};
use super::spec::{Entries, EntryKind, Field, Length, Rest, TableLayout, dec, hex, text};
use super::{defs, registry};
use crate::bytes::u32_at;
use crate::finding::{Decoded, Finding};
use crate::header::{Checksum, Header, Signature, printable};
use crate::table::Table;

/// The common header: ACPI 6.5, table 5.4.
const HEADER: &[Field] = &[
    text("Signature", 4),
    dec("Length", 4),
    dec("Revision", 1),
    hex("Checksum", 1),
    text("OEM ID", 6),
    text("OEM table ID", 8),
    hex("OEM revision", 4),
    text("Creator ID", 4),
    hex("Creator revision", 4),
];

/// Shortest run of printable characters that is shown as text of an unknown table.
const SHORTEST_TEXT: usize = 6;

/// Give every byte of a table a name. Damage of the table as a whole (checksum, length) is in
/// [`Table::findings`] and not repeated here.
#[must_use]
pub fn decode(table: &Table) -> Decoded<Section> {
    decode_as(table, registry::find(table.signature.0))
}

/// Decode a Coherent Device Attribute Table, which a CXL device gives: it has a header of its own
/// and no signature. `None` when the bytes end inside the header.
#[must_use]
pub fn cdat(bytes: &[u8]) -> Option<Decoded<Section>> {
    let length = u32_at(bytes, 0).filter(|_| bytes.len() >= 16)?;
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    let used = bytes.get(..whole).unwrap_or(bytes);
    let table = Table {
        signature: Signature(*b"CDAT"),
        header: None,
        length,
        bytes: used.to_vec(),
        missing: Vec::new(),
        checksum: Checksum::of(used, *bytes.get(5)?),
        findings: Vec::new(),
    };
    let mut decoded = decode_as(&table, Some(&defs::cxl::CDAT));
    if used.len() < whole || bytes.len() > whole {
        let finding = Finding::new(0, format!("{whole} bytes of table"), format!("{} bytes", bytes.len()));
        decoded.findings.push(finding);
    }
    if let Checksum::Wrong { stored, expected } = table.checksum {
        let finding = Finding::new(5, format!("checksum {expected:#04x}"), format!("{stored:#04x}"));
        decoded.findings.push(finding);
    }
    Some(decoded)
}

fn decode_as(table: &Table, layout: Option<&TableLayout>) -> Decoded<Section> {
    let mut cursor = Cursor::new(table);
    cursor.section.title = match layout {
        Some(layout) => layout.name.to_owned(),
        None => format!("{} table", table.signature),
    };
    if table.header.is_some() {
        cursor.nested("Header", Header::LENGTH, |cursor| {
            cursor.fields(HEADER);
        });
    }
    match layout {
        Some(layout) => cursor.structure(layout.fields, layout.lengths, &layout.rest),
        None => cursor.unknown(),
    }
    cursor.leftover();
    Decoded {
        value: cursor.section,
        findings: cursor.findings,
    }
}

impl Cursor<'_> {
    /// Fields of the current section, then what follows them.
    fn structure(&mut self, fields: &[Field], lengths: &[usize], rest: &Rest) {
        let expected = self
            .at
            .saturating_add(total(fields))
            .saturating_sub(self.section.offset);
        let whole = self.fields(fields);
        let length = self.at.saturating_sub(self.section.offset);
        if !whole && !lengths.contains(&length) && !self.ends_inside_field() {
            let title = self.section.title.clone();
            self.finding(
                self.section.offset,
                format!("{expected} bytes of {title}"),
                format!("{length} bytes"),
            );
        }
        self.rest(rest);
    }

    /// Whether the last row was cut, which is a finding already.
    fn ends_inside_field(&self) -> bool {
        self.section.rows.last().is_some_and(|row| {
            row.value == Value::Missing && self.findings.last().is_some_and(|finding| finding.offset == row.offset)
        })
    }

    /// What follows the fields, up to the end of the structure.
    pub fn rest(&mut self, rest: &Rest) {
        match rest {
            Rest::None => {}
            Rest::Entries(entries) => self.entries(entries),
            Rest::Repeat(title, fields) => {
                while self.left() > 0 {
                    let end = self.at.saturating_add(total(fields).max(1));
                    self.nested(*title, end, |cursor| cursor.structure(fields, &[], &Rest::None));
                }
            }
            Rest::Array(field) => {
                let count = self.left().checked_div(field.kind.length()).unwrap_or(0);
                self.array(field, count);
            }
            Rest::Bytes(name) => self.raw(name, usize::MAX),
            Rest::Text(name) => self.text(name, usize::MAX),
            Rest::Code(code) => code(self),
        }
    }

    /// Entries up to the end of the structure.
    pub fn entries(&mut self, entries: &Entries) {
        while self.left() > 0 && self.entry(entries) {}
    }

    /// One entry; whether the place of the next one is known.
    pub fn entry(&mut self, entries: &Entries) -> bool {
        let start = self.at;
        let place = start.saturating_add(entries.kind_at.0);
        let number = self.peek(place, entries.kind_at.1);
        let kind = entries.kinds.iter().find(|kind| Some(kind.number) == number);
        let Some((number, length)) = number.zip(self.entry_length(entries, kind)) else {
            let expected = format!("{} with type and length", entries.noun);
            let seen = match number {
                Some(number) => format!("type {number:#x}, {} bytes to the end", self.left()),
                None => format!("{} bytes to the end", self.left()),
            };
            self.finding(start, expected, seen);
            self.raw("Unread bytes", usize::MAX);
            return false;
        };
        if length > self.left() {
            let expected = format!("at most {} bytes of {}", self.left(), entries.noun);
            self.finding(start, expected, format!("type {number:#x}, length {length}"));
        }
        let title = match kind {
            Some(kind) => kind.name.to_owned(),
            None => format!("{} of unknown type {number:#x}", entries.noun),
        };
        self.nested(title, start.saturating_add(length), |cursor| {
            cursor.fields(entries.head);
            if let Some(row) = cursor.section.rows.iter_mut().find(|row| row.offset == place) {
                row.words = row.words.take().or_else(|| kind.map(|kind| kind.name.to_owned()));
            }
            match kind {
                Some(kind) => cursor.structure(kind.fields, kind.lengths, &kind.rest),
                None => cursor.raw("Contents", usize::MAX),
            }
        });
        true
    }

    /// Length of the entry here; `None` when it says nothing or does not even cover the head.
    fn entry_length(&self, entries: &Entries, kind: Option<&EntryKind>) -> Option<usize> {
        let head = total(entries.head);
        let length = match entries.length {
            Length::At(at, width) => usize::try_from(self.peek(self.at.checked_add(at)?, width)?).ok()?,
            Length::Own => head.saturating_add(total(kind?.fields)),
            Length::By(length) => length(self.bytes())?,
        };
        (length >= head.max(1)).then_some(length)
    }

    /// A table that no layout describes: its bytes, and what in them can be read as text.
    fn unknown(&mut self) {
        let (start, bytes) = (self.at, self.bytes());
        self.raw("Contents", usize::MAX);
        let texts = texts(bytes, start);
        if texts.is_empty() {
            return;
        }
        let section = Section {
            title: "Text in the contents".to_owned(),
            offset: start,
            length: bytes.len(),
            rows: texts,
            ..Section::default()
        };
        self.section.sections.push(section);
    }
}

/// Length of fields in a row.
fn total(fields: &[Field]) -> usize {
    fields
        .iter()
        .fold(0, |sum: usize, field| sum.saturating_add(field.kind.length()))
}

/// Runs of printable ASCII.
fn texts(bytes: &[u8], start: usize) -> Vec<Row> {
    let mut rows = Vec::new();
    let mut at = start;
    for run in bytes.split_inclusive(|byte| !matches!(byte, 0x20..=0x7e)) {
        let text = run.strip_suffix(&[0]).unwrap_or(run);
        let text = match text.split_last() {
            Some((last, front)) if !matches!(last, 0x20..=0x7e) => front,
            _ => text,
        };
        if text.len() >= SHORTEST_TEXT {
            rows.push(Row {
                offset: at,
                length: text.len(),
                name: "Text".to_owned(),
                value: Value::Text(printable(text)),
                words: None,
                bits: Vec::new(),
                reserved: false,
            });
        }
        at = at.saturating_add(run.len());
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::spec::{bit, flags, gas, one_of};
    use crate::tables::testing::{hex as bytes_of, sdt};

    const KINDS: Entries = Entries {
        noun: "Thing",
        head: &[one_of("Type", 1, &[]), dec("Length", 1)],
        kind_at: (0, 1),
        length: Length::At(1, 1),
        kinds: &[
            EntryKind::new(
                0,
                "Lamp",
                &[dec("Colour", 2), flags("Flags", 1, &[bit(0, "On"), bit(2, "Hot")])],
            )
            .lengths(&[4]),
            EntryKind::new(1, "Address", &[gas("Register")]),
        ],
    };

    fn read(body: &str) -> Decoded<Section> {
        let table = Table::parse(&sdt(b"TEST", 1, &bytes_of(body))).unwrap();
        let mut cursor = Cursor::new(&table);
        cursor.seek(36);
        cursor.entries(&KINDS);
        cursor.leftover();
        Decoded {
            value: cursor.section,
            findings: cursor.findings,
        }
    }

    #[test]
    fn entries_become_sections_with_named_bits() {
        let things = read("00 05 0100 05  01 0e 01 08 00 01 f90c000000000000");
        assert!(things.findings.is_empty());
        let lamp = &things.value.sections[0];
        assert_eq!((lamp.title.as_str(), lamp.offset, lamp.length), ("Lamp", 36, 5));
        assert_eq!(lamp.row("Type").unwrap().words.as_deref(), Some("Lamp"));
        let set = lamp.row("Flags").unwrap().bits.iter().filter(|bit| bit.value == 1);
        assert_eq!(set.map(|bit| bit.name.as_str()).collect::<Vec<_>>(), ["On", "Hot"]);
        let register = &things.value.sections[1].sections[0];
        assert_eq!(register.words.as_deref(), Some("system I/O 0xcf9, 8 bits, byte access"));
    }

    #[test]
    fn entry_of_an_earlier_revision_is_shorter_and_whole() {
        assert!(read("00 04 0100").findings.is_empty());
        let cut = read("00 03 01  00 05 0200 01");
        assert_eq!((cut.findings.len(), cut.findings[0].offset), (1, 38));
        assert_eq!(cut.value.sections[1].number("Colour"), Some(2));
    }

    #[test]
    fn unknown_entry_keeps_its_bytes_and_the_next_one_is_read() {
        let things = read("77 04 abcd  00 05 0700 00");
        assert!(things.findings.is_empty());
        let contents = things.value.sections[0].row("Contents").unwrap();
        assert_eq!(
            (contents.offset, &contents.value),
            (38, &Value::Bytes(vec![0xab, 0xcd]))
        );
        assert_eq!(things.value.sections[1].number("Colour"), Some(7));
    }

    #[test]
    fn entry_of_length_zero_ends_the_list_and_its_bytes_are_kept() {
        let things = read("00 05 0700 00  00 00 0102");
        assert_eq!((things.findings.len(), things.findings[0].offset), (1, 41));
        assert_eq!(things.value.rows[0].length, 4);
    }

    #[test]
    fn entry_past_the_end_is_read_as_far_as_it_goes() {
        let things = read("00 09 0700 01");
        assert_eq!(things.findings[0].offset, 36);
        assert_eq!(things.value.sections[0].number("Colour"), Some(7));
    }

    #[test]
    fn bytes_behind_the_last_field_are_a_finding() {
        let things = read("00 07 0700 01 0000");
        assert_eq!(things.findings.len(), 1);
        assert_eq!(
            things.findings[0].to_string(),
            "at 0x0029: expected end of Lamp, seen 2 bytes more, all zero"
        );
    }

    #[test]
    fn field_with_missing_bytes_says_so_and_the_next_is_read() {
        let bytes = sdt(b"SLIT", 1, &bytes_of("0200000000000000 0a141e0a"));
        let gap = 45..46;
        let table = Table::with_missing(&bytes, vec![gap]).unwrap();
        let slit = decode(&table).value;
        let cells: Vec<_> = slit.walk().skip(10).map(|row| row.value.number()).collect();
        assert_eq!(cells, [Some(10), None, Some(30), Some(10)]);
    }

    #[test]
    fn attribute_table_of_a_cxl_device_is_read_without_a_signature() {
        let mut cdat = bytes_of("30000000 01 00 000000000000 00000000");
        cdat.extend(bytes_of("03000800 01 02 0000"));
        cdat.extend(bytes_of("00001800 00 04 0000 0000000000000000 0000001000000000"));
        cdat[5] = crate::bytes::sum(&cdat).wrapping_neg();
        let decoded = cdat_of(&cdat);
        assert_eq!(decoded.findings, []);
        assert_eq!(decoded.value.sections[1].number("DPA length"), Some(0x1000_0000));
        cdat[16] = 9;
        assert_eq!(cdat_of(&cdat).findings[0].offset, 5);
        assert!(cdat_of(&cdat).value.sections[0].title.contains("unknown type 0x9"));
    }

    fn cdat_of(bytes: &[u8]) -> Decoded<Section> {
        cdat(bytes).unwrap()
    }

    #[test]
    fn unknown_table_shows_its_bytes_and_the_text_in_them() {
        let table = Table::parse(&sdt(b"ZZZZ", 1, b"\x01\x02hello world\0\x03abc")).unwrap();
        let section = decode(&table).value;
        assert_eq!((section.title.as_str(), section.rows.len()), ("ZZZZ table", 1));
        let text = &section.sections[1].rows[0];
        assert_eq!((text.offset, &text.value), (38, &Value::Text("hello world".to_owned())));
    }
}
