//! The tables of one machine, from one or several sources, each with a name of its own.
//!
//! Tables that a signature has more than one of are numbered from 1 in the order of the source
//! (`SSDT1`, `SSDT2`), as acpixtract and the Linux kernel name them.

use std::sync::Arc;

use serde::Serialize;

use crate::header::{Signature, printable};
use crate::table::{Table, TableError, split};
use crate::text::{self, Fault};

/// A table with its name and its source.
#[derive(Clone, Debug)]
pub struct Named {
    /// Signature, with a number from 1 when there are several of it: `APIC`, `SSDT3`.
    pub name: String,
    /// The table.
    pub table: Table,
    /// The source, as the caller named it.
    pub origin: Arc<str>,
    /// Line in the source, from 1, where it is text.
    pub line: Option<usize>,
    /// Address that the source prints; 0 when it does not know.
    pub address: u64,
    /// Other sources that give the same bytes.
    pub also: Vec<Arc<str>>,
    group: usize,
}

/// Bytes that are no table.
#[derive(Clone, Debug, Serialize)]
pub struct Broken {
    /// The source.
    pub origin: Arc<str>,
    /// Line in the source, from 1, where it is text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// What stands where the signature should be.
    pub signature: String,
    /// Number of bytes.
    pub size: usize,
    /// Why it is no table.
    pub error: String,
}

/// A fault of a text dump, with the dump.
#[derive(Clone, Debug, Serialize)]
pub struct DumpFault {
    /// The source.
    pub origin: Arc<str>,
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault,
}

/// Tables of one machine and what could not be read of them.
///
/// ```
/// let mut set = acpi_dump::TableSet::default();
/// set.add_binary("facs.bin", b"FACS\x40\0\0\0");
/// assert_eq!(set.get("FACS").unwrap().table.length, 64);
/// assert!(set.get("DSDT").is_none());
/// ```
#[derive(Clone, Debug, Default)]
pub struct TableSet {
    /// Tables in the order of the sources.
    pub tables: Vec<Named>,
    /// What is no table.
    pub broken: Vec<Broken>,
    /// Faults of text dumps.
    pub faults: Vec<DumpFault>,
    groups: usize,
}

impl TableSet {
    /// Begin a new group of sources: a table that an earlier group gave byte for byte is not added
    /// again, only noted; equal tables inside a group all stay.
    pub fn begin_group(&mut self) {
        self.groups = self.groups.saturating_add(1);
    }

    /// Add the tables of acpidump text; its faults are kept.
    pub fn add_text(&mut self, origin: &str, bytes: &[u8]) {
        self.begin_group();
        let origin: Arc<str> = origin.into();
        let dump = text::parse(bytes);
        for entry in &dump.tables {
            self.add(&origin, Some(entry.line), entry.address.0, entry.table(), &entry.bytes);
        }
        self.faults.extend(dump.faults.into_iter().map(|fault| DumpFault {
            origin: Arc::clone(&origin),
            fault,
        }));
        self.number();
    }

    /// Add one binary table, or several that stand one behind the other.
    pub fn add_binary(&mut self, origin: &str, bytes: &[u8]) {
        let origin: Arc<str> = origin.into();
        let mut rest = bytes;
        for table in split(bytes) {
            let size = table.as_ref().map_or(rest.len(), |table| table.bytes.len());
            self.add(&origin, None, 0, table, rest);
            rest = rest.get(size..).unwrap_or_default();
        }
        self.number();
    }

