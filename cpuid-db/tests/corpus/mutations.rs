//! Every dump of the corpus is read; a bounded number of cut and changed copies must not panic.

use cpuid_db::{Identity, cache, formats, topology};

use crate::files;

/// Reads a text to the end: parse, identity, caches, topology, and back to text.
fn exercise(text: &str) -> Option<formats::Format> {
    let (format, decoded) = formats::detect_and_parse(text)?;
    for cpu in decoded.value.cpus().iter().take(4) {
        let _ = cache::describe(cpu, &Identity::of(cpu));
    }
    let _ = topology::decode(&decoded.value);
    let written = formats::cpuid_r::write(&decoded.value);
    assert_eq!(
        formats::cpuid_r::parse(&written).value,
        decoded.value,
        "what is written is read again"
    );
    Some(format)
}

/// A small generator, so that a failure is found again.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(bound.max(1)).unwrap()).unwrap()
    }
}

/// Cut somewhere, with a few bytes changed to what a dump is made of.
fn mutated(text: &str, numbers: &mut Numbers) -> String {
    const BYTES: &[u8] = b"0123456789abcdefFx:-=># \t\n[]\x00\xff";
    let mut bytes = text.as_bytes().to_vec();
    bytes.truncate(numbers.below(bytes.len()) + 1);
    for _ in 0..numbers.below(40) {
        let place = numbers.below(bytes.len());
        bytes[place] = BYTES[numbers.below(BYTES.len())];
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// All texts of CPUID dumps, with their names.
fn dumps() -> Vec<(String, String)> {
    let mut dumps = Vec::new();
    for name in [
        "cpuid/instlatx64",
        "cpuid/libcpuid",
        "cpuid/live-kvm-guest",
        "cpuid/decode-oracle",
    ] {
        let Some(directory) = files::directory(name) else {
            continue;
        };
        for path in files::below(&directory) {
            let file = path.to_string_lossy().into_owned();
            let is_dump =
                !name.contains("decode") && !name.contains("live") || file.contains("-r.txt") || file.contains("raw");
            if is_dump {
                dumps.push((file, files::text(&path)));
            }
        }
    }
    if let Some(directory) = files::directory("topo/hwloc-x86") {
        for path in files::below(&directory) {
            if path.extension().is_some_and(|extension| extension == "bz2") {
                dumps.push((path.to_string_lossy().into_owned(), files::joined_pus(&path)));
            }
        }
    }
    dumps
}

#[test]
fn every_dump_is_recognised_and_only_unnumbered_subleaves_are_damage() {
    let mut damaged = 0;
    let dumps = dumps();
    for (name, text) in &dumps {
        assert!(exercise(text).is_some(), "{name}: not recognised");
        let (_, decoded) = formats::detect_and_parse(text).unwrap();
        damaged += usize::from(!decoded.damage.is_empty());
        for damage in &decoded.damage {
            // Old AIDA64 texts do not number the subleaves of leaf 0xD, which has gaps.
            let known = damage.seen.contains("leaf 0x0000000d") || damage.line == 0;
            assert!(known, "{name}: {damage:?}");
        }
    }
    eprintln!("{} dumps read, {damaged} with damage", dumps.len());
}

#[test]
fn cut_and_changed_dumps_do_not_panic() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for (_, text) in dumps() {
        // A part of each is enough, and keeps the test short.
        let part: String = text.chars().take(20_000).collect();
        for _ in 0..6 {
            exercise(&mutated(&part, &mut numbers));
        }
    }
}
