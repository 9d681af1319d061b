//! The language in which table layouts are written: plain constants, no code per field.

use super::{Row, Section};
use crate::finding::Finding;

/// One field; offsets follow from the lengths of the fields before it.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name as the specification has it.
    pub name: &'static str,
    /// Length and meaning.
    pub kind: Kind,
}

/// What a field holds. Lengths are in bytes.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// Number shown in hexadecimal (addresses, ids, masks).
    Hex(u8),
    /// Number shown in decimal (counts, sizes, latencies).
    Decimal(u8),
    /// Number whose values have names; others are "unknown".
    Enum(u8, &'static [(u64, &'static str)]),
    /// Number made of bits.
    Flags(u8, &'static [BitField]),
    /// Characters, zero-filled or zero-ended.
    Text(usize),
    /// 16-byte GUID in mixed-endian order.
    Guid,
    /// Generic Address Structure, 12 bytes (ACPI 6.5, section 5.2.3.2): shown as its five fields.
    Gas,
    /// PCI address in two bytes: bus in the high byte, device and function in the low one.
    Bdf,
    /// Bytes without structure.
    Bytes(usize),
    /// Reserved: should be zero.
    Reserved(usize),
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
    pub values: &'static [(u64, &'static str)],
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
    /// Fields that later revisions add: fields from index `.1` on exist from table length `.0` on
    /// only when they fit; a shorter table is not damage. `true`: the list may end early.
    pub may_end_early: bool,
    /// What follows the fields.
    pub rest: Rest,
}

/// What follows the fixed fields of a table or an entry.
#[derive(Clone, Copy, Debug)]
pub enum Rest {
    /// Nothing: bytes left over are kept as bytes and are a finding.
    None,
    /// Entries with type and length.
    Entries(&'static Entries),
    /// The same structure again and again up to the end.
    Repeat(&'static str, &'static [Field]),
    /// Raw bytes up to the end.
    Bytes(&'static str),
    /// Text up to the end.
    Text(&'static str),
    /// Something that only code can follow (counts and offsets in fields); a small function over the engine's cursor.
    Code(fn(&mut Cursor<'_>)),
}

/// A list of entries.
#[derive(Clone, Copy, Debug)]
pub struct Entries {
    /// Name of the list's items where the type is unknown: `entry`.
    pub noun: &'static str,
    /// Offset and width of the type in an entry.
    pub kind_at: (usize, u8),
    /// Offset and width of the length in an entry; `None` where each kind has its own fixed length.
    pub length_at: Option<(usize, u8)>,
    /// Known types.
    pub kinds: &'static [EntryKind],
}

/// One type of entry.
#[derive(Clone, Copy, Debug)]
pub struct EntryKind {
    /// Number of the type.
    pub number: u64,
    /// Name.
    pub name: &'static str,
    /// All fields, type and length included.
    pub fields: &'static [Field],
    /// What follows them inside the entry.
    pub rest: Rest,
}

/// Where the engine stands in a table: it reads fields into the current section and never runs past `end`.
#[derive(Debug)]
pub struct Cursor<'a> {
    /// The table.
    pub table: &'a crate::Table,
    /// Next byte.
    pub at: usize,
    /// Byte behind the structure that is being read.
    pub end: usize,
    /// Section that rows go to.
    pub section: Section,
    /// Damage met so far.
    pub findings: Vec<Finding>,
}

impl Cursor<'_> {
    /// Row already read under this name, looking at the current section only.
    #[must_use]
    pub fn row(&self, name: &str) -> Option<&Row> {
        self.section.rows.iter().find(|row| row.name == name)
    }
}
