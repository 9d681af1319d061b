//! `acpidump` text back into tables.
//!
//! A table begins with `SIGN @ 0x<8 or 16 digits>`; rows follow: a hexadecimal offset, a colon, up
//! to 16 bytes in columns of three characters, their ASCII. A blank line ends it. Offsets, byte
//! columns and gaps are checked: a row that is lost or damaged leaves a hole in its table
//! ([`TextTable::missing`]) and a [`Fault`] with its line; nothing behind it is shifted.
//!
//! ```
//! let text = b"OEM0 @ 0x0000000000000000\n    0000: 4F 45 4D 30 0A 00 00 00  OEM0....\n    0008: 07 08  ..\n\n";
//! let dump = acpi_dump::text::parse(text);
//! assert_eq!(dump.tables[0].bytes.len(), 10);
//! assert!(dump.faults.is_empty());
//! ```

mod write;

use std::fmt;
use std::ops::Range;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::Gpa;
use crate::table::{Table, TableError};

pub use write::write;

/// All tables of a dump.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Dump {
    /// Tables in the order of the text.
    pub tables: Vec<TextTable>,
    /// What could not be read, in line order.
    pub faults: Vec<Fault>,
}

/// One table of the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TextTable {
    /// Name in the line that opens it; empty when that line was lost.
    pub name: String,
    /// Address printed there; 0 when the dump was made from sysfs.
    pub address: Gpa,
    /// Line that opens it, from 1.
    pub line: usize,
    /// Its bytes; those in [`Self::missing`] are zero.
    pub bytes: Vec<u8>,
    /// Ranges of `bytes` that the text does not give.
    pub missing: Vec<Range<usize>>,
}

impl TextTable {
    /// Decode its header and check it.
    ///
    /// # Errors
    /// See [`Table::with_missing`].
    pub fn table(&self) -> Result<Table, TableError> {
        Table::with_missing(&self.bytes, self.missing.clone())
    }

    /// As [`Self::table`], without a copy of the bytes.
    ///
    /// # Errors
    /// See [`Table::with_missing`].
    pub fn into_table(self) -> Result<Table, TableError> {
        Table::from_parts(self.bytes, self.missing)
    }
}

/// What is wrong at a line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum FaultKind {
    /// The line, and `more` lines after it, are neither a table's first line nor a row.
    Unreadable {
        /// Lines after the first that could not be read either.
        more: usize,
    },
    /// A byte column holds something else.
    BadByte {
        /// Offset of the byte in the table.
        offset: usize,
    },
    /// The row holds more than 16 bytes; those behind the sixteenth are not used.
    Wide,
    /// The character beside a byte is not the one that the byte stands for: one of the two was changed.
    TextDiffers {
        /// Offset of the byte in the table.
        offset: usize,
        /// The byte that the column gives.
        byte: u8,
        /// The character beside it.
        character: char,
    },
    /// Rows are lost before this one.
    Gap {
        /// Offset expected.
        expected: usize,
        /// Offset seen.
        seen: usize,
    },
    /// The row's offset goes back, or so far ahead that the text cannot hold what is between; the row is not used.
    Misplaced {
        /// Offset expected.
        expected: usize,
        /// Offset seen.
        seen: u64,
    },
    /// Rows begin at offset 0 without a line that names the table.
    NoName,
    /// A table's name is followed by no row.
    Empty,
    /// The name differs from the table's own signature.
    NameDiffers {
        /// Signature in the table.
        signature: String,
    },
}

