//! Published containers and patches of AMD: what they say of themselves agrees, they can be written
//! again, and the digest lists know them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};

use microcode::amd::{self, Equivalence};
use microcode::entry_sign::{Digest, List, digest};
use microcode::{Date, Sha256, Signature};

fn corpus() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    root.join("microcode/amd")
}

fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let Ok(entries) = fs::read_dir(folder) else {
        eprintln!("{} absent: 1 case not run", folder.display());
        return Vec::new();
    };
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut list: Vec<_> = paths
        .filter(|path| path.is_file())
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(&path).unwrap(),
            )
        })
        .collect();
    list.sort();
    list
}

/// Corpus, and `amd-ucode/` below DELID_UCODE or where Linux has it.
fn containers() -> Vec<(String, Vec<u8>)> {
    let installed = std::env::var_os("DELID_UCODE").map_or_else(|| "/lib/firmware".into(), PathBuf::from);
    let mut list = files(&corpus());
    list.extend(files(&installed.join("amd-ucode")));
    list.retain(|(_, bytes)| amd::looks_like_container(bytes));
    list
}

fn patch_bytes<'a>(bytes: &'a [u8], patch: &amd::Patch) -> &'a [u8] {
    &bytes[patch.offset..patch.offset + patch.size]
}

#[test]
fn containers_have_no_damage_and_are_written_again_byte_for_byte() {
    let (mut count, mut same) = (0, 0);
    for (name, bytes) in containers() {
        let file = amd::read(&bytes);
        assert!(!file.is_damaged(), "{name}: {:?}", file.damage);
        for container in &file.containers {
            let patches: Vec<_> = container
                .patches
                .iter()
                .map(|patch| patch_bytes(&bytes, patch))
                .collect();
            let written = amd::write(&container.equivalences, &patches);
            let ends = container.table_size == (container.equivalences.len() + 1) * amd::ROW;
            if ends {
                let whole = &bytes[container.offset..container.offset + container.size];
                assert!(written == whole, "{name}");
                same += 1;
            }
            let again = amd::read(&written);
            assert_eq!(again.containers[0].equivalences, container.equivalences, "{name}");
            count += 1;
        }
    }
    eprintln!("{count} containers, {same} with a row that ends the table: the same bytes again");
}

#[test]
fn table_rebuilt_from_the_patches_alone_is_the_published_one() {
    let mut count = 0;
    for (name, bytes) in containers() {
        for container in &amd::read(&bytes).containers {
            let patches: Vec<_> = container
                .patches
                .iter()
                .map(|patch| patch_bytes(&bytes, patch))
                .collect();
            let made = amd::rebuild_rows(&patches);
            assert!(made.is_complete(), "{name}: {made:?}");
            let sorted = |rows: &[Equivalence]| {
                let mut list: Vec<_> = rows.iter().map(|row| (row.signature, row.id)).collect();
                list.sort();
                list.dedup();
                list
            };
            // Rows may name CPUs that the container has no patch for.
            let has = |row: &&Equivalence| container.patches.iter().any(|patch| patch.id == row.id);
            let published: Vec<_> = container.equivalences.iter().filter(has).copied().collect();
            assert_eq!(sorted(&made.rows), sorted(&published), "{name}");
            count += 1;
        }
    }
    eprintln!("{count} tables rebuilt");
}

#[test]
fn digest_lists_know_the_patches_of_published_containers() {
    let (mut matches, mut differ, mut others, mut unknown) = (0, 0, 0, 0);
    for (name, bytes) in containers() {
        for patch in amd::read(&bytes)
            .containers
            .iter()
            .flat_map(|container| &container.patches)
        {
            let sha256 = Sha256::of(patch_bytes(&bytes, patch));
            match digest(List::Linux6_12, patch.revision, &sha256) {
                Digest::Matches => matches += 1,
                Digest::NotListed => others += 1,
                Digest::Unknown => unknown += 1,
                // Distributions have shipped a listed patch with another date in its header.
                Digest::Differs => {
                    eprintln!("{name}: {} is {sha256}", patch.revision);
                    differ += 1;
                }
            }
        }
    }
    assert!(matches >= differ, "{matches} match, {differ} differ");
    eprintln!(
        "{matches} patches on Linux's list, {differ} with another digest, {unknown} of unknown digest, {others} not on it"
    );
}

/// `cpu00A20F10_ver0A201030_2024-11-11_63FFA48B.bin`: signature, patch id, date.
fn stated(name: &str) -> Option<(u32, u32, &str)> {
    let mut parts = name.strip_prefix("cpu")?.split('_');
    let signature = u32::from_str_radix(parts.next()?, 16).ok()?;
    let revision = u32::from_str_radix(parts.next()?.strip_prefix("ver")?, 16).ok()?;
    Some((signature, revision, parts.next()?))
}

/// Collected patches: those of the corpus, and of the folder that DELID_AMD_PATCHES names.
#[test]
fn single_patches_are_what_the_collectors_file_names_say() {
    let mut list = files(&corpus());
    match std::env::var_os("DELID_AMD_PATCHES") {
        Some(folder) => list.extend(files(Path::new(&folder))),
        None => eprintln!("DELID_AMD_PATCHES not set: 1 case not run"),
    }
    let (mut count, mut zen, mut sums) = (0, 0, 0);
    for (name, bytes) in list {
        let Some((signature, revision, date)) = stated(&name) else {
            continue;
        };
        assert!(amd::looks_like_patch(&bytes), "{name}");
        let patch = amd::read_patch(&bytes).unwrap();
        assert!(patch.damage.is_empty(), "{name}: {:?}", patch.damage);
        assert_eq!((patch.revision.0, patch.size), (revision, bytes.len()), "{name}");
        // The collectors correct a month 13, and a day and month that changed places.
        let Date { year, month, day } = patch.date;
        let turned = format!("{year:04x}-{day:02x}-{month:02x}");
        let shown = patch.date.to_string();
        assert!(shown == date || turned == date || month > 0x12, "{name}: {shown}");
        let family = patch.id.family();
        let sizes = amd::published_sizes(family);
        assert!(sizes.contains(&bytes.len()), "{name}: {} bytes", bytes.len());
        assert_eq!(patch.checksum_ok, (family <= 0x12).then_some(true), "{name}");
        if amd::has_signature_in_revision(family) {
            assert_eq!(patch.signatures, [Signature(signature)], "{name}");
            zen += 1;
        } else {
            assert_eq!(Signature(signature).family_model_stepping().0, family, "{name}");
        }
        sums += usize::from(patch.checksum_ok == Some(true));
        count += 1;
    }
    eprintln!("{count} patches: {sums} right checksums, {zen} signatures from the patch id");
}
