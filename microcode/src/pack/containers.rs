//! AMD containers of a selection, one for each file of `amd-ucode/`.
//!
//! Patches keep the order in which they were found, so that a container of which nothing is left
//! out is written as it was. Of several patches for the same CPUs Linux takes the last one in a
//! container, whatever its revision, so they stand in the order of their revisions.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::{Entry, Selection, Written};
use crate::amd::{self, Equivalence, EquivalentId, Patch};
use crate::cpu::Vendor;
use crate::found::{Found, Update};
use crate::gather::Table;
use crate::ids::Signature;

/// Up to this family Linux looks in one file for all of them.
const OWN_FILE_FROM: u16 = 0x15;

/// Containers and what is not right about them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Containers {
    /// A file for each family from 15h on, one for those before.
    pub files: Vec<Written>,
    /// What a loader will trip over.
    pub faults: Vec<TableFault>,
}

/// Something that the equivalence table of a container cannot say.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "fault")]
pub enum TableFault {
    /// CPUs of these patches are not known: no row was written, and no loader will find them.
    Unknown {
        /// Name of the CPUs.
        id: EquivalentId,
    },
    /// A CPU has this name too; the first one stands. Xen refuses a table with both.
    Conflict {
        /// CPU.
        signature: Signature,
        /// The name that was left out.
        id: EquivalentId,
    },
}

impl std::fmt::Display for TableFault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unknown { id } => write!(
                f,
                "no CPU signature is known for {id}: loaders will not find its patches"
            ),
            Self::Conflict { signature, id } => write!(f, "{signature} is named twice: its row with {id} is left out"),
        }
    }
}

/// Name of the file in `amd-ucode/` in which Linux looks for a family.
#[must_use]
pub fn amd_name(family: u16) -> String {
    if family < OWN_FILE_FROM {
        "microcode_amd.bin".to_owned()
    } else {
        format!("microcode_amd_fam{family:02x}h.bin")
    }
}

/// The files of `amd-ucode/` with the patches that were selected. Rows come from the tables that
/// were found with them; where none names a patch, they are made from the patch.
#[must_use]
pub fn amd(selection: &Selection<'_>, tables: &[Table]) -> Containers {
    of(selection, Vendor::Amd, tables, amd_name)
}

/// One file with the patches of Hygon.
#[must_use]
pub fn hygon(selection: &Selection<'_>, tables: &[Table]) -> Containers {
    of(selection, Vendor::Hygon, tables, |_| "HygonGenuine.bin".to_owned())
}

fn of(selection: &Selection<'_>, vendor: Vendor, tables: &[Table], name: impl Fn(u16) -> String) -> Containers {
    let mut files: BTreeMap<String, Vec<(EquivalentId, &Found)>> = BTreeMap::new();
    for (patch, found) in in_order(selection, vendor) {
        files
            .entry(name(patch.id.family()))
            .or_default()
            .push((patch.id, found));
    }
    let mut made = Containers::default();
    for (name, patches) in files {
        let bytes: Vec<&[u8]> = patches.iter().map(|(_, found)| found.bytes()).collect();
        let ids: BTreeSet<EquivalentId> = patches.iter().map(|(id, _)| *id).collect();
        let rows = rows(&ids, &bytes, tables, &mut made.faults);
        made.files.push(Written {
            name,
            bytes: amd::write(&rows, &bytes),
        });
    }
    made
}

/// Patches as found; those of one id together, at the place of the first, by revision.
fn in_order<'a>(selection: &Selection<'a>, vendor: Vendor) -> Vec<(&'a Patch, &'a Found)> {
    let mut entries: Vec<&Entry<'a>> = selection.entries.iter().collect();
    entries.retain(|entry| entry.whom.vendor == vendor);
    entries.sort_by_key(|entry| entry.load_order());
    let updates = super::select::unique(entries.into_iter().map(|entry| entry.found));
    let patches = updates.into_iter().filter_map(|found| match &found.update {
        Update::Amd(patch) => Some((patch, found)),
        Update::Intel(_) => None,
    });
    let mut list: Vec<(&Patch, &Found)> = patches.collect();
    let mut first: BTreeMap<EquivalentId, usize> = BTreeMap::new();
    for (number, (patch, _)) in list.iter().enumerate() {
        first.entry(patch.id).or_insert(number);
    }
    list.sort_by_key(|(patch, _)| (first.get(&patch.id).copied(), patch.revision));
    list
}

