//! Damaged dumps: only the damaged function may differ, the damage is told, nothing hangs.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::string_slice,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

mod pci_text_support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use pci_text_support::{content, corpus};
use topo::evidence::Place;
use topo::pci::function::{Bdf, Function};
use topo::pci::{text, tree};

/// Numbers that look random and are the same on each run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }
}

fn functions(text: &[u8]) -> (BTreeMap<Bdf, Function>, usize) {
    let listing = text::parse(text);
    let tree = tree::build(&listing.value.functions);
    assert_eq!(tree.iter().count(), listing.value.functions.len());
    let functions = listing
        .value
        .functions
        .into_iter()
        .map(|function| (function.bdf, function));
    (functions.collect(), listing.damage.len())
}

/// A machine with a bridge, 40 endpoints behind it, text and hex rows.
fn machine() -> Vec<u8> {
    let mut text = String::new();
    for device in 0..32_u8 {
        for function in 0..2_u8 {
            let mut bytes = [0_u8; 256];
            bytes[..12].copy_from_slice(&[0x34, 0x12, device, function, 6, 4, 0x10, 0, 3, 2, 0, 1]);
            bytes[0x2c..0x30].copy_from_slice(&[0x78, 0x56, device, 9]);
            writeln!(
                text,
                "03:{device:02x}.{function} 0100: 1234:{function:02x}{device:02x} (rev 03) (prog-if 02)"
            )
            .unwrap();
            writeln!(
                text,
                "\tSubsystem: 5678:09{device:02x}\n\tControl: I/O+ Mem+\n\tNUMA node: {function}"
            )
            .unwrap();
            for (row, cells) in bytes.chunks(16).enumerate() {
                write!(text, "{:02x}:", row * 16).unwrap();
                cells.iter().for_each(|byte| write!(text, " {byte:02x}").unwrap());
                text.push('\n');
            }
            text.push('\n');
        }
    }
    text.into_bytes()
}

/// Dumps to damage: one made here, and some of the corpus.
fn dumps() -> Vec<(String, Vec<u8>)> {
    let mut dumps = vec![("made here".to_owned(), machine())];
    if let Some(corpus) = corpus(4) {
        for file in [
            "host-M11x/lspci.log.xz",
            "lspci-dump/tree-asus-p6t6.xz",
            "lspci-dump/tree-fsl-p2020.xz",
            "lspci-text/2s-broadwell-2xP100.lspci-vvv.txt.xz",
        ] {
            let path = Path::new("pci-smbios").join(file);
            dumps.extend(content(&corpus.join(path)).map(|text| (file.to_owned(), text)));
        }
    }
    dumps
}

/// Addresses whose values are not those of the intact dump.
fn changed(intact: &BTreeMap<Bdf, Function>, damaged: &BTreeMap<Bdf, Function>) -> Vec<Bdf> {
    let mut all: Vec<Bdf> = intact.keys().chain(damaged.keys()).copied().collect();
    all.sort();
    all.dedup();
    all.retain(|bdf| intact.get(bdf) != damaged.get(bdf));
    all
}

#[test]
fn one_wrong_byte_changes_one_function() {
    for (name, text) in dumps() {
        let (intact, told) = functions(&text);
        assert_eq!(told, 0, "{name}");
        let mut random = Random(0x9e37_79b9_7f4a_7c15);
        let mut damages = 0;
        for _ in 0..60 {
            let mut damaged = text.clone();
            let at = random.below(text.len());
            damaged[at] = b"x\0 g\xff\n:7"[random.below(8)];
            let (seen, told) = functions(&damaged);
            let changed = changed(&intact, &seen);
            // A wrong digit in an address makes one function out of another: two addresses.
            assert!(changed.len() <= 2, "{name}: byte {at}: {changed:?}");
            let lost = intact.keys().filter(|bdf| !seen.contains_key(bdf)).count();
            assert!(lost <= 1, "{name}: byte {at}");
            damages += told.min(1);
        }
        eprintln!("{name}: damage told in {damages} of 60");
    }
}

