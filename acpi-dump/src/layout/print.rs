//! One printer for every table: a line for each field, value and meaning side by side, the names
//! of the bits that are set. Structures of one kind that follow each other become a table.

use super::columns::columns;
use super::engine::HEADER;
use super::section::{BitRow, Row, Section, Value};

/// How to print.
#[derive(Clone, Copy, Debug)]
pub struct PrintOptions<'a> {
    /// Show offset and length of every field, and reserved and structural fields too.
    pub offsets: bool,
    /// Bytes of the table, to show those of every structure.
    pub hex: Option<&'a [u8]>,
    /// Columns of the terminal.
    pub width: usize,
}

impl Default for PrintOptions<'_> {
    fn default() -> Self {
        Self {
            offsets: false,
            hex: None,
            width: 100,
        }
    }
}

/// Structures of one kind from which on they are printed as a table.
const TABLE_FROM: usize = 2;

/// Print a decoded table.
#[must_use]
pub fn print(section: &Section, options: &PrintOptions<'_>) -> String {
    let mut printer = Printer {
        options,
        text: String::new(),
    };
    printer.line(0, &section.title);
    printer.contents(section, 1);
    printer.text
}

struct Printer<'a> {
    options: &'a PrintOptions<'a>,
    text: String,
}

/// A row, or a nested section, of a section.
#[derive(Clone, Copy)]
enum Item<'a> {
    Row(&'a Row),
    Section(&'a Section),
}

impl<'a> Item<'a> {
    fn offset(self) -> usize {
        match self {
            Self::Row(row) => row.offset,
            Self::Section(section) => section.offset,
        }
    }

    /// Items in table order.
    fn of(section: &'a Section) -> Vec<Self> {
        let rows = section.rows.iter().map(Self::Row);
        let sections = section.sections.iter().map(Self::Section);
        let mut items: Vec<Self> = rows.chain(sections).collect();
        items.sort_by_key(|item| item.offset());
        items
    }
}

/// One line: what it is called, what it holds, and the bits of it, each a line if need be.
struct Line<'a> {
    offset: usize,
    length: usize,
    name: &'a str,
    value: String,
    words: Option<&'a str>,
    /// What is said of the bits, for a flags field.
    bits: Option<Vec<String>>,
}

