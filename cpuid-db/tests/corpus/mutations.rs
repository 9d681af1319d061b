//! Every dump of the corpus is read; a bounded number of cut and changed copies, and of dumps with
//! registers by chance, must not panic.

use cpuid_db::{Identity, LeafSet, cache, formats, topology};

use crate::files;

/// Reads a text to the end: parse, identity, caches, topology, and back to text.
fn exercise(text: &str) -> Option<formats::Format> {
    let (format, decoded) = formats::detect_and_parse(text)?;
    for cpu in decoded.value.cpus().iter().take(4) {
        let _ = cache::describe(cpu, &Identity::of(cpu));
    }
    let _ = topology::decode(&decoded.value);
    let written = formats::cpuid_r::write(&decoded.value);
    // `cpuid -r` has no rows for MSRs.
    let rows = |set: &LeafSet| -> Vec<(u32, Vec<_>)> {
        set.cpus()
            .iter()
            .map(|cpu| (cpu.number, cpu.rows().collect()))
            .collect()
    };
    let again = formats::cpuid_r::parse(&written).value;
    assert!(rows(&again) == rows(&decoded.value), "what is written is read again");
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
    let folders = [
        ("cpuid/instlatx64", 104, ""),
        ("cpuid/libcpuid", 252, ""),
        ("cpuid/live-kvm-guest", 3, "-r.txt"),
        ("cpuid/live-kvm-guest", 1, "-raw.txt"),
        ("cpuid/decode-oracle", 8, "-r.txt"),
    ];
    for (name, cases, part) in folders {
        let directory = files::directory(name, cases);
        let all = directory.iter().flat_map(|directory| files::below(directory));
        for path in all.filter(|path| path.to_string_lossy().contains(part)) {
            dumps.push((path.to_string_lossy().into_owned(), files::text(&path)));
        }
    }
    let directory = files::directory("topo/hwloc-x86", 14);
    let all = directory.iter().flat_map(|directory| files::below(directory));
    for path in all.filter(|path| path.extension().is_some_and(|extension| extension == "bz2")) {
        dumps.push((path.to_string_lossy().into_owned(), files::joined_pus(&path)));
    }
    dumps
}

/// A dump of four CPUs with registers by chance in every leaf that counts.
fn by_chance(vendor: [u32; 3], numbers: &mut Numbers) -> String {
    let leaves: [u32; 18] = [
        1,
        2,
        4,
        7,
        0xb,
        0x1a,
        0x1f,
        0x4000_0000,
        0x8000_0001,
        0x8000_0002,
        0x8000_0003,
        0x8000_0004,
        0x8000_0005,
        0x8000_0006,
        0x8000_0008,
        0x8000_001d,
        0x8000_001e,
        0x8000_0026,
    ];
    let mut text = String::new();
    for cpu in 0..4 {
        let [b, d, c] = vendor;
        text += &format!("CPU {cpu}:\n0x00000000 0x00: eax=0x00000020 ebx=0x{b:08x} ecx=0x{c:08x} edx=0x{d:08x}\n");
        for leaf in leaves {
            for subleaf in 0..6 {
                let [a, b, c, d] = [0; 4].map(|_: u8| numbers.below(1 << 32));
                // Types of levels that can be: the low bits are what enumeration goes by.
                let c = if matches!(leaf, 0xb | 0x1f | 0x8000_0026) {
                    c & 0x7ff | 0x100
                } else {
                    c
                };
                text +=
                    &format!("0x{leaf:08x} 0x{subleaf:02x}: eax=0x{a:08x} ebx=0x{b:08x} ecx=0x{c:08x} edx=0x{d:08x}\n");
            }
        }
    }
    text
}

#[test]
fn registers_by_chance_do_not_panic() {
    let mut numbers = Numbers(0x2545_f491_4f6c_dd1d);
    let vendors = [
        "GenuineIntel",
        "AuthenticAMD",
        "HygonGenuine",
        "CentaurHauls",
        "GenuineTMx86",
        "anything ???",
    ];
    for vendor in vendors {
        let word = |place: usize| u32::from_le_bytes(vendor.as_bytes()[place..place + 4].try_into().unwrap());
        for _ in 0..60 {
            let text = by_chance([word(0), word(4), word(8)], &mut numbers);
            assert_eq!(exercise(&text), Some(formats::Format::CpuidR));
            exercise(&mutated(&text, &mut numbers));
        }
    }
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
            // Old AIDA64 texts do not number the subleaves of leaves 0xD and 0x10, which may have gaps.
            let gaps = ["leaf 0x0000000d", "leaf 0x00000010"];
            let known = gaps.iter().any(|leaf| damage.seen.contains(leaf));
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
        for _ in 0..3 {
            exercise(&mutated(&part, &mut numbers));
        }
    }
}
