//! Tables made here, read by us and by the installed dmidecode: every enumeration, size and speed.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    reason = "a file of tests"
)]

use std::io::Write;
use std::process::Command;

use topo::smbios::{Smbios, table, text};

/// One structure: type, the formatted area after the header, strings.
fn structure(kind: u8, handle: u16, body: &[u8], strings: &[&str]) -> Vec<u8> {
    let mut bytes = vec![kind, u8::try_from(body.len() + 4).unwrap()];
    bytes.extend(handle.to_le_bytes());
    bytes.extend(body);
    for string in strings {
        bytes.extend(string.bytes());
        bytes.push(0);
    }
    if strings.is_empty() {
        bytes.push(0);
    }
    bytes.push(0);
    bytes
}

/// An image as `dmidecode --dump-bin` writes it, of version 3.5.
fn image(structures: &[Vec<u8>]) -> Vec<u8> {
    let mut table = structures.concat();
    table.extend(structure(127, 0xfeff, &[], &[]));
    let mut entry = b"_SM3_\0\x18\x03\x05\0\x01\0".to_vec();
    entry.extend(u32::try_from(table.len()).unwrap().to_le_bytes());
    entry.extend(32_u64.to_le_bytes());
    let sum = entry.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    entry[5] = 0_u8.wrapping_sub(sum);
    entry.resize(32, 0);
    entry.extend(table);
    entry
}

/// The image as dmidecode tells it, when it is installed.
fn dmidecode(image: &[u8]) -> Option<Smbios> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(image).unwrap();
    let Ok(output) = Command::new("dmidecode").arg("--from-dump").arg(file.path()).output() else {
        eprintln!("dmidecode absent: 1 case not run");
        return None;
    };
    Some(text::parse(&String::from_utf8_lossy(&output.stdout)).value)
}

fn module(kind: u8, form: u8, detail: u16, size: u16, extended: u32, speeds: [u16; 2], wide: [u32; 2]) -> Vec<u8> {
    let mut body = vec![0x00, 0x10, 0xfe, 0xff, 72, 0, 64, 0];
    body.extend(size.to_le_bytes());
    body.extend([form, 0, 1, 2, kind]);
    body.extend(detail.to_le_bytes());
    body.extend(speeds[0].to_le_bytes());
    body.extend([3, 4, 0, 5, 2]);
    body.extend(extended.to_le_bytes());
    body.extend(speeds[1].to_le_bytes());
    body.extend([0xb0, 4, 0xb0, 4, 0x46, 5, kind]);
    body.extend([0; 11]);
    body.extend([0xff; 8]);
    body.extend((32_u64 << 30).to_le_bytes());
    body.extend([0; 16]);
    body.extend(wide[0].to_le_bytes());
    body.extend(wide[1].to_le_bytes());
    body
}

const NAMES: &[&str] = &["DIMM A1", "BANK 0", "Maker ", "12AB", "PART  "];

/// Every code of every enumeration, each in a structure of its own.
fn every_code() -> Vec<Vec<u8>> {
    let mut list = Vec::new();
    for code in 0..=255_u8 {
        let handle = u16::from(code);
        list.push(structure(3, 0x1000 + handle, &[1, code, 0, 0, 0], &["Maker"]));
        let mut cpu = vec![
            1, 3, 0xb3, 2, 0xa6, 6, 6, 0, 0xff, 0xfb, 0xeb, 0xbf, 3, 0, 100, 0, 0xa0, 0x0f, 0, 9, 0x41, code,
        ];
        cpu.extend([0xff; 6]);
        cpu.extend([0, 0, 0, code, 8, 0xff, 0, 0, 0, 1, 0, 2, 0x00, 4]);
        list.push(structure(4, 0x2000 + handle, &cpu, &["CPU1", "Intel", "Name"]));
        let slot = [1, code, code % 16, code % 7, 4, code, 0, 4, 0, 0, 0, code, 0x3a];
        list.push(structure(9, 0x3000 + handle, &slot, &["SLOT 1"]));
        let array = [
            code,
            code % 9,
            code % 9,
            0,
            0,
            0,
            0x80,
            0xfe,
            0xff,
            8,
            0,
            0,
            0,
            0,
            0,
            16,
            0,
            0,
            0,
        ];
        list.push(structure(16, 0x4000 + handle, &array, &[]));
        let body = module(code, code, u16::from(code) << 4, 0x4000, 0, [3200, 2933], [0, 0]);
        list.push(structure(17, 0x5000 + handle, &body, NAMES));
        list.push(structure(
            41,
            0x6000 + handle,
            &[1, code, 1, 0, 0, code, 0x10],
            &["LAN"],
        ));
    }
    list
}

