//! Extraction never leaves its directory.

use std::fs;
use std::io::Cursor;
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use super::super::{Choice, Directory, Extracted, Layout, Options, Pattern, extract};
use super::*;

fn to(directory: &Path, bytes: &[u8], choice: &Choice) -> Extracted {
    let mut sink = Directory::open(directory).unwrap();
    extract(Cursor::new(bytes), &Options::default(), choice, &mut sink).unwrap()
}

fn all(directory: &Path, bytes: &[u8]) -> Extracted {
    to(directory, bytes, &Choice::default())
}

fn symbolic(name: &str, target: &str) -> Made {
    made(name, 0o120_777, target.as_bytes())
}

#[test]
fn files_directories_and_links_have_what_their_headers_say() {
    let place = tempfile::tempdir().unwrap();
    let bytes = archive(&[
        made("etc", 0o040_500, b""),
        made("etc/deep/x", 0o100_640, b"text"),
        symbolic("etc/y", "deep/x"),
        link("hard1", 9, b""),
        link("hard2", 9, b"shared"),
        made("pipe", 0o010_600, b""),
        trailer(),
    ]);
    let done = all(place.path(), &bytes);
    assert_eq!((done.members, done.bytes, done.skipped.len()), (6, 10, 0));
    let meta = |name: &str| fs::symlink_metadata(place.path().join(name)).unwrap();
    assert_eq!(meta("etc").permissions().mode() & 0o7777, 0o500);
    assert_eq!(meta("etc").mtime(), 1_700_000_000);
    assert_eq!(meta("etc/deep/x").permissions().mode(), 0o100_640);
    assert_eq!(meta("etc/y").mtime(), 1_700_000_000);
    assert_eq!(meta("hard1").ino(), meta("hard2").ino());
    assert_eq!(fs::read(place.path().join("etc/y")).unwrap(), b"text");
    assert_eq!(fs::read(place.path().join("hard1")).unwrap(), b"shared");
    // So that it can be removed.
    fs::set_permissions(place.path().join("etc"), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn nothing_is_written_outside() {
    let outer = tempfile::tempdir().unwrap();
    let place = outer.path().join("in");
    fs::create_dir(&place).unwrap();
    let secret = outer.path().join("secret");
    fs::write(&secret, "untouched").unwrap();
    symlink(&secret, place.join("standing")).unwrap();
    fs::hard_link(&secret, place.join("hard")).unwrap();
    let bytes = archive(&[
        file("../up", b"1"),
        file("a/../../up", b"2"),
        file("/absolute", b"3"),
        symbolic("out", "../"),
        file("out/up", b"4"),
        symbolic("root", outer.path().to_str().unwrap()),
        file("root/secret", b"5"),
        file("standing", b"6"),
        file("hard", b"7"),
        symbolic("secret-link", "../secret"),
        link("secret-link", 5, b""),
        link("second", 5, b"8"),
        file("", b"9"),
        trailer(),
    ]);
    let done = all(&place, &bytes);
    assert_eq!(fs::read(&secret).unwrap(), b"untouched");
    let mut names: Vec<_> = fs::read_dir(outer.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    assert_eq!(names, ["in", "secret"]);
    // A path that goes up is left out; a link that goes up ends at the root, as in the initrd.
    let skipped: Vec<String> = done.skipped.iter().map(|skipped| skipped.name.to_string()).collect();
    assert_eq!(skipped[..2], ["../up", "a/../../up"]);
    assert_eq!(fs::read(place.join("absolute")).unwrap(), b"3");
    assert_eq!(fs::read(place.join("up")).unwrap(), b"4");
    assert_eq!(fs::read(place.join("hard")).unwrap(), b"7");
}

#[test]
fn a_link_of_the_initrd_leads_where_it_leads_there() {
    let place = tempfile::tempdir().unwrap();
    let bytes = archive(&[
        made("usr/lib", 0o040_755, b""),
        symbolic("lib", "/usr/lib"),
        file("lib/modules/x.ko", b"module"),
        trailer(),
    ]);
    all(place.path(), &bytes);
    assert_eq!(fs::read(place.path().join("usr/lib/modules/x.ko")).unwrap(), b"module");
}

#[test]
fn later_members_replace_earlier_ones() {
    let place = tempfile::tempdir().unwrap();
    let mut bytes = archive(&[file("x", b"old and long"), made("d", 0o040_755, b""), trailer()]);
    bytes.extend(gzip(&archive(&[file("x", b"new"), file("d", b"file"), trailer()])));
    let done = all(place.path(), &bytes);
    assert_eq!((done.members, done.skipped.len()), (4, 0));
    assert_eq!(fs::read(place.path().join("x")).unwrap(), b"new");
    assert_eq!(fs::read(place.path().join("d")).unwrap(), b"file");
}

#[test]
fn segments_and_patterns_are_chosen() {
    let mut bytes = archive(&[file("a/x", b"1"), file("b", b"2"), trailer()]);
    bytes.extend(gzip(&archive(&[
        file("a/y", b"3"),
        link("l1", 3, b""),
        link("l2", 3, b"45"),
        trailer(),
    ])));
    let place = tempfile::tempdir().unwrap();
    let choice = Choice {
        patterns: vec![Pattern::new("a"), Pattern::new("l1")],
        layout: Layout::Split,
        ..Choice::default()
    };
    assert_eq!(to(place.path(), &bytes, &choice).members, 3);
    let has = |name: &str| place.path().join(name).exists();
    assert!(has("early/a/x") && !has("early/b") && has("main/a/y") && !has("main/l2"));
    assert_eq!(fs::read(place.path().join("main/l1")).unwrap(), b"45");

    let place = tempfile::tempdir().unwrap();
    let choice = Choice {
        segments: vec![2],
        ..Choice::default()
    };
    assert_eq!(to(place.path(), &bytes, &choice).members, 3);
    assert!(!place.path().join("b").exists());
}

#[test]
fn what_stands_uncompressed_is_copied_from_the_file() {
    let place = tempfile::tempdir().unwrap();
    let bytes = archive(&[file("big", &vec![7; 100_000]), file("cut", &[8; 5000])]);
    let path = place.path().join("initrd.img");
    fs::write(&path, &bytes[..bytes.len() - 1000]).unwrap();
    let initrd = fs::File::open(&path).unwrap();
    let mut sink = Directory::open(place.path()).unwrap().copying_from(initrd.as_fd());
    let done = extract(&initrd, &Options::default(), &Choice::default(), &mut sink).unwrap();
    assert_eq!(fs::read(place.path().join("big")).unwrap(), vec![7; 100_000]);
    assert_eq!(fs::read(place.path().join("cut")).unwrap(), vec![8; 4000]);
    assert_eq!(rules(&done.summary)[0].0, "cpio-truncated");
    assert_eq!(done.bytes, 104_000);
}
