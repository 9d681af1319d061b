//! Scanning of unknown data: real blobs glued into images are all found and nothing else is, and
//! damaged images neither stop the scan nor make it list more than they hold.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use microcode::scan::{self, How, Scan};
use microcode::{Content, Sha256, Update, read};

/// Numbers of fixed seed (Knuth's MMIX generator).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u32 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, end: usize) -> usize {
        self.next() as usize % end.max(1)
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.next() as u8).collect()
    }
}

fn corpus(vendor: &str) -> Vec<(String, Vec<u8>)> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(folder) = fs::read_dir(root.join("microcode").join(vendor)) else {
        eprintln!("corpus absent: 1 case not run");
        return Vec::new();
    };
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut list: Vec<_> = paths
        .map(|path| (path.file_name().unwrap().to_str().unwrap().to_owned(), path))
        .filter(|(name, _)| !name.starts_with("LICENSE"))
        .map(|(name, path)| (name, fs::read(path).unwrap()))
        .collect();
    list.sort();
    list
}

/// What a file of microcode holds, as (offset, size).
fn pieces(bytes: &[u8]) -> Vec<(usize, usize)> {
    match read(bytes).unwrap() {
        Content::Intel(file) => file.updates.iter().map(|update| (update.offset, update.size)).collect(),
        Content::Amd(file) => {
            let patches = file.containers.iter().flat_map(|container| &container.patches);
            patches.map(|patch| (patch.offset, patch.size)).collect()
        }
        Content::AmdPatch(patch) => vec![(0, patch.size)],
    }
}

fn places(scan: &Scan) -> Vec<(usize, usize)> {
    scan.hits.iter().map(|hit| (hit.offset, hit.size)).collect()
}

#[test]
fn every_blob_of_an_image_is_found_whole_and_nothing_else() {
    let mut files = corpus("intel");
    files.extend(corpus("amd"));
    let mut random = Random(20_261_121);
    for fill in [Some(0xff), Some(0), None] {
        let mut image = Vec::new();
        let mut expected = Vec::new();
        for (_, bytes) in &files {
            let gap = random.below(9000);
            image.extend(fill.map_or_else(|| random.bytes(gap), |fill| vec![fill; gap]));
            expected.extend(pieces(bytes).iter().map(|(offset, size)| (image.len() + offset, *size)));
            image.extend(bytes);
        }
        let scan = scan::scan(&image);
        assert_eq!(places(&scan), expected, "filled with {fill:?}");
        assert!(!scan.is_damaged(), "{:?}", scan.findings);
        let mut seen = Vec::new();
        let stream = scan::scan_stream(&image[..], |hit, bytes| seen.push((hit.offset, Sha256::of(bytes)))).unwrap();
        assert_eq!(stream.hits, scan.hits);
        let whole = scan.hits.iter().map(|hit| (hit.offset, Sha256::of(hit.bytes(&image))));
        assert_eq!(seen, whole.collect::<Vec<_>>());
    }
}

#[test]
fn intel_updates_of_an_image_are_those_of_iucode_tool() {
    let files = corpus("intel");
    if files.is_empty() {
        return;
    }
    if Command::new("iucode_tool").arg("-V").output().is_err() {
        eprintln!("iucode_tool absent: 1 case not run");
        return;
    }
    let mut random = Random(7);
    let mut image = Vec::new();
    for (_, bytes) in &files {
        let gap = random.below(9000);
        image.extend(random.bytes(gap));
        image.extend(bytes);
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), &image).unwrap();
    let output = Command::new("iucode_tool")
        .args(["-L", "-tr"])
        .arg(file.path())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<&str> = text
        .lines()
        .filter_map(|line| Some(line.get(line.find("sig ")?..)?.trim()))
        .filter(|line| line.contains("size"))
        .collect();
    let ours = scan::scan(&image).hits.into_iter().map(|hit| match hit.update {
        Update::Intel(update) => {
            let (target, date, revision) = (update.target, update.date, update.revision.0);
            let platforms = target.platforms.0;
            format!(
                "sig {}, pf_mask {platforms:#04x}, {date}, rev {revision:#06x}, size {}",
                target.signature, update.size
            )
        }
        Update::Amd(patch) => panic!("{patch:?}"),
    });
    assert_eq!(ours.collect::<Vec<_>>(), theirs);
}