/// Where we know a word that an older dmidecode does not, that is no contradiction.
fn forget(ours: &mut Option<String>, theirs: Option<&String>, newest: &[&str]) {
    if theirs.is_none() && ours.as_deref().is_some_and(|word| newest.contains(&word)) {
        *ours = None;
    }
}

#[test]
fn every_code_has_the_word_of_the_installed_dmidecode() {
    let image = image(&every_code());
    let read = table::parse_any(&image);
    assert_eq!(read.damage, []);
    let Some(theirs) = dmidecode(&image) else { return };
    let mut ours = read.value;
    // Words of SMBIOS 3.6 to 3.9, which dmidecode 3.4 and 3.5 do not have.
    let newer = [
        "HBM3",
        "MRDIMM",
        "CAMM",
        "CUDIMM",
        "CSODIMM",
        "CXL Add-on Card",
        "Mini PC",
        "Stick PC",
    ];
    for (mine, other) in ours.modules.iter_mut().zip(&theirs.modules) {
        forget(&mut mine.kind, other.kind.as_ref(), &newer);
        forget(&mut mine.form_factor, other.form_factor.as_ref(), &newer);
        forget(&mut mine.technology, other.technology.as_ref(), &newer);
    }
    for (mine, other) in ours.processors.iter_mut().zip(&theirs.processors) {
        if other.upgrade.is_none() {
            assert!(mine.upgrade.as_deref().is_none_or(|word| word.starts_with("Socket ")));
            mine.upgrade = None;
        }
    }
    for (mine, other) in ours.modules.iter().zip(&theirs.modules) {
        assert_eq!(mine, other);
    }
    for (mine, other) in ours.processors.iter().zip(&theirs.processors) {
        assert_eq!(mine, other);
    }
    for (mine, other) in ours.slots.iter().zip(&theirs.slots) {
        assert_eq!(mine, other);
    }
    for (mine, other) in ours.arrays.iter().zip(&theirs.arrays) {
        assert_eq!(mine, other);
    }
    assert_eq!(ours.onboard, theirs.onboard);
    assert_eq!(ours, theirs);
}

#[test]
fn sizes_and_speeds_are_those_of_the_installed_dmidecode() {
    let cases = [
        (0, 0, [0, 0], [0, 0]),
        (0xffff, 0, [0xffff, 0xffff], [0, 0]),
        (0x8200, 0, [100, 0], [0, 0]),
        (0x7fff, 0x0001_0000, [0xffff, 0xffff], [70_000, 68_000]),
        (0x7fff, 0x0000_c001, [1, 2], [0, 0]),
        (0x7fff, 0x0020_0000, [4800, 4400], [9, 9]),
        (1024, 0, [3200, 3200], [0, 0]),
    ];
    let list: Vec<Vec<u8>> = (0_u16..)
        .zip(cases)
        .map(|(handle, (size, extended, speeds, wide))| {
            structure(
                17,
                handle,
                &module(0x1a, 9, 0x2080, size, extended, speeds, wide),
                NAMES,
            )
        })
        .collect();
    let image = image(&list);
    let ours = table::parse_any(&image);
    assert_eq!(ours.damage, []);
    let sizes: Vec<Option<u64>> = ours
        .value
        .modules
        .iter()
        .map(|module| module.size.map(|size| size >> 10))
        .collect();
    assert_eq!(
        sizes,
        [
            Some(0),
            None,
            Some(512),
            Some(64 << 20),
            Some(0xc001 << 10),
            Some(2 << 30),
            Some(1 << 20)
        ]
    );
    assert_eq!(ours.value.modules[3].speed, Some(70_000));
    assert_eq!(ours.value.modules[1].configured_voltage, Some(1350));
    if let Some(theirs) = dmidecode(&image) {
        assert_eq!(ours.value, theirs);
    }
}

