//! Initrds as the tools of distributions lay them out.

use super::super::Kind;
use super::*;
use crate::cpio::Writer;

const INTEL: &str = "kernel/x86/microcode/GenuineIntel.bin";
const AMD: &str = "kernel/x86/microcode/AuthenticAMD.bin";

fn early(names: &[&str], block: u32) -> Vec<u8> {
    let mut writer = Writer::new(Vec::new());
    for name in names {
        writer.file(name, 16, b"update").unwrap();
    }
    writer.finish(block).unwrap()
}

fn main() -> Vec<u8> {
    gzip(&archive(&[file("init", b"#!"), trailer()]))
}

fn seen(bytes: &[u8]) -> (Vec<bool>, Vec<String>) {
    let (lines, summary) = whole(bytes);
    assert_eq!(summary.damage, []);
    let archives = summary.segments.iter().filter(|segment| segment.is_archive());
    (archives.map(|segment| segment.early).collect(), lines)
}

#[test]
fn debian_has_an_early_archive_of_each_vendor() {
    let bytes = [early(&[AMD], 512), early(&[INTEL], 512), main()].concat();
    let (early, lines) = seen(&bytes);
    assert_eq!(early, [true, true, false]);
    assert_eq!(lines[1], format!("2.1 {INTEL}=update"));
}

#[test]
fn dracut_has_one_early_archive_that_begins_with_its_marker() {
    let bytes = [early(&["early_cpio", AMD, INTEL], 512), main()].concat();
    let (early, lines) = seen(&bytes);
    assert_eq!((early.len(), early[0], lines.len()), (2, true, 4));
}

#[test]
fn booster_and_mkinitcpio_put_an_early_archive_before_one_compressed_one() {
    let bytes = [early(&[INTEL], 4), main()].concat();
    assert_eq!(seen(&bytes).0, [true, false]);
}

#[test]
fn ubuntu_has_modules_uncompressed_before_the_compressed_archive() {
    let modules = archive(&[file("usr/lib/modules/x.ko.zst", b"\x28\xb5\x2f\xfd"), trailer()]);
    let bytes = [early(&[AMD], 512), early(&[INTEL], 512), modules, vec![0; 388], main()].concat();
    assert_eq!(seen(&bytes).0, [true, true, true, false]);
}

#[test]
fn an_initrd_without_compression_or_early_archive_is_one_segment() {
    let (lines, summary) = whole(&archive(&[file("init", b"#!"), trailer()]));
    assert_eq!((lines.len(), summary.segments.len()), (1, 1));
    assert_eq!(summary.segments[0].kind, Kind::Cpio);
}
