//! The early part replaced, all else as it was.

use std::io::Cursor;

use super::super::{Plan, RepackError, plan};
use super::*;
use crate::cpio::Writer;

const INTEL: &str = "kernel/x86/microcode/GenuineIntel.bin";

fn early(text: &[u8], block: u32) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    writer.directory("kernel").unwrap();
    writer.directory("kernel/x86").unwrap();
    writer.directory("kernel/x86/microcode").unwrap();
    writer.file(INTEL, 16, text).unwrap();
    writer.finish(block).unwrap()
}

fn done(bytes: &[u8], early: Option<&[u8]>) -> (Vec<u8>, Plan) {
    let plan = plan(Cursor::new(bytes), early).unwrap();
    let mut out = Vec::new();
    plan.write(Cursor::new(bytes), early, &mut out).unwrap();
    assert_eq!(out.len() as u64, plan.report.new_length);
    (out, plan)
}

#[test]
fn early_archives_of_microcode_alone_are_replaced_as_a_whole() {
    let main = gzip(&archive(&[file("init", b"#!"), trailer()]));
    let bytes = [early(b"old", 512), early(b"older", 512), main.clone()].concat();
    let new = early(b"the new one", 512);
    let (out, plan) = done(&bytes, Some(&new));
    assert_eq!(out, [new.clone(), main.clone()].concat());
    assert_eq!(plan.report.removed_segments, [1, 2]);
    let sizes: Vec<u32> = plan.report.removed.iter().map(|file| file.size).collect();
    assert_eq!(sizes, [3, 5]);
    assert_eq!(plan.report.removed_bytes, (bytes.len() - main.len()) as u64);
    assert_eq!(done(&bytes, None).0, main);
    // Done again it changes nothing.
    assert_eq!(done(&out, Some(&new)).0, out);
}

#[test]
fn acpi_tables_stay() {
    let acpi = file("kernel/firmware/acpi/ssdt.aml", b"SSDT");
    let directory = made("kernel", 0o040_755, b"");
    let code = file(INTEL, b"old");
    let marker = file("early_cpio", b"1");
    let mut bytes = archive(&[marker.clone(), directory.clone(), code, acpi.clone(), trailer()]);
    bytes.resize(1024, 0);
    bytes.extend(gzip(b""));
    let (out, plan) = done(&bytes, None);
    let kept = archive(&[marker, directory, acpi, trailer()]);
    assert_eq!(out[..kept.len()], kept);
    assert_eq!((plan.report.removed.len(), plan.report.removed_segments.len()), (1, 0));
    assert_eq!(out[out.len() - 20..], bytes[bytes.len() - 20..]);
    assert_eq!(whole(&out).1.damage, []);
}

#[test]
fn an_initrd_without_early_microcode_gets_it_in_front() {
    let root = archive(&[file("init", b"#!"), trailer()]);
    let new = early(b"code", 1);
    let (out, plan) = done(&root, Some(&new));
    assert_eq!(out, [new, root.clone()].concat());
    assert_eq!(plan.report.removed_bytes, 0);
    assert_eq!(done(&root, None).0, root);
    let packed = gzip(&root);
    assert_eq!(done(&packed, None).0, packed);
}

#[test]
fn what_follows_stays_at_a_multiple_of_four() {
    let mut new = early(b"code", 1);
    let whole_length = new.len();
    new.pop();
    let root = archive(&[file("init", b"#!"), trailer()]);
    let (out, plan) = done(&root, Some(&new));
    assert_eq!(plan.report.added_bytes as usize, whole_length);
    assert_eq!(whole(&out).1.damage, []);
}

#[test]
fn microcode_in_the_main_archive_is_not_early() {
    let main = gzip(&early(b"code", 512));
    assert_eq!(done(&main, None).0, main);
}

#[test]
fn the_new_part_must_be_an_archive() {
    let root = archive(&[trailer()]);
    let refused = |early: &[u8]| plan(Cursor::new(&root), Some(early)).unwrap_err();
    assert!(matches!(refused(b""), RepackError::NoArchive));
    assert!(matches!(refused(&gzip(&root)), RepackError::NoArchive));
    assert!(matches!(refused(&early(b"x", 1)[..300]), RepackError::Damaged(_)));
}
