//! The language in which table layouts are written: plain constants, no code per field.
//!
//! ```
//! use acpi_dump::layout::spec::{Field, bit, flags, hex};
//!
//! // ACPI 6.5, 5.2.12: what stands between the header of a MADT and its entries.
//! const FIELDS: &[Field] = &[
//!     hex("Local interrupt controller address", 4),
//!     flags("Flags", 4, &[bit(0, "PC-AT compatible")]),
//! ];
//! assert_eq!(FIELDS.iter().map(|field| field.kind.length()).sum::<usize>(), 8);
//! ```

use super::Cursor;

/// Values that have names.
pub type Names = &'static [(u64, &'static str)];

/// One field; offsets follow from the lengths of the fields before it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name as the specification has it.
    pub name: &'static str,
    /// Length and meaning.
    pub kind: Kind,
}

/// What a field holds. Lengths are in bytes; numbers have at most eight.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Number shown in hexadecimal (addresses, ids, masks).
    Hex(u8),
    /// Number shown in decimal (counts, sizes, latencies).
    Decimal(u8),
    /// Number whose values have names, shown in decimal; a value without a name has no words.
    Enum(u8, Names),
    /// Number made of bits.
    Flags(u8, &'static [BitField]),
    /// Characters, zero-filled or zero-ended.
    Text(usize),
    /// 16-byte GUID in mixed-endian order.
    Guid,
    /// Generic Address Structure, 12 bytes (ACPI 6.5, section 5.2.3.2): a nested section of its five fields.
    Gas,
    /// PCI address in two bytes: bus in the high byte, device and function in the low one.
    Bdf,
    /// Bytes without structure.
    Bytes(usize),
    /// Reserved: should be zero.
    Reserved(usize),
}

impl Kind {
    /// Length in bytes.
    #[must_use]
    pub const fn length(&self) -> usize {
        match self {
            Self::Hex(length) | Self::Decimal(length) | Self::Enum(length, _) | Self::Flags(length, _) => {
                *length as usize
            }
            Self::Text(length) | Self::Bytes(length) | Self::Reserved(length) => *length,
            Self::Guid => 16,
            Self::Gas => 12,
            Self::Bdf => 2,
        }
    }
}

/// A bit or group of bits in a flags field.
#[derive(Clone, Copy, Debug)]
pub struct BitField {
    /// Lowest bit, from 0.
    pub first: u8,
    /// Number of bits.
    pub count: u8,
    /// Name.
    pub name: &'static str,
    /// Names of values; empty where 0 and 1 say enough.
    pub values: Names,
}

/// A whole table.
#[derive(Clone, Copy, Debug)]
pub struct TableLayout {
    /// Signature in the header.
    pub signature: [u8; 4],
    /// What the table is called: `Multiple APIC Description Table`.
    pub name: &'static str,
    /// Document and section that it follows.
    pub source: &'static str,
    /// Fields behind the common header (for FACS and RSDP: from byte 0).
    pub fields: &'static [Field],
    /// Lengths of the table, header included, at which an earlier revision ended its fields. The
    /// fields may end there; at any other place the table is damaged.
    pub lengths: &'static [usize],
    /// What follows the fields.
    pub rest: Rest,
}

