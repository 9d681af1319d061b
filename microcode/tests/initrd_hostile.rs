//! Damaged initrds: no panic, no hang, bounded output, and what is extracted stays inside.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use microcode::cpio::Writer;
use microcode::initrd::{
    Body, Choice, Directory, Member, Options, Segment, Step, Summary, early_length, extract, plan, read,
};

/// Numbers from a fixed seed (SplitMix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.0;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((value ^ (value >> 31)) % u64::try_from(below.max(1)).unwrap()).unwrap()
    }
}

/// Bit flip, header byte, truncation, duplicate, zero run, length word, insertion. Half of the
/// places are around the compressed part, where headers are.
fn mutate(bytes: &[u8], dice: &mut Dice, compressed: usize) -> Vec<u8> {
    let mut out = bytes.to_vec();
    let place = |dice: &mut Dice| match dice.roll(3) {
        0 => dice.roll(bytes.len()),
        1 => compressed + dice.roll(64),
        _ => compressed + dice.roll(bytes.len() - compressed),
    };
    let at = place(dice).min(bytes.len() - 1);
    let length = (1 + dice.roll(200)).min(out.len() - at);
    match dice.roll(7) {
        0 => out[at] ^= 1 << dice.roll(8),
        1 => {
            let at = dice.roll(300).min(bytes.len() - 1);
            out[at] = u8::try_from(dice.roll(256)).unwrap();
        }
        2 => out.truncate(at),
        3 => {
            let piece = out[at..at + length].to_vec();
            out.splice(at..at, piece);
        }
        4 => out[at..at + length].fill(0),
        5 => {
            let word = [0u32, 1, 0xffff_ffff, 0x7fff_ffff, 0x8000_0000][dice.roll(5)].to_le_bytes();
            let end = (at + 4).min(out.len());
            out[at..end].copy_from_slice(&word[..end - at]);
        }
        _ => {
            let noise: Vec<u8> = (0..length).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
            out.splice(at..at, noise);
        }
    }
    out
}

/// An early archive and what a main one has: text and noise.
fn parts() -> (Vec<u8>, Vec<u8>) {
    let mut dice = Dice(1);
    let mut early = Writer::new(Vec::new());
    early.directory("kernel").unwrap();
    let noise: Vec<u8> = (0..3000).map(|_| u8::try_from(dice.roll(256)).unwrap()).collect();
    early.file("kernel/x86/microcode/GenuineIntel.bin", 16, &noise).unwrap();
    let mut main = Writer::new(Vec::new());
    for number in 0..30 {
        let text = format!("line {number} of a file\n").repeat(1 + dice.roll(100));
        main.file(&format!("etc/{number}"), 0, text.as_bytes()).unwrap();
    }
    (early.finish(512).unwrap(), main.finish(512).unwrap())
}

fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let command = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn();
    let Ok(mut child) = command else {
        eprintln!("{program} absent: 500 cases not run");
        return None;
    };
    let mut input_of = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writer = std::thread::spawn(move || input_of.write_all(&input));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success(), "{program}");
    Some(output.stdout)
}

fn all(bytes: &[u8]) -> Summary {
    let mut read_bodies = |_: &Segment, member: &Member, body: &mut Body<'_>| {
        let _ = member.to_string();
        io::copy(body, &mut io::sink())?;
        Ok(Step::Into)
    };
    let options = Options {
        unpacked_max: 64 << 20,
        ..Options::default()
    };
    let summary = read(Cursor::new(bytes), &options, &mut read_bodies).unwrap();
    let mut at = 0;
    for segment in &summary.segments {
        assert_eq!(segment.offset, at, "segments follow each other");
        at += segment.size;
    }
    assert_eq!(at, summary.length);
    let early = early_length(Cursor::new(bytes)).unwrap();
    assert!(early <= summary.length);
    let planned = plan(Cursor::new(bytes), None).unwrap();
    let mut out = Vec::new();
    planned.write(Cursor::new(bytes), None, &mut out).unwrap();
    assert_eq!(out.len() as u64, planned.report.new_length);
    summary
}

fn mutations(name: &str, bytes: &[u8], compressed: usize) {
    let mut dice = Dice(20_261_120);
    let (mut reported, mut slowest) = (0, Duration::ZERO);
    for _ in 0..500 {
        let mutated = mutate(bytes, &mut dice, compressed);
        let begin = Instant::now();
        reported += usize::from(!all(&mutated).damage.is_empty());
        slowest = slowest.max(begin.elapsed());
    }
    eprintln!("{name}: {reported} of 500 damages reported, slowest {slowest:?}");
    assert!(slowest < Duration::from_secs(10), "{name}: {slowest:?}");
}

#[test]
fn five_hundred_mutations_of_each_compression_are_survived() {
    let (early, main) = parts();
    for (name, program, arguments) in [
        ("none", "cat", &[][..]),
        ("gzip", "gzip", &["-c"]),
        ("bzip2", "bzip2", &["-c"]),
        ("xz", "xz", &["-c", "--check=crc32"]),
        ("lzma", "xz", &["-c", "--format=lzma"]),
        ("lzo", "lzop", &["-c"]),
        ("lz4 legacy", "lz4", &["-c", "-l"]),
        ("lz4 frame", "lz4", &["-c"]),
        ("zstd", "zstd", &["-c", "-q"]),
    ] {
        let Some(packed) = filter(program, arguments, &main) else {
            continue;
        };
        let bytes = [early.clone(), packed].concat();
        let whole = all(&bytes);
        assert_eq!(whole.damage, [], "{name}");
        let members: u64 = whole.segments.iter().map(|segment| segment.members).sum();
        assert_eq!(members, 32, "{name}");
        mutations(name, &bytes, early.len());
    }
}

fn corpus(folder: &str) -> Vec<(String, Vec<u8>)> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(folder) = fs::read_dir(root.join("microcode").join(folder)) else {
        eprintln!("corpus absent: 1 case not run");
        return Vec::new();
    };
    let files = folder.map(|entry| entry.unwrap());
    files
        .map(|file| (file.file_name().into_string().unwrap(), fs::read(file.path()).unwrap()))
        .collect()
}

#[test]
fn mutations_of_real_small_initrds_are_survived() {
    for (name, bytes) in corpus("initrd") {
        if bytes.len() < 1 << 20 {
            let early = early_length(Cursor::new(&bytes)).unwrap();
            mutations(&name, &bytes, usize::try_from(early).unwrap());
        }
    }
}

#[test]
fn files_that_made_other_readers_hang_end_with_damage() {
    for (name, bytes) in corpus("fuzz")
        .into_iter()
        .filter(|(name, _)| name.starts_with("initrd"))
    {
        let begin = Instant::now();
        assert!(!all(&bytes).damage.is_empty(), "{name}");
        assert!(begin.elapsed() < Duration::from_secs(5), "{name}");
    }
}

#[test]
fn mutated_initrds_are_extracted_inside_only() {
    let outer = tempfile::tempdir().unwrap();
    let (early, main) = parts();
    let bytes = [early, main].concat();
    let mut dice = Dice(7);
    for _ in 0..100 {
        let place = outer.path().join("in");
        fs::create_dir(&place).unwrap();
        let mutated = mutate(&bytes, &mut dice, 0);
        let mut sink = Directory::open(&place).unwrap();
        extract(
            Cursor::new(&mutated),
            &Options::default(),
            &Choice::default(),
            &mut sink,
        )
        .unwrap();
        assert_eq!(fs::read_dir(outer.path()).unwrap().count(), 1);
        fs::remove_dir_all(&place).unwrap();
    }
}