fn rows(
    ids: &BTreeSet<EquivalentId>,
    patches: &[&[u8]],
    tables: &[Table],
    faults: &mut Vec<TableFault>,
) -> Vec<Equivalence> {
    let mut names: BTreeMap<Signature, (usize, EquivalentId)> = BTreeMap::new();
    let mut named: BTreeSet<EquivalentId> = BTreeSet::new();
    let mut rows = Vec::new();
    let made = amd::rebuild_rows(patches);
    let found = tables.iter().enumerate().flat_map(|(number, table)| {
        let rows = table.rows.iter().filter(|row| ids.contains(&row.id));
        rows.map(move |row| (number, *row))
    });
    let mut all: Vec<(usize, Equivalence)> = found.collect();
    let in_tables: BTreeSet<EquivalentId> = all.iter().map(|(_, row)| row.id).collect();
    let others = made.rows.iter().filter(|row| !in_tables.contains(&row.id));
    all.extend(others.map(|row| (tables.len(), *row)));
    for (table, row) in all {
        match names.get(&row.signature) {
            None => {
                names.insert(row.signature, (table, row.id));
                named.insert(row.id);
                rows.push(row);
            }
            // AMD repeats the row of a CPU that has two patches.
            Some(first) if *first == (table, row.id) => rows.push(row),
            Some((_, id)) if *id != row.id => {
                let (signature, id) = (row.signature, row.id);
                let fault = TableFault::Conflict { signature, id };
                if !faults.contains(&fault) {
                    faults.push(fault);
                }
            }
            Some(_) => {}
        }
    }
    let unknown = ids.difference(&named).map(|id| TableFault::Unknown { id: *id });
    faults.extend(unknown);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::samples::{container, patch};
    use crate::gather::{Gathered, Options, gather, gather_directory};
    use crate::pack::{Filter, Keep, select};

    const ROWS: [(u32, u16); 3] = [(0x80_0f82, 0x8082), (0x80_0f12, 0x8012), (0x83_0f10, 0x8310)];

    fn packed(gathered: &Gathered, keep: Keep) -> Containers {
        amd(&select(&gathered.found, &Filter::default(), keep), &gathered.tables)
    }

    #[test]
    fn container_of_which_nothing_is_left_out_is_written_as_it_was() {
        let patches = [
            patch(0x8082, 0x0800_820d, &[1]),
            patch(0x8012, 0x0800_126e, &[2]),
            patch(0x8310, 0x0830_107c, &[3]),
        ];
        let bytes = container(&ROWS, &patches);
        let made = packed(&gather("fam17h", bytes.clone(), Options::default()), Keep::Newest);
        assert_eq!(
            (made.files[0].name.as_str(), made.faults.len()),
            ("microcode_amd_fam17h.bin", 0)
        );
        assert_eq!(made.files[0].bytes, bytes);
    }

    #[test]
    fn patches_of_one_cpu_stand_by_revision_so_that_linux_takes_the_newest() {
        let (old, new) = (patch(0x8012, 0x0800_1230, &[1]), patch(0x8012, 0x0800_126e, &[2]));
        let gathered = gather(
            "x",
            container(&ROWS[1..2], &[new.clone(), old.clone()]),
            Options::default(),
        );
        assert_eq!(
            packed(&gathered, Keep::All).files[0].bytes,
            container(&ROWS[1..2], &[old, new.clone()])
        );
        assert_eq!(
            packed(&gathered, Keep::Newest).files[0].bytes,
            container(&ROWS[1..2], &[new])
        );
    }

    #[test]
    fn single_patches_get_rows_of_their_own_and_families_files_of_their_own() {
        let files = [
            ("a".to_owned(), patch(0xa210, 0x0a20_1030, &[1])),
            ("b".to_owned(), patch(0x8012, 0x0800_126e, &[2])),
            ("c".to_owned(), patch(0x1ff2, 0x0100_00c9, &[3])),
        ];
        let made = packed(&gather_directory("raw", files, Options::default()), Keep::Newest);
        let names: Vec<&str> = made.files.iter().map(|file| file.name.as_str()).collect();
        assert_eq!(
            names,
            [
                "microcode_amd.bin",
                "microcode_amd_fam17h.bin",
                "microcode_amd_fam19h.bin"
            ]
        );
        let zen = amd::read(&made.files[2].bytes);
        assert_eq!(zen.containers[0].equivalences[0].signature, Signature(0xa2_0f10));
        assert_eq!(
            made.faults,
            [TableFault::Unknown {
                id: EquivalentId(0x1ff2)
            }]
        );
    }

    #[test]
    fn cpu_with_two_names_keeps_the_first() {
        let one = container(&[(0x60_0f12, 0x6012)], &[patch(0x6012, 0x0600_063e, &[1])]);
        let two = container(&[(0x60_0f12, 0x6013)], &[patch(0x6013, 0x0600_063f, &[1])]);
        let made = packed(&gather("x", [one, two].concat(), Options::default()), Keep::All);
        let (signature, id) = (Signature(0x60_0f12), EquivalentId(0x6013));
        assert!(
            made.faults.contains(&TableFault::Conflict { signature, id }),
            "{:?}",
            made.faults
        );
        assert_eq!(
            amd::read(&made.files[0].bytes).containers[0].equivalences[0].id,
            EquivalentId(0x6012)
        );
    }
}
