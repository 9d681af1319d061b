//! Real files: the sets that Debian packages, and an initrd of mkinitramfs. `DELID_UCODE` names a
//! folder with `intel-ucode/` and `amd-ucode/`, else the firmware of this machine is taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use microcode::loader::linux::{EarlyLoader, firmware_name};

use super::linux_inputs::{AMD, INTEL, initrd as image};
use super::*;

fn files(folder: &str) -> Vec<(String, Vec<u8>)> {
    let given = std::env::var_os("DELID_UCODE").map_or_else(|| PathBuf::from("/lib/firmware"), PathBuf::from);
    let Some(folder) = folders(&given, folder) else {
        eprintln!("not run: no {folder} below {}", given.display());
        return Vec::new();
    };
    let mut list: Vec<(String, Vec<u8>)> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            path.is_file()
                && path
                    .extension()
                    .is_none_or(|ending| ending == "bin" || ending == "initramfs")
        })
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect();
    list.sort();
    list
}

/// The folder of this name, at the top or below.
fn folders(top: &Path, name: &str) -> Option<PathBuf> {
    let mut open = vec![top.to_owned()];
    while let Some(folder) = open.pop() {
        if folder.ends_with(name) {
            return Some(folder);
        }
        let entries = fs::read_dir(&folder).ok()?.flatten().map(|entry| entry.path());
        open.extend(entries.filter(|path| path.is_dir() && !path.is_symlink()));
    }
    None
}

fn early_of(bytes: Vec<u8>) -> Early<'static> {
    Early {
        initrd: Some(as_file("initrd", &bytes)),
        ..Early::default()
    }
}

/// Every signature and platform bit of the updates, with the highest revision.
fn newest(bytes: &[u8]) -> BTreeMap<(u32, u32), u32> {
    let mut newest = BTreeMap::new();
    for update in microcode::intel::read(bytes).updates {
        let targets = std::iter::once(&update.target).chain(&update.extended);
        for target in targets {
            for bit in (0..8).map(|bit| 1 << bit).filter(|bit| target.platforms.0 & bit != 0) {
                let known = newest.entry((target.signature.0, bit)).or_insert(0);
                *known = update.revision.0.max(*known);
            }
        }
    }
    newest
}

#[test]
fn whole_intel_set_gives_every_cpu_its_newest_update() {
    let all: Vec<u8> = files("intel-ucode").into_iter().flat_map(|(_, bytes)| bytes).collect();
    let setup = early_of(image(INTEL, &all));
    let loader = EarlyLoader::new(&setup);
    let newest = newest(&all);
    for ((signature, platform), revision) in &newest {
        let decision = loader.decide(&intel_cpu(*signature, *platform, 0));
        assert_eq!(
            decision.after,
            Some(Revision(*revision)),
            "{signature:#x} {platform:#x}"
        );
        let decision = loader.decide(&intel_cpu(*signature, *platform, *revision));
        assert_eq!(decision.loads, Some(false), "{signature:#x} {platform:#x}");
    }
    eprintln!("{} signatures and platforms", newest.len());
}

#[test]
fn one_byte_behind_the_whole_intel_set_leaves_no_cpu_with_anything() {
    let mut all: Vec<u8> = files("intel-ucode").into_iter().flat_map(|(_, bytes)| bytes).collect();
    let newest = newest(&all);
    all.push(0);
    let setup = early_of(image(INTEL, &all));
    let loader = EarlyLoader::new(&setup);
    for (signature, platform) in newest.keys() {
        assert_eq!(loader.decide(&intel_cpu(*signature, *platform, 0)).loads, Some(false));
    }
}

