//! `delid microcode`: what the commands print and how they end.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::fs;
use std::path::Path;

use clap::Parser;
use microcode::cli::{Args, Error, run};

/// A whole update of 1024 bytes for signature 206a7.
fn update() -> Vec<u8> {
    let header = [1u32, 0x2f, 0x0217_2019, 0x206a7, 0, 1, 0x12, 976, 1024, 0, 0, 0];
    let sum = header.iter().fold(0u32, |sum, word| sum.wrapping_add(*word));
    let mut bytes: Vec<u8> = header.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.resize(1020, 0);
    bytes.extend(sum.wrapping_neg().to_le_bytes());
    bytes
}

fn list(arguments: &[&str]) -> (Result<u8, Error>, String) {
    let mut out = Vec::new();
    let arguments = ["microcode", "list"].iter().chain(arguments);
    let result = run(Args::parse_from(arguments), &mut out);
    (result, String::from_utf8(out).unwrap())
}

fn write(folder: &Path, name: &str, bytes: &[u8]) -> String {
    let path = folder.join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

#[test]
fn whole_file_is_listed_and_ends_with_0() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "06-2a-07", &update());
    let (result, text) = list(&[&path]);
    assert_eq!(result.unwrap(), 0);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2, "{text}");
    let cells: Vec<&str> = lines[1].split_whitespace().collect();
    assert_eq!(cells, ["0x000206a7", "0x12", "0x2f", "2019-02-17", "1024", "ok", &path]);
}

#[test]
fn damaged_file_names_the_rule_and_ends_with_1() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = update();
    bytes.extend(b"tail");
    let path = write(folder.path(), "ucode", &bytes);
    let (result, text) = list(&[&path]);
    assert_eq!(result.unwrap(), 1);
    assert!(
        text.contains("at 0x400: expected update header of 48 bytes, seen 4 bytes"),
        "{text}"
    );
}

#[test]
fn json_lists_the_same_updates() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "ucode", &update());
    let (result, text) = list(&["--json", &path]);
    assert_eq!(result.unwrap(), 0);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json.pointer("/sources/0/kind").unwrap(), "intel");
    assert_eq!(
        json.pointer("/sources/0/updates/0/target/signature").unwrap(),
        "0x000206a7"
    );
}

#[test]
fn file_of_something_else_ends_with_1_and_no_file_with_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), "text", b"hello");
    let (result, text) = list(&[&path]);
    assert_eq!((result.unwrap(), text.as_str()), (1, ""));
    let absent = folder.path().join("absent");
    assert!(matches!(list(&[absent.to_str().unwrap()]).0, Err(Error::Read { .. })));
}

/// Any command: exit code and standard output.
fn delid(arguments: &[&str]) -> (u8, String) {
    let mut out = Vec::new();
    let arguments = ["microcode"].iter().chain(arguments);
    let code = run(Args::try_parse_from(arguments).unwrap(), &mut out).unwrap();
    (code, String::from_utf8(out).unwrap())
}

/// A whole update like [`update`] of another revision and for other platforms.
fn update_of(revision: u32, platforms: u32) -> Vec<u8> {
    let mut bytes = update();
    for (at, value) in [(4, revision), (24, platforms), (16, 0u32)] {
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
    }
    let words = bytes.as_chunks::<4>().0.iter();
    let sum = words.fold(0u32, |sum, word| sum.wrapping_add(u32::from_le_bytes(*word)));
    bytes[16..20].copy_from_slice(&sum.wrapping_neg().to_le_bytes());
    bytes
}

const CPU: [&str; 6] = ["--signature", "06-2a-07", "--platform", "0x10", "--revision", "0x2d"];

#[test]
fn verify_names_the_rule_and_those_who_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let mut bytes = update_of(0x30, 0x12);
    bytes[500] ^= 1;
    let broken = write(folder.path(), "broken", &bytes);
    let (code, text) = delid(&["verify", &broken]);
    assert_eq!(code, 1);
    assert!(text.contains("FAILED  intel-checksum"), "{text}");
    assert!(
        text.contains("refused by Linux, Xen, Intel's manual, iucode_tool"),
        "{text}"
    );
    let whole = write(folder.path(), "whole", &update());
    assert_eq!(delid(&["verify", &whole]).0, 0);
    // The same inside an initrd and inside an image.
    let image = folder.path().join("early.img");
    let image = image.to_str().unwrap();
    delid(&["pack", "--to", "early-cpio", "--damaged", "-o", image, &broken]);
    let rom = write(
        folder.path(),
        "rom",
        &[&[0xff; 4096][..], &bytes, &[0xff; 4096]].concat(),
    );
    for path in [image, &rom] {
        let (code, text) = delid(&["verify", path]);
        assert!(code == 1 && text.contains("FAILED  intel-checksum"), "{text}");
    }
}

