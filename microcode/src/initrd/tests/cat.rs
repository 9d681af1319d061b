//! One file by its path.

use std::io::Cursor;

use super::super::{Cat, Options, Which, cat};
use super::*;

fn take(bytes: &[u8], path: &str, which: Which) -> (String, Option<Cat>) {
    let mut out = Vec::new();
    let options = Options::default();
    let (cat, summary) = cat(Cursor::new(bytes), path, which, &options, &mut out).unwrap();
    assert_eq!(summary.damage, []);
    (out.escape_ascii().to_string(), cat)
}

#[test]
fn the_first_of_one_path_is_for_the_early_lookup_and_the_last_for_the_root() {
    let mut bytes = archive(&[file("./etc/x", b"one"), trailer()]);
    bytes.extend(gzip(&archive(&[file("etc/x", b"two"), file("etc/y", b""), trailer()])));
    let (text, cat) = take(&bytes, "/etc/x", Which::First);
    let cat = cat.unwrap();
    assert_eq!((text.as_str(), cat.taken, cat.members.len()), ("one", 0, 2));
    let (text, cat) = take(&bytes, "etc/x", Which::Last);
    assert_eq!((text.as_str(), cat.unwrap().taken), ("two", 1));
    assert!(take(&bytes, "etc/z", Which::First).1.is_none());
    assert_eq!(take(&bytes, "etc/y", Which::First).0, "");
}

#[test]
fn links_share_the_data_wherever_it_stands() {
    for members in [
        [link("a", 7, b""), link("b", 7, b"data"), trailer()],
        [link("b", 7, b"data"), link("a", 7, b""), trailer()],
    ] {
        let mut bytes = archive(&[link("z", 7, b"other archive"), trailer()]);
        bytes.extend(archive(&members));
        for which in [Which::First, Which::Last] {
            let (text, cat) = take(&bytes, "a", which);
            assert_eq!(text, "data");
            assert_eq!(cat.unwrap().data_of.unwrap().name.to_string(), "b");
            assert!(take(&bytes, "b", which).1.unwrap().data_of.is_none());
        }
    }
}