/// An Intel update of 2 KiB.
fn intel(random: &mut Random) -> Vec<u8> {
    let mut words = vec![1, 0xde, 0x0614_2021, 0x806ec, 0, 1, 0x94, 2000, 2048, 0, 0, 0];
    words.extend((0..500).map(|_| random.next()));
    words[4] = words
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg();
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// A patch for family 17h.
fn patch(random: &mut Random, revision: u8) -> Vec<u8> {
    let mut bytes = random.bytes(3200);
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

/// 256 KiB with everything that is followed: table and pointer, directories, a container.
fn image(random: &mut Random) -> Vec<u8> {
    let mut image = vec![0xff; 0x4_0000];
    let first = 0xfffc_0000u32;
    for at in [0x8000, 0x9000] {
        put(&mut image, at, &intel(random));
    }
    let mut table = b"_FIT_   \x03\0\0\0\0\x01\x80\0".to_vec();
    for at in [0x8000, 0x9000] {
        table.extend(words(&[first + at, 0, 0, 0x0001_0100]));
    }
    table[15] = table
        .iter()
        .fold(0u8, |sum, byte| sum.wrapping_add(*byte))
        .wrapping_neg();
    put(&mut image, 0x3_0000, &table);
    put(&mut image, 0x3_ffc0, &words(&[first + 0x3_0000]));
    let mut structure = [0xffff_ffffu32; 16];
    (structure[0], structure[5], structure[6]) = (0x55aa_55aa, 0x2_1000, 0x2_2000);
    put(&mut image, 0x2_0000, &words(&structure));
    put(
        &mut image,
        0x2_1000,
        &words(&[0x5053_5032, 0, 1, 0, 0, 0, 0, 0, 0, 0xbc0c_0100, 0x2_3000, 0]),
    );
    put(&mut image, 0x2_2000, &words(&[0x4448_4224, 0, 2, 1 << 29]));
    put(
        &mut image,
        0x2_2010,
        &words(&[0x66, 3200, 0xa000, 0, u32::MAX, u32::MAX]),
    );
    put(
        &mut image,
        0x2_2028,
        &words(&[0x70, 0x400, 0x2_4000, 0, u32::MAX, u32::MAX]),
    );
    put(
        &mut image,
        0x2_3000,
        &words(&[0x5053_5024, 0, 1, 1 << 29, 0x40, 0x400, 0x2_6000, 0]),
    );
    put(&mut image, 0x2_4000, &words(&[0x324c_4224, 0, 1, 2 << 29]));
    put(
        &mut image,
        0x2_4010,
        &words(&[0x10_0066, 3200, 0x800, 0x8000_0000, u32::MAX, u32::MAX]),
    );
    put(&mut image, 0x2_6000, &words(&[0x324c_5024, 0, 0, 1 << 29]));
    put(&mut image, 0xa000, &patch(random, 1));
    put(&mut image, 0x2_4800, &patch(random, 2));
    let mut file = b"DMA\0\0\0\0\0\x20\0\0\0".to_vec();
    file.extend(words(&[0x87_0f10, 0, 0, 0x8710, 0, 0, 0, 0, 1, 3200]));
    file.extend(patch(random, 3));
    put(&mut image, 0x1_0000, &file);
    image
}

/// Intel by both tables, AMD by directories of both levels, a container.
fn check(bytes: &[u8]) -> Scan {
    let scan = scan::scan(bytes);
    for hit in &scan.hits {
        assert_eq!(hit.bytes(bytes).len(), hit.size, "{hit:?}");
    }
    let listed = scan.hits.len() + scan.findings.len() + scan.fit.len() + scan.psp.len();
    assert!(listed < 2000, "{listed}");
    scan
}

#[test]
fn image_with_all_tables_is_read_as_it_was_made() {
    let scan = check(&image(&mut Random(1)));
    let how: Vec<_> = scan.hits.iter().map(|hit| (hit.offset, hit.how)).collect();
    let bios = |directory, instance| How::PspBios {
        directory,
        entry: 0,
        instance,
    };
    assert_eq!(
        how,
        [
            (0x8000, How::Fit { entry: 1 }),
            (0x9000, How::Fit { entry: 2 }),
            (0xa000, bios(0x2_2000, 0)),
            (0x1_0034, How::Container { container: 0x1_0000 }),
            (0x2_4800, bios(0x2_4000, 1)),
        ]
    );
    assert_eq!(
        (scan.fit.len(), scan.psp.len(), scan.psp[0].directories.len()),
        (1, 1, 5)
    );
}

#[test]
fn mutations_are_survived_and_list_no_more_than_the_data_holds() {
    let mut random = Random(20_261_120);
    let whole = image(&mut random);
    let marks = [
        0x8000, 0x9000, 0xa000, 0x1_0000, 0x2_0000, 0x2_2000, 0x2_4000, 0x3_0000, 0x3_ffc0,
    ];
    let mut found = 0;
    for number in 0..500 {
        let mut bytes = whole.clone();
        for _ in 0..=random.below(4) {
            // Most of the image is filler: strike where something stands.
            let mark = marks[random.below(marks.len())].min(bytes.len().saturating_sub(1));
            let at = (mark + random.below(64)).min(bytes.len() - 1);
            match number % 7 {
                0 => bytes[at] ^= 1 << random.below(8),
                1 => bytes[at] = random.next() as u8,
                2 => bytes.truncate(at + 1 + random.below(4000)),
                3 => {
                    let piece = bytes[at..(at + 4096).min(bytes.len())].to_vec();
                    let to = random.below(bytes.len());
                    bytes.splice(to..to, piece);
                }
                4 => {
                    let end = (at + random.below(300)).min(bytes.len());
                    bytes[at..end].fill(0);
                }
                5 => {
                    let word = [0, 1, 47, 0xffff, 0x7fff_ffff, 0xffff_fff0, random.next()][random.below(7)];
                    let at = at & !3;
                    if at + 4 <= bytes.len() {
                        put(&mut bytes, at, &word.to_le_bytes());
                    }
                }
                _ => {
                    let piece = random.bytes(random.0 as usize % 40);
                    bytes.splice(at..at, piece);
                }
            }
        }
        found += check(&bytes).hits.len();
    }
    // Each mutation leaves most of the five updates alone.
    assert!(found > 1800, "{found}");
}

#[test]
fn random_data_holds_nothing() {
    let scan = check(&Random(99).bytes(1 << 20));
    assert_eq!(scan, Scan::default());
}
