//! ACPI tables: headers, checksums, decoded contents.
//!
//! Parsers take bytes and give a value with findings beside it; only [`cli`] knows where bytes
//! come from. Layouts follow the ACPI specification 6.5, the Intel VT-d specification (DMAR) and
//! the AMD I/O virtualisation specification (IVRS).
//!
//! ```
//! // A SLIT of two nodes, built by hand: header, node count, distances.
//! let mut slit = b"SLIT\x30\0\0\0\x01\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! slit.extend([2, 0, 0, 0, 0, 0, 0, 0, 10, 21, 21, 10]);
//! let sum = slit.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
//! slit[9] = sum.wrapping_neg();
//!
//! let table = acpi_dump::Table::parse(&slit)?;
//! assert!(table.checksum.is_ok());
//! let slit = acpi_dump::Slit::decode(&table).unwrap();
//! assert!(slit.findings.is_empty());
//! assert_eq!(slit.value.distance(0, 1), Some(21));
//! # Ok::<(), acpi_dump::TableError>(())
//! ```
#![forbid(unsafe_code)]

pub mod aml;
mod bytes;
pub mod cli;
pub mod diff;
pub mod finding;
pub mod header;
pub mod ids;
mod json;
pub mod layout;
pub mod lint;
pub mod set;
pub mod summary;
pub mod table;
pub mod tables;
pub mod text;
pub mod words;

pub use finding::{Decoded, Finding};
pub use header::{Checksum, Header, Signature};
pub use ids::{ApicId, Gpa, Mpidr, PciAddress, ProcessorUid, ProximityDomain, Segment};
pub use set::TableSet;
pub use table::{Table, TableError, split};
pub use tables::cedt::Cedt;
pub use tables::dmar::Dmar;
pub use tables::hmat::Hmat;
pub use tables::ivrs::Ivrs;
pub use tables::madt::Madt;
pub use tables::mcfg::Mcfg;
pub use tables::pptt::Pptt;
pub use tables::slit::Slit;
pub use tables::srat::Srat;
pub use text::{Dump, Fault, FaultKind, TextTable};
