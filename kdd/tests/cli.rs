//! `delid kdd packets`: what it prints and how it ends.
#![allow(clippy::unwrap_used)]

use std::fs;

use clap::Parser;
use kdd::cli::{Args, Error, run};

const RESET: [u8; 16] = [0x69, 0x69, 0x69, 0x69, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

fn packets(bytes: &[u8], json: bool) -> (Result<u8, Error>, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("line.bin");
    fs::write(&path, bytes).unwrap();
    let mut arguments = vec!["kdd", "packets", path.to_str().unwrap()];
    if json {
        arguments.push("--json");
    }
    let mut out = Vec::new();
    let result = run(Args::parse_from(arguments), &mut out);
    (result, String::from_utf8(out).unwrap())
}

#[test]
fn whole_stream_is_listed_and_ends_with_0() {
    let (result, text) = packets(&[&RESET[..], &[0x62]].concat(), false);
    assert_eq!(result.unwrap(), 0);
    let expected = "0x00000000  -    control RESET           id 0x00000000\n0x00000010  -    break in\n";
    assert_eq!(text, expected);
}

#[test]
fn damage_is_listed_at_its_offset_and_ends_with_1() {
    let (result, text) = packets(&[&RESET[..], b"??", &RESET].concat(), false);
    assert_eq!(result.unwrap(), 1);
    assert!(
        text.contains("0x00000010  -    damage  expected a packet, seen 2 bytes of something else\n"),
        "{text}"
    );
    assert_eq!(text.matches("RESET").count(), 2);
}

#[test]
fn json_has_an_event_for_each_line() {
    let (result, text) = packets(&[&RESET[..], b"?"].concat(), true);
    assert_eq!(result.unwrap(), 1);
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(json.pointer("/events/0/type").unwrap(), "RESET");
    assert_eq!(json.pointer("/events/1/damage").unwrap(), "noise");
}

#[test]
fn empty_or_absent_file_cannot_be_listed() {
    assert!(matches!(packets(b"", false).0, Err(Error::Empty { .. })));
    let args = Args::parse_from(["kdd", "packets", "/no/such/file"]);
    assert!(matches!(run(args, &mut Vec::new()), Err(Error::Read { .. })));
}