    /// The table of that name; `SSDT` and `SSDT[2]` are understood too. A signature alone stands
    /// for its first table.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Named> {
        let plain: String = name
            .chars()
            .filter(|character| !matches!(character, '[' | ']'))
            .collect();
        let same = |other: &str| other.eq_ignore_ascii_case(&plain);
        let by_name = self.tables.iter().find(|table| same(&table.name));
        by_name
            .or_else(|| {
                self.tables
                    .iter()
                    .find(|table| same(&table.table.signature.to_string()))
            })
            .or_else(|| self.alias(&plain))
    }

    /// Every table of a signature, in order.
    pub fn all(&self, signature: Signature) -> impl Iterator<Item = &Named> {
        self.tables
            .iter()
            .filter(move |named| named.table.signature == signature)
    }

    /// Tables that hold AML, the DSDT first: DSDT, SSDT, PSDT and the OEM tables that begin as one.
    pub fn definition_blocks(&self) -> impl Iterator<Item = &Named> {
        let is = |named: &&Named, name: &[u8; 4]| named.table.signature.0 == *name;
        let first = self.tables.iter().filter(move |named| is(named, b"DSDT"));
        let others = self
            .tables
            .iter()
            .filter(move |named| is(named, b"SSDT") || is(named, b"PSDT"));
        first.chain(others)
    }

    /// Names people use for a signature: MADT, FADT, RSD PTR.
    fn alias(&self, name: &str) -> Option<&Named> {
        let signature = match name.to_ascii_uppercase().as_str() {
            "MADT" => Signature::APIC,
            "FADT" => Signature(*b"FACP"),
            "RSDP" => Signature::RSDP,
            "SBF" => Signature(*b"BOOT"),
            _ => return None,
        };
        self.all(signature).next()
    }

    fn add(
        &mut self,
        origin: &Arc<str>,
        line: Option<usize>,
        address: u64,
        table: Result<Table, TableError>,
        bytes: &[u8],
    ) {
        let origin = Arc::clone(origin);
        let table = match table {
            Ok(table) => table,
            Err(error) => {
                return self.broken.push(Broken {
                    origin,
                    line,
                    signature: printable(bytes.get(..4).unwrap_or(bytes)),
                    size: bytes.len(),
                    error: error.to_string(),
                });
            }
        };
        let groups = self.groups;
        let known = self.tables.iter_mut().find(|named| {
            named.group != groups
                && named.table.bytes == table.bytes
                && named.table.missing == table.missing
                && !named.also.contains(&origin)
        });
        if let Some(named) = known {
            return named.also.push(origin);
        }
        self.tables.push(Named {
            name: String::new(),
            table,
            origin,
            line,
            address,
            also: Vec::new(),
            group: groups,
        });
    }

    fn number(&mut self) {
        let signatures: Vec<Signature> = self.tables.iter().map(|named| named.table.signature).collect();
        let mut counts = std::collections::BTreeMap::<Signature, (usize, usize)>::new();
        for signature in &signatures {
            let (all, _) = counts.entry(*signature).or_default();
            *all = all.saturating_add(1);
        }
        for named in &mut self.tables {
            let signature = named.table.signature;
            let (all, seen) = counts.entry(signature).or_default();
            *seen = seen.saturating_add(1);
            let text = if signature == Signature::RSDP {
                "RSDP".to_owned()
            } else {
                signature.to_string()
            };
            named.name = if *all > 1 { format!("{text}{seen}") } else { text };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::sdt;

    #[test]
    fn several_of_a_signature_are_numbered_and_one_is_not() {
        let mut set = TableSet::default();
        for table in [sdt(b"SSDT", 1, &[1]), sdt(b"DSDT", 1, &[2]), sdt(b"SSDT", 1, &[3])] {
            set.add_binary("folder", &table);
        }
        let names: Vec<&str> = set.tables.iter().map(|named| named.name.as_str()).collect();
        assert_eq!(names, ["SSDT1", "DSDT", "SSDT2"]);
        let blocks: Vec<&str> = set.definition_blocks().map(|named| named.name.as_str()).collect();
        assert_eq!(blocks, ["DSDT", "SSDT1", "SSDT2"]);
        for (asked, given) in [("ssdt[2]", "SSDT2"), ("SSDT", "SSDT1"), ("dsdt", "DSDT")] {
            assert_eq!(set.get(asked).unwrap().name, given);
        }
    }

    #[test]
    fn a_second_source_of_the_same_table_is_noted_not_listed() {
        let mut set = TableSet::default();
        let table = sdt(b"SSDT", 1, &[1]);
        set.add_binary("first", &[table.clone(), table.clone()].concat());
        set.begin_group();
        set.add_binary("second", &table);
        assert_eq!(set.tables.len(), 2);
        assert_eq!(set.tables[0].also.as_slice(), [Arc::from("second")]);
    }

    #[test]
    fn bytes_behind_whole_tables_that_are_no_table_are_kept_apart() {
        let mut set = TableSet::default();
        set.add_binary("file", &[sdt(b"TEST", 1, &[]), b"rest".to_vec()].concat());
        assert_eq!((set.tables.len(), set.broken.len()), (1, 1));
        assert_eq!((set.broken[0].signature.as_str(), set.broken[0].size), ("rest", 4));
    }
}
