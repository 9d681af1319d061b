//! Checks of a machine's tables: what firmware got wrong, or what is odd enough to know.
//!
//! Everything is judged from bytes, offline: a table that is missing or cannot be read is no fault
//! of its own, and what a cut dump does not show is not guessed. The [`catalogue`] has each check
//! once, with its id, meaning and remedy.
//!
//! ```
//! use acpi_dump::{TableSet, lint};
//!
//! // A MCFG whose only window begins at zero.
//! let mut mcfg = b"MCFG\x3c\0\0\0\x01\x2bOEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! mcfg.extend([0; 18]);
//! mcfg.extend([0, 0xff, 0, 0, 0, 0]);
//! let mut set = TableSet::default();
//! set.add_binary("mcfg.bin", &mcfg);
//! let hits = lint::verify(&lint::Subject::new(&set));
//! assert!(hits.iter().any(|hit| hit.id == "mcfg-base" && hit.offset == Some(44)));
//! ```

mod affinity;
mod apei;
pub mod catalogue;
mod cedt;
mod channels;
mod console;
mod constant;
mod fadt;
mod fields;
mod hit;
mod iommu;
mod iort;
mod madt;
mod mcfg;
mod methods;
mod motherboard;
mod names;
mod nfit;
mod pptt;
mod rules;
mod security;
mod subject;
mod whole;

#[cfg(test)]
mod tests;

use crate::aml::Namespace;
use crate::set::TableSet;

pub use catalogue::Check;
pub use hit::{Hit, Severity};
pub use subject::{MemoryKind, MemoryRange, Outside, Subject};

/// Run all checks. Errors come first; within a severity, subjects are in order.
#[must_use]
pub fn verify(subject: &Subject<'_>) -> Vec<Hit> {
    let mut report = hit::Report::default();
    whole::run(subject, &mut report);
    fadt::run(subject, &mut report);
    rules::run(subject, &mut report);
    fields::run(subject, &mut report);
    mcfg::run(subject, &mut report);
    madt::run(subject, &mut report);
    affinity::run(subject, &mut report);
    iommu::run(subject, &mut report);
    iort::run(subject, &mut report);
    pptt::run(subject, &mut report);
    apei::run(subject, &mut report);
    channels::run(subject, &mut report);
    cedt::run(subject, &mut report);
    nfit::run(subject, &mut report);
    console::run(subject, &mut report);
    security::run(subject, &mut report);
    if let Some(namespace) = subject.namespace {
        names::run(subject, namespace, &mut report);
        methods::run(&names::Places::new(subject, namespace), &mut report);
    }
    report.into_hits()
}

/// The namespace of a machine's definition blocks, as [`Subject::with_namespace`] wants it.
#[must_use]
pub fn namespace(set: &TableSet) -> Namespace {
    let blocks: Vec<&[u8]> = set
        .definition_blocks()
        .map(|named| named.table.bytes.as_slice())
        .collect();
    Namespace::build(&blocks)
}
