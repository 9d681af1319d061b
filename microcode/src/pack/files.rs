//! The files that a selection is written to.

use std::collections::BTreeMap;

use super::containers::{self, Containers};
use super::select::unique;
use super::{Entry, Selection, Written};
use crate::cpu::Vendor;
use crate::found::Found;
use crate::gather::Table;
use crate::ids::{Date, Signature};

/// Updates one after the other, as the kernel and [`crate::intel::read`] take them.
#[must_use]
pub fn binary(updates: &[&Found]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(updates.iter().map(|found| found.bytes().len()).sum());
    for found in updates {
        bytes.extend_from_slice(found.bytes());
    }
    bytes
}

/// Name of the file in `intel-ucode/` in which Linux looks for a CPU: family, model and stepping.
#[must_use]
pub fn intel_name(signature: Signature) -> String {
    let (family, model, stepping) = signature.family_model_stepping();
    format!("{family:02x}-{model:02x}-{stepping:02x}")
}

/// The files of `intel-ucode/`: an update stands in the file of each CPU for which it was selected,
/// also when only its extended signature table names it.
#[must_use]
pub fn intel(selection: &Selection<'_>) -> Vec<Written> {
    let mut files: BTreeMap<String, Vec<&Found>> = BTreeMap::new();
    for entry in &selection.entries {
        if let (Vendor::Intel, Some(signature)) = (entry.whom.vendor, entry.whom.signature) {
            files.entry(intel_name(signature)).or_default().push(entry.found);
        }
    }
    let files = files.into_iter().map(|(name, found)| Written {
        name,
        bytes: binary(&unique(found.into_iter())),
    });
    files.collect()
}

/// A firmware directory: `intel-ucode/…` and `amd-ucode/…`. Linux has no name for files of Hygon's
/// patches, so they are not among them.
#[must_use]
pub fn firmware(selection: &Selection<'_>, tables: &[Table]) -> Containers {
    let mut made = containers::amd(selection, tables);
    let within = |folder: &str, file: &mut Written| file.name.insert_str(0, folder);
    made.files.iter_mut().for_each(|file| within("amd-ucode/", file));
    let mut files = intel(selection);
    files.iter_mut().for_each(|file| within("intel-ucode/", file));
    made.files.splice(0..0, files);
    made
}

/// Intel's updates as `.dat` text. Before each stands the name of its firmware file.
#[must_use]
pub fn dat(selection: &Selection<'_>) -> String {
    let updates = selection.of(Vendor::Intel);
    let pairs: Vec<(Option<&str>, &[u8])> = updates.iter().map(|found| (None, found.bytes())).collect();
    crate::dat::write(&pairs)
}

/// A file for each entry, named as `iucode_tool -W` does: signature, platforms and revision. AMD's
/// have no platforms; a patch whose CPUs are not known is named by its equivalence id. Where two
/// would have one name, the later ones are numbered.
#[must_use]
pub fn named(selection: &Selection<'_>) -> Vec<Written> {
    let mut taken: BTreeMap<String, u32> = BTreeMap::new();
    let files = selection.entries.iter().map(|entry| {
        let mut name = name_of(entry);
        let count = taken.entry(name.clone()).or_default();
        if *count > 0 {
            name = format!("{name}.{count}");
        }
        *count = count.saturating_add(1);
        Written {
            name: format!("{name}.fw"),
            bytes: entry.found.bytes().to_vec(),
        }
    });
    files.collect()
}

fn name_of(entry: &Entry<'_>) -> String {
    let (whom, revision) = (entry.whom, entry.found.update.revision().0);
    match (whom.signature, whom.id) {
        (Some(signature), _) if whom.vendor == Vendor::Intel => {
            format!("s{:08X}_m{:08X}_r{revision:08X}", signature.0, whom.platforms.0)
        }
        (Some(signature), _) => format!("s{:08X}_r{revision:08X}", signature.0),
        (None, id) => format!("i{:04X}_r{revision:08X}", id.map_or(0, |id| id.0)),
    }
}

/// The newest date of these updates, by which an archive can be dated.
#[must_use]
pub fn newest_date(updates: &[&Found]) -> Option<Date> {
    updates.iter().map(|found| found.update.date()).max()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::samples::{intel as update, intel_dated, patch};
    use crate::gather::{Options, gather};
    use crate::pack::{Filter, Keep, select};

    fn names(files: &[Written]) -> Vec<&str> {
        files.iter().map(|file| file.name.as_str()).collect()
    }

    #[test]
    fn update_stands_in_the_file_of_every_cpu_it_names() {
        let two = intel_dated(0x906ea, 0x22, 5, 1, 0x0101_2020, &[(0x906ea, 0x22), (0x906e9, 0x22)]);
        let (high, low) = (update(0x906e9, 0x80, 6, 2), update(0x906e9, 0x01, 6, 3));
        let found = gather("all", [&two[..], &high, &low].concat(), Options::default()).found;
        let selection = select(&found, &Filter::default(), Keep::Newest);
        let files = intel(&selection);
        assert_eq!(names(&files), ["06-9e-09", "06-9e-0a"]);
        assert_eq!(files[0].bytes, [&high[..], &two, &low].concat());
        assert_eq!(files[1].bytes, two);
        assert_eq!(binary(&selection.updates()), files[0].bytes);
        assert_eq!(newest_date(&selection.updates()).unwrap().to_string(), "2025-10-08");
    }

    #[test]
    fn single_files_are_named_by_cpu_and_revision_and_never_twice_the_same() {
        let bytes = [update(0x906ea, 0x22, 0xf0, 1), update(0x906ea, 0x22, 0xf0, 2)].concat();
        let found = gather("all", bytes, Options::default()).found;
        let selection = select(&found, &Filter::default(), Keep::All);
        assert_eq!(
            names(&named(&selection)),
            ["s000906EA_m00000022_r000000F0.fw", "s000906EA_m00000022_r000000F0.1.fw"]
        );
        for (id, name) in [(0xa210, "s00A20F10_r0A201030.fw"), (0x1022, "i1022_r0A201030.fw")] {
            let found = gather("raw", patch(id, 0x0a20_1030, &[1, 2]), Options::default()).found;
            let selection = select(&found, &Filter::default(), Keep::Newest);
            assert_eq!(names(&named(&selection)), [name]);
        }
    }
}
