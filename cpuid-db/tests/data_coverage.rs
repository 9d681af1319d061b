//! Set bits of dumps and the rows of the table that cover them, for every dump of the corpus.
//!
//! Counted on CPU 0 and, on hybrids, on every CPU that differs from those before it. Rows beyond the
//! maximum of their range are not counted: they repeat others or belong to nobody.
//! `DELID_COVERAGE_LIST=N` prints the N most frequent bits that no row covers.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test")]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use cpuid_db::database::{Kind, Place, Reading, Vendors};
use cpuid_db::{CpuLeaves, Database, Identity, LeafSet, Register, Subleaf, formats};

/// Bits of one or more dumps.
#[derive(Default)]
struct Count {
    set: usize,
    reserved: usize,
    /// `leaf.subleaf.register[bit] (vendor)` and how many dumps have it.
    uncovered: BTreeMap<String, usize>,
}

impl Count {
    fn uncovered(&self) -> usize {
        self.uncovered.values().sum()
    }

    fn cpu(&mut self, database: &Database, cpu: &CpuLeaves) {
        let identity = Identity::of(cpu);
        let vendor = identity.vendor;
        for (leaf, subleaf, _) in cpu.rows() {
            let Some(registers) = cpu.get(leaf, subleaf) else {
                continue;
            };
            let reading = Reading::with_vendor(cpu, Vendors::of_identity(&identity), leaf);
            for register in Register::ALL {
                let value = register.of(registers);
                self.set += value.count_ones() as usize;
                let word = cpuid_db::Word {
                    place: Place::Leaf(reading.leaf.0),
                    subleaf,
                    register,
                };
                let (mut named, mut reserved) = (0, 0);
                for field in database.of_word(word, reading.vendors) {
                    *(if field.kind == Kind::Reserved {
                        &mut reserved
                    } else {
                        &mut named
                    }) |= field.mask();
                }
                self.reserved += (value & reserved & !named).count_ones() as usize;
                for bit in (0..32).filter(|bit| (value & !named & !reserved) >> bit & 1 == 1) {
                    let place = format!("{:x}.{:x}.{}[{bit}] ({vendor:?})", leaf.0, subleaf.0, register.name());
                    *self.uncovered.entry(place).or_default() += 1;
                }
            }
        }
    }

    /// CPU 0, and every CPU with other bits than those before it in leaves that do not tell of places.
    fn set(&mut self, database: &Database, set: &LeafSet) {
        let mut met = BTreeSet::new();
        for cpu in set.cpus() {
            let kind = cpu.get(cpuid_db::Leaf(0x1a), Subleaf(0)).map(|row| row.eax);
            if met.insert(kind) {
                self.cpu(database, cpu);
            }
        }
    }

    fn add(&mut self, other: Self) {
        self.set += other.set;
        self.reserved += other.reserved;
        for place in other.uncovered.into_keys() {
            *self.uncovered.entry(place).or_default() += 1;
        }
    }
}

/// Name and CPUs of every dump of a folder.
fn dumps(folder: &Path) -> Vec<(String, LeafSet)> {
    let name = |path: &PathBuf| path.file_name().unwrap().to_string_lossy().into_owned();
    let mut all = Vec::new();
    for path in support::files(folder, "") {
        let text = if name(&path).ends_with(".tar.bz2") {
            joined_pus(&path)
        } else {
            support::text(&path)
        };
        if let Some((_, decoded)) = formats::detect_and_parse(&text) {
            all.push((name(&path), decoded.value));
        }
    }
    all
}

/// The `pu<N>` files of an hwloc tarball as one text, each behind a line `CPU N:`.
fn joined_pus(tarball: &Path) -> String {
    let mut archive = tar::Archive::new(bzip2::read::BzDecoder::new(std::fs::File::open(tarball).unwrap()));
    let mut pus = BTreeMap::new();
    for entry in archive.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().into_owned();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let number = name.strip_prefix("pu").and_then(|number| number.parse::<u32>().ok());
        if let Some(number) = number.filter(|_| !path.starts_with("fsroot")) {
            let text: &mut String = pus.entry(number).or_default();
            std::io::Read::read_to_string(&mut entry, text).unwrap();
        }
    }
    pus.iter()
        .map(|(number, text)| format!("CPU {number}:\n{text}\n"))
        .collect()
}

/// Machine, part of the file's name, and how many of its set bits the manuals reserve at most.
const MACHINES: [(&str, &str, usize); 5] = [
    ("Sapphire Rapids", "SapphireRapids_05", 3),
    ("Granite Rapids", "GraniteRapids_03", 3),
    ("EPYC Turin", "Turin_01", 8),
    ("Meteor Lake", "MeteorLake_09", 3),
    ("Panther Lake", "PantherLakeL_01", 3),
];

