//! Directories of made images: kinds, checksums, addresses, recovery.

use super::directory::fletcher32;
use super::*;
use crate::scan::{How, scan};

const MIB: usize = 1 << 20;

/// A patch of 3200 bytes for family 17h, model 71h.
fn patch(revision: u8) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..3200u32)
        .map(|word| (word.wrapping_mul(2_654_435_761) >> 24) as u8)
        .collect();
    bytes[..64].fill(0);
    bytes[..12].copy_from_slice(&[0x23, 0x20, 0x07, 0x11, revision, 0x10, 0x70, 0x08, 4, 0x80, 0, 0]);
    bytes[24..26].copy_from_slice(&0x8710u16.to_le_bytes());
    bytes
}

fn put(image: &mut [u8], at: usize, piece: &[u8]) {
    image[at..at + piece.len()].copy_from_slice(piece);
}

fn words(list: &[u32]) -> Vec<u8> {
    list.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A directory with its checksum; `info` is the fourth word.
fn directory(cookie: &[u8; 4], count: usize, info: u32, body: &[u8]) -> Vec<u8> {
    let tail = [words(&[count as u32, info]), body.to_vec()].concat();
    let checksum = fletcher32(&tail).to_le_bytes();
    [cookie.as_slice(), &checksum, &tail].concat()
}

fn psp_row(kind: u8, pointer: u32, mode: u32) -> Vec<u8> {
    words(&[u32::from(kind), 0x400, pointer, mode << 30])
}

fn bios_row(kind: u8, instance: u8, pointer: u32, mode: u32) -> Vec<u8> {
    let head = u32::from(kind) | u32::from(instance) << 20;
    words(&[head, 3200, pointer, mode << 30, u32::MAX, u32::MAX])
}

fn structure(pointers: &[(usize, u32)]) -> Vec<u8> {
    let mut list = [0xffff_ffffu32; 20];
    list[0] = 0x55aa_55aa;
    for (word, pointer) in pointers {
        list[*word] = *pointer;
    }
    words(&list)
}

/// 1 MiB with a structure, `$BHD` and `$BL2`, three patches.
fn image(relative: bool) -> Vec<u8> {
    let (origin, mode) = if relative { (0, 1) } else { (0xfff0_0000, 0) };
    let info = mode << 29;
    let mut image = vec![0xff; MIB];
    put(&mut image, 0x2_0000, &structure(&[(6, 0xfff3_0000)]));
    let rows = [
        bios_row(0x66, 0, origin + 0x5_0000, 0),
        bios_row(0x70, 0, origin + 0x4_0000, 0),
    ]
    .concat();
    put(&mut image, 0x3_0000, &directory(b"$BHD", 2, info, &rows));
    let rows = [
        bios_row(0x66, 1, origin + 0x5_1000, 0),
        bios_row(0x66, 2, origin + 0x5_2000, 0),
        bios_row(0x66, 3, origin + 0x6_0000, 0),
    ];
    put(&mut image, 0x4_0000, &directory(b"$BL2", 3, info, &rows.concat()));
    for number in 0..3 {
        put(&mut image, 0x5_0000 + 0x1000 * number, &patch(number as u8 + 1));
    }
    image
}

#[test]
fn patches_are_named_by_their_directory_and_instance() {
    for relative in [false, true] {
        let scan = scan(&image(relative));
        let rom = &scan.psp[0];
        assert_eq!((rom.base, rom.structure, scan.psp.len()), (0, 0x2_0000, 1));
        let kinds: Vec<_> = rom
            .directories
            .iter()
            .map(|list| (list.offset, list.kind, list.checksum_ok))
            .collect();
        assert_eq!(
            kinds,
            [(0x3_0000, Kind::Bios, true), (0x4_0000, Kind::BiosLevel2, true)]
        );
        let how: Vec<_> = scan.hits.iter().map(|hit| (hit.offset, hit.size, hit.how)).collect();
        let by = |directory, entry, instance| How::PspBios {
            directory,
            entry,
            instance,
        };
        assert_eq!(
            how,
            [
                (0x5_0000, 3200, by(0x3_0000, 0, 0)),
                (0x5_1000, 3200, by(0x4_0000, 0, 1)),
                (0x5_2000, 3200, by(0x4_0000, 1, 2)),
            ]
        );
        // The fourth row leads to erased flash.
        let rules: Vec<_> = scan
            .findings
            .iter()
            .map(|finding| (finding.rule, finding.broken))
            .collect();
        assert_eq!(rules, [("psp-empty-slot", false)]);
    }
}

#[test]
fn image_behind_a_capsule_header_is_read_from_its_own_beginning() {
    let capsule = [vec![0x5a; 0x1080], image(true)].concat();
    let scan = scan(&capsule);
    assert_eq!((scan.psp[0].base, scan.psp[0].microcode.len()), (0x1080, 3));
}

#[test]
fn combo_and_both_copies_of_the_second_level_are_followed() {
    let mut image = vec![0xff; MIB];
    put(&mut image, 0x2_0000, &structure(&[(5, 0x3_0000)]));
    let row = words(&[0, 0xbc0c_0111, 0x3_1000, 0]);
    let mut combo = directory(b"2PSP", 1, 0, &[vec![0; 16], row].concat());
    put(&mut image, 0x3_0000, &combo);
    let rows = [psp_row(0x48, 0x3_2000, 0), psp_row(0x4a, 0x3_3000, 0)].concat();
    put(&mut image, 0x3_1000, &directory(b"$PSP", 2, 1 << 29, &rows));
    for copy in 0..2u32 {
        let header = 0x3_2000 + 0x1000 * copy as usize;
        put(
            &mut image,
            header,
            &words(&[0, 1, 0, 0, 0x6_0000 + 0x2_0000 * copy, 0xbc0d_0400, 0x2_0000, 0]),
        );
        let second = 0x6_0000 + 0x2_0000 * copy as usize;
        // Pointers from the directory itself.
        put(
            &mut image,
            second,
            &directory(b"$PL2", 1, 2 << 29, &psp_row(0x49, 0x1000, 2)),
        );
        let rows = bios_row(0x66, 0, 0x800, 2);
        put(&mut image, second + 0x1000, &directory(b"$BL2", 1, 2 << 29, &rows));
        put(&mut image, second + 0x1800, &patch(7));
    }
    let scan = scan(&image);
    let rom = &scan.psp[0];
    assert_eq!(rom.directories.len(), 6, "{rom:#?}");
    let mut generations: Vec<_> = rom.directories.iter().map(|directory| directory.generation).collect();
    generations.sort_unstable();
    let (by_row, by_slot) = (Some(0xbc0c_0111), Some(0xbc0d_0400));
    assert_eq!(generations, [None, by_row, by_slot, by_slot, by_slot, by_slot]);
    let offsets: Vec<_> = scan.hits.iter().map(|hit| hit.offset).collect();
    assert_eq!(offsets, [0x6_1800, 0x8_1800]);
    assert!(scan.hits.iter().all(|hit| matches!(hit.how, How::PspBios { .. })));
    assert_eq!(scan.findings, []);
    // A row that leads nowhere.
    combo[40] = 0x77;
    put(&mut image, 0x3_0000, &combo);
    let rules: Vec<_> = super::super::scan::scan(&image)
        .findings
        .iter()
        .map(|finding| finding.rule)
        .collect();
    assert_eq!(rules, ["psp-checksum", "psp-pointer"]);
}

#[test]
fn signed_file_is_read_behind_its_header_and_a_compressed_one_is_said() {
    let mut image = image(true);
    let mut header = vec![0; 256];
    put(&mut header, 0x10, b"$PS1");
    put(&mut header, 0x14, &3200u32.to_le_bytes());
    put(&mut image, 0x5_1000, &[header.clone(), patch(9)].concat());
    header[0x48] = 1;
    put(&mut image, 0x5_2000, &[header, vec![0x78; 3200]].concat());
    let scan = scan(&image);
    let hits: Vec<_> = scan.hits.iter().map(|hit| hit.offset).collect();
    assert_eq!(hits, [0x5_0000, 0x5_1100]);
    assert!(scan.findings.iter().any(|finding| finding.rule == "psp-compressed"));
}

#[test]
fn wrong_checksums_and_rows_that_lead_to_no_patch_are_said() {
    let mut image = image(true);
    image[0x4_0004] ^= 1;
    put(&mut image, 0x5_1000, &[0x33; 100]);
    let rules: Vec<_> = scan(&image).findings.iter().map(|finding| finding.rule).collect();
    assert!(
        rules.contains(&"psp-checksum") && rules.contains(&"psp-no-patch"),
        "{rules:?}"
    );
}

#[test]
fn directories_that_lead_to_each_other_end() {
    let mut image = vec![0xff; MIB];
    put(&mut image, 0x2_0000, &structure(&[(6, 0x3_0000), (7, 0x4_0000)]));
    let row = |pointer| bios_row(0x70, 0, pointer, 0);
    put(&mut image, 0x3_0000, &directory(b"$BHD", 1, 1 << 29, &row(0x4_0000)));
    put(&mut image, 0x4_0000, &directory(b"$BL2", 1, 1 << 29, &row(0x3_0000)));
    assert_eq!(scan(&image).psp[0].directories.len(), 2);
}

#[test]
fn fletcher_sums_are_those_of_the_published_example() {
    // Three 16-bit words: ab cd ef of the usual example.
    assert_eq!(fletcher32(b"abcdef"), 0x5650_2d2a);
    assert_eq!(fletcher32(b"abcdefgh"), 0xebe1_9591);
}
