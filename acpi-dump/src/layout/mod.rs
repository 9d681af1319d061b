//! Layouts of data tables as data: a table is a list of [`Field`]s and a rule for what follows
//! them; one engine turns any table into [`Section`]s of rows with offset, length, value, words
//! and bit names, and one printer shows them all.
//!
//! The typed decoders in [`crate::tables`] give the facts that other crates compute with; this
//! module gives every byte of every table a name.

pub mod spec;

pub use spec::{BitField, Entries, EntryKind, Field, Kind, Rest, TableLayout};

use serde::Serialize;

/// A table, an entry of one, or a structure inside: rows and what is nested.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Section {
    /// What it is: `Local APIC`, `Memory affinity`.
    pub title: String,
    /// Offset in the table.
    pub offset: usize,
    /// Length in bytes, nested sections included.
    pub length: usize,
    /// Fields in table order.
    pub rows: Vec<Row>,
    /// Nested structures in table order.
    pub sections: Vec<Section>,
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

/// Contents of a field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Value {
    /// Little-endian number.
    Number(u64),
    /// Characters.
    Text(String),
    /// GUID in its text form, upper case.
    Guid(String),
    /// Raw bytes.
    Bytes(Vec<u8>),
    /// The table ends, or bytes are missing, before or inside the field.
    Missing,
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
