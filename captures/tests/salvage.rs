//! Packed archives that are cut or changed: every file before the damage is given, and the damage
//! is told.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use captures::{OpenError, Source};
use lzma_rust2::{XzOptions, XzWriter};

const CPUS: &str = "/sys/devices/system/cpu";
/// Larger archives take long without optimisation and are no different.
const ARCHIVE_LIMIT: usize = 75_000;
/// 100 000 bytes, and the runs of zeros that are packed before they are counted.
const BZIP2_BLOCK: usize = 130_000;
const FILES: usize = 300;

/// Text that packs to about a third, so that the packed archive has several blocks.
fn text(number: usize) -> Vec<u8> {
    let mut state = number as u32 + 1;
    let mut line = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        format!("{:x}: {}\n", state >> 16, state % 97)
    };
    let text: String = (0..120).map(|_| line()).collect();
    text.into_bytes()
}

fn archive() -> Vec<u8> {
    let mut builder = tar::Builder::new(Vec::new());
    for number in 0..FILES {
        let bytes = text(number);
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o644);
        let path = format!("top{CPUS}/cpu{number}");
        builder.append_data(&mut header, path, bytes.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn bzip2(bytes: &[u8]) -> Vec<u8> {
    let mut writer = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn xz(bytes: &[u8]) -> Vec<u8> {
    let mut writer = XzWriter::new(Vec::new(), XzOptions::with_preset(1)).unwrap();
    writer.write_all(bytes).unwrap();
    writer.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(bytes, ruzstd::encoding::CompressionLevel::Fastest)
}

fn open(bytes: &[u8]) -> Result<Source, OpenError> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("archive");
    fs::write(&path, bytes).unwrap();
    Source::open(&[path])
}

/// Files given, each checked against what was packed, and notes; nothing when it cannot be opened.
fn files_of(bytes: &[u8]) -> (usize, usize) {
    let Ok(source) = open(bytes) else {
        return (0, 1);
    };
    let names = source.list(CPUS);
    for (number, name) in names.iter().enumerate() {
        assert_eq!(*name, format!("cpu{number}"));
        let (read, _) = source.read(&format!("{CPUS}/{name}")).unwrap();
        assert_eq!(read, text(number), "{name}");
    }
    (names.len(), source.layers[0].notes.len())
}

/// Each codec, and the most unpacked bytes one of its blocks holds back.
type Packer = fn(&[u8]) -> Vec<u8>;
const CODECS: [(&str, Packer, usize); 4] = [
    ("gzip", gzip, 2 << 10),
    ("bzip2", bzip2, BZIP2_BLOCK),
    ("xz", xz, 2 << 10),
    ("zstd", zstd, 128 << 10),
];

#[test]
fn a_cut_costs_no_more_than_one_block_of_the_codec() {
    let plain = archive();
    for (codec, pack, block) in CODECS {
        let packed = pack(&plain);
        assert_eq!(files_of(&packed), (FILES, 0), "{codec}");
        let mut before = 0;
        for tenth in 1..10 {
            let cut = packed.len() * tenth / 10;
            let (files, notes) = files_of(&packed[..cut]);
            // All parts pack alike: to within a twentieth the cut falls in the same tenth.
            let expected = FILES * tenth / 10;
            let lost = block.div_ceil(plain.len() / FILES) + FILES / 20;
            assert!(files + lost >= expected, "{codec} cut at {tenth}/10: {files}");
            assert!(files <= expected + FILES / 20, "{codec} cut at {tenth}/10: {files}");
            assert!(files >= before, "{codec} cut at {tenth}/10");
            assert_eq!(notes, 1, "{codec} cut at {tenth}/10");
            before = files;
        }
    }
}

#[test]
fn a_missing_last_byte_costs_no_file() {
    for (codec, pack, _) in CODECS {
        let packed = pack(&archive());
        let (files, notes) = files_of(&packed[..packed.len() - 1]);
        // The last bytes of bzip2 and the last block of Zstandard are checksums.
        assert_eq!((files, notes), (FILES, 1), "{codec}");
    }
}

#[test]
fn a_changed_byte_is_told() {
    let plain = archive();
    for (codec, pack, _) in CODECS {
        let packed = pack(&plain);
        for step in 1..20 {
            let mut changed = packed.clone();
            changed[packed.len() * step / 20] ^= 1 << (step % 8);
            match open(&changed) {
                // A bit that nothing reads may change without harm.
                Ok(source) if source.layers[0].notes.is_empty() => {
                    assert_eq!(files_of(&changed), (FILES, 0), "{codec} {step}/20");
                }
                Ok(_) => {}
                Err(error) => assert!(!error.to_string().contains("not recognised"), "{codec} {step}/20"),
            }
        }
    }
}

#[test]
fn a_changed_byte_in_a_block_with_a_checksum_spares_the_blocks_before_it() {
    let plain = archive();
    let packed = bzip2(&plain);
    for tenth in 2..10 {
        let mut changed = packed.clone();
        changed[packed.len() * tenth / 10] ^= 4;
        let (files, notes) = files_of(&changed);
        let lost = BZIP2_BLOCK.div_ceil(plain.len() / FILES) + FILES / 20;
        assert!(files + lost >= FILES * tenth / 10, "{tenth}/10: {files}");
        assert!(notes > 0);
    }
}

#[test]
fn archives_of_the_project_and_the_corpus_give_what_is_before_a_cut() {
    let mut archives = archives_below(&Path::new(env!("CARGO_MANIFEST_DIR")).join("machines"));
    let corpus = std::env::var_os("DELID_CORPUS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus"),
        PathBuf::from,
    );
    let found = archives_below(&corpus.join("topo"));
    if found.is_empty() {
        eprintln!("corpus absent: 3 cuts of each archive not run");
    }
    archives.extend(found);
    for archive in archives {
        let packed = fs::read(&archive).unwrap();
        if packed.len() > ARCHIVE_LIMIT {
            continue;
        }
        let whole = count(&packed);
        let given = [2, 5, 8].map(|tenth| count(&packed[..packed.len() * tenth / 10]));
        if std::env::var_os("DELID_SHOW").is_some() {
            eprintln!("{given:?} of {whole}: {}", archive.display());
        }
        assert!(given.is_sorted(), "{given:?}: {}", archive.display());
        assert!(
            given.iter().all(|given| *given <= whole),
            "{given:?}: {}",
            archive.display()
        );
    }
}

fn archives_below(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let mut found = Vec::new();
    for entry in entries.flatten().map(|entry| entry.path()) {
        let name = entry.to_string_lossy().into_owned();
        if entry.is_dir() {
            found.extend(archives_below(&entry));
        } else if [".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"]
            .iter()
            .any(|end| name.ends_with(end))
        {
            found.push(entry);
        }
    }
    found.sort();
    found
}

/// Files below the directories that say most of a machine.
fn count(packed: &[u8]) -> usize {
    let Ok(source) = open(packed) else {
        return 0;
    };
    ["/proc", "/sys", "/"]
        .iter()
        .map(|place| below(&source, place, 6))
        .sum()
}

fn below(source: &Source, place: &str, depth: usize) -> usize {
    let names = source.list(place);
    let inner = |name: &String| {
        let path = format!("{}/{name}", place.trim_end_matches('/'));
        let ends = depth == 0 || source.link(&path).is_some();
        if ends { 0 } else { below(source, &path, depth - 1) }
    };
    names.len() + names.iter().map(inner).sum::<usize>()
}
