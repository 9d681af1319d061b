//! What `iasl -d` says about a data table, and how that compares with our rows.

pub mod known;

use std::collections::{BTreeMap, BTreeSet};

use acpi_dump::Table;
use acpi_dump::layout::{self, Row, Section, Value};

/// One line `[024h 0036   4]   Local Apic Address : FEE00000` and the bit lines under it.
#[derive(Clone, Debug)]
pub struct Field {
    pub offset: usize,
    pub length: usize,
    pub name: String,
    pub value: String,
    /// Values of the lines without offset that follow `Flags (decoded below)`.
    pub bits: Vec<(String, u64)>,
}

/// Fields of one table of a disassembly.
pub fn fields(text: &str) -> Vec<Field> {
    let mut fields: Vec<Field> = Vec::new();
    for line in text.lines() {
        if line.starts_with("Raw Table Data") {
            break;
        }
        if let Some(field) = field(line) {
            fields.push(field);
        } else if let Some((name, value)) = line.split_once(" : ") {
            let last = fields.last_mut().filter(|last| decoded_below(&last.name));
            // Reserved bits are no rows of ours.
            let bit = number(value).filter(|_| !name.trim().starts_with("Reserved"));
            if let (Some(last), Some(value)) = (last, bit) {
                last.bits.push((name.trim().to_owned(), value));
            }
        }
    }
    fields
}

fn decoded_below(name: &str) -> bool {
    // WSMT has bits under a field that does not say so.
    name.to_ascii_lowercase().contains("decoded below") || name == "Protection Flags"
}

fn field(line: &str) -> Option<Field> {
    let (place, rest) = line.strip_prefix('[')?.split_once(']')?;
    let mut place = place.split_whitespace();
    let offset = usize::from_str_radix(place.next()?.strip_suffix('h')?, 16).ok()?;
    let length = place.nth(1)?;
    let length = match length.strip_suffix('h') {
        Some(length) => usize::from_str_radix(length, 16),
        None => length.parse(),
    };
    let (name, value) = rest.split_once(" :")?;
    Some(Field {
        offset,
        length: length.ok()?,
        name: name.trim().to_owned(),
        value: value.trim().to_owned(),
        bits: Vec::new(),
    })
}

/// Hexadecimal number at the start of a value.
fn number(value: &str) -> Option<u64> {
    u64::from_str_radix(value.split_whitespace().next()?, 16).ok()
}

/// Comparison of many tables.
#[derive(Debug, Default)]
pub struct Agreement {
    pub tables: usize,
    pub fields: usize,
    /// Same offset, length and value.
    pub equal: usize,
    /// Our rows are several for one field of iasl.
    pub finer: usize,
    /// Bit groups that both name, counted from the lowest, and how many have equal values.
    pub bits: usize,
    pub equal_bits: usize,
    /// Tables that our decoder finds damaged, and fields in them that are told otherwise: where a
    /// length or an offset is wrong there is no one right way to go on.
    pub damaged: usize,
    pub damaged_fields: usize,
    /// What differs: `SRAT: Type: ours 3, iasl 4`, and where it was seen first.
    pub differences: BTreeMap<String, (usize, String)>,
}

impl Agreement {
    /// Compare one table.
    pub fn add(&mut self, place: &str, table: &Table, oracle: &[Field]) {
        let decoded = layout::decode(table);
        let (section, signature) = (&decoded.value, table.signature.to_string());
        let mut one = Self::default();
        one.compare(place, &signature, section, oracle);
        self.tables += 1;
        self.fields += one.fields;
        self.equal += one.equal;
        self.finer += one.finer;
        self.bits += one.bits;
        self.equal_bits += one.equal_bits;
        if !decoded.findings.is_empty() || !table.findings.is_empty() {
            self.damaged += 1;
            self.damaged_fields += one.differences.values().map(|(count, _)| count).sum::<usize>();
            return;
        }
        for (what, (count, place)) in one.differences {
            self.differences.entry(what).or_insert_with(|| (0, place)).0 += count;
        }
    }