#[test]
fn packed_early_cpio_holds_the_newest_and_is_what_linux_loads() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path(), "old", &update_of(0x2e, 0x12));
    let new = write(folder.path(), "new", &update_of(0x2f, 0x12));
    let image = folder.path().join("early.img");
    let image = image.to_str().unwrap();
    assert_eq!(delid(&["pack", "--to", "early-cpio", "-o", image, &old, &new]).0, 0);
    let (code, text) = delid(&["list", image]);
    assert_eq!((code, text.lines().count()), (0, 2), "{text}");
    assert!(
        text.contains("0x2f") && text.contains("kernel/x86/microcode/GenuineIntel.bin"),
        "{text}"
    );
    let (code, text) = delid(&[&["explain"], &CPU[..], &[image]].concat());
    assert_eq!(code, 0);
    assert!(text.contains("loads 0x2f of 2019-02-17; 0x2d ran"), "{text}");
}

#[test]
fn newer_revision_is_not_written_over_unless_that_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path(), "old", &update_of(0x2e, 0x12));
    let out = write(folder.path(), "out.bin", &update_of(0x2f, 0x12));
    let pack = ["pack", "--to", "bin", "--overwrite", "-o", &out, &old];
    assert_eq!(delid(&pack).0, 1);
    assert_eq!(fs::read(&out).unwrap(), update_of(0x2f, 0x12));
    assert_eq!(delid(&[&pack[..], &["--downgrade"]].concat()).0, 0);
    assert_eq!(fs::read(&out).unwrap(), update_of(0x2e, 0x12));
}

#[test]
fn explain_says_of_each_update_why_it_is_not_loaded() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = [update_of(0x2f, 0x12), update_of(0x30, 0x04)].concat();
    let file = write(folder.path(), "ucode.bin", &bytes);
    let (_, text) = delid(&[&["explain", "--all"], &CPU[..], &[file.as_str()]].concat());
    assert!(text.contains("other CPU"), "{text}");
    // A byte behind them voids the file for Linux, and Xen keeps what it found.
    let voided = write(folder.path(), "voided.bin", &[&bytes[..], b"x"].concat());
    let (_, text) = delid(&[&["explain"], &CPU[..], &[voided.as_str()]].concat());
    assert!(text.contains("loads nothing; 0x2d stays"), "{text}");
    let (_, text) = delid(&[&["explain", "--xen"], &CPU[..], &[voided.as_str()]].concat());
    assert!(
        text.contains("Xen with ucode=-1: loads 0x2f of 2019-02-17; 0x2d ran"),
        "{text}"
    );
}

#[test]
fn xen_takes_the_file_of_its_efi_configuration() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "ucode.bin", &update_of(0x2f, 0x12));
    let (_, text) = delid(&[&["explain", "--xen", "--efi-ucode", file.as_str()], &CPU[..]].concat());
    assert!(
        text.contains("in its configuration: loads 0x2f of 2019-02-17; 0x2d ran"),
        "{text}"
    );
}

#[test]
fn selection_is_written_as_iucode_tool_writes_it() {
    let folder = tempfile::tempdir().unwrap();
    let bytes = [update_of(0x2f, 0x12), update_of(0x30, 0x04)].concat();
    let file = write(folder.path(), "ucode.bin", &bytes);
    let out = folder.path().join("out.bin");
    let out = out.to_str().unwrap();
    assert_eq!(
        delid(&["pack", "--to", "bin", "-s", "0x206a7,0x04", "-o", out, &file]).0,
        0
    );
    assert_eq!(fs::read(out).unwrap(), update_of(0x30, 0x04));
    assert_eq!(delid(&["pack", "--to", "bin", "-s", "0x306a9", "-o", "-", &file]).0, 1);
    let parts = folder.path().join("parts");
    let (code, text) = delid(&["extract", "--keep", "all", "-o", parts.to_str().unwrap(), &file]);
    assert_eq!((code, text.lines().count()), (0, 2), "{text}");
}

#[test]
fn explain_json_has_the_rule_and_its_source() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "ucode.bin", &update_of(0x2f, 0x12));
    let (_, text) = delid(&[&["explain", "--json"], &CPU[..], &[file.as_str()]].concat());
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let reason = json.pointer("/0/decisions/0/looks/0/candidates/0/reasons").unwrap();
    let last = reason.as_array().unwrap().last().unwrap();
    assert_eq!(last.pointer("/rule/id").unwrap(), "linux-loaded");
    assert!(last.pointer("/rule/source").unwrap().as_str().unwrap().contains("6.12"));
}

