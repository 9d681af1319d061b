//! What is packed is found again: by the loaders' own search, by `gather`, by `iucode_tool`, `cpio`
//! and `lsinitramfs`, and AMD containers byte for byte as AMD ships them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use microcode::gather::{Gathered, Kind, Options, gather, gather_directory};
use microcode::loader::early_cpio;
use microcode::pack::{Filter, Keep, early, files, select};
use microcode::{Found, Vendor};

fn corpus() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    std::env::var_os("DELID_CORPUS")
        .map_or_else(default, PathBuf::from)
        .join("microcode")
}

fn whole() -> PathBuf {
    std::env::var_os("DELID_UCODE").map_or_else(|| PathBuf::from("/lib/firmware"), PathBuf::from)
}

/// Folders with microcode of both vendors, each as one set.
fn sets() -> Vec<Gathered> {
    let mut list = Vec::new();
    for (what, folders) in [
        ("corpus", [corpus().join("intel"), corpus().join("amd")]),
        ("firmware", [whole().join("intel-ucode"), whole().join("amd-ucode")]),
    ] {
        let present: Vec<_> = folders.iter().filter(|folder| folder.is_dir()).collect();
        if present.is_empty() {
            eprintln!("{what} absent: its cases not run");
            continue;
        }
        let files = present.iter().flat_map(|folder| read(folder));
        list.push(gather_directory("", files, Options::default()));
    }
    list
}

fn read(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let files = paths.filter(|path| path.is_file());
    files
        .map(|path| {
            (
                path.file_name().unwrap().to_str().unwrap().to_owned(),
                fs::read(path).unwrap(),
            )
        })
        .collect()
}

fn bytes<'a>(found: impl IntoIterator<Item = &'a Found>) -> Vec<&'a [u8]> {
    let mut list: Vec<&[u8]> = found.into_iter().map(Found::bytes).collect();
    list.sort_unstable();
    list
}

#[test]
fn early_part_gives_back_the_same_updates_to_everybody() {
    for set in sets() {
        let selection = select(&set.found, &Filter::default(), Keep::Newest);
        let made = early::early(&selection, &set.tables, Some(0)).unwrap();
        let again = gather("early.cpio", made.bytes.clone(), Options::default());
        assert_eq!(
            (again.kind, again.damage.len()),
            (Kind::Initrd, 0),
            "{:?}",
            again.damage
        );
        assert!(bytes(&again.found) == bytes(selection.updates()), "gather");

        for (vendor, path) in [
            (Vendor::Intel, "kernel/x86/microcode/GenuineIntel.bin"),
            (Vendor::Amd, "kernel/x86/microcode/AuthenticAMD.bin"),
        ] {
            let updates = selection.of(vendor);
            let Some(data) = early_cpio::find(&made.bytes, path).found else {
                assert!(updates.is_empty(), "{path} not found");
                continue;
            };
            assert!(data.start.is_multiple_of(16), "{path} at {:#x}", data.start);
            let content = gather(path, made.bytes[data].to_vec(), Options::default());
            assert!(bytes(&content.found) == bytes(updates), "{path}");
        }
        assert_eq!(made.bytes.len() % 512, 0);
        eprintln!(
            "early part of {} bytes: {} updates found again",
            made.bytes.len(),
            again.found.len()
        );
        peers(&made.bytes, &files::binary(&selection.of(Vendor::Intel)));
    }
}

/// The output of a peer; `None` when it is not installed.
fn run(program: &str, arguments: &[&str], input: &Path) -> Option<Vec<u8>> {
    let command = Command::new(program)
        .args(arguments)
        .stdin(fs::File::open(input).unwrap())
        .stderr(Stdio::null())
        .output();
    let Ok(output) = command else {
        eprintln!("{program} absent: not compared");
        return None;
    };
    assert!(output.status.success(), "{program} {arguments:?}");
    Some(output.stdout)
}

fn peers(archive: &[u8], intel: &[u8]) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("early.cpio");
    fs::write(&path, archive).unwrap();
    let text = path.to_str().unwrap();
    let names = |output: Vec<u8>| -> Vec<String> {
        let output = String::from_utf8(output).unwrap();
        output
            .lines()
            .filter(|name| name.ends_with(".bin"))
            .map(str::to_owned)
            .collect()
    };
    let expected = [
        "kernel/x86/microcode/AuthenticAMD.bin",
        "kernel/x86/microcode/GenuineIntel.bin",
    ];
    let expected: Vec<&str> = expected
        .into_iter()
        .filter(|path| early_cpio::find(archive, path).found.is_some())
        .collect();
    if let Some(output) = run("cpio", &["-t"], &path) {
        assert_eq!(names(output), expected, "cpio -t");
    }
    // lsinitramfs lists such an archive only in front of a compressed one.
    let (main, initrd) = (folder.path().join("main.cpio"), folder.path().join("initrd.img"));
    fs::write(&main, early::archive(&[], 0).unwrap()).unwrap();
    if let Some(main) = run("gzip", &["-c"], &main) {
        fs::write(&initrd, [archive, &main].concat()).unwrap();
        if let Some(output) = run("lsinitramfs", &[initrd.to_str().unwrap()], &path) {
            assert_eq!(names(output), expected, "lsinitramfs");
        }
    }
    let out = folder.path().join("intel.bin");
    let write = format!("-w{}", out.to_str().unwrap());
    if !intel.is_empty() && run("iucode_tool", &["-q", &write, "-tr", text], &path).is_some() {
        assert!(fs::read(out).unwrap() == intel, "iucode_tool -tr");
    }
}

#[test]
fn containers_as_amd_ships_them_are_written_again_byte_for_byte() {
    let mut compared = 0;
    for folder in [corpus().join("amd"), whole().join("amd-ucode")] {
        if !folder.is_dir() {
            eprintln!("{} absent: its cases not run", folder.display());
            continue;
        }
        for (name, content) in read(&folder) {
            let file = gather(&name, content.clone(), Options::default());
            if file.kind != Kind::Amd {
                continue;
            }
            let selection = select(&file.found, &Filter::default(), Keep::Newest);
            let made = files::firmware(&selection, &file.tables);
            assert_eq!(
                (made.faults.len(), made.files.len()),
                (0, 1),
                "{name}: {:?}",
                made.faults
            );
            let prefix = name.split('.').next().unwrap();
            assert_eq!(made.files[0].name, format!("amd-ucode/{prefix}.bin"), "{name}");
            if made.files[0].bytes == content {
                compared += 1;
            } else {
                let again = gather(&name, made.files[0].bytes.clone(), Options::default());
                let rows = |set: &Gathered| -> usize { set.tables.iter().map(|table| table.rows.len()).sum() };
                eprintln!(
                    "{name}: {} patches of {}, {} rows of {}",
                    again.found.len(),
                    file.found.len(),
                    rows(&again),
                    rows(&file)
                );
                assert!(bytes(&again.found) == bytes(selection.updates()), "{name}");
            }
        }
    }
    eprintln!("{compared} container files are the same");
}

#[test]
fn text_gives_back_the_same_updates() {
    for set in sets() {
        let selection = select(&set.found, &Filter::default(), Keep::Newest);
        let text = files::dat(&selection).into_bytes();
        let again = gather("microcode.dat", text, Options::default());
        assert_eq!((again.kind, again.is_damaged()), (Kind::Text, false));
        assert!(files::binary(&again.found.iter().collect::<Vec<_>>()) == files::binary(&selection.of(Vendor::Intel)));
    }
}
