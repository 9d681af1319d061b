//! No set bit of a dump is dropped: when one is flipped, the decoded text is another one. The line
//! with the registers themselves does not count.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod support;

use std::collections::HashSet;
use std::io::Read;
use std::path::Path;

use cpuid_db::{CpuLeaves, Database, LeafSet, Register, decode, formats};

/// The text of each CPU without its first line and without the lines of registers.
fn texts(database: &Database, set: &LeafSet) -> Vec<String> {
    let mut out = Vec::new();
    decode::write_text(database, set, decode::Options::default(), &mut out).unwrap();
    let mut cpus: Vec<String> = Vec::new();
    for line in std::str::from_utf8(&out).unwrap().lines() {
        if line.starts_with("CPU ") {
            cpus.push(String::new());
        } else if line.starts_with("  ") {
            cpus.last_mut().unwrap().push_str(line);
        }
    }
    cpus
}

/// CPU 0 has the row as it is, each further one a set bit of it flipped; and the rows that decide
/// how it is read.
fn flipped(cpu: &CpuLeaves, leaf: cpuid_db::Leaf, subleaf: cpuid_db::Subleaf) -> (LeafSet, Vec<String>) {
    let row = cpu.row(leaf, subleaf).unwrap();
    let mut flips = vec![row];
    let mut names = vec!["nothing".to_owned()];
    for register in Register::ALL {
        for bit in (0..32).filter(|bit| register.of(row) >> bit & 1 == 1) {
            let mut other = row;
            *register.of_mut(&mut other) ^= 1 << bit;
            flips.push(other);
            names.push(leaf.word(subleaf.0, register).bit(bit).to_string());
        }
    }
    let set = flips
        .into_iter()
        .zip(0..)
        .map(|(row, number)| {
            let mut one = CpuLeaves::new(number);
            one.insert(leaf, subleaf, row);
            for base in [cpuid_db::Leaf(0), leaf.base()] {
                if let Some(row) = cpu.row(base, cpuid_db::Subleaf(0)) {
                    one.insert(base, cpuid_db::Subleaf(0), row);
                }
            }
            one
        })
        .collect();
    (set, names)
}

#[test]
fn flipping_any_set_bit_of_any_row_changes_the_decoded_text() {
    let Some(corpus) = support::corpus("the flip test of every dump") else {
        return;
    };
    let database = Database::builtin();
    let (mut dumps, mut bits, mut met) = (0, 0, HashSet::new());
    for folder in [
        "instlatx64",
        "libcpuid",
        "hwloc-x86",
        "decode-oracle",
        "live-kvm-guest",
        "libvirt",
        "firecracker",
        "xen",
    ] {
        for path in support::files(&corpus.join(folder), "") {
            let text = if path.to_string_lossy().ends_with(".tar.bz2") {
                first_pu(&path)
            } else {
                support::text(&path)
            };
            let Some((_, decoded)) = formats::detect_and_parse(&text) else {
                continue;
            };
            dumps += 1;
            if let Some(cpu) = decoded.value.first() {
                bits += flip(&database, cpu, &path, &mut met) + flip_msrs(&database, cpu, &path);
            }
        }
    }
    assert!(dumps > 150, "{dumps} dumps");
    eprintln!("{dumps} dumps, {} rows that differ, {bits} set bits flipped", met.len());
}

/// The same for the MSRs of a dump.
fn flip_msrs(database: &Database, cpu: &CpuLeaves, path: &Path) -> usize {
    let mut bits = 0;
    for (index, value) in cpu.msrs() {
        let set: Vec<u32> = (0..64).filter(|bit| value >> bit & 1 == 1).collect();
        let cpus = std::iter::once(value).chain(set.iter().map(|bit| value ^ 1 << bit));
        let leaf_0 = (cpuid_db::Leaf(0), cpuid_db::Subleaf(0));
        let cpus = cpus.zip(0..).map(|(value, number)| {
            let mut one = CpuLeaves::new(number);
            one.insert(leaf_0.0, leaf_0.1, cpu.row(leaf_0.0, leaf_0.1).unwrap_or_default());
            one.insert_msr(index, value);
            one
        });
        let texts = texts(database, &cpus.collect());
        for (text, bit) in texts.iter().skip(1).zip(&set) {
            assert_ne!(
                text,
                &texts[0],
                "{}: MSR {index:#x} bit {bit} is dropped",
                path.display()
            );
        }
        bits += set.len();
    }
    bits
}

/// The dump of the first CPU of an hwloc-gather-cpuid tarball.
fn first_pu(path: &Path) -> String {
    let mut archive = tar::Archive::new(bzip2::read::BzDecoder::new(std::fs::File::open(path).unwrap()));
    let mut text = String::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        if entry.path().unwrap().ends_with("pu0") {
            entry.read_to_string(&mut text).unwrap();
            break;
        }
    }
    text
}

fn flip(
    database: &Database,
    cpu: &CpuLeaves,
    path: &Path,
    met: &mut HashSet<(String, cpuid_db::Leaf, cpuid_db::Subleaf, cpuid_db::Registers)>,
) -> usize {
    let vendor = format!("{:?} {}", cpu.row(cpuid_db::Leaf(0), cpuid_db::Subleaf(0)), cpu.partial);
    let mut bits = 0;
    for (leaf, subleaf, registers) in cpu.rows() {
        if !met.insert((vendor.clone(), leaf, subleaf, registers)) {
            continue;
        }
        let (set, names) = flipped(cpu, leaf, subleaf);
        let texts = texts(database, &set);
        bits += names.len() - 1;
        for (text, name) in texts.iter().zip(&names).skip(1) {
            assert_ne!(text, &texts[0], "{}: {name} is dropped", path.display());
        }
    }
    bits
}
