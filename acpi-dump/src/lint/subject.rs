//! What the checks look at: the tables, their decoded rows, and what the caller knows besides.

use std::ops::RangeInclusive;

use crate::aml::Namespace;
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::{ApicId, PciAddress};
use crate::layout::{self, Section};
use crate::set::{Named, TableSet};

/// What a range of a memory map is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MemoryKind {
    /// Memory that the operating system may use.
    Usable,
    /// Reserved: E820 type 2, EFI reserved, runtime services or unusable memory.
    Reserved,
    /// ACPI tables that may be overwritten once read.
    AcpiReclaim,
    /// ACPI memory that must stay.
    AcpiNvs,
    /// Registers: EFI memory mapped I/O.
    Mmio,
    /// Persistent memory.
    Persistent,
}

/// One range of a memory map (E820 or EFI).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRange {
    /// First and last byte.
    pub bytes: RangeInclusive<u64>,
    /// What it is.
    pub kind: MemoryKind,
}

/// What other sources say about the machine. What is `None` is not known, and nothing is checked
/// against it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outside {
    /// Memory map of the firmware.
    pub memory: Option<Vec<MemoryRange>>,
    /// PCI functions that are there.
    pub pci: Option<Vec<PciAddress>>,
    /// APIC ids of the CPUs that are there.
    pub apic_ids: Option<Vec<ApicId>>,
}

/// Everything the checks may look at.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The tables of the machine.
    pub set: &'a TableSet,
    /// Their rows, in the order of [`TableSet::tables`].
    pub decoded: Vec<Decoded<Section>>,
    /// Objects that the tables declare, from [`super::namespace`].
    pub namespace: Option<&'a Namespace>,
    /// Knowledge from elsewhere.
    pub outside: Outside,
}

impl<'a> Subject<'a> {
    /// Decode every table of a machine.
    #[must_use]
    pub fn new(set: &'a TableSet) -> Self {
        let decoded = set.tables.iter().map(|named| layout::decode(&named.table)).collect();
        Self {
            set,
            decoded,
            namespace: None,
            outside: Outside::default(),
        }
    }

    /// With knowledge from elsewhere.
    #[must_use]
    pub fn with_outside(mut self, outside: Outside) -> Self {
        self.outside = outside;
        self
    }

    /// With the namespace of the same tables, from [`super::namespace`].
    #[must_use]
    pub fn with_namespace(mut self, namespace: &'a Namespace) -> Self {
        self.namespace = Some(namespace);
        self
    }

    /// Every table with its rows.
    pub(super) fn views(&self) -> impl Iterator<Item = View<'_>> {
        let pairs = self.set.tables.iter().zip(&self.decoded);
        pairs.map(|(named, decoded)| View {
            named,
            section: &decoded.value,
            findings: &decoded.findings,
        })
    }

    /// Tables of a signature.
    pub(super) fn all(&self, signature: &'static [u8; 4]) -> impl Iterator<Item = View<'_>> {
        self.views()
            .filter(|view| view.named.table.signature == Signature(*signature))
    }

    /// The first table of a signature, which is the one that operating systems use.
    pub(super) fn first(&self, signature: &'static [u8; 4]) -> Option<View<'_>> {
        self.all(signature).next()
    }
}

/// One table and its rows.
#[derive(Clone, Copy, Debug)]
pub(super) struct View<'a> {
    /// The table.
    pub named: &'a Named,
    /// Its rows.
    pub section: &'a Section,
    /// Damage of its structure.
    pub findings: &'a [Finding],
}

impl<'a> View<'a> {
    /// Whether all bytes of the table are there. What a table does not say is only odd when it is whole.
    pub fn is_whole(&self) -> bool {
        let table = &self.named.table;
        let length = usize::try_from(table.length).unwrap_or(usize::MAX);
        table.missing.is_empty() && table.bytes.len() == length
    }

    /// Sections whose title begins with `title`, nested ones too.
    pub fn sections(&self, title: &'static str) -> impl Iterator<Item = &'a Section> {
        self.section
            .all()
            .filter(move |section| section.title.starts_with(title))
    }
}

/// A generic address structure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Gas {
    /// Offset in the table.
    pub at: usize,
    /// Address space.
    pub space: u64,
    /// Width in bits.
    pub width: u64,
    /// Access size.
    pub access: u64,
    /// Address.
    pub address: u64,
}

/// The nested address structure of that name; `None` when it is not there or not whole.
pub(super) fn gas(section: &Section, name: &str) -> Option<Gas> {
    section
        .sections
        .iter()
        .find(|nested| nested.title == name)
        .and_then(gas_of)
}

/// The address structure that a section is.
pub(super) fn gas_of(section: &Section) -> Option<Gas> {
    Some(Gas {
        at: section.offset,
        space: section.number("Address space")?,
        width: section.number("Register bit width")?,
        access: section.number("Access size")?,
        address: section.number("Address")?,
    })
}

/// Offset of a field; of the structure when the field is not there.
pub(super) fn place(section: &Section, name: &str) -> usize {
    section.row(name).map_or(section.offset, |row| row.offset)
}
