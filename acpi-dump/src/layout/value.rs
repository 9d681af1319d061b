//! Bytes of one field into a value, its words and its bits.

use super::section::{BitRow, Row, Section, Value};
use super::spec::{BitField, Field, Kind, Names, dec, hex, one_of};
use crate::header::printable;

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

pub(super) const GAS: &[Field] = &[
    one_of("Address space", 1, SPACES),
    dec("Register bit width", 1),
    dec("Register bit offset", 1),
    one_of("Access size", 1, ACCESS),
    hex("Address", 8),
];

/// `system I/O 0xcf9, 8 bits, byte access`.
pub(super) fn gas_words(section: &Section) -> Option<String> {
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
pub(super) fn fill(row: &mut Row, kind: &Kind, bytes: &[u8]) {
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
pub(super) fn number(bytes: &[u8]) -> u64 {
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