#[test]
fn repacked_initrd_differs_in_its_early_part_only() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path(), "old", &update_of(0x2e, 0x12));
    let new = write(folder.path(), "new", &update_of(0x2f, 0x12));
    let early = folder.path().join("early");
    delid(&["pack", "--to", "early-cpio", "-o", early.to_str().unwrap(), &old]);
    // What follows is no archive: it has to come through as it is.
    let rest = [&b"\x1f\x8b"[..], &[7; 999]].concat();
    let initrd = write(
        folder.path(),
        "initrd",
        &[fs::read(&early).unwrap(), rest.clone()].concat(),
    );
    let out = folder.path().join("new.img");
    let out = out.to_str().unwrap();
    let (_, text) = delid(&["repack-initrd", &initrd, "-o", out, "--with", &new]);
    assert!(
        text.contains("removed  kernel/x86/microcode/GenuineIntel.bin"),
        "{text}"
    );
    let bytes = fs::read(out).unwrap();
    assert!(bytes.ends_with(&rest));
    let (_, text) = delid(&["list", out]);
    assert!(text.contains("0x2f") && !text.contains("0x2e"), "{text}");
    let bare = folder.path().join("bare.img");
    let bare = bare.to_str().unwrap();
    delid(&["repack-initrd", &initrd, "-o", bare, "--drop"]);
    assert_eq!(fs::read(bare).unwrap(), rest);
}

#[test]
fn initrd_is_listed_and_extracted_with_its_segments() {
    let folder = tempfile::tempdir().unwrap();
    let file = write(folder.path(), "ucode", &update());
    let image = folder.path().join("early.img");
    let image = image.to_str().unwrap();
    delid(&["pack", "--to", "early-cpio", "-o", image, &file]);
    let (code, text) = delid(&["initrd", "list", image]);
    assert_eq!(code, 0);
    assert!(
        text.lines().any(|line| line == "kernel/x86/microcode/GenuineIntel.bin"),
        "{text}"
    );
    let (_, text) = delid(&["initrd", "list", "--segments", image]);
    assert!(text.contains("cpio") && text.contains("sees it"), "{text}");
    let target = folder.path().join("root");
    let code = delid(&["initrd", "extract", image, "-C", target.to_str().unwrap()]).0;
    assert_eq!(code, 0);
    assert_eq!(
        fs::read(target.join("kernel/x86/microcode/GenuineIntel.bin")).unwrap(),
        update()
    );
    assert_eq!(delid(&["initrd", "cat", image, "absent"]).0, 1);
}

#[test]
fn diff_of_two_sets_ends_with_1_and_names_what_is_newer() {
    let folder = tempfile::tempdir().unwrap();
    let old = write(folder.path(), "old", &update_of(0x2e, 0x12));
    let new = write(folder.path(), "new", &update_of(0x2f, 0x12));
    let (code, text) = delid(&["diff", &old, &new]);
    assert_eq!(code, 1);
    let cells: Vec<&str> = text.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(
        cells,
        ["newer", "06-2a-07", "0x000206a7/0x12", "0x2e", "0x2f", "2019-02-17"]
    );
    assert_eq!(delid(&["diff", &old, &old]).0, 0);
}

#[test]
fn fleet_compares_hosts_with_the_updates_given() {
    let folder = tempfile::tempdir().unwrap();
    let cpuinfo = |revision: &str| {
        format!(
            "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 42\nmodel name\t: Some CPU\n\
             stepping\t: 7\nmicrocode\t: {revision}\nflags\t\t: fpu\n\n"
        )
    };
    write(folder.path(), "old.txt", cpuinfo("0x2e").as_bytes());
    write(folder.path(), "new.txt", cpuinfo("0x2f").as_bytes());
    let newest = tempfile::tempdir().unwrap();
    let file = write(newest.path(), "06-2a-07", &update_of(0x2f, 0x12));
    let hosts = folder.path().to_str().unwrap();
    let (code, text) = delid(&["fleet", hosts, "--newest", &file, "--no-table", "--csv"]);
    assert_eq!(code, 1);
    let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
    assert!(
        lines[1].starts_with("new.txt,") && lines[1].contains(",current,"),
        "{text}"
    );
    assert!(
        lines[2].starts_with("old.txt,") && lines[2].contains(",outdated,"),
        "{text}"
    );
}

#[test]
fn advisories_are_released_together_and_never_said_to_fix() {
    let (code, text) = delid(&[
        "advisories",
        "--signature",
        "06-b7-01",
        "--platform",
        "0x02",
        "--revision",
        "0x12b",
    ]);
    assert_eq!(code, 0);
    assert!(
        text.contains("RELEASED TOGETHER WITH") && text.contains("INTEL-SA-"),
        "{text}"
    );
    assert!(!text.to_lowercase().contains("fixes"), "{text}");
}

#[test]
fn committed_schema_is_the_one_of_the_types() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schema/microcode.json");
    let committed = fs::read_to_string(path).unwrap();
    assert!(
        committed == delid(&["schema"]).1,
        "stale: delid microcode schema > docs/schema/microcode.json"
    );
}
