//! Layouts of data tables as data: a table is a list of [`Field`]s and a rule for what follows
//! them; one engine turns any table into [`Section`]s of rows with offset, length, value, words
//! and bit names, and one printer shows them all.
//!
//! The typed decoders in [`crate::tables`] give the facts that other crates compute with; this
//! module gives every byte of every table a name.
//!
//! ```
//! let mut slit = b"SLIT\x30\0\0\0\x01\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! slit.extend([2, 0, 0, 0, 0, 0, 0, 0, 10, 21, 21, 10]);
//! let table = acpi_dump::Table::parse(&slit)?;
//! let decoded = acpi_dump::layout::decode(&table);
//! assert!(decoded.findings.is_empty());
//! assert_eq!(decoded.value.walk().last().map(|row| row.offset), Some(47));
//! # Ok::<(), acpi_dump::TableError>(())
//! ```

mod columns;
/// Name of the row that holds the byte code of a definition block; [`crate::aml`] reads it.
pub const AML: &str = "AML";

pub mod cursor;
mod defs;
pub mod engine;
pub mod print;
pub mod registry;
pub mod section;
pub mod spec;
mod value;

pub use cursor::Cursor;
pub use engine::{cdat, decode};
pub use print::{PrintOptions, print};
pub use registry::find;
pub use section::{BitRow, Row, Section, Value};
pub use spec::{BitField, Entries, EntryKind, Field, Kind, Length, Rest, TableLayout};
