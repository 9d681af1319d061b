//! Updates made up here, whole and broken in one place each.

use super::sample::{SIGNATURE, build, build_scan, seal};
use super::*;
use crate::bytes::{sum, u32_at};

fn rules(damage: &[Damage]) -> Vec<&'static str> {
    damage.iter().map(|damage| damage.rule).collect()
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn whole_update_is_identified_without_damage() {
    let file = read(&build(&[]));
    assert!(!file.is_damaged(), "{file:?}");
    let update = &file.updates[0];
    assert_eq!(
        (update.target.signature, update.target.platforms),
        (Signature(SIGNATURE), PlatformMask(0x32))
    );
    assert_eq!(
        (update.revision, update.date.to_string().as_str()),
        (Revision(0x132), "2025-10-08")
    );
    assert_eq!((update.size, update.minimum_revision), (1024, Some(Revision(0x12e))));
}

#[test]
fn several_updates_follow_each_other() {
    let file = read(&[build(&[]), build(&[(0xb0674, 0x32)])].concat());
    assert!(!file.is_damaged(), "{file:?}");
    assert_eq!((file.updates.len(), file.updates[1].offset), (2, 1024));
    assert_eq!(file.updates[1].extended[0].signature, Signature(0xb0674));
}

#[test]
fn flipped_bit_in_the_data_names_the_checksum_that_would_be_right() {
    let mut bytes = build(&[]);
    bytes[100] ^= 4;
    let update = &read(&bytes).updates[0];
    assert_eq!((update.damage.len(), update.damage[0].offset), (1, 16));
    assert!(update.damage[0].expected.starts_with("checksum 0x"));
}

#[test]
fn changed_extended_entry_breaks_table_and_entry_sums() {
    let mut bytes = build(&[(0xb0674, 0x32), (0xb06f2, 0x07)]);
    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    let update = &read(&bytes).updates[0];
    assert_eq!(update.extended.len(), 2);
    assert_eq!(
        update.damage.iter().map(|damage| damage.offset).collect::<Vec<_>>(),
        [1024 - 44 + 4, 1024 - 4]
    );
}

#[test]
fn data_size_zero_means_2048_bytes_whatever_the_total_says() {
    let mut bytes = build(&[]);
    bytes.resize(2048, 0);
    bytes[28..36].copy_from_slice(&[0, 0, 0, 0, 1, 2, 3, 4]);
    let sum = sum(&bytes);
    let stored = u32_at(&bytes, 16).unwrap().wrapping_sub(sum);
    bytes[16..20].copy_from_slice(&stored.to_le_bytes());
    let file = read(&bytes);
    assert!(!file.is_damaged(), "{file:?}");
    assert_eq!(file.updates[0].size, 2048);
}

#[test]
fn every_truncation_is_damage_at_the_cut() {
    let bytes = build(&[(0xb0674, 0x32)]);
    for end in 1..bytes.len() {
        let file = read(&bytes[..end]);
        assert!(file.is_damaged(), "{end}");
    }
}

#[test]
fn bytes_behind_the_last_update_are_damage() {
    let mut bytes = build(&[]);
    bytes.extend([0; 60]);
    let file = read(&bytes);
    assert_eq!((file.updates.len(), file.damage[0].offset), (1, 1024));
}

#[test]
fn total_smaller_than_header_and_data_ends_the_file() {
    let mut bytes = build(&[]);
    bytes[33] = 1;
    let file = read(&bytes);
    assert_eq!(file.updates.len(), 1);
    assert!(file.updates[0].damage[0].expected.contains("at least"));
}

#[test]
fn every_broken_rule_has_its_name_and_place() {
    let changed = |at: usize, value: u32, sealed: bool| {
        let mut bytes = build(&[]);
        set(&mut bytes, at, value);
        if sealed {
            seal(&mut bytes, 1024);
        }
        let file = read(&bytes);
        let damage = &file.updates[0].damage;
        (rules(damage), damage.first().map(|damage| damage.offset))
    };
    assert_eq!(changed(0, 9, true), (vec!["intel-header-version"], Some(0)));
    assert_eq!(changed(20, 2, true), (vec!["intel-loader-version"], Some(20)));
    assert_eq!(changed(48, 1, false), (vec!["intel-checksum"], Some(16)));
    assert_eq!(
        changed(32, 512, true),
        (vec!["intel-total-size", "intel-total-multiple"], Some(32))
    );
    assert_eq!(changed(32, 2048, true), (vec!["intel-truncated"], Some(1024)));
    assert_eq!(changed(28, 975, true).0[0], "intel-data-multiple");
}

#[test]
fn odd_words_are_remarks_and_no_damage() {
    let remarked = |at: usize, value: u32| {
        let mut bytes = build(&[]);
        set(&mut bytes, at, value);
        seal(&mut bytes, 1024);
        let file = read(&bytes);
        assert!(!file.is_damaged(), "{at}: {file:?}");
        rules(&file.updates[0].remarks)
    };
    assert_eq!(remarked(8, 0x1309_2011), ["intel-date"]);
    assert_eq!(remarked(8, 0x0b01_2011), ["intel-date"]);
    assert_eq!(remarked(4, 0), ["intel-revision-zero"]);
    assert_eq!(remarked(24, 0x132), ["intel-platforms"]);
    assert_eq!(remarked(44, 5), ["intel-reserved"]);
    assert_eq!(remarked(36, 5000), ["intel-metadata"]);
    assert!(remarked(8, 0x0931_2011).is_empty());
}

