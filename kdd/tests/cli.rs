//! `delid kdd`: what its commands print and how they end.
#![allow(clippy::unwrap_used)]

use std::fs;

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