/// A fault with its line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    #[serde(flatten)]
    pub kind: FaultKind,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}: ", self.line)?;
        match &self.kind {
            FaultKind::Unreadable { more: 0 } => f.write_str("not part of a table"),
            FaultKind::Unreadable { more } => write!(f, "this and {more} more lines are not part of a table"),
            FaultKind::BadByte { offset } => write!(f, "byte {offset:#06x}: expected two hexadecimal digits"),
            FaultKind::Wide => f.write_str("more than 16 bytes in the row: those behind are not used"),
            FaultKind::TextDiffers {
                offset,
                byte,
                character,
            } => write!(
                f,
                "byte {offset:#06x} is {byte:#04x}, the character beside it is {character:?}"
            ),
            FaultKind::Gap { expected, seen } => {
                write!(f, "expected offset {expected:#06x}, seen {seen:#06x}: rows lost")
            }
            FaultKind::Misplaced { expected, seen } => {
                write!(f, "expected offset {expected:#06x}, seen {seen:#06x}: row not used")
            }
            FaultKind::NoName => f.write_str("table without the line that names it"),
            FaultKind::Empty => f.write_str("table without bytes"),
            FaultKind::NameDiffers { signature } => write!(f, "the table's own signature is {signature:?}"),
        }
    }
}

/// Read a dump. Never fails: what is no table is a fault.
#[must_use]
pub fn parse(text: &[u8]) -> Dump {
    let mut parser = Parser::new(text.len());
    parser.feed(text);
    parser.finish()
}

/// Reads a dump piece by piece, so that a large text need not be in memory as a whole.
#[derive(Debug)]
pub struct Parser {
    reader: Reader,
    /// Lines read.
    lines: usize,
    /// Beginning of a line whose end has not come yet.
    begun: Vec<u8>,
}

impl Parser {
    /// For a text of about `length` bytes: gaps in tables may add no more than that.
    #[must_use]
    pub fn new(length: usize) -> Self {
        Self {
            reader: Reader {
                dump: Dump::default(),
                open: None,
                fill: length,
            },
            lines: 0,
            begun: Vec::new(),
        }
    }

    /// The next bytes of the text.
    pub fn feed(&mut self, piece: &[u8]) {
        let mut start = 0;
        for end in memchr::memchr_iter(b'\n', piece) {
            let line = piece.get(start..end).unwrap_or_default();
            start = end.saturating_add(1);
            if self.begun.is_empty() {
                self.line(line);
            } else {
                let mut whole = std::mem::take(&mut self.begun);
                whole.extend_from_slice(line);
                self.line(&whole);
            }
        }
        self.begun.extend_from_slice(piece.get(start..).unwrap_or_default());
    }

    /// The end of the text.
    #[must_use]
    pub fn finish(mut self) -> Dump {
        let last = std::mem::take(&mut self.begun);
        self.line(&last);
        self.reader.close();
        self.reader.dump
    }

    fn line(&mut self, line: &[u8]) {
        self.lines = self.lines.saturating_add(1);
        self.reader.line(self.lines, line.trim_ascii_end());
    }
}

#[derive(Debug)]
struct Reader {
    dump: Dump,
    open: Option<TextTable>,
    /// Bytes that gaps may still add: never more than the text is long.
    fill: usize,
}

impl Reader {
    fn line(&mut self, number: usize, line: &[u8]) {
        if line.is_empty() || self.next_row(line) {
            return;
        }
        if let Some((name, address)) = opening(line) {
            self.close();
            self.open = Some(TextTable {
                name,
                address,
                line: number,
                bytes: Vec::new(),
                missing: Vec::new(),
            });
        } else if let Some((offset, columns)) = row(line) {
            self.row(number, offset, columns);
        } else {
            self.unreadable(number);
        }
    }

    /// The row that is expected next, whole and sound, as nearly all are: taken without a second
    /// look. Anything else goes the long way, which says what is wrong.
    fn next_row(&mut self, line: &[u8]) -> bool {
        let Some(table) = &mut self.open else { return false };
        let Some((offset, columns)) = row(line) else {
            return false;
        };
        let Some(row) = whole_row(columns).filter(|_| usize::try_from(offset) == Ok(table.bytes.len())) else {
            return false;
        };
        let beside = columns.get(COLUMNS..).unwrap_or_default();
        let shown = match beside {
            [] => beside,
            [b' ', shown @ ..] if shown.len() <= row.len() => shown,
            _ => return false,
        };
        let faults = row.iter().zip(shown).fold(0, |faults, (byte, character)| {
            faults | (write::shown(*byte) ^ character)
        });
        if faults == 0 {
            table.bytes.extend_from_slice(&row);
        }
        faults == 0
    }