impl Printer<'_> {
    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&"  ".repeat(depth));
        self.text.push_str(text);
        let end = self.text.trim_end().len();
        self.text.truncate(end);
        self.text.push('\n');
    }

    fn contents(&mut self, section: &Section, depth: usize) {
        self.bytes(section, depth);
        let items = Item::of(section);
        let width = items.iter().filter_map(|item| self.entry(section, *item));
        let width = width
            .map(|line| base(line.name).chars().count())
            .max()
            .unwrap_or(0)
            .min(48);
        let mut rest = items.as_slice();
        while let Some((item, behind)) = rest.split_first() {
            rest = behind;
            let array = self.array(*item, behind);
            if !array.is_empty() {
                self.array_lines(&array, width, depth);
                rest = behind.get(array.len().saturating_sub(1)..).unwrap_or_default();
            } else if let Some(line) = self.entry(section, *item) {
                self.field(&line, width, depth);
            } else if let Item::Section(first) = item {
                let (count, table) = self.table(first, behind);
                if table.is_empty() {
                    self.section(first, depth);
                }
                for (index, line) in table.iter().enumerate() {
                    self.line(depth.saturating_add(index.min(1)), line);
                }
                let others = behind.iter().take(count.saturating_sub(1));
                for item in others.filter(|_| table.is_empty()) {
                    if let Item::Section(section) = item {
                        self.section(section, depth);
                    }
                }
                rest = behind.get(count.saturating_sub(1)..).unwrap_or_default();
            }
        }
    }

    /// Items of an array from `first` on, where they are to be shown together.
    fn array<'a>(&self, first: Item<'a>, behind: &[Item<'a>]) -> Vec<&'a Row> {
        let Item::Row(first) = first else { return Vec::new() };
        if self.options.offsets || base(&first.name) == first.name || !first.bits.is_empty() {
            return Vec::new();
        }
        let more = behind.iter().map_while(|item| match item {
            Item::Row(row) if row.name.ends_with(']') && base(&row.name) == base(&first.name) => Some(*row),
            _ => None,
        });
        std::iter::once(first).chain(more).collect()
    }

    /// Values of an array, as many on a line as fit.
    fn array_lines(&mut self, array: &[&Row], width: usize, depth: usize) {
        let mut name = array.first().map_or("", |row| base(&row.name));
        let values: Vec<String> = array
            .iter()
            .map(|row| row.words.clone().unwrap_or_else(|| value(row)))
            .collect();
        let cell = values
            .iter()
            .map(|value| value.chars().count())
            .max()
            .unwrap_or(0)
            .saturating_add(1);
        let room = self
            .options
            .width
            .saturating_sub(width.saturating_add(depth.saturating_mul(2)));
        for line in values.chunks(room.checked_div(cell).unwrap_or(1).max(1)) {
            let line: String = line
                .iter()
                .map(|value| format!(" {value:>0$}", cell.saturating_sub(1)))
                .collect();
            self.line(depth, &format!("{name:<width$} {line}"));
            name = "";
        }
    }

    fn section(&mut self, section: &Section, depth: usize) {
        let place = if self.options.offsets {
            format!(" (offset {:#06x}, {} bytes)", section.offset, section.length)
        } else {
            String::new()
        };
        let words = section
            .words
            .as_ref()
            .map(|words| format!(": {words}"))
            .unwrap_or_default();
        self.line(depth, &format!("{}{place}{words}", section.title));
        self.contents(section, depth.saturating_add(1));
    }

    /// The line of a row, or of a section that one line says; `None` for what is hidden or longer.
    fn entry<'a>(&self, section: &Section, item: Item<'a>) -> Option<Line<'a>> {
        match item {
            Item::Row(row) if self.options.offsets || !hidden(section, row) => Some(Line {
                offset: row.offset,
                length: row.length,
                name: &row.name,
                value: value(row),
                words: row.words.as_deref(),
                bits: (!row.bits.is_empty()).then(|| bits(row)),
            }),
            Item::Section(inner) if !self.options.offsets && self.options.hex.is_none() => Some(Line {
                offset: inner.offset,
                length: inner.length,
                name: &inner.title,
                value: inner.words.clone()?,
                words: None,
                bits: None,
            }),
            _ => None,
        }
    }

    fn field(&mut self, line: &Line<'_>, width: usize, depth: usize) {
        let mut text = String::new();
        if self.options.offsets {
            text.push_str(&format!("{:#06x} {:>4}  ", line.offset, line.length));
        }
        let indent = text.chars().count();
        text.push_str(&format!("{:<width$}  {}", line.name, line.value));
        if let Some(words) = line.words {
            text.push_str(&format!(" ({words})"));
        }
        let bits = line.bits.as_deref().unwrap_or_default();
        let joined = bits.join(", ");
        let long = [text.chars().count(), joined.chars().count(), depth.saturating_mul(2), 2];
        if bits.is_empty() || long.iter().sum::<usize>() <= self.options.width {
            self.line(depth, &format!("{text}  {joined}"));
        } else {
            self.line(depth, &text);
            for bit in bits {
                self.line(depth, &format!("{:indent$}{:width$}  {bit}", "", ""));
            }
        }
    }

    /// How many structures have the same fields, from `first` on, and their table under a title:
    /// no lines where it would be no table or too wide.
    fn table(&self, first: &Section, behind: &[Item<'_>]) -> (usize, Vec<String>) {
        let Some(lines) = self.lines(first) else {
            return (1, Vec::new());
        };
        let mut names: Vec<&str> = lines.iter().map(|line| line.name).collect();
        let mut rows: Vec<Vec<String>> = Vec::new();
        let mut one_kind = true;
        for item in std::iter::once(&Item::Section(first)).chain(behind) {
            let Item::Section(section) = item else { break };
            let Some(lines) = self
                .lines(section)
                .filter(|lines| lines.iter().map(|line| line.name).eq(names.iter().copied()))
            else {
                break;
            };
            one_kind &= section.title == first.title;
            let cells = lines.into_iter().map(cell);
            rows.push(std::iter::once(section.title.clone()).chain(cells).collect());
        }
        if rows.len() < TABLE_FROM {
            return (1, Vec::new());
        }
        if one_kind {
            rows.iter_mut().for_each(|row| drop(row.drain(..1)));
        } else {
            names.insert(0, "Structure");
        }
        let title = if one_kind { &first.title } else { "Structures" };
        let title = format!("{title}, {}", rows.len());
        let lines = columns(&names, &rows, self.options.width.saturating_sub(6));
        let table = lines.map(|lines| std::iter::once(title).chain(lines).collect());
        (rows.len(), table.unwrap_or_default())
    }

    /// Lines of a structure that is all lines.
    fn lines<'a>(&self, section: &'a Section) -> Option<Vec<Line<'a>>> {
        if self.options.offsets || self.options.hex.is_some() {
            return None;
        }
        let shown = |item: &Item<'_>| !matches!(item, Item::Row(row) if hidden(section, row));
        let items = Item::of(section).into_iter().filter(shown);
        items.map(|item| self.entry(section, item)).collect()
    }

    /// Bytes of a structure that belong to none of its inner ones.
    fn bytes(&mut self, section: &Section, depth: usize) {
        let Some(bytes) = self.options.hex else { return };
        let mut at = section.offset;
        let end = section.offset.saturating_add(section.length);
        let mut inner: Vec<&Section> = section.sections.iter().collect();
        inner.sort_by_key(|inner| inner.offset);
        let inner = inner
            .iter()
            .map(|inner| (inner.offset, inner.offset.saturating_add(inner.length)));
        for (start, behind) in inner.chain([(end, end)]) {
            let own = bytes.get(at..start.min(bytes.len())).unwrap_or_default();
            for (index, line) in own.chunks(16).enumerate() {
                let offset = index.saturating_mul(16).saturating_add(at);
                self.line(depth, &format!("{offset:06x}: {}", pairs(line)));
            }
            at = at.max(behind);
        }
    }
}

