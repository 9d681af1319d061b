//! The table on images made by hand: pointer, entries, checksum, what points nowhere.

use crate::scan::{How, scan};

/// An update of 1024 bytes.
fn update(signature: u32, revision: u32) -> Vec<u8> {
    let mut words = vec![1, revision, 0x0614_2021, signature, 0, 1, 2, 976, 1024, 0, 0, 0];
    words.extend((0..244u32).map(|word| word.wrapping_mul(0x9e37_79b9) ^ signature));
    words[4] = words
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg();
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

const SIZE: usize = 0x4_0000;
const TABLE: usize = 0x3_0000;
const FIRST: u32 = 0u32.wrapping_sub(SIZE as u32);

fn row(address: u32, kind: u8) -> [u8; 16] {
    let mut row = [0; 16];
    row[..4].copy_from_slice(&address.to_le_bytes());
    (row[13], row[14]) = (1, kind);
    row
}

/// An image of 256 KiB with these rows behind the header.
fn image(rows: &[[u8; 16]]) -> Vec<u8> {
    let mut image = vec![0xff; SIZE];
    let mut table = b"_FIT_   ".to_vec();
    table.extend([rows.len() as u8 + 1, 0, 0, 0, 0, 1, 0x80, 0]);
    table.extend(rows.as_flattened());
    let sum = table.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    table[15] = sum.wrapping_neg();
    image[TABLE..TABLE + table.len()].copy_from_slice(&table);
    image[SIZE - 0x40..SIZE - 0x3c].copy_from_slice(&(FIRST + TABLE as u32).to_le_bytes());
    image[0x1000..0x1400].copy_from_slice(&update(0x806ec, 0xde));
    image[0x2000..0x2400].copy_from_slice(&update(0x906ed, 0xf0));
    image[0x3000..0x3400].copy_from_slice(&update(0x906ed, 0xf4));
    image
}

fn rules(image: &[u8]) -> Vec<&'static str> {
    scan(image).findings.iter().map(|finding| finding.rule).collect()
}

#[test]
fn table_is_found_by_its_pointer_and_names_the_updates() {
    let image = image(&[row(FIRST + 0x1000, 1), row(FIRST + 0x3000, 1), row(FIRST + 0x2_0000, 7)]);
    let scan = scan(&image);
    let fit = &scan.fit[0];
    assert_eq!(
        (fit.offset, fit.pointer, fit.checksum_ok),
        (TABLE, Some(SIZE - 0x40), Some(true))
    );
    assert_eq!((fit.version, fit.entries.len()), (0x100, 3));
    let how: Vec<_> = scan.hits.iter().map(|hit| (hit.offset, hit.how)).collect();
    assert_eq!(how[0], (0x1000, How::Fit { entry: 1 }));
    assert_eq!(how[2], (0x3000, How::Fit { entry: 2 }));
    // The update between them is in the image, but not in the table.
    assert_eq!(how[1], (0x2000, How::Scan));
    assert_eq!(rules(&image), ["fit-not-named"]);
}

#[test]
fn addresses_of_an_image_inside_a_capsule_come_from_the_place_of_the_pointer() {
    let image = image(&[row(FIRST + 0x1000, 1), row(FIRST + 0x2000, 1), row(FIRST + 0x3000, 1)]);
    for (before, behind) in [(0x800, 0), (0, 0x230), (0x1230, 0x4567), (0x1235, 7)] {
        let capsule = [vec![0x11; before], image.clone(), vec![0x22; behind]].concat();
        let scan = scan(&capsule);
        let named = scan.hits.iter().filter(|hit| matches!(hit.how, How::Fit { .. }));
        assert_eq!(named.count(), 3, "{before:#x} {behind:#x}");
        assert_eq!(scan.fit[0].offset, TABLE + before);
    }
}

#[test]
fn rows_that_lead_nowhere_are_said_with_their_rule() {
    let cases = [
        (row(FIRST + 0x5000, 1), "fit-empty-slot"),
        (row(FIRST + 0x1010, 1), "fit-no-update"),
        (row(0x1000, 1), "fit-address"),
    ];
    for (row, rule) in cases {
        assert_eq!(rules(&image(&[row]))[0], rule);
    }
    let order = image(&[row(FIRST + 0x2_0000, 7), row(FIRST + 0x1000, 1)]);
    assert!(rules(&order).contains(&"fit-order"));
    let same = image(&[row(FIRST + 0x1000, 1), row(FIRST + 0x1000, 1)]);
    assert!(rules(&same).contains(&"fit-duplicate"));
    let outdone = image(&[row(FIRST + 0x2000, 1), row(FIRST + 0x3000, 1)]);
    assert!(rules(&outdone).contains(&"fit-outdone"));
}

#[test]
fn damaged_update_and_damaged_table_are_said() {
    let mut image = image(&[row(FIRST + 0x1000, 1)]);
    image[0x1100] ^= 1;
    image[TABLE + 15] ^= 1;
    let scan = scan(&image);
    assert_eq!(scan.fit[0].checksum_ok, Some(false));
    let rules: Vec<_> = scan
        .findings
        .iter()
        .filter(|finding| finding.broken)
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, ["fit-checksum", "fit-damaged-update"]);
    assert!(scan.is_damaged());
}

#[test]
fn name_in_a_text_is_no_table() {
    let text = [
        b"the name is _FIT_   and then words follow here".as_slice(),
        &[0x20; 100],
    ]
    .concat();
    assert_eq!(scan(&text).fit, []);
}
