//! `delid kdd`: what its commands print and how they end.
#![allow(clippy::unwrap_used)]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::Path;

use clap::Parser;
use kdd::cli::{Args, Error, run};

const RESET: [u8; 16] = [0x69, 0x69, 0x69, 0x69, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn decode(bytes: &[u8], json: bool) -> (Result<u8, Error>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line.bin");
    fs::write(&path, bytes).unwrap();
    let mut arguments = vec!["kdd", "decode", path.to_str().unwrap()];
    if json {
        arguments.push("--json");
    }
    let mut out = Vec::new();
    let result = run(Args::parse_from(arguments), &mut out);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn whole_stream_is_listed_and_ends_with_0() {
    let (result, text) = decode(&[&RESET[..], &[0x62]].concat(), false);
    assert_eq!(result.unwrap(), 0);
    let words: Vec<Vec<&str>> = text.lines().map(|line| line.split_whitespace().collect()).collect();
    let reset = ["0", "-", "serial", "RESET", "0x00000000", "begin", "anew"];
    assert_eq!(words, [&reset[..], &["16", "-", "serial", "break", "in"]]);
}

#[test]
fn damage_is_listed_at_its_offset_and_ends_with_1() {
    let (result, text) = decode(&[&RESET[..], b"??", &RESET].concat(), false);
    assert_eq!(result.unwrap(), 1);
    assert!(
        text.contains("damaged: expected a packet, seen 2 bytes of something else\n"),
        "{text}"
    );
    assert_eq!(text.matches("RESET").count(), 2);
}

#[test]
fn json_has_a_row_for_each_line() {
    let (result, text) = decode(&[&RESET[..], b"?"].concat(), true);
    assert_eq!(result.unwrap(), 1);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json.pointer("/rows/0/type").unwrap(), "RESET");
    assert_eq!(json.pointer("/rows/1/damaged").unwrap(), true);
}

#[test]
fn empty_or_absent_file_cannot_be_decoded() {
    assert!(matches!(decode(b"", false).0, Err(Error::Refused { .. })));
    let args = Args::parse_from(["kdd", "decode", "/no/such/file"]);
    assert!(matches!(run(args, &mut Vec::new()), Err(Error::Read { .. })));
}

/// A raw image of a few pages, without Windows.
fn image(folder: &Path) -> Vec<u8> {
    let bytes: Vec<u8> = (0..0x8000_u32).flat_map(|word| word.to_le_bytes()).collect();
    fs::write(folder.join("guest.raw"), &bytes).unwrap();
    bytes
}

fn dump(source: &Path, output: &Path, force: bool) -> Result<u8, Error> {
    let mut arguments = vec![Path::new("kdd"), Path::new("dump"), source, Path::new("-o"), output];
    if force {
        arguments.push(Path::new("--force"));
    }
    run(Args::parse_from(arguments), &mut Vec::new())
}

#[test]
fn dump_over_its_own_source_is_refused_by_whatever_name_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = image(folder.path());
    let place = |name: &str| folder.path().join(name);
    let source = place("guest.raw");
    fs::hard_link(&source, place("hard.dmp")).unwrap();
    symlink("guest.raw", place("soft.dmp")).unwrap();
    symlink("soft.dmp", place("softer.dmp")).unwrap();
    let before = fs::metadata(&source).unwrap();
    for (from, to) in [
        ("guest.raw", "guest.raw"),
        ("guest.raw", "hard.dmp"),
        ("guest.raw", "soft.dmp"),
        ("guest.raw", "softer.dmp"),
        ("soft.dmp", "guest.raw"),
        ("softer.dmp", "hard.dmp"),
    ] {
        for force in [true, false] {
            let error = dump(&place(from), &place(to), force).unwrap_err();
            assert!(
                matches!(error, Error::Refused { .. }) && error.to_string().contains("is the source itself"),
                "{from} to {to}: {error}"
            );
        }
    }
    let after = fs::metadata(&source).unwrap();
    assert_eq!((after.ino(), after.len()), (before.ino(), before.len()));
    assert_eq!(
        (after.mtime(), after.mtime_nsec()),
        (before.mtime(), before.mtime_nsec())
    );
    assert!(fs::read(&source).unwrap() == bytes, "the source was changed");
}

#[test]
fn dump_over_the_other_file_of_a_pair_or_over_the_registers_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = image(folder.path());
    let place = |name: &str| folder.path().join(name);
    fs::rename(place("guest.raw"), place("guest.vmem")).unwrap();
    fs::write(place("guest.vmss"), "state").unwrap();
    assert!(dump(&place("guest.vmem"), &place("guest.vmss"), true).is_err());
    assert_eq!(fs::read(place("guest.vmss")).unwrap(), b"state");
    fs::rename(place("guest.vmem"), place("guest.raw")).unwrap();
    fs::write(place("registers"), "cpu=0\nrip=0x1000\n").unwrap();
    let [source, registers] = ["guest.raw", "registers"].map(place);
    let arguments: Vec<&Path> = vec![
        Path::new("kdd"),
        Path::new("dump"),
        &source,
        Path::new("--registers"),
        &registers,
        Path::new("--force"),
        Path::new("-o"),
        &registers,
    ];
    let error = run(Args::parse_from(arguments), &mut Vec::new()).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
    assert_eq!(fs::read(&registers).unwrap(), b"cpu=0\nrip=0x1000\n");
    assert!(fs::read(&source).unwrap() == bytes);
}

#[test]
fn dump_over_another_file_needs_force_and_leaves_nothing_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = image(folder.path());
    let place = |name: &str| folder.path().join(name);
    let [source, output] = ["guest.raw", "old.dmp"].map(place);
    fs::write(&output, vec![0xff; 0x10_0000]).unwrap();
    assert!(matches!(dump(&source, &output, false), Err(Error::Create { .. })));
    assert_eq!(fs::metadata(&output).unwrap().len(), 0x10_0000);
    // No Windows in it: 1.
    assert_eq!(dump(&source, &output, true).unwrap(), 1);
    let over = fs::read(&output).unwrap();
    assert_eq!(dump(&source, &place("new.dmp"), false).unwrap(), 1);
    assert!(over == fs::read(place("new.dmp")).unwrap());
    assert!(over.ends_with(&bytes), "the pages are at the end");
}