    fn row(&mut self, number: usize, offset: u64, columns: &[u8]) {
        let begins_new = offset == 0 && self.open.as_ref().is_none_or(|table| !table.bytes.is_empty());
        if begins_new {
            self.close();
            self.fault(number, FaultKind::NoName);
            self.open = Some(TextTable {
                name: String::new(),
                address: Gpa(0),
                line: number,
                bytes: Vec::new(),
                missing: Vec::new(),
            });
        }
        let Some(mut table) = self.open.take() else {
            return self.unreadable(number);
        };
        self.place(number, offset, &mut table);
        if usize::try_from(offset) == Ok(table.bytes.len()) {
            self.bytes(number, columns, &mut table);
        }
        self.open = Some(table);
    }

    /// Bring the table's end to `offset`: a small gap becomes a hole, anything else is a fault.
    fn place(&mut self, number: usize, offset: u64, table: &mut TextTable) {
        let expected = table.bytes.len();
        let gap = usize::try_from(offset)
            .ok()
            .and_then(|offset| offset.checked_sub(expected));
        match gap.filter(|gap| *gap <= self.fill) {
            Some(0) => {}
            Some(gap) => {
                let seen = expected.saturating_add(gap);
                self.fill = self.fill.saturating_sub(gap);
                table.bytes.resize(seen, 0);
                lose(&mut table.missing, expected..seen);
                self.fault(number, FaultKind::Gap { expected, seen });
            }
            None => self.fault(number, FaultKind::Misplaced { expected, seen: offset }),
        }
    }

    fn bytes(&mut self, number: usize, columns: &[u8], table: &mut TextTable) {
        let start = table.bytes.len();
        self.columns(number, columns, table);
        let beside = columns.get(COLUMNS..).unwrap_or_default();
        if let [first, second, b' ' | b'\t', ..] | [first, second] = beside
            && digit(*first).is_some()
            && digit(*second).is_some()
        {
            return self.fault(number, FaultKind::Wide);
        }
        let shown = beside.strip_prefix(b" ").unwrap_or_default();
        let row = table.bytes.get(start..).unwrap_or_default();
        if let Some((place, byte, character)) = differs(row, shown) {
            let offset = start.saturating_add(place);
            if !table.missing.iter().any(|hole| hole.contains(&offset)) {
                let character = char::from(character);
                self.fault(
                    number,
                    FaultKind::TextDiffers {
                        offset,
                        byte,
                        character,
                    },
                );
            }
        }
    }

    fn columns(&mut self, number: usize, columns: &[u8], table: &mut TextTable) {
        for column in columns.chunks(3).take(16) {
            let offset = table.bytes.len();
            match column {
                [b' ', ..] | [_] => break,
                [high, low] | [high, low, b' '] => {
                    let byte = digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low);
                    table.bytes.push(byte.unwrap_or(0));
                    if byte.is_none() {
                        lose(&mut table.missing, offset..offset.saturating_add(1));
                        self.fault(number, FaultKind::BadByte { offset });
                    }
                }
                // The columns are no longer in step: the rest of the row cannot be told.
                _ => {
                    self.fault(number, FaultKind::BadByte { offset });
                    break;
                }
            }
        }
    }

    fn unreadable(&mut self, number: usize) {
        if let Some(Fault {
            line,
            kind: FaultKind::Unreadable { more },
        }) = self.dump.faults.last_mut()
            && line.saturating_add(*more).saturating_add(1) == number
        {
            *more = more.saturating_add(1);
        } else {
            self.fault(number, FaultKind::Unreadable { more: 0 });
        }
    }

    fn fault(&mut self, line: usize, kind: FaultKind) {
        self.dump.faults.push(Fault { line, kind });
    }

    fn close(&mut self) {
        let Some(table) = self.open.take() else { return };
        if table.bytes.is_empty() {
            return self.fault(table.line, FaultKind::Empty);
        }
        let signature = table
            .bytes
            .get(..4)
            .filter(|_| table.missing.iter().all(|gap| gap.start >= 4));
        let printed = table.name.as_bytes().get(..4).unwrap_or_default();
        // The RSDP is printed as "RSD PTR " or "RSDP"; unprintable signatures with other characters.
        let differs = signature.filter(|own| {
            !table.name.is_empty() && *own != printed && *own != b"RSD " && own.iter().all(u8::is_ascii_graphic)
        });
        if let Some(own) = differs {
            let signature = crate::header::printable(own);
            self.fault(table.line, FaultKind::NameDiffers { signature });
        }
        self.dump.tables.push(table);
    }
}

