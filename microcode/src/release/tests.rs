//! Sets compared: each kind of change.

use super::*;
use crate::gather::samples::{container, intel, intel_dated, patch};
use crate::gather::{Options, gather, gather_directory};

fn directory(name: &str, files: &[(&str, &[Vec<u8>])]) -> Gathered {
    let files = files
        .iter()
        .map(|(name, updates)| ((*name).to_owned(), updates.concat()));
    gather_directory(name, files, Options::default())
}

fn kinds(diff: &Diff) -> Vec<(String, What)> {
    let changes = diff.changes.iter();
    changes.map(|change| (change.whom.to_string(), change.what)).collect()
}

#[test]
fn every_kind_of_change_is_told_apart() {
    let old = directory(
        "old",
        &[
            ("06-9e-09", &[intel(0x906e9, 0x2a, 5, 1)]),
            ("06-9e-0a", &[intel(0x906ea, 0x22, 5, 1), intel(0x906ea, 0x80, 5, 1)]),
            ("06-9e-0b", &[intel(0x906eb, 0x02, 5, 1)]),
            ("06-9e-0c", &[intel(0x906ec, 0x22, 5, 1)]),
        ],
    );
    let new = directory(
        "new/",
        &[
            ("06-9e-0a", &[intel(0x906ea, 0x22, 5, 1), intel(0x906ea, 0x80, 5, 2)]),
            ("06-9e-0b", &[intel(0x906eb, 0x02, 6, 1)]),
            ("06-9e-0c", &[intel(0x906ec, 0x22, 4, 1)]),
            ("06-9e-0d", &[intel(0x906ed, 0x22, 1, 1)]),
        ],
    );
    let diff = diff(&old, &new);
    let of = |name: &str, what| (name.to_owned(), what);
    assert_eq!(
        kinds(&diff),
        [
            of("0x000906e9/0x2a", What::Removed),
            of("0x000906ea/0x22", What::Same),
            of("0x000906ea/0x80", What::OtherContent),
            of("0x000906eb/0x02", What::Newer),
            of("0x000906ec/0x22", What::Older),
            of("0x000906ed/0x22", What::Added),
        ]
    );
    assert_eq!((diff.changed().count(), diff.count(What::Same)), (5, 1));
    assert!(diff.changes.iter().all(|change| !change.moved));
    let files = diff.by_file();
    assert_eq!(
        files.keys().copied().collect::<Vec<_>>(),
        ["06-9e-09", "06-9e-0a", "06-9e-0b", "06-9e-0c", "06-9e-0d"]
    );
    let text = diff.to_string();
    assert!(
        text.contains("newer          06-9e-0b  0x000906eb/0x02  0x5  0x6  2025-10-08\n"),
        "{text}"
    );
    assert!(text.ends_with("1 added, 1 removed, 1 newer, 1 older, 1 other content, 1 same, 0 in other files\n"));
}

#[test]
fn update_that_went_to_another_folder_is_moved() {
    let update = [intel(0x406f1, 0xef, 5, 1)];
    let old = directory("a", &[("intel-ucode/06-4f-01", &update)]);
    let new = directory("b", &[("intel-ucode-with-caveats/06-4f-01", &update)]);
    let diff = diff(&old, &new);
    assert_eq!((diff.changes[0].what, diff.changes[0].moved), (What::Same, true));
    assert!(
        diff.to_string()
            .contains("intel-ucode/06-4f-01 -> intel-ucode-with-caveats/06-4f-01")
    );
}

#[test]
fn single_files_have_no_names_to_compare() {
    let old = gather("old.bin", intel(0x406f1, 0xef, 5, 1), Options::default());
    let new = gather("new.bin", intel(0x406f1, 0xef, 5, 1), Options::default());
    assert_eq!(diff(&old, &new).changed().count(), 0);
    assert_eq!(diff(&old.found[..], &new.found[..]).changed().count(), 0);
}

#[test]
fn changed_mask_is_one_change_when_a_platform_is_common() {
    let old = gather("old.bin", intel(0xb06a3, 0xc0, 5, 1), Options::default());
    let new = gather("new.bin", intel(0xb06a3, 0xe0, 6, 1), Options::default());
    let changed = diff(&old, &new);
    assert_eq!(kinds(&changed), [("0x000b06a3/0xe0".to_owned(), What::Newer)]);
    assert_eq!(changed.changes[0].old.as_ref().unwrap().platforms, PlatformMask(0xc0));
    let other = gather("new.bin", intel(0xb06a3, 0x02, 6, 1), Options::default());
    assert_eq!(diff(&old, &other).changes.len(), 2);
}

#[test]
fn extended_signatures_and_amd_patches_are_compared_too() {
    let old = [
        gather("a", intel(0x906ea, 0x22, 5, 1), Options::default()).found,
        gather(
            "b",
            container(&[(0xa20f10, 0xa210)], &[patch(0xa210, 0x0a20_1030, &[1])]),
            Options::default(),
        )
        .found,
    ]
    .concat();
    let two = intel_dated(0x906ea, 0x22, 6, 1, 0x0101_2020, &[(0x906ea, 0x22), (0x906eb, 0x22)]);
    let new = [
        gather("a", two, Options::default()).found,
        gather("b", patch(0xa210, 0x0a20_1031, &[1]), Options::default()).found,
    ]
    .concat();
    let diff = diff(&old[..], &new[..]);
    let of = |name: &str, what| (name.to_owned(), what);
    assert_eq!(
        kinds(&diff),
        [
            of("0x000906ea/0x22", What::Newer),
            of("0x000906eb/0x22", What::Added),
            of("0x00a20f10 (fixed firmware)", What::Newer),
        ]
    );
}