#[test]
fn extended_entry_that_repeats_another_one_is_remarked() {
    let file = read(&build(&[(SIGNATURE, 0x32), (0xb0674, 0x32), (0xb0674, 0x32)]));
    assert!(!file.is_damaged());
    assert_eq!(rules(&file.updates[0].remarks), ["intel-entry-duplicate"]);
}

#[test]
fn table_that_does_not_fill_the_update_breaks_its_size_rule() {
    let mut bytes = build(&[(SIGNATURE, 0x32)]);
    let table = 1024 - 32;
    set(&mut bytes, table, 3);
    let update = &read(&bytes).updates[0];
    assert_eq!(rules(&update.damage), ["intel-table-size"]);
    assert_eq!(update.damage[0].offset, table);
    assert_eq!(update.extended.len(), 1);
}

#[test]
fn in_field_scan_image_says_what_its_metadata_hold() {
    let file = read(&build_scan());
    assert!(!file.is_damaged(), "{file:?}");
    let update = &file.updates[0];
    let scan = update.scan.as_ref().unwrap();
    assert_eq!((scan.current_image, scan.total_images, scan.chunk_size), (2, 6, 4096));
    assert_eq!((update.metadata.len(), update.metadata[0].size), (1, 256));
    let mut bytes = build_scan();
    set(&mut bytes, 1024 - 296, 3);
    seal(&mut bytes, 1024);
    assert_eq!(rules(&read(&bytes).updates[0].damage), ["intel-scan-metadata"]);
}

#[test]
fn metadata_blocks_are_found_at_the_end_of_the_data() {
    let mut bytes = build(&[(SIGNATURE, 0x32)]);
    set(&mut bytes, 36, 20);
    let end = 1024 - 32;
    for (number, word) in [3, 12, 0x909, 0, 8].into_iter().enumerate() {
        set(&mut bytes, end - 20 + 4 * number, word);
    }
    let update = &read(&bytes).updates[0];
    let block = Block {
        offset: end - 20,
        kind: 3,
        size: 12,
    };
    assert_eq!(
        (update.metadata.as_slice(), &update.remarks[..]),
        (&[block][..], &[][..])
    );
}

#[test]
fn updates_behind_a_broken_length_are_found() {
    for total in [0u32, 40, 1020, 1536, 2048, 3072, 0x7fff_fc00, u32::MAX] {
        let mut bytes = [build(&[]), build(&[(0xb0674, 0x32)]), build(&[])].concat();
        set(&mut bytes, 32, total);
        let file = read(&bytes);
        let offsets: Vec<usize> = file.updates.iter().map(|update| update.offset).collect();
        assert_eq!(offsets, [0, 1024, 2048], "{total:#x}: {file:?}");
        assert!(!file.updates[0].damage.is_empty());
        assert!(file.updates[1].damage.is_empty() && file.updates[2].damage.is_empty());
    }
}

#[test]
fn updates_behind_inserted_and_lost_bytes_are_found() {
    let whole = [build(&[]), build(&[]), build(&[])].concat();
    for (cut, with) in [
        (500..500, &b"abc"[..]),
        (500..507, &b""[..]),
        (1024..1024, &[0; 16][..]),
    ] {
        let mut bytes = whole.clone();
        bytes.splice(cut, with.iter().copied());
        let file = read(&bytes);
        assert_eq!(file.updates.len(), 3, "{file:?}");
        assert!(file.is_damaged());
        assert!(file.updates[2].damage.is_empty());
        let covered: usize = file.updates.iter().map(|update| update.size).sum();
        assert!(covered <= bytes.len());
    }
}

#[test]
fn damaged_first_header_is_still_an_update() {
    for (at, value) in [(0, 0x0100_0001), (20, 3), (8, 0xffff_ffff), (12, 0)] {
        let mut bytes = build(&[]);
        set(&mut bytes, at, value);
        let file = read(&bytes);
        assert_eq!(file.updates.len(), 1, "{at}");
        assert!(file.is_damaged() && resembles(&bytes));
    }
    assert!(!resembles(&[0; 4096]) && !resembles(&[0xff; 4096]));
}

#[test]
fn headers_that_overlap_by_the_thousand_are_read_in_time() {
    // Each says it goes on to the end of the file, with a table of entries and a wrong checksum.
    let length: u32 = 1 << 20;
    let mut bytes = Vec::new();
    for at in (0..length).step_by(64) {
        let header = [
            1,
            1,
            0x0101_2020,
            1,
            7,
            1,
            1,
            52,
            (length - at) & !3,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ];
        bytes.extend(sample::to_bytes(&header));
    }
    let file = read(&bytes);
    let covered: usize = file.updates.iter().map(|update| update.size).sum();
    assert!(covered <= bytes.len() && file.is_damaged());
}

#[test]
fn one_update_is_read_without_a_look_behind_it() {
    let mut bytes = [build(&[]), build(&[(0xb0674, 0x32)])].concat();
    let second = read_at(&bytes, 1024).unwrap();
    assert_eq!(second, read(&bytes).updates[1]);
    set(&mut bytes, 32, 2048);
    let first = read_at(&bytes, 0).unwrap();
    assert_eq!((first.size, first.damage[0].rule), (2048, "intel-checksum"));
    assert_eq!(read_at(&bytes, 2001), None);
}