/// A row of sixteen sound columns, which nearly all are: decoded by table.
fn whole_row(columns: &[u8]) -> Option<[u8; 16]> {
    let columns = columns.get(..COLUMNS)?;
    let mut row = [0; 16];
    let mut faults = 0;
    for (byte, column) in row.iter_mut().zip(columns.chunks_exact(3)) {
        let [high, low, space] = column else { return None };
        let (high, low) = (nibble(*high), nibble(*low));
        faults |= (high | low) & 0xf0 | (space ^ b' ');
        *byte = high << 4 | low;
    }
    (faults == 0).then_some(row)
}

/// Value of a digit; above 15 for what is none.
fn nibble(character: u8) -> u8 {
    const VALUES: [u8; 256] = {
        let mut values = [0xf0; 256];
        let mut digit: u8 = 0;
        while digit < 16 {
            let character = if digit < 10 { b'0' + digit } else { b'A' + digit - 10 };
            #[allow(clippy::indexing_slicing, clippy::as_conversions)] // constant, checked when built
            {
                values[character as usize] = digit;
                values[(character | 0x20) as usize] = digit;
            }
            digit += 1;
        }
        values
    };
    VALUES.get(usize::from(character)).copied().unwrap_or(0xf0)
}

/// Characters of the byte columns: 16 times two digits and a space.
const COLUMNS: usize = 48;

/// The first byte of a row that the characters beside it contradict. Characters that are not there
/// (a row cut, or its spaces taken away) contradict nothing, nor does a text of another length.
fn differs(row: &[u8], shown: &[u8]) -> Option<(usize, u8, u8)> {
    if shown.len() > row.len() {
        return None;
    }
    let pairs = row.iter().zip(shown).enumerate();
    pairs
        .map(|(place, (byte, character))| (place, *byte, *character))
        .find(|(_, byte, character)| character != &write::shown(*byte))
}

/// Add a hole, joined to the one before where they touch.
fn lose(missing: &mut Vec<Range<usize>>, hole: Range<usize>) {
    match missing.last_mut() {
        Some(last) if last.end == hole.start => last.end = hole.end,
        _ => missing.push(hole),
    }
}

fn digit(character: u8) -> Option<u8> {
    u8::try_from(char::from(character).to_digit(16)?).ok()
}

fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() || digits.len() > 16 {
        return None;
    }
    let (number, faults) = digits.iter().fold((0u64, 0), |(number, faults), character| {
        let digit = nibble(*character);
        (number << 4 | u64::from(digit & 0xf), faults | digit)
    });
    (faults & 0xf0 == 0).then_some(number)
}

/// `SIGN @ 0x0123ABCD`.
fn opening(line: &[u8]) -> Option<(String, Gpa)> {
    let line = line.trim_ascii_start();
    // Longest name: the eight characters of the RSDP.
    let at = line.iter().take(9).rposition(|character| *character == b'@')?;
    let (name, rest) = line.split_at_checked(at)?;
    let name = name.trim_ascii_end();
    let digits = rest.strip_prefix(b"@ 0x")?;
    let named = !name.is_empty() && name.is_ascii();
    named.then_some((String::from_utf8_lossy(name).into_owned(), Gpa(number(digits)?)))
}

