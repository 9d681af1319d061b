//! Fields of a packet and how they are shown.

pub(super) use crate::fields::{u16_at as u16, u32_at as u32, u64_at as u64};

/// A field: name, offset in the payload, how it is shown.
pub(super) struct Field(pub(super) &'static str, pub(super) usize, pub(super) Show);

/// How a field is shown; the width follows from it.
#[derive(Clone, Copy)]
pub(super) enum Show {
    /// u64, sixteen digits.
    Address,
    /// u64, hexadecimal.
    Hex64,
    /// u32, hexadecimal.
    Hex32,
    /// u32, eight digits.
    Code,
    /// u32, decimal.
    Count,
    /// u64, decimal.
    Count64,
    /// u8, decimal.
    Count8,
    /// u16, decimal.
    Count16,
    /// Two u32, low and high part of one value.
    Pair,
    /// u32 in a table.
    Named(&'static [(u32, &'static str)]),
    /// u32, bits with names.
    Bits(&'static [(u32, &'static str)]),
    /// u32, anything but 0 is yes.
    Flag,
}

impl Field {
    /// Name and value, when the payload is long enough.
    pub(super) fn show(&self, payload: &[u8]) -> Option<String> {
        let Self(name, at, show) = self;
        let value = show.value(payload, *at)?;
        Some(if name.is_empty() {
            value
        } else {
            format!("{name} {value}")
        })
    }
}

impl Show {
    fn value(self, payload: &[u8], at: usize) -> Option<String> {
        let word = || u32(payload, at);
        Some(match self {
            Self::Address => format!("{:016x}", u64(payload, at)?),
            Self::Hex64 => format!("{:#x}", u64(payload, at)?),
            Self::Hex32 => format!("{:#x}", word()?),
            Self::Code => format!("{:08x}", word()?),
            Self::Count => word()?.to_string(),
            Self::Count64 => u64(payload, at)?.to_string(),
            Self::Count8 => payload.get(at)?.to_string(),
            Self::Count16 => u16(payload, at)?.to_string(),
            Self::Pair => {
                let high = u32(payload, at.checked_add(4)?)?;
                format!("{:#x}", u64::from(high) << 32 | u64::from(word()?))
            }
            Self::Named(table) => named(table, word()?),
            Self::Bits(table) => bits(table, word()?),
            Self::Flag => (if word()? == 0 { "no" } else { "yes" }).to_owned(),
        })
    }
}

/// Fields that are there, joined.
pub(super) fn joined(fields: &[Field], payload: &[u8]) -> String {
    let shown: Vec<String> = fields.iter().filter_map(|field| field.show(payload)).collect();
    shown.join(", ")
}

/// Name with the number behind it, or the number.
pub(super) fn named(table: &[(u32, &str)], value: u32) -> String {
    match table.iter().find(|(number, _)| *number == value) {
        Some((_, name)) => format!("{name} ({value:#x})"),
        None => format!("{value:#x}"),
    }
}

/// Names of the bits that are set, and the bits without one.
pub(super) fn bits(table: &[(u32, &str)], value: u32) -> String {
    let mut names: Vec<String> = Vec::new();
    let mut rest = value;
    for (bit, name) in table.iter().filter(|(bit, _)| value & bit != 0) {
        names.push((*name).to_owned());
        rest &= !bit;
    }
    if rest != 0 || names.is_empty() {
        names.push(format!("{rest:#x}"));
    }
    names.join("+")
}

/// Bytes in hexadecimal, the first sixteen.
pub(super) fn bytes(bytes: &[u8]) -> String {
    let shown: Vec<String> = bytes.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let more = if bytes.len() > 16 { " …" } else { "" };
    format!("{}{more}", shown.join(" "))
}

/// "1 byte", "2 bytes".
pub(super) fn count(length: usize) -> String {
    if length == 1 {
        "1 byte".to_owned()
    } else {
        format!("{length} bytes")
    }
}

/// Text in quotes, with what cannot be shown escaped.
pub(super) fn quoted(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    format!("\"{}\"", plain(text.chars()))
}

/// Text whose control characters and quotes are escaped; a path keeps its backslashes as they are.
pub(super) fn plain(text: impl Iterator<Item = char>) -> String {
    let mut out = String::new();
    for letter in text {
        if letter.is_control() || letter == '"' {
            out.extend(letter.escape_default());
        } else {
            out.push(letter);
        }
    }
    out
}

/// An NTSTATUS with its name.
pub(super) fn status(value: u32) -> String {
    let name = STATUSES
        .iter()
        .find(|(number, _)| *number == value)
        .map(|(_, name)| *name);
    match (name, value) {
        (Some(name), 0) => name.to_owned(),
        (Some(name), _) => format!("{value:08x} {name}"),
        (None, _) => format!("status {value:08x}"),
    }
}

/// Names of the values that targets answer with (ntstatus.h).
const STATUSES: &[(u32, &str)] = &[
    (0x0000_0000, "success"),
    (0x0000_0103, "pending"),
    (0x8000_0002, "datatype misalignment"),
    (0x8000_0003, "breakpoint"),
    (0x8000_0004, "single step"),
    (0x8000_000d, "partial copy"),
    (0xc000_0001, "unsuccessful"),
    (0xc000_0002, "not implemented"),
    (0xc000_0003, "invalid info class"),
    (0xc000_0004, "info length mismatch"),
    (0xc000_0005, "access violation"),
    (0xc000_0008, "invalid handle"),
    (0xc000_000d, "invalid parameter"),
    (0xc000_000f, "no such file"),
    (0xc000_0011, "end of file"),
    (0xc000_0022, "access denied"),
    (0xc000_0023, "buffer too small"),
    (0xc000_0034, "object name not found"),
    (0xc000_0094, "integer divided by zero"),
    (0xc000_0095, "integer overflow"),
    (0xc000_0096, "privileged instruction"),
    (0xc000_009a, "insufficient resources"),
    (0xc000_00bb, "not supported"),
    (0xc000_00fd, "stack overflow"),
    (0xc000_0420, "assertion failure"),
];