#[test]
fn a_bad_hex_row_costs_no_other_fact() {
    for (name, text) in dumps() {
        let (intact, _) = functions(&text);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let rows: Vec<usize> = (0..lines.len()).filter(|at| lines[*at].starts_with(b"40: ")).collect();
        for at in rows.into_iter().take(20) {
            let mut lines: Vec<Vec<u8>> = lines.iter().map(|line| line.to_vec()).collect();
            lines[at] = b"40: zz zz zz zz zz zz zz zz zz zz zz zz zz zz zz zz".to_vec();
            let damaged = lines.join(&b'\n');
            let listing = text::parse(&damaged);
            assert_eq!(listing.damage.len(), 1, "{name}");
            assert_eq!(listing.damage[0].place, Place::Line(at as u64 + 1), "{name}");
            let (seen, _) = functions(&damaged);
            let changed = changed(&intact, &seen);
            assert_eq!(changed.len(), 1, "{name}: {changed:?}");
            let (old, new) = (&intact[&changed[0]], &seen[&changed[0]]);
            assert_eq!(new.config.as_ref().map(Vec::len), Some(0x40), "{name}");
            assert_eq!((new.vendor, new.class, new.buses), (old.vendor, old.class, old.buses));
            if old.header_type == Some(0) {
                // A bridge has its subsystem in a capability, which the row may have led to.
                assert_eq!(new.subsystem_device, old.subsystem_device);
            }
            assert_eq!((&new.driver, new.numa_node), (&old.driver, old.numa_node));
        }
    }
}

#[test]
fn a_cut_file_keeps_every_function_before_the_cut() {
    for (name, text) in dumps() {
        let (intact, _) = functions(&text);
        let mut random = Random(0x2545_f491_4f6c_dd1d);
        for _ in 0..40 {
            let cut = random.below(text.len());
            let (seen, _) = functions(&text[..cut]);
            let changed = changed(&intact, &seen);
            let present = changed.iter().filter(|bdf| seen.contains_key(bdf)).count();
            assert!(present <= 1, "{name}: cut at {cut}: {changed:?}");
        }
    }
}

#[test]
fn a_lost_line_changes_one_function() {
    for (name, text) in dumps() {
        let (intact, _) = functions(&text);
        let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').collect();
        let mut random = Random(0x1234_5678_9abc_def1);
        for _ in 0..40 {
            let at = random.below(lines.len());
            let kept: Vec<&[u8]> = lines
                .iter()
                .enumerate()
                .filter(|(line, _)| *line != at)
                .map(|(_, line)| *line)
                .collect();
            let (seen, _) = functions(&kept.join(&b'\n'));
            assert!(changed(&intact, &seen).len() <= 1, "{name}: line {}", at + 1);
        }
    }
}

#[test]
fn soup_is_survived() {
    let text = machine();
    let mut random = Random(0xdead_beef_cafe_f00d);
    for _ in 0..60 {
        let mut damaged = text.clone();
        for _ in 0..random.below(400) {
            let at = random.below(damaged.len());
            match random.below(4) {
                0 => damaged[at] = random.below(256) as u8,
                1 => damaged.truncate(at.max(1)),
                2 => damaged[at] = b'\n',
                _ => {
                    let end = (at + random.below(3000)).min(damaged.len());
                    let piece = damaged[at..end].to_vec();
                    if damaged.len() < 400_000 {
                        damaged.splice(at..at, piece);
                    }
                }
            }
        }
        functions(&damaged);
    }
}

#[test]
fn hostile_repetition_is_read_in_one_pass() {
    let start = std::time::Instant::now();
    let mut copies = String::new();
    for number in 0..60_000 {
        writeln!(copies, "00:00.0 0604: 1234:5678 {number}").unwrap();
    }
    assert_eq!(functions(copies.as_bytes()).0.len(), 1);
    let mut domains = String::new();
    for number in 0..20_000 {
        let bus = "\tBus: primary=00, secondary=02, subordinate=09, sec-latency=0";
        writeln!(
            domains,
            "{number:05x}:01:00.0 0604: 1234:5678\n{bus}\n{number:05x}:05:00.0 0200: 1234:5678"
        )
        .unwrap();
    }
    assert_eq!(functions(domains.as_bytes()).0.len(), 40_000);
    let mut path = String::from("00:00.0");
    for number in 0..20_000 {
        write!(path, " x\n{:04x}:00:00.0/{:02x}:00.0", number / 255, number % 255 + 1).unwrap();
    }
    functions(path.as_bytes());
    let same_row = format!("00:00.0 x\n{}", "10: zz 00 zz 00\n".repeat(60_000));
    functions(same_row.as_bytes());
    // Quadratic behaviour takes minutes here; the limit leaves room for a busy machine.
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}