/// What follows the fixed fields of a table or an entry.
#[derive(Clone, Copy, Debug)]
pub enum Rest {
    /// Nothing: bytes left over are kept as bytes and are a finding.
    None,
    /// Entries with a type.
    Entries(&'static Entries),
    /// The same structure again and again up to the end: its title and fields.
    Repeat(&'static str, &'static [Field]),
    /// The same field again and again up to the end; rows are called `name[0]`, `name[1]`.
    Array(Field),
    /// Raw bytes up to the end.
    Bytes(&'static str),
    /// Text up to the end.
    Text(&'static str),
    /// Something that only code can follow (counts and offsets in fields); a small function over
    /// the engine's cursor. Bytes that it leaves unread are a finding.
    Code(fn(&mut Cursor<'_>)),
}

/// A list of entries.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// Name of an item whose type is unknown: `Interrupt controller structure`.
    pub noun: &'static str,
    /// Fields that open every entry, known or not.
    pub head: &'static [Field],
    /// Offset and width of the type in an entry.
    pub kind_at: (usize, u8),
    /// How long an entry is.
    pub length: Length,
    /// Known types.
    pub kinds: &'static [EntryKind],
}

/// How the length of an entry is known.
#[derive(Clone, Copy, Debug)]
pub enum Length {
    /// It is a field: offset and width in the entry; the whole entry is counted.
    At(usize, u8),
    /// Head and fields of the type tell; an unknown type ends the list.
    Own,
    /// Computed from the bytes from the entry's start on; `None` ends the list.
    By(fn(&[u8]) -> Option<usize>),
}

/// One type of entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryKind {
    /// Number of the type.
    pub number: u64,
    /// Name.
    pub name: &'static str,
    /// Fields behind the head that is common to all entries.
    pub fields: &'static [Field],
    /// Lengths of the entry, head included, at which an earlier revision ended its fields.
    pub lengths: &'static [usize],
    /// What follows the fields inside the entry.
    pub rest: Rest,
}

impl TableLayout {
    /// A table of these fields with nothing behind them.
    #[must_use]
    pub const fn new(signature: [u8; 4], name: &'static str, source: &'static str, fields: &'static [Field]) -> Self {
        Self {
            signature,
            name,
            source,
            fields,
            lengths: &[],
            rest: Rest::None,
        }
    }

    /// With lengths of earlier revisions.
    #[must_use]
    pub const fn lengths(mut self, lengths: &'static [usize]) -> Self {
        self.lengths = lengths;
        self
    }

    /// With something behind the fields.
    #[must_use]
    pub const fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }
}

impl EntryKind {
    /// A type of entry with nothing behind its fields.
    #[must_use]
    pub const fn new(number: u64, name: &'static str, fields: &'static [Field]) -> Self {
        Self {
            number,
            name,
            fields,
            lengths: &[],
            rest: Rest::None,
        }
    }

    /// With lengths of earlier revisions.
    #[must_use]
    pub const fn lengths(mut self, lengths: &'static [usize]) -> Self {
        self.lengths = lengths;
        self
    }

    /// With something behind the fields.
    #[must_use]
    pub const fn rest(mut self, rest: Rest) -> Self {
        self.rest = rest;
        self
    }
}

const fn field(name: &'static str, kind: Kind) -> Field {
    Field { name, kind }
}

/// Number of `bytes` bytes, shown in hexadecimal.
#[must_use]
pub const fn hex(name: &'static str, bytes: u8) -> Field {
    field(name, Kind::Hex(bytes))
}

/// Number of `bytes` bytes, shown in decimal.
#[must_use]
pub const fn dec(name: &'static str, bytes: u8) -> Field {
    field(name, Kind::Decimal(bytes))
}

/// Number of `bytes` bytes whose values have names.
#[must_use]
pub const fn one_of(name: &'static str, bytes: u8, names: Names) -> Field {
    field(name, Kind::Enum(bytes, names))
}

/// Number of `bytes` bytes made of bits.
#[must_use]
pub const fn flags(name: &'static str, bytes: u8, bits: &'static [BitField]) -> Field {
    field(name, Kind::Flags(bytes, bits))
}

/// Characters in `bytes` bytes.
#[must_use]
pub const fn text(name: &'static str, bytes: usize) -> Field {
    field(name, Kind::Text(bytes))
}

/// GUID.
#[must_use]
pub const fn guid(name: &'static str) -> Field {
    field(name, Kind::Guid)
}

/// Generic Address Structure.
#[must_use]
pub const fn gas(name: &'static str) -> Field {
    field(name, Kind::Gas)
}

/// PCI bus, device and function in two bytes.
#[must_use]
pub const fn bdf(name: &'static str) -> Field {
    field(name, Kind::Bdf)
}

/// Bytes without structure.
#[must_use]
pub const fn raw(name: &'static str, bytes: usize) -> Field {
    field(name, Kind::Bytes(bytes))
}

/// Reserved bytes.
#[must_use]
pub const fn reserved(bytes: usize) -> Field {
    field("Reserved", Kind::Reserved(bytes))
}

/// One bit.
#[must_use]
pub const fn bit(first: u8, name: &'static str) -> BitField {
    bits(first, 1, name)
}

/// A group of bits that is a number.
#[must_use]
pub const fn bits(first: u8, count: u8, name: &'static str) -> BitField {
    bits_of(first, count, name, &[])
}

/// A bit or group of bits whose values have names.
#[must_use]
pub const fn bits_of(first: u8, count: u8, name: &'static str, values: Names) -> BitField {
    BitField {
        first,
        count,
        name,
        values,
    }
}