    fn compare(&mut self, place: &str, signature: &str, section: &Section, oracle: &[Field]) {
        let mut rows: BTreeMap<usize, Vec<&Row>> = BTreeMap::new();
        for row in section.walk() {
            rows.entry(row.offset).or_default().push(row);
        }
        let places: BTreeSet<(usize, usize)> = section.all().map(|part| (part.offset, part.length)).collect();
        let mut used: BTreeSet<usize> = BTreeSet::new();
        for field in oracle {
            if field.value.starts_with("[Generic Address Structure]") {
                if !places.contains(&(field.offset, 12)) {
                    self.differs(
                        place,
                        signature,
                        &format!("no address structure: {}", field.name),
                        field.offset,
                    );
                }
                continue;
            }
            self.fields += 1;
            let end = field.offset + field.length;
            let inside: Vec<&Row> = rows
                .range(field.offset..end)
                .flat_map(|(_, rows)| rows)
                .copied()
                .collect();
            used.extend(inside.iter().map(|row| row.offset));
            match inside.as_slice() {
                [row] if row.offset == field.offset && row.length == field.length => {
                    if same(row, &field.value) {
                        self.equal += 1;
                    } else {
                        let what = format!("value of {} ({})", row.name, field.name);
                        self.differs(place, signature, &what, field.offset);
                    }
                    self.compare_bits(place, signature, row, field);
                }
                [first, ..] if first.offset == field.offset && tile(&inside, end) => {
                    self.finer += 1;
                }
                _ => {
                    let ours = rows
                        .range(..=field.offset)
                        .next_back()
                        .and_then(|(_, rows)| rows.first());
                    let ours = ours.filter(|row| row.offset + row.length > field.offset);
                    let what = match ours {
                        Some(row) => format!("{} (iasl) in {} (ours)", field.name, row.name),
                        None => format!("{} (iasl) nowhere", field.name),
                    };
                    self.differs(place, signature, &what, field.offset);
                    used.extend(ours.map(|row| row.offset));
                }
            }
        }
        for row in section.walk().filter(|row| !used.contains(&row.offset)) {
            self.differs(place, signature, &format!("{} (ours only)", row.name), row.offset);
        }
    }

    fn compare_bits(&mut self, place: &str, signature: &str, row: &Row, field: &Field) {
        if field.bits.is_empty() {
            return;
        }
        // The newer of the two knows more bits, and those are the higher ones.
        let pairs = row.bits.iter().zip(&field.bits);
        for (ours, (name, theirs)) in pairs {
            self.bits += 1;
            if ours.value == *theirs {
                self.equal_bits += 1;
            } else {
                let what = format!("bit {} of {} ({name})", ours.name, row.name);
                self.differs(place, signature, &what, row.offset);
            }
        }
        if row.bits.len() < field.bits.len() {
            let what = format!(
                "bits of {}: {} and {} in iasl",
                row.name,
                row.bits.len(),
                field.bits.len()
            );
            self.differs(place, signature, &what, row.offset);
        }
    }

    fn differs(&mut self, place: &str, signature: &str, what: &str, offset: usize) {
        // Items of an array differ alike.
        let what = what.split_once('[').map_or(what.to_owned(), |(name, rest)| {
            format!("{name}{}", rest.split_once(']').map_or("", |(_, rest)| rest))
        });
        let seen = self.differences.entry(format!("{signature}: {what}"));
        seen.or_insert_with(|| (0, format!("{place} at {offset:#x}"))).0 += 1;
    }
}

/// Whether rows cover a field without a gap.
fn tile(rows: &[&Row], end: usize) -> bool {
    let joined = rows
        .windows(2)
        .all(|pair| pair[0].offset + pair[0].length == pair[1].offset);
    joined && rows.last().is_some_and(|row| row.offset + row.length == end)
}

/// Whether a value of iasl says what the row says.
fn same(row: &Row, theirs: &str) -> bool {
    let plain = theirs.split_once("/*").map_or(theirs, |(value, _)| value).trim();
    match &row.value {
        // A PCI path: device and function.
        Value::Hex { value: ours, bytes: 2 } if plain.contains(',') => {
            plain == format!("{:02X},{:02X}", ours & 0xff, ours >> 8)
        }
        Value::Number(ours) | Value::Hex { value: ours, .. } => match number(plain) {
            Some(number) if !plain.starts_with('"') => number == *ours,
            _ => letters(plain.as_bytes()) == letters(&ours.to_le_bytes()),
        },
        Value::Text(ours) => {
            let packed = (!plain.starts_with('"')).then(|| number(plain)).flatten();
            letters(quoted(plain).as_bytes()) == letters(ours.as_bytes())
                || packed.is_some_and(|packed| letters(&packed.to_le_bytes()) == letters(ours.as_bytes()))
        }
        Value::Guid(ours) => plain.starts_with(ours.as_str()),
        Value::Bytes(ours) => {
            let listed = plain.split_whitespace().map(|byte| u8::from_str_radix(byte, 16));
            let listed: Vec<u8> = listed.map_while(Result::ok).collect();
            ours.starts_with(&listed) && (!listed.is_empty() || plain.starts_with('"'))
                || number(plain) == Some(0) && ours.iter().all(|byte| *byte == 0)
        }
        Value::Missing => false,
    }
}

fn quoted(value: &str) -> &str {
    let Some((_, rest)) = value.split_once('"') else {
        return value;
    };
    rest.rsplit_once('"').map_or(rest, |(text, _)| text)
}

/// Letters and digits: what is left of a text when spaces and unprintable bytes are told differently.
fn letters(text: &[u8]) -> Vec<u8> {
    text.iter().copied().filter(u8::is_ascii_alphanumeric).collect()
}
