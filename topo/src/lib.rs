//! One model of a machine: CPUs, caches, memory, PCI; what is wrong with it; its picture.
//!
//! ```
//! use captures::Source;
//!
//! let machine = topo::open(&Source::live());
//! let report = topo::findings::judge(&machine);
//! for finding in &report.findings {
//!     println!("{}: {}", finding.id, finding.text);
//! }
//! ```
//!
//! [`open`] goes from a [`captures::Source`] to a [`model::Machine`]; [`findings::judge`] says what
//! is wrong; [`diagram`] draws.

#![forbid(unsafe_code)]

pub mod acpi;
pub mod cli;
pub mod diagram;
pub mod evidence;
pub mod findings;
mod gather;
mod json;
mod merge;
pub mod model;
pub mod offered;
pub mod pci;
pub mod smbios;
pub mod sysfs;
pub mod xen;

pub use merge::open;
