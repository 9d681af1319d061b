//! Updates in noise, at odd places, damaged, nested, and floods of headers.

use super::*;

/// Bytes that repeat at no short distance and hold no header.
fn noise(length: usize, seed: u32) -> Vec<u8> {
    let mut state = seed;
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        state.to_le_bytes()[3]
    };
    (0..length).map(|_| next()).collect()
}

/// An update of `total` bytes with a right checksum.
pub(crate) fn intel(signature: u32, revision: u32, total: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    for word in [
        1,
        revision,
        0x0614_2021,
        signature,
        0,
        1,
        0x80,
        total - 48,
        total,
        0,
        0,
        0,
    ] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(noise(total as usize - 48, signature ^ revision));
    let sum = crate::bytes::sum(&bytes).wrapping_neg();
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// A patch of family 17h or later, whose level repeats its id.
pub(crate) fn amd(id: u16, revision: u8, length: usize) -> Vec<u8> {
    let mut bytes = noise(length, u32::from(id));
    bytes[..64].fill(0);
    let level = [revision, id as u8, (id >> 4) as u8 & 0xf0, (id >> 12) as u8];
    bytes[..4].copy_from_slice(&[0x23, 0x20, 0x07, 0x11]);
    bytes[4..8].copy_from_slice(&level);
    bytes[8..10].copy_from_slice(&[4, 0x80]);
    bytes[24..26].copy_from_slice(&id.to_le_bytes());
    bytes
}

/// A patch of family 10h, which has a checksum.
fn old_amd() -> Vec<u8> {
    let mut bytes = noise(960, 3);
    bytes[..64].fill(0);
    bytes[..12].copy_from_slice(&[0x09, 0x20, 0x12, 0x03, 0x55, 0, 0, 1, 0, 0x80, 0x20, 0]);
    bytes[24..26].copy_from_slice(&0x1043u16.to_le_bytes());
    bytes[29..32].fill(0xaa);
    let sum = crate::bytes::sum(&bytes[64..]);
    bytes[12..16].copy_from_slice(&sum.to_le_bytes());
    bytes
}

fn container(patches: &[&[u8]]) -> Vec<u8> {
    let mut bytes = b"DMA\0\0\0\0\0".to_vec();
    let mut table = Vec::new();
    for patch in patches {
        let id = [patch[24], patch[25]];
        table.extend([id[0], 0x0f, id[1], 0, 0, 0, 0, 0, 0, 0, 0, 0, id[0], id[1], 0, 0]);
    }
    table.extend([0; 16]);
    bytes.extend((table.len() as u32).to_le_bytes());
    bytes.extend(table);
    for patch in patches {
        bytes.extend(1u32.to_le_bytes());
        bytes.extend((patch.len() as u32).to_le_bytes());
        bytes.extend(*patch);
    }
    bytes
}

fn put(image: &mut [u8], at: usize, piece: &[u8]) {
    image[at..at + piece.len()].copy_from_slice(piece);
}

fn places(scan: &Scan) -> Vec<(usize, usize)> {
    scan.hits.iter().map(|hit| (hit.offset, hit.size)).collect()
}

#[test]
fn updates_of_both_vendors_are_found_at_any_alignment() {
    for shift in [0, 1, 2, 3, 16, 777] {
        let mut image = noise(60_000, 9);
        put(&mut image, 5000 + shift, &intel(0x906ea, 0xf4, 2048));
        put(&mut image, 20_000 + shift, &amd(0x8712, 9, 3200));
        put(&mut image, 40_000 + shift, &old_amd());
        let scan = scan(&image);
        assert_eq!(
            places(&scan),
            [(5000 + shift, 2048), (20_000 + shift, 3200), (40_000 + shift, 960)]
        );
        assert!(!scan.is_damaged(), "{scan:?}");
        let [first, second, third] = &scan.hits[..] else {
            panic!()
        };
        assert_eq!(first.bytes(&image), intel(0x906ea, 0xf4, 2048));
        let signatures = |hit: &Hit| hit.update.targets()[0].signature.0;
        assert_eq!(
            [signatures(first), signatures(second), signatures(third)],
            [0x906ea, 0x870f12, 0x100f43]
        );
    }
}

#[test]
fn patches_of_a_container_are_listed_once_with_their_container() {
    let mut image = noise(30_000, 1);
    let file = container(&[&amd(0x8712, 9, 3200), &amd(0xa210, 3, 5568)]);
    put(&mut image, 1003, &file);
    let scan = scan(&image);
    let first = 1003 + 12 + 48 + 8;
    assert_eq!(places(&scan), [(first, 3200), (first + 3200 + 8, 5568)]);
    assert!(
        scan.hits
            .iter()
            .all(|hit| hit.how == How::Container { container: 1003 })
    );
    assert!(!scan.is_damaged(), "{scan:?}");
}

#[test]
fn section_behind_a_lost_container_head_gives_the_length() {
    let mut image = noise(9000, 1);
    let mut bytes = amd(0x7301, 9, 3458);
    bytes[12..16].fill(0);
    bytes[29..32].fill(0xaa);
    put(&mut image, 100, &[1, 0, 0, 0, 0x82, 0x0d, 0, 0]);
    put(&mut image, 108, &bytes);
    assert_eq!(places(&scan(&image)), [(108, 3458)]);
    image[100] = 7;
    assert_eq!(places(&scan(&image)), [(108, 3424)]);
}

#[test]
fn update_with_a_wrong_checksum_is_a_damaged_hit_and_hides_nothing() {
    let mut image = noise(20_000, 7);
    put(&mut image, 4096, &intel(0x906ea, 0xf4, 8192));
    put(&mut image, 4096 + 1024, &intel(0x906eb, 0xf0, 1024));
    let scan = scan(&image);
    assert_eq!(places(&scan), [(4096, 8192), (5120, 1024)]);
    assert_eq!(scan.hits[0].damage()[0].offset, 4096 + 16);
    assert!(scan.hits[1].damage().is_empty());
    let mut old = old_amd();
    old[100] ^= 4;
    let patch = super::scan(&old);
    assert_eq!((patch.hits.len(), patch.is_damaged()), (1, true));
}

#[test]
fn update_that_the_data_cuts_is_a_damaged_hit() {
    let whole = intel(0x906ea, 0xf4, 4096);
    let scan = scan(&whole[..3000]);
    assert_eq!((places(&scan), scan.is_damaged()), (vec![(0, 3000)], true));
    let patch = super::scan(&amd(0x8712, 9, 3200)[..1000]);
    assert_eq!((places(&patch), patch.is_damaged()), (vec![(0, 1000)], true));
}

#[test]
fn unlikely_headers_are_no_hits() {
    let good = intel(0x906ea, 0xf4, 2048);
    // Date, loader version, platforms, sizes.
    for (at, value) in [(11, 0x13), (10, 0x32), (20, 2), (25, 1), (28, 1), (34, 0xff)] {
        let mut bad = good.clone();
        bad[at] = value;
        let sum = crate::bytes::sum(&bad);
        let stored = u32::from_le_bytes(bad[16..20].try_into().unwrap()).wrapping_sub(sum);
        bad[16..20].copy_from_slice(&stored.to_le_bytes());
        assert_eq!(scan(&bad).hits, [], "{at}");
    }
    let good = amd(0x8712, 9, 3200);
    // Month, level of another CPU, bridges, interface version, reserved byte.
    for (at, value) in [(3, 0x32), (5, 0x11), (17, 1), (28, 7), (30, 1)] {
        let mut bad = good.clone();
        bad[at] = value;
        assert_eq!(scan(&bad).hits, [], "{at}");
    }
}

#[test]
fn noise_and_filler_hold_nothing() {
    for image in [noise(300_000, 4), vec![0; 5000], vec![0xff; 5000], Vec::new(), vec![1]] {
        assert_eq!(scan(&image), Scan::default());
    }
}

#[test]
fn streaming_finds_what_reading_the_whole_finds() {
    let mut image = noise(LARGEST * 2 + 400_000, 11);
    // One before, one across and one behind the border of the first window.
    for at in [10, (4 << 20) - 1000, (4 << 20) + 100_000, image.len() - 2048] {
        put(&mut image, at, &intel(0x906ea, 0xf4, 2048));
    }
    put(&mut image, (8 << 20) + 5000, &container(&[&amd(0x8712, 9, 3200)]));
    let whole = scan(&image);
    let mut seen = Vec::new();
    let stream = scan_stream(&image[..], |hit, bytes| {
        assert_eq!(bytes, hit.bytes(&image));
        seen.push(hit.offset);
    })
    .unwrap();
    assert_eq!(whole.hits.len(), 5);
    assert_eq!(stream.hits, whole.hits);
    assert_eq!(seen, whole.hits.iter().map(|hit| hit.offset).collect::<Vec<_>>());
}

#[test]
fn headers_without_end_cost_no_more_than_their_bytes() {
    let header = &intel(0x906ea, 0xf4, 2048)[..48];
    let mut long = header.to_vec();
    long[28..36].copy_from_slice(&[0xd0, 0xff, 0x0b, 0, 0, 0, 0x0c, 0]);
    let scan = scan(&long.repeat(20_000));
    assert!(scan.hits.len() <= 128, "{}", scan.hits.len());
    assert!(scan.findings.iter().any(|finding| finding.rule == "scan-too-many"));
}

#[test]
fn via_updates_are_named_as_of_another_vendor() {
    let mut bytes = b"RRAS".to_vec();
    bytes.extend(1u32.to_le_bytes());
    bytes.extend([0xdb, 0x07, 9, 8]);
    for word in [0x6fa, 0u32, 1, 0xffff_ff00, 16, 64] {
        bytes.extend(word.to_le_bytes());
    }
    bytes.extend(b"06FA0TEST   ");
    bytes.extend(noise(16, 2));
    let sum = crate::bytes::sum(&bytes).wrapping_neg();
    bytes[16..20].copy_from_slice(&sum.to_le_bytes());
    let scan = scan(&[noise(33, 5), bytes].concat());
    assert_eq!((scan.hits.len(), scan.others.len()), (0, 1));
    assert_eq!((scan.others[0].offset, scan.others[0].name.as_str()), (33, "06FA0TEST"));
}
