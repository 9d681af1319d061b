//! Real initrds gathered from memory and piece by piece, and damaged input of every kind: nothing
//! panics or hangs, and what is found is never more than what is there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use std::fs::{self, File};
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use microcode::gather::{Gathered, Kind, Options, gather, gather_reader};
use microcode::pack::early::{Blob, archive};
use microcode::pack::{Filter, Keep, dedupe, early, files, guard, select};
use microcode::{Found, dat};

const ALL: Options = Options {
    scan: true,
    compressed: true,
};
const FRONT: Options = Options {
    scan: false,
    compressed: false,
};

fn corpus(folder: &str) -> Vec<PathBuf> {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/corpus");
    let root = std::env::var_os("DELID_CORPUS").map_or_else(default, PathBuf::from);
    let Ok(entries) = fs::read_dir(root.join("microcode").join(folder)) else {
        eprintln!("corpus absent: {folder} not run");
        return Vec::new();
    };
    let mut list: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    list.sort();
    list
}

fn summary(all: &Gathered) -> Vec<(String, usize, usize)> {
    let found = all.found.iter();
    found
        .map(|found| (found.place.source.clone(), found.place.offset, found.bytes().len()))
        .collect()
}

#[test]
fn initrds_give_the_same_from_memory_and_piece_by_piece() {
    for path in corpus("initrd") {
        let bytes = Arc::new(fs::read(&path).unwrap());
        let in_memory = gather("initrd", Arc::clone(&bytes), FRONT);
        let streamed = gather_reader("initrd", File::open(&path).unwrap(), FRONT).unwrap();
        let name = path.display();
        assert_eq!((in_memory.kind, streamed.kind), (Kind::Initrd, Kind::Initrd), "{name}");
        assert!(
            !in_memory.found.is_empty() && !in_memory.is_damaged(),
            "{name}: {:?}",
            in_memory.faults()
        );
        assert_eq!(summary(&in_memory), summary(&streamed), "{name}");
        let range = bytes.as_ptr_range();
        assert!(
            in_memory
                .found
                .iter()
                .all(|found| range.contains(&found.bytes().as_ptr())),
            "{name}"
        );
        for (one, other) in in_memory.found.iter().zip(&streamed.found) {
            assert!(one.bytes() == other.bytes());
        }
        let deep = gather_reader("initrd", File::open(&path).unwrap(), ALL).unwrap();
        assert!(
            !deep.is_damaged() && deep.found.len() >= streamed.found.len(),
            "{name}: {:?}",
            deep.faults()
        );
        eprintln!(
            "{name}: {} updates, {} with the compressed part",
            streamed.found.len(),
            deep.found.len()
        );
    }
}

#[test]
fn inputs_on_which_others_hang_or_panic_are_read_to_their_end() {
    for path in corpus("fuzz") {
        let start = Instant::now();
        let all = gather_reader("x", File::open(&path).unwrap(), ALL).unwrap();
        eprintln!(
            "{}: {} updates, damaged: {}",
            path.display(),
            all.found.len(),
            all.is_damaged()
        );
        assert!(start.elapsed() < Duration::from_secs(20));
    }
}

/// Numbers from a seed (xorshift64*).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33;
        usize::try_from(number).unwrap() % limit.max(1)
    }

    fn byte(&mut self) -> u8 {
        u8::try_from(self.below(256)).unwrap()
    }

    fn mutate(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let at = self.below(bytes.len());
        match self.below(7) {
            0 => bytes[at] ^= 1 << self.below(8),
            1 => {
                let at = self.below(bytes.len().min(256));
                bytes[at] = self.byte();
            }
            2 => bytes.truncate(at),
            3 => {
                let end = (at + self.below(512)).min(bytes.len());
                let part = bytes[at..end].to_vec();
                bytes.splice(at..at, part);
            }
            4 => {
                let end = (at + self.below(256)).min(bytes.len());
                bytes[at..end].fill(0);
            }
            5 => {
                let values = [0, 1, 47, 48, 0x7fff_ffff, 0xffff_ffff, 0xffff_fff0, 1024];
                let value: u32 = values[self.below(values.len())];
                let at = at & !3;
                let end = (at + 4).min(bytes.len());
                let count = end - at;
                bytes[at..end].copy_from_slice(&value.to_le_bytes()[..count]);
            }
            _ => {
                let more: Vec<u8> = (0..self.below(64)).map(|_| self.byte()).collect();
                bytes.splice(at..at, more);
            }
        }
        bytes
    }
}

fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

