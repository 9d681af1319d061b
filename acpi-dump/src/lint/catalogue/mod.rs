//! Every check once: id, severity, what it means, how it is seen, what to do, and which labels of
//! fwts it answers.

pub mod errors;
pub mod fwts;
pub mod namespace;
pub mod platform;
pub mod tables;
pub mod topology;

use super::hit::Severity;

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Stable id: `mcfg-overlap`.
    pub id: &'static str,
    /// Subject among the thirty, see [`SUBJECTS`].
    pub subject: u8,
    /// How much a hit matters.
    pub severity: Severity,
    /// What is wrong, in one line.
    pub title: &'static str,
    /// Why it matters.
    pub meaning: &'static str,
    /// How it is seen.
    pub seen: &'static str,
    /// What to do about it.
    pub remedy: &'static str,
    /// Document and section of the rule.
    pub source: &'static str,
    /// Labels of fwts that it answers.
    pub fwts: &'static [&'static str],
}

/// Constants and the list of them from one table.
macro_rules! checks {
    ($($name:ident = $id:literal, $subject:literal, $severity:ident, $title:literal,
        $meaning:literal, $seen:literal, $remedy:literal, $source:literal, [$($label:literal),*];)*) => {
        $(
            #[doc = $title]
            pub const $name: $crate::lint::Check = $crate::lint::Check {
                id: $id,
                subject: $subject,
                severity: $crate::lint::Severity::$severity,
                title: $title,
                meaning: $meaning,
                seen: $seen,
                remedy: $remedy,
                source: $source,
                fwts: &[$($label),*],
            };
        )*

        /// All of them, in order.
        pub const LIST: &[$crate::lint::Check] = &[$($name),*];
    };
}
pub(super) use checks;

/// What the checks are about, by number from 1.
pub const SUBJECTS: [&str; 30] = [
    "Checksums",
    "Lengths and structure",
    "Tables that are there more than once",
    "FADT: addresses of DSDT and FACS",
    "FADT: register blocks",
    "FADT: SCI, SMI commands, hardware-reduced ACPI",
    "Reserved fields and values of fields",
    "MCFG: windows",
    "MCFG and the memory map",
    "MADT: I/O APICs",
    "MADT: CPUs",
    "MADT: interrupt overrides and NMIs",
    "MADT: Arm GIC",
    "SRAT: memory and domains",
    "SRAT and MADT",
    "SLIT",
    "HMAT",
    "DMAR",
    "IVRS",
    "IORT",
    "PPTT",
    "HEST",
    "BERT, ERST, EINJ",
    "PCCT",
    "CEDT",
    "NFIT",
    "SPCR, DBG2, DBGP",
    "Identity of devices",
    "Predefined methods",
    "Security and suspicious firmware",
];

/// All checks, by subject.
#[must_use]
pub fn all() -> Vec<&'static Check> {
    let lists = [
        tables::LIST,
        topology::LIST,
        errors::LIST,
        platform::LIST,
        namespace::LIST,
    ];
    let mut list: Vec<&'static Check> = lists.into_iter().flatten().collect();
    list.sort_by_key(|check| check.subject);
    list
}

/// The check of that id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    all().into_iter().find(|check| check.id == id)
}