/// Name of an item of an array without its index.
fn base(name: &str) -> &str {
    name.strip_suffix(']')
        .and_then(|name| name.rsplit_once('['))
        .map_or(name, |(base, _)| base)
}

/// A field that says nothing new: reserved and zero, or type and length of the structure itself.
fn hidden(section: &Section, row: &Row) -> bool {
    let zero = row.reserved && row.value.is_zero();
    let kind = row.words.as_ref() == Some(&section.title);
    let length = matches!(row.name.as_str(), "Length" | "Record length")
        && section.title != HEADER
        && row.value.number() == u64::try_from(section.length).ok();
    zero || kind || length
}

/// One cell of a table: words and bits say more than the number.
fn cell(line: Line<'_>) -> String {
    match (line.bits, line.words) {
        (Some(bits), _) if bits.is_empty() => "-".to_owned(),
        (Some(bits), _) => bits.join(", "),
        (None, Some(words)) => words.to_owned(),
        (None, None) => line.value,
    }
}

/// Value of a field.
fn value(row: &Row) -> String {
    match &row.value {
        Value::Number(number) => number.to_string(),
        Value::Hex { value, bytes } => {
            let width = usize::from(*bytes).saturating_mul(2).saturating_add(2);
            format!("{value:#0width$x}")
        }
        Value::Text(text) => format!("\"{text}\""),
        Value::Guid(guid) => guid.clone(),
        Value::Bytes(bytes) if bytes.len() > 16 => {
            format!(
                "{} ... ({} bytes)",
                pairs(bytes.get(..16).unwrap_or_default()),
                bytes.len()
            )
        }
        Value::Bytes(bytes) => pairs(bytes),
        Value::Missing => "missing".to_owned(),
    }
}

/// `0a 0b 0c`.
fn pairs(bytes: &[u8]) -> String {
    let pairs: Vec<String> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    pairs.join(" ")
}

/// Bits that are set, groups with their values, and set bits without a name.
fn bits(row: &Row) -> Vec<String> {
    let mut said: Vec<String> = row.bits.iter().filter_map(bit).collect();
    match row.unnamed_bits() {
        0 => {}
        rest => said.push(format!("bits without name {rest:#x}")),
    }
    said
}

