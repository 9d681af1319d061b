//! Real microcode files: what `iucode_tool -L` says of the Intel ones, what the collectors' file
//! names say of the single patches, and what the equivalence tables say of the patches they name.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use microcode::{Content, Signature, amd, intel, read};

fn files(vendor: &str) -> Vec<(String, PathBuf)> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(folder) = fs::read_dir(root.join("microcode").join(vendor)) else {
        eprintln!("corpus absent: 1 case not run");
        return Vec::new();
    };
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut list: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| !name.starts_with("LICENSE"))
        .collect();
    list.sort();
    list
}

fn intel(path: &Path) -> intel::File {
    match read(&fs::read(path).unwrap()) {
        Some(Content::Intel(file)) => file,
        other => panic!("{}: {other:?}", path.display()),
    }
}

#[test]
fn published_files_have_no_damage() {
    for (name, path) in files("intel").into_iter().chain(files("amd")) {
        let content = read(&fs::read(&path).unwrap()).unwrap();
        assert!(!content.is_damaged(), "{name}: {content:?}");
    }
}

/// `cpu00617_plat00_ver000000C6_1996-12-10_...bin`: signature, platforms, revision, date.
fn stated(name: &str) -> Option<(u32, Option<u32>, u32, &str)> {
    let mut parts = name.strip_prefix("cpu")?.split('_');
    let signature = u32::from_str_radix(parts.next()?, 16).ok()?;
    let mut next = parts.next()?;
    let mut platforms = None;
    if let Some(mask) = next.strip_prefix("plat") {
        platforms = u32::from_str_radix(mask, 16).ok();
        next = parts.next()?;
    }
    Some((
        signature,
        platforms,
        u32::from_str_radix(next.strip_prefix("ver")?, 16).ok()?,
        parts.next()?,
    ))
}

#[test]
fn identity_is_that_of_the_collectors_file_names() {
    let mut compared = 0;
    for (name, path) in files("intel") {
        let Some((signature, platforms, revision, date)) = stated(&name) else {
            continue;
        };
        let update = &intel(&path).updates[0];
        assert_eq!(
            (update.target.signature.0, Some(update.target.platforms.0)),
            (signature, platforms),
            "{name}"
        );
        assert_eq!(
            (update.revision.0, update.date.to_string().as_str()),
            (revision, date),
            "{name}"
        );
        compared += 1;
    }
    for (name, path) in files("amd") {
        let Some((signature, _, revision, date)) = stated(&name) else {
            continue;
        };
        let patch = amd::read_patch(&fs::read(&path).unwrap()).unwrap();
        assert_eq!(
            (patch.revision.0, patch.date.to_string().as_str()),
            (revision, date),
            "{name}"
        );
        if patch.id.family() >= 0x17 {
            assert_eq!(patch.signatures, [Signature(signature)], "{name}");
        }
        compared += 1;
    }
    eprintln!("{compared} file names agree");
}

#[test]
fn patch_levels_of_family_17h_on_encode_what_the_equivalence_table_says() {
    let mut compared = 0;
    for (name, path) in files("amd") {
        let Some(Content::Amd(file)) = read(&fs::read(&path).unwrap()) else {
            continue;
        };
        assert!(
            file.containers.iter().all(|container| !container.patches.is_empty()),
            "{name}"
        );
        for container in &file.containers {
            for patch in container.patches.iter().filter(|patch| patch.id.family() >= 0x17) {
                let mut rows = container.equivalences.iter();
                assert!(
                    rows.any(|row| row.id == patch.id && row.signature == patch.signatures[0]),
                    "{name} {}",
                    patch.revision
                );
                compared += 1;
            }
        }
    }
    eprintln!("{compared} patch levels agree");
}

#[test]
fn intel_listing_is_that_of_iucode_tool() {
    let files = files("intel");
    if files.is_empty() {
        return;
    }
    let Ok(probe) = Command::new("iucode_tool").arg("-V").output() else {
        eprintln!("iucode_tool absent: {} cases not run", files.len());
        return;
    };
    assert!(probe.status.success());
    for (name, path) in files {
        let output = Command::new("iucode_tool")
            .arg("-L")
            .arg("-tb")
            .arg(&path)
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        // A line with a size is an update; those without are its extended signature table.
        let theirs: Vec<&str> = text
            .lines()
            .filter_map(|line| Some(line.get(line.find("sig ")?..)?.trim()))
            .collect();
        let mut ours = Vec::new();
        for update in intel(&path).updates {
            let line = |target: &intel::Target| {
                let (date, revision) = (update.date, update.revision.0);
                let platforms = target.platforms.0;
                format!(
                    "sig {}, pf_mask {platforms:#04x}, {date}, rev {revision:#06x}",
                    target.signature
                )
            };
            ours.push(format!("{}, size {}", line(&update.target), update.size));
            ours.extend(update.extended.iter().map(line));
        }
        assert_eq!(ours, theirs, "{name}");
    }
}