/// `    0010: 00 01 ...`: the offset and the byte columns.
fn row(line: &[u8]) -> Option<(u64, &[u8])> {
    let line = line.trim_ascii_start();
    let colon = line.iter().take(17).position(|character| *character == b':')?;
    let (digits, rest) = line.split_at_checked(colon)?;
    let columns = rest.strip_prefix(b": ")?;
    (digits.len() >= 4).then_some(())?;
    Some((number(digits)?, columns))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::sdt;
    use std::fmt::Write;

    /// Print as acpidump does, with the offset column `width` wide.
    fn print(name: &str, address: &str, width: usize, bytes: &[u8]) -> String {
        let mut text = format!("{name} @ 0x{address}\n");
        for (row, chunk) in bytes.chunks(16).enumerate() {
            let columns: String = chunk.iter().map(|byte| format!("{byte:02X} ")).collect();
            let ascii: String = chunk.iter().map(|byte| char::from(write::shown(*byte))).collect();
            writeln!(text, "{:>width$}: {columns:<48} {ascii}", format!("{:04X}", row * 16)).unwrap();
        }
        text + "\n"
    }

    fn sample() -> Vec<u8> {
        sdt(b"TEST", 1, &(0..40).collect::<Vec<u8>>())
    }

    #[test]
    fn both_address_widths_both_indents_lower_case_and_crlf_give_the_same_bytes() {
        let bytes = sample();
        let wide = print("TEST", "00000000BF6DFCC6", 8, &bytes);
        // The hexadecimal part only: the characters beside it stay as they are.
        let old: String = print("TEST", "bf6dfcc6", 6, &bytes)
            .lines()
            .map(|line| match line.split_at_checked(8 + COLUMNS) {
                Some((columns, beside)) => columns.to_lowercase() + beside + "\n",
                None => format!("{line}\n"),
            })
            .collect();
        for text in [
            wide.clone(),
            old,
            wide.replace('\n', "\r\n"),
            wide.trim_end().to_owned(),
        ] {
            let dump = parse(text.as_bytes());
            assert_eq!((dump.faults.len(), dump.tables.len()), (0, 1), "{text}");
            assert_eq!(
                (&dump.tables[0].bytes, dump.tables[0].address),
                (&bytes, Gpa(0xbf6d_fcc6))
            );
            assert!(dump.tables[0].table().unwrap().checksum.is_ok());
        }
    }

    #[test]
    fn repeated_ssdts_stay_apart_in_order() {
        let (one, two) = (sdt(b"SSDT", 1, &[1]), sdt(b"SSDT", 2, &[2]));
        let text = print("SSDT", "0000000000000000", 8, &one) + &print("SSDT", "0000000000000000", 8, &two);
        let dump = parse(text.as_bytes());
        assert_eq!(
            dump.tables.iter().map(|table| table.bytes.clone()).collect::<Vec<_>>(),
            [one, two]
        );
    }

    #[test]
    fn lost_row_is_a_hole_and_later_bytes_keep_their_offset() {
        let bytes = sample();
        let text: String = print("TEST", "0", 8, &bytes)
            .lines()
            .filter(|line| !line.contains("0030:"))
            .fold(String::new(), |text, line| text + line + "\n");
        let dump = parse(text.as_bytes());
        assert_eq!(
            dump.faults,
            [Fault {
                line: 5,
                kind: FaultKind::Gap {
                    expected: 0x30,
                    seen: 0x40
                }
            }]
        );
        let (table, lost) = (dump.tables[0].table().unwrap(), 0x30..0x40);
        assert_eq!(
            (table.missing, table.bytes.len(), table.bytes[0x40]),
            (vec![lost], 76, bytes[0x40])
        );
    }

    #[test]
    fn byte_that_is_no_number_is_reported_at_its_offset() {
        let text = print("TEST", "0", 8, &sample()).replacen("0010: 54", "0010: G4", 1);
        let dump = parse(text.as_bytes());
        assert_eq!(
            dump.faults,
            [Fault {
                line: 3,
                kind: FaultKind::BadByte { offset: 0x10 }
            }]
        );
        assert_eq!(
            (dump.tables[0].missing.as_slice(), dump.tables[0].bytes.len()),
            (std::slice::from_ref(&(0x10..0x11)), 76)
        );
    }

    #[test]
    fn ascii_column_is_never_read_as_bytes() {
        let text = b"TEST @ 0x0\n    0000: 54 45 53 54                                      41 42 43 44\n";
        assert_eq!(parse(text).tables[0].bytes, b"TEST");
    }

    #[test]
    fn changed_byte_is_seen_by_the_character_beside_it() {
        let text = print("TEST", "0", 8, &sample()).replacen("0000: 54 45", "0000: 54 46", 1);
        let dump = parse(text.as_bytes());
        let seen = FaultKind::TextDiffers {
            offset: 1,
            byte: 0x46,
            character: 'E',
        };
        assert_eq!(dump.faults[0], Fault { line: 2, kind: seen });
        // The characters' trailing spaces may be lost without harm.
        let spaces = print("TEST", "0", 8, b"TEST            ").replace("            \n", "\n");
        assert!(parse(spaces.as_bytes()).faults.is_empty());
    }

    #[test]
    fn seventeenth_byte_of_a_row_is_reported_and_not_used() {
        let row = "00 ".repeat(17);
        let dump = parse(format!("TEST @ 0x0\n    0000: {row}\n").as_bytes());
        assert_eq!(dump.faults[0].kind, FaultKind::Wide);
        assert_eq!(dump.tables[0].bytes.len(), 16);
    }

    #[test]
    fn pieces_of_any_length_give_what_the_whole_gives() {
        let text = print("TEST", "0", 8, &sample()).replacen("0010: 54", "0010: G4", 1) + "rest";
        let whole = parse(text.as_bytes());
        for length in [1, 2, 7, 77, 1000] {
            let mut parser = Parser::new(text.len());
            text.as_bytes().chunks(length).for_each(|piece| parser.feed(piece));
            assert_eq!(parser.finish(), whole, "{length}");
        }
    }

    #[test]
    fn far_row_is_not_used_and_allocates_nothing() {
        let dump = parse(b"TEST @ 0x0\n    0000: 54 45 53 54\n    FFFFFFFFFFFFFFF0: 41\n");
        assert!(matches!(dump.faults[0].kind, FaultKind::Misplaced { expected: 4, .. }));
        assert_eq!(dump.tables[0].bytes, b"TEST");
    }

    #[test]
    fn lost_opening_line_still_gives_both_tables() {
        let text = print("TEST", "0", 8, &sample()) + &print("TEST", "0", 8, &sample());
        let text: Vec<_> = text
            .lines()
            .enumerate()
            .filter(|(number, _)| *number != 7)
            .map(|(_, line)| line)
            .collect();
        let dump = parse(text.join("\n").as_bytes());
        assert_eq!((dump.tables.len(), dump.faults.len()), (2, 1));
        assert_eq!(dump.faults[0].kind, FaultKind::NoName);
    }

    #[test]
    fn foreign_lines_are_counted_once_as_a_block() {
        let dump = parse(b"ACPI Warning: x\nanother\nTEST @ 0x0\n    0000: 54 45 53 54\n");
        assert_eq!(
            dump.faults,
            [Fault {
                line: 1,
                kind: FaultKind::Unreadable { more: 1 }
            }]
        );
        assert_eq!(dump.tables.len(), 1);
    }

    #[test]
    fn name_that_differs_from_the_signature_is_a_fault() {
        let dump = parse(b"APIC @ 0x0\n    0000: 54 45 53 54\n");
        assert!(matches!(&dump.faults[0].kind, FaultKind::NameDiffers { signature } if signature == "TEST"));
    }
}