/// Bits of one CPU that the register table of Linux (CC0) names.
fn named_by_kcpuid(csv: &str, cpu: &CpuLeaves) -> usize {
    // Leaf and register to the subleaves, first and last, and the mask of each row.
    let mut masks: BTreeMap<_, Vec<(u32, u32, u32)>> = BTreeMap::new();
    let number = |text: &str| match text.strip_prefix("0x") {
        Some(hex) => u32::from_str_radix(hex, 16).unwrap(),
        None => text.parse().unwrap(),
    };
    for line in csv.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let cells: Vec<&str> = line.split(',').map(str::trim).collect();
        let range = |text: &str| {
            let (high, low) = text.split_once(':').unwrap_or((text, text));
            (number(low), number(high))
        };
        let ((first, last), (low, high)) = (range(cells[1]), range(cells[3]));
        let mask = (u32::MAX >> (31 - (high - low))) << low;
        let register = Register::read(cells[2]).unwrap();
        masks
            .entry((number(cells[0]), register))
            .or_default()
            .push((first, last, mask));
    }
    let mut named = 0;
    for (leaf, subleaf, registers) in cpu.rows() {
        for register in Register::ALL {
            let rows = masks.get(&(leaf.0, register)).map(Vec::as_slice).unwrap_or_default();
            let of_subleaf = rows
                .iter()
                .filter(|(first, last, _)| (*first..=*last).contains(&subleaf.0));
            let mask = of_subleaf.fold(0, |mask, row| mask | row.2);
            named += (register.of(registers) & mask).count_ones() as usize;
        }
    }
    named
}

#[test]
fn every_set_bit_of_five_new_machines_is_named_or_reserved_by_the_manual() {
    let Some(corpus) = support::corpus("coverage of the table by five machines") else {
        return;
    };
    let database = Database::builtin();
    let csv = support::text(&corpus.join("names/x86-cpuid-db-v1.0.csv"));
    eprintln!("| machine | set bits | reserved by the manual | without a row | without a row in kcpuid's table |");
    for (machine, file, reserved) in MACHINES {
        let path = support::files(&corpus.join("instlatx64"), file).pop().unwrap();
        let (_, decoded) = formats::detect_and_parse(&support::text(&path)).unwrap();
        let cpu = decoded.value.first().unwrap();
        let mut count = Count::default();
        count.cpu(&database, cpu);
        let all: usize = cpu
            .rows()
            .flat_map(|(_, _, row)| Register::ALL.map(|register| register.of(row).count_ones() as usize))
            .sum();
        eprintln!(
            "| {machine} | {} | {} | {} | {} |",
            count.set,
            count.reserved,
            count.uncovered(),
            all - named_by_kcpuid(&csv, cpu)
        );
        assert_eq!(count.uncovered, BTreeMap::new(), "{machine}");
        assert!(
            count.reserved <= reserved,
            "{machine}: {} bits reserved",
            count.reserved
        );
    }
}

#[test]
fn bits_that_no_row_covers_are_few() {
    let Some(corpus) = support::corpus("coverage of the table by all dumps") else {
        return;
    };
    let database = Database::builtin();
    let mut total = Count::default();
    let mut number = 0;
    let folders = [
        "instlatx64",
        "libcpuid",
        "live-kvm-guest",
        "hwloc-x86",
        "decode-oracle",
        "libvirt/cputestdata",
        "firecracker",
    ];
    for folder in folders {
        let mut count = Count::default();
        let dumps = dumps(&corpus.join(folder));
        number += dumps.len();
        for (_, set) in &dumps {
            let mut one = Count::default();
            one.set(&database, set);
            count.add(one);
        }
        eprintln!(
            "{folder}: {} dumps, {} set bits, {} reserved, {} without a row",
            dumps.len(),
            count.set,
            count.reserved,
            count.uncovered()
        );
        total.set += count.set;
        total.reserved += count.reserved;
        for (place, times) in count.uncovered {
            *total.uncovered.entry(place).or_default() += times;
        }
    }
    let mut list: Vec<_> = total.uncovered.iter().collect();
    list.sort_by(|a, b| b.1.cmp(a.1).then(a.0.cmp(b.0)));
    let length = std::env::var("DELID_COVERAGE_LIST")
        .ok()
        .and_then(|n| n.parse().ok())
        .unwrap_or(20);
    for (place, times) in list.iter().take(length) {
        eprintln!("  {place} x{times}");
    }
    eprintln!(
        "{} set bits, {} reserved, {} without a row at {} places",
        total.set,
        total.reserved,
        total.uncovered(),
        list.len()
    );
    // Whatever dumps are added: a bit that many of them set must have a row.
    assert!(total.uncovered() * 200 <= total.set);
    assert!(total.reserved * 200 <= total.set);
    assert!(list.iter().all(|(_, times)| **times * 40 <= number), "{list:?}");
}