#[test]
fn every_truncation_keeps_the_version_and_never_grows() {
    let list = [
        structure(1, 1, &[1, 2, 0, 0], &["Maker", "Box"]),
        structure(17, 2, &module(0x22, 9, 0, 1024, 0, [1, 2], [0, 0]), NAMES),
    ];
    let whole = image(&list);
    let full = table::parse_any(&whole);
    assert_eq!((full.value.structures, full.damage.len()), (3, 0));
    for cut in 0..whole.len() {
        let read = table::parse_any(&whole[..cut]);
        assert!(!read.damage.is_empty(), "cut at {cut}");
        assert!(read.value.structures <= 3);
        assert_eq!(read.value.version.is_some(), cut >= 24, "cut at {cut}");
    }
}

#[test]
fn the_forms_of_a_table_say_the_same() {
    let list = [
        structure(1, 1, &[1, 2, 0, 0], &["Maker", "Box"]),
        structure(17, 2, &module(0x22, 9, 0, 1024, 0, [1, 2], [0, 0]), NAMES),
    ];
    let image = image(&list);
    let table_bytes = &image[32..];
    let of_image = table::parse_image(&image);
    let of_table = table::parse(table_bytes, Some(&image[..24]));
    assert_eq!(of_image.value, of_table.value);
    assert_eq!(of_table.damage, []);
    let mut rsmb = vec![0, 3, 5, 0];
    rsmb.extend(u32::try_from(table_bytes.len()).unwrap().to_le_bytes());
    rsmb.extend(table_bytes);
    let of_windows = table::parse_any(&rsmb);
    assert_eq!(
        (of_windows.value, of_windows.damage),
        (of_image.value.clone(), Vec::new())
    );
    let of_entries = table::parse_entries(&list);
    assert_eq!(of_entries.damage, []);
    assert_eq!(of_entries.value.modules, of_image.value.modules);
    assert_eq!(of_entries.value.system, of_image.value.system);
}

#[test]
fn a_wrong_checksum_is_damage_and_the_table_is_read() {
    let mut bytes = image(&[structure(1, 1, &[1, 2, 0, 0], &["Maker", "Box"])]);
    bytes[5] ^= 1;
    let read = table::parse_any(&bytes);
    assert_eq!(read.value.system.unwrap().product.as_deref(), Some("Box"));
    assert_eq!(read.damage.len(), 1);
}

#[test]
fn a_32_bit_entry_point_with_a_wrong_count_is_reported() {
    let mut table_bytes = structure(1, 1, &[1, 2, 0, 0], &["Maker", "Box"]);
    table_bytes.extend(structure(127, 2, &[], &[]));
    let mut inner = b"_DMI_\0".to_vec();
    inner.extend(u16::try_from(table_bytes.len()).unwrap().to_le_bytes());
    inner.extend(32_u32.to_le_bytes());
    inner.extend([5, 0, 0x24]);
    let sum = inner.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    inner[5] = 0_u8.wrapping_sub(sum);
    let mut entry = b"_SM_\0\x1f\x02\x1f\0\0\0\0\0\0\0\0".to_vec();
    entry.extend(&inner);
    let sum = entry.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    entry[4] = 0_u8.wrapping_sub(sum);
    entry.resize(32, 0);
    entry.extend(&table_bytes);
    let read = table::parse_any(&entry);
    assert_eq!(read.value.version, Some((2, 3)), "2.31 stands for 2.3");
    assert_eq!(read.value.structures, 2);
    let seen: Vec<&str> = read.damage.iter().map(|damage| damage.seen.as_str()).collect();
    assert_eq!(seen, ["2 structures"]);
}
