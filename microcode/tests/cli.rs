//! `delid microcode list`: what it prints and how it ends.
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
