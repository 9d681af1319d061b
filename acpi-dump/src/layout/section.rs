//! What the engine makes of a table: sections of rows.

use std::fmt;

use serde::{Serialize, Serializer};

/// A table, an entry of one, or a structure inside: rows and what is nested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it is: `Local APIC`, `Memory affinity`.
    pub title: String,
    /// Offset in the table.
    pub offset: usize,
    /// Length in bytes, nested sections included.
    pub length: usize,
    /// The whole in words, where a line can say it (an address structure).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Fields in table order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<Row>,
    /// Nested structures in table order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sections: Vec<Section>,
}

impl Section {
    /// All rows, those of nested sections too: first the rows of a section, then its sections.
    pub fn walk(&self) -> impl Iterator<Item = &Row> {
        self.all().flat_map(|section| section.rows.iter())
    }

    /// This section and all nested ones, outer before inner.
    pub fn all(&self) -> impl Iterator<Item = &Section> {
        let mut waiting = vec![self];
        std::iter::from_fn(move || {
            let section = waiting.pop()?;
            waiting.extend(section.sections.iter().rev());
            Some(section)
        })
    }

    /// Row of this name, nested sections not looked at.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.rows.iter().find(|row| row.name == name)
    }

    /// Number in the row of this name.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        self.row(name)?.value.number()
    }
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Row {
    /// Offset in the table.
    pub offset: usize,
    /// Length in bytes.
    pub length: usize,
    /// Name of the field as the specification has it.
    pub name: String,
    /// What is there.
    pub value: Value,
    /// The value in words, where it has a meaning of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
    /// Its bits, for a register or a flags field.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bits: Vec<BitRow>,
    /// Reserved by the specification: should be zero.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub reserved: bool,
}

impl Row {
    /// Bits that are set in a flags field and have no name.
    #[must_use]
    pub fn unnamed_bits(&self) -> u64 {
        let known = self.bits.iter().fold(0, |mask, bit| mask | bit.mask());
        match self.value {
            Value::Hex { value, .. } if !self.bits.is_empty() => value & !known,
            _ => 0,
        }
    }
}

/// Contents of a field. In JSON a number is a number, everything else a string, and what is
/// missing is null.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// Number that counts or measures something.
    Number(u64),
    /// Number that is an address, an id, a mask; in JSON a zero-padded string.
    Hex {
        /// The number.
        value: u64,
        /// Bytes it has in the table.
        bytes: u8,
    },
    /// Characters.
    Text(String),
    /// GUID in its text form, upper case.
    Guid(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// The table ends, or bytes are missing, inside the field.
    Missing,
}

impl Value {
    /// The number, where it is one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        match self {
            Self::Number(value) | Self::Hex { value, .. } => Some(*value),
            _ => None,
        }
    }

    /// Whether it is there and all its bytes are zero.
    #[must_use]
    pub fn is_zero(&self) -> bool {
        match self {
            Self::Number(value) | Self::Hex { value, .. } => *value == 0,
            Self::Text(text) => text.is_empty(),
            Self::Guid(text) => text.bytes().all(|byte| matches!(byte, b'0' | b'-')),
            Self::Bytes(bytes) => bytes.iter().all(|byte| *byte == 0),
            Self::Missing => false,
        }
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => write!(f, "{value}"),
            Self::Hex { value, bytes } => {
                let width = usize::from(*bytes).saturating_mul(2).saturating_add(2);
                write!(f, "{value:#0width$x}")
            }
            Self::Text(text) | Self::Guid(text) => f.write_str(text),
            Self::Bytes(bytes) => bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            Self::Missing => f.write_str("missing"),
        }
    }
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Number(value) => serializer.serialize_u64(*value),
            Self::Missing => serializer.serialize_none(),
            other => serializer.collect_str(other),
        }
    }
}

/// One bit or group of bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BitRow {
    /// Lowest bit, from 0.
    pub first: u8,
    /// Number of bits.
    pub count: u8,
    /// Name.
    pub name: String,
    /// Value of the group.
    pub value: u64,
    /// The value in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<String>,
}

impl BitRow {
    /// The bits of the group.
    #[must_use]
    pub fn mask(&self) -> u64 {
        let ones = u64::MAX
            .checked_shr(64u32.saturating_sub(self.count.into()))
            .unwrap_or(0);
        ones.checked_shl(self.first.into()).unwrap_or(0)
    }
}