#[test]
fn file_of_a_name_serves_at_run_time_the_cpus_of_that_name() {
    let files = files("intel-ucode");
    let mut compared = 0;
    for (name, bytes) in &files {
        for ((signature, platform), revision) in newest(bytes) {
            if firmware_name(Vendor::Intel, Signature(signature)) != Some(format!("intel-ucode/{name}")) {
                continue;
            }
            let cpu = Cpu {
                cache_per_core: Some(0),
                ..intel_cpu(signature, platform, 0)
            };
            let find = |asked: &str| (asked.strip_prefix("intel-ucode/") == Some(name)).then(|| as_file(asked, bytes));
            let setup = Late {
                command_line: None,
                force_minrev: Some(false),
                late_loading: Some(true),
                built_in: &[],
                firmware: &find,
            };
            let decision = linux::late(&cpu, &setup);
            assert_eq!(decision.after, Some(Revision(revision)), "{name} {platform:#x}");
            // Every update that names no lowest revision is refused under force_minrev.
            let forced = linux::late(
                &cpu,
                &Late {
                    force_minrev: Some(true),
                    ..setup
                },
            );
            let minimum = decision.chosen().is_some_and(|chosen| {
                let updates = microcode::intel::read(bytes).updates;
                updates
                    .iter()
                    .any(|update| update.offset == chosen.place.offset && update.minimum_revision.is_some())
            });
            assert!(
                !minimum || forced.loads == Some(false),
                "{name}: running 0 is below every lowest revision"
            );
            compared += 1;
        }
    }
    eprintln!("{compared} signatures and platforms of {} files", files.len());
}

#[test]
fn every_amd_patch_goes_to_its_cpu() {
    let files = files("amd-ucode");
    let mut seen = BTreeMap::new();
    for (_, bytes) in &files {
        let setup = early_of(image(AMD, bytes));
        let loader = EarlyLoader::new(&setup);
        for container in microcode::amd::read(bytes).containers {
            for patch in &container.patches {
                for signature in &patch.signatures {
                    // What ran when the patch came out: one before it.
                    let decision = loader.decide(&amd_cpu(signature.0, patch.revision.0 - 1));
                    let candidate = decision.looks[0]
                        .candidates
                        .iter()
                        .find(|one| one.revision == patch.revision);
                    let candidate = candidate.unwrap();
                    let loaded = candidate.outcome == Outcome::Chosen;
                    let why = candidate.reasons.last().map(|reason| reason.rule.id);
                    let allowed = ["linux-amd-cutoff-side", "linux-amd-digest-unlisted", "linux-amd-digest"];
                    assert!(
                        loaded || why.is_some_and(|why| allowed.contains(&why)),
                        "{signature} {candidate:#?}"
                    );
                    *seen
                        .entry((candidate.outcome as u8, why.unwrap_or_default()))
                        .or_insert(0) += 1;
                }
            }
        }
    }
    eprintln!("{seen:?}");
}

#[test]
fn initrd_of_mkinitramfs_is_read_across_its_two_archives() {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(bytes) = fs::read(root.join("microcode/initrd/it-list-zstd.img")) else {
        eprintln!("corpus absent: 1 case not run");
        return;
    };
    // The file's name in the archive and how the search ends are the kernel's affair; which
    // updates are in it, iucode_tool's.
    let search = microcode::loader::early_cpio::find(&bytes, INTEL);
    let data = bytes.get(search.found.unwrap()).unwrap().to_vec();
    let newest = newest(&data);
    assert!(newest.len() >= 5);
    let setup = early_of(bytes.clone());
    let loader = EarlyLoader::new(&setup);
    for ((signature, platform), revision) in newest {
        assert_eq!(
            loader.decide(&intel_cpu(signature, platform, 0)).after,
            Some(Revision(revision))
        );
    }
    let k10 = loader.decide(&amd_cpu(0x100f22, 0));
    assert_eq!(k10.loads, Some(true), "{k10:#?}");
    // The bytes up to the compressed part and a header's length more are enough.
    let end = microcode::loader::early_cpio::find(&bytes, "no/such/file").end;
    let setup = early_of(bytes[..end + 111].to_vec());
    assert_eq!(linux::early(&amd_cpu(0x100f22, 0), &setup), k10);
}