fn intel(signature: u32, platforms: u32, revision: u32) -> Vec<u8> {
    let mut update = vec![1, revision, 0x0217_2024, signature, 0, 1, platforms, 976, 1024, 0, 0, 0];
    update.resize(256, revision.wrapping_mul(0x9e37_79b9));
    update[4] = update
        .iter()
        .fold(0u32, |sum, word| sum.wrapping_add(*word))
        .wrapping_neg();
    words(&update)
}

fn amd() -> Vec<u8> {
    let mut bytes = words(&[
        0x0041_4d44,
        0,
        48,
        0x80_0f12,
        0,
        0,
        0x8012,
        0x80_0f82,
        0,
        0,
        0x8082,
        0,
        0,
        0,
        0,
    ]);
    for (id, revision) in [(0x8012, 0x0800_126e), (0x8082, 0x0800_820d)] {
        let mut patch = vec![0x1109_2024, revision, 0x8004, 0, 0, 0, id];
        patch.resize(16, 0);
        patch.resize(800, 7);
        bytes.extend(words(&[1, 3200]));
        bytes.extend(words(&patch));
    }
    bytes
}

/// Inputs of every kind that needs no compression.
fn samples() -> Vec<(&'static str, Vec<u8>)> {
    let updates = [
        intel(0x906ea, 0x22, 5),
        intel(0x906ea, 0x02, 6),
        intel(0x906eb, 0x22, 7),
    ];
    let binary = updates.concat();
    let pairs: Vec<(Option<&str>, &[u8])> = updates.iter().map(|update| (None, &update[..])).collect();
    let text = dat::write(&pairs).into_bytes();
    let blob = |vendor, bytes| Blob { vendor, bytes };
    let early = archive(&[blob("AuthenticAMD", &amd()), blob("GenuineIntel", &binary)], 0).unwrap();
    let image = [vec![0xff; 4099], binary.clone(), vec![0; 333], amd(), vec![0xff; 777]].concat();
    vec![
        ("binary", binary),
        ("container", amd()),
        ("text", text),
        ("early", early),
        ("image", image),
    ]
}

#[test]
fn samples_are_whole() {
    for (name, bytes) in samples() {
        let all = gather(name, bytes, ALL);
        let expected = match name {
            "binary" | "text" => 3,
            "container" => 2,
            _ => 5,
        };
        assert_eq!(
            (all.found.len(), all.is_damaged()),
            (expected, false),
            "{name}: {:?}",
            all.faults()
        );
    }
}

/// Everything that is done with a set.
fn use_all(found: &[Found], all: &Gathered) {
    for keep in [Keep::Newest, Keep::LastFile, Keep::All] {
        let filter = Filter {
            damaged: keep == Keep::All,
            ..Filter::default()
        };
        let selection = select(found, &filter, keep);
        let made = early::early(&selection, &all.tables, None).unwrap();
        let again = gather("again", made.bytes, FRONT);
        if keep == Keep::Newest {
            let intel = |found: &&Found| matches!(found.update, microcode::Update::Intel(_));
            let (ours, theirs) = (selection.updates(), again.found.iter());
            assert_eq!(ours.into_iter().filter(intel).count(), theirs.filter(intel).count());
        }
        let _ = (
            files::firmware(&selection, &all.tables),
            files::named(&selection),
            files::dat(&selection),
        );
    }
    assert_eq!(guard(found, found), []);
    let unique = dedupe(found);
    assert_eq!(unique.kept.len() + unique.duplicates.len(), found.len());
    let diff = microcode::release::diff(found, found);
    assert_eq!(diff.changed().count(), 0);
    let _ = diff.to_string();
}

#[test]
fn mutations_of_every_kind_of_input_are_survived() {
    let mut random = Random(20_261_120);
    for (name, bytes) in samples() {
        let start = Instant::now();
        let (mut damaged, mut other) = (0, 0);
        for _ in 0..500 {
            let mutated = random.mutate(&bytes);
            let length = mutated.len();
            let all = gather(name, mutated.clone(), ALL);
            let streamed = gather_reader(name, Cursor::new(mutated), ALL).unwrap();
            assert_eq!(summary(&all), summary(&streamed), "{name}");
            let covered: usize = all.found.iter().map(|found| found.bytes().len()).sum();
            // Two containers in one image may both hold a patch.
            assert!(covered <= length.saturating_mul(2), "{name}: {covered} of {length}");
            use_all(&all.found, &all);
            damaged += usize::from(all.is_damaged());
            other += usize::from(!all.is_damaged() && all.found.len() < 2);
        }
        eprintln!(
            "{name}: {damaged} of 500 damaged, {other} with less found, {:?}",
            start.elapsed()
        );
        assert!(start.elapsed() < Duration::from_secs(120), "{name}");
    }
}