fn bit(bit: &BitRow) -> Option<String> {
    match (&bit.words, bit.value) {
        (Some(words), _) => Some(format!("{}: {words}", bit.name)),
        (None, 0) => None,
        (None, 1) if bit.count == 1 => Some(bit.name.clone()),
        (None, value) => Some(format!("{}: {value}", bit.name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layout::decode;
    use crate::table::Table;
    use crate::tables::testing::{hex, sdt};

    fn madt(entries: &str) -> (Vec<u8>, Section) {
        let bytes = sdt(b"APIC", 5, &[hex("0000e0fe 01000000"), hex(entries)].concat());
        let section = decode(&Table::parse(&bytes).unwrap()).value;
        (bytes, section)
    }

    fn body(text: &str) -> Vec<&str> {
        text.lines()
            .skip_while(|line| !line.contains("controller address"))
            .collect()
    }

    #[test]
    fn entries_of_one_kind_are_a_table() {
        let (_, section) = madt("0008 0010 01000000  0008 0112 02000000  010c 0200 0000c0fe 00000000");
        let text = print(&section, &PrintOptions::default());
        assert_eq!(
            body(&text),
            [
                "  Local interrupt controller address  0xfee00000",
                "  Flags                               0x00000001  PC-AT compatible: dual 8259 (PCAT_COMPAT)",
                "  Processor local APIC, 2",
                "    ACPI processor UID  APIC ID  Flags",
                "    0x00                0x10     Enabled",
                "    0x01                0x12     Online capable",
                "  I/O APIC",
                "    I/O APIC ID                   0x02",
                "    I/O APIC address              0xfec00000",
                "    Global system interrupt base  0",
            ]
        );
    }

    #[test]
    fn entries_of_several_kinds_with_the_same_fields_are_a_table_too() {
        let scopes = hex("0108 0000 0000 1f00  0308 0000 0200 1e07");
        let unit = [hex("0000 2000 00 00 0000 0000d9fe00000000"), scopes].concat();
        let bytes = sdt(b"DMAR", 1, &[vec![38, 1], vec![0; 10], unit].concat());
        let section = decode(&Table::parse(&bytes).unwrap()).value;
        let text = print(&section, &PrintOptions::default());
        let lines: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.contains("Structures, 2"))
            .collect();
        assert_eq!(
            lines[1],
            "      Structure            Flags  Enumeration ID  Start bus number  Path"
        );
        assert_eq!(
            lines[3],
            "      I/O APIC             0x00   0x02            0x00              1e.7"
        );
    }

    #[test]
    fn offsets_show_every_field_with_its_place() {
        let (_, section) = madt("010c 0200 0000c0fe 00000000");
        let options = PrintOptions {
            offsets: true,
            ..PrintOptions::default()
        };
        let text = print(&section, &options);
        assert!(text.contains("  I/O APIC (offset 0x002c, 12 bytes)\n"), "{text}");
        assert!(text.contains("0x002f    1  Reserved "), "{text}");
        assert!(text.contains("0x002d    1  Length "), "{text}");
    }

    #[test]
    fn bytes_are_shown_with_the_structure_they_belong_to() {
        let (bytes, section) = madt("0008 0010 01000000  0008 0112 02000000");
        let options = PrintOptions {
            hex: Some(&bytes),
            ..PrintOptions::default()
        };
        let text = print(&section, &options);
        assert!(text.contains("    00002c: 00 08 00 10 01 00 00 00\n"), "{text}");
        assert!(text.contains("  000024: 00 00 e0 fe 01 00 00 00\n"), "{text}");
    }

    #[test]
    fn values_of_an_array_share_a_line() {
        let bytes = sdt(b"XSDT", 1, &hex("0010000000000000 0020000000000000"));
        let section = decode(&Table::parse(&bytes).unwrap()).value;
        let text = print(&section, &PrintOptions::default());
        assert!(
            text.ends_with("  Table address  0x0000000000001000 0x0000000000002000\n"),
            "{text}"
        );
    }

    #[test]
    fn distances_are_a_matrix() {
        let bytes = sdt(b"SLIT", 1, &hex("0200000000000000 0a15ff0a"));
        let section = decode(&Table::parse(&bytes).unwrap()).value;
        let text = print(&section, &PrintOptions::default());
        let lines: Vec<&str> = text
            .lines()
            .skip_while(|line| !line.contains("From locality 0"))
            .collect();
        assert_eq!(
            lines,
            [
                "    From locality 0  10              21",
                "    From locality 1  255             10"
            ]
        );
    }

    #[test]
    fn bits_that_do_not_fit_have_a_line_each() {
        let (_, section) = madt("0008 0010 03000080");
        let options = PrintOptions {
            width: 30,
            ..PrintOptions::default()
        };
        let text = print(&section, &options);
        assert!(text.contains("    Flags               0x80000003\n"), "{text}");
        assert!(text.contains("\n                        Online capable\n"), "{text}");
        assert!(
            text.contains("\n                        bits without name 0x80000000\n"),
            "{text}"
        );
    }
}
