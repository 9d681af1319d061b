//! Every set bit of a dump is of some row of the table, for every dump of the corpus.
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
        let vendor = Identity::of(cpu).vendor;
        for (leaf, subleaf, _) in cpu.rows() {
            let Some(registers) = cpu.get(leaf, subleaf) else {
                continue;
            };
            let reading = Reading::with_vendor(cpu, Vendors::of(vendor), leaf);
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

#[test]
fn bits_that_no_row_covers_are_few() {
    let Some(corpus) = support::corpus("coverage of the table by all dumps") else {
        return;
    };
    let database = Database::builtin();
    let mut total = Count::default();
    for folder in ["instlatx64", "libcpuid", "live-kvm-guest", "hwloc-x86", "decode-oracle"] {
        let mut count = Count::default();
        let dumps = dumps(&corpus.join(folder));
        for (_, set) in &dumps {
            let mut one = Count::default();
            one.set(&database, set);
            count.add(one);
        }
        eprintln!(
            "{folder}: {} dumps, {} set bits, {} reserved, {} uncovered",
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
        "{} set bits, {} reserved, {} uncovered at {} places",
        total.set,
        total.reserved,
        total.uncovered(),
        list.len()
    );
}
