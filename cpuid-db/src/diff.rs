//! What differs between two processors, or between the logical processors of one dump.
//!
//! Features that only one has, values with what they mean, bits nobody names, rows that only one has:
//! every bit that differs is in one of them. What changes from CPU to CPU and from run to run (APIC
//! ids, OSXSAVE, sizes for what XCR0 has enabled) counts only when asked for.
//!
//! ```
//! use cpuid_db::{CpuLeaves, Database, Leaf, Registers, Subleaf, diff};
//! let mut old = CpuLeaves::new(0);
//! old.insert(Leaf(1), Subleaf(0), Registers::new(0x633, 0, 0x1, 0));
//! let mut new = CpuLeaves::new(0);
//! new.insert(Leaf(1), Subleaf(0), Registers::new(0x633, 0, 0x201, 0));
//! let found = diff::of_cpus(&Database::builtin(), &old, &new, diff::Options::default());
//! assert_eq!(found.features[0].only_b, ["ssse3"]);
//! ```

mod text;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Place, Register, Word};
use crate::database::{Database, Field, Kind};
use crate::decode::{self, Row};
use crate::identity::Identity;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};
use crate::topology;

/// What counts as a difference.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Also what differs from CPU to CPU and from run to run.
    pub volatile: bool,
}

/// A value that differs; `None` where its row is missing.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Change {
    /// Where it stands; empty for what is told by several registers.
    pub place: String,
    /// Its name.
    pub name: String,
    /// Value of the first.
    pub a: Option<String>,
    /// Value of the second.
    pub b: Option<String>,
}

/// Features of one register that only one has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Features {
    /// The register.
    pub word: Word,
    /// What its leaf is about; empty when not known.
    pub title: &'static str,
    /// Names of what only the first has.
    pub only_a: Vec<&'static str>,
    /// Names of what only the second has.
    pub only_b: Vec<&'static str>,
}

/// Bits of a register that nobody names and that differ.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Unnamed {
    /// The register.
    pub word: Word,
    /// Of the first.
    pub a: u32,
    /// Of the second.
    pub b: u32,
}

/// A row that only one has.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Missing {
    /// `7.1`, or `msr10a`.
    pub place: String,
    /// What it is about; empty when not known.
    pub title: &'static str,
}

/// What differs between two logical processors.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct CpuDiff {
    /// Vendor, signature, brand, hypervisor, leaf maxima.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub identity: Vec<Change>,
    /// Features, by register.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub features: Vec<Features>,
    /// Values.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Change>,
    /// Bits nobody names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub unnamed: Vec<Unnamed>,
    /// Rows that only the first has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows_only_a: Vec<Missing>,
    /// Rows that only the second has.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub rows_only_b: Vec<Missing>,
}

impl CpuDiff {
    /// Nothing differs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Logical processors of a dump that are alike, and how they differ from its first ones.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Alike {
    /// Their numbers.
    pub cpus: Vec<u32>,
    /// First of the dump against first of these; empty for the first group.
    pub diff: CpuDiff,
}

/// What differs between two dumps.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct SetDiff {
    /// Their first logical processors.
    pub cpu: CpuDiff,
    /// Numbers of packages, cores, …, and caches.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub topology: Vec<Change>,
    /// Kinds of logical processors of the first, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within_a: Vec<Alike>,
    /// Kinds of logical processors of the second, when there are several.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub within_b: Vec<Alike>,
}

impl SetDiff {
    /// Nothing differs between the dumps.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpu.is_empty() && self.topology.is_empty()
    }
}

/// Differences of two dumps.
#[must_use]
pub fn of_sets(db: &Database, a: &LeafSet, b: &LeafSet, options: Options) -> SetDiff {
    let none = CpuLeaves::default();
    let several = |set| Some(within(db, set, options)).filter(|groups| groups.len() > 1);
    SetDiff {
        cpu: of_cpus(db, a.first().unwrap_or(&none), b.first().unwrap_or(&none), options),
        topology: summary(a, b),
        within_a: several(a).unwrap_or_default(),
        within_b: several(b).unwrap_or_default(),
    }
}

/// Differences of two logical processors.
#[must_use]
pub fn of_cpus(db: &Database, a: &CpuLeaves, b: &CpuLeaves, options: Options) -> CpuDiff {
    let mut diff = CpuDiff {
        identity: identity(a, b),
        ..CpuDiff::default()
    };
    let (rows_a, rows_b) = (rows(db, a, options), rows(db, b, options));
    let keys: BTreeSet<_> = rows_a.keys().chain(rows_b.keys()).copied().collect();
    for key in keys {
        let (row_a, row_b) = (rows_a.get(&key), rows_b.get(&key));
        let missing = |row: &Row| Missing {
            place: place(row.place, row.subleaf),
            title: row.title,
        };
        match (row_a, row_b) {
            (Some(row), None) => diff.rows_only_a.push(missing(row)),
            (None, Some(row)) => diff.rows_only_b.push(missing(row)),
            _ => {}
        }
        if row_a.map(|row| row.registers) != row_b.map(|row| row.registers) {
            compare(&mut diff, key, row_a, row_b, options);
        }
    }
    diff
}

/// Logical processors of one dump by what they are like, the first of the dump first.
#[must_use]
pub fn within(db: &Database, set: &LeafSet, options: Options) -> Vec<Alike> {
    let Some(first) = set.first() else {
        return Vec::new();
    };
    type Content = Vec<(Leaf, Subleaf, Registers)>;
    let mut groups: BTreeMap<Content, Vec<&CpuLeaves>> = BTreeMap::new();
    for cpu in set.cpus() {
        let content = cpu
            .rows()
            .map(|(leaf, subleaf, mut registers)| {
                for register in Register::ALL {
                    if !options.volatile {
                        let word = Word::cpuid(leaf.0, subleaf.0, register);
                        *register.of_mut(&mut registers) &= !volatile(word);
                    }
                }
                (leaf, subleaf, registers)
            })
            .collect();
        groups.entry(content).or_default().push(cpu);
    }
    let mut groups: Vec<Vec<&CpuLeaves>> = groups.into_values().collect();
    groups.sort_by_key(|cpus| cpus.first().map(|cpu| cpu.number));
    groups
        .into_iter()
        .map(|cpus| Alike {
            diff: of_cpus(db, first, cpus.first().copied().unwrap_or(first), options),
            cpus: cpus.iter().map(|cpu| cpu.number).collect(),
        })
        .collect()
}

type Key = (Place, Subleaf);

fn rows(db: &Database, cpu: &CpuLeaves, options: Options) -> BTreeMap<Key, Row> {
    decode::fields(db, cpu)
        .filter(|row| options.volatile || !is_state(db, row.place))
        .filter(|row| !row.registers.is_zero())
        .map(|row| ((row.place, row.subleaf), row))
        .collect()
}

/// An MSR without a row in the table: counters, addresses, settings of the machine.
fn is_state(db: &Database, place: Place) -> bool {
    matches!(place, Place::Msr(_)) && !crate::policy::is_ability(db, place)
}

fn compare(diff: &mut CpuDiff, key: Key, a: Option<&Row>, b: Option<&Row>, options: Options) {
    let title = a.or(b).map_or("", |row| row.title);
    let mut fields: Vec<&'static Field> = Vec::new();
    for value in [a, b].into_iter().flatten().flat_map(|row| &row.values) {
        if !fields.iter().any(|known| std::ptr::eq(*known, value.field)) {
            fields.push(value.field);
        }
    }
    fields.sort_by_key(|field| (field.low, field.id));
    for (register, index) in Register::ALL.into_iter().zip(0_usize..) {
        let word = Word {
            place: key.0,
            subleaf: key.1,
            register,
        };
        let ignored = if options.volatile { 0 } else { volatile(word) };
        let mut features = Features {
            word,
            title,
            only_a: Vec::new(),
            only_b: Vec::new(),
        };
        for field in fields.iter().copied().filter(|field| field.register == register) {
            if field.mask() & ignored != 0 || is_told_by_identity(word) {
                continue;
            }
            let [raw_a, raw_b] = [a, b].map(|row| raw(row, field));
            if raw_a.unwrap_or(0) == raw_b.unwrap_or(0) {
                continue;
            }
            if field.kind == Kind::Feature && field.low == field.high {
                let side = if raw_b.unwrap_or(0) == 0 {
                    &mut features.only_a
                } else {
                    &mut features.only_b
                };
                side.push(field.id);
            } else {
                diff.values.push(Change {
                    place: word.to_string(),
                    name: field.id.to_owned(),
                    a: raw_a.map(|raw| value(field, raw)),
                    b: raw_b.map(|raw| value(field, raw)),
                });
            }
        }
        if !features.only_a.is_empty() || !features.only_b.is_empty() {
            diff.features.push(features);
        }
        let reserved = |row: Option<&Row>| {
            row.and_then(|row| row.reserved.get(index))
                .map_or(0, |mask| mask & !ignored)
        };
        if reserved(a) != reserved(b) && !is_told_by_identity(word) {
            diff.unnamed.push(Unnamed {
                word,
                a: reserved(a),
                b: reserved(b),
            });
        }
    }
}

fn raw(row: Option<&Row>, field: &'static Field) -> Option<u32> {
    let found = row?.values.iter().find(|value| std::ptr::eq(value.field, field));
    found.map(|value| value.raw)
}

/// A number, and what it means.
fn value(field: &Field, raw: u32) -> String {
    let hex = matches!(field.encoding, crate::database::Encoding::Hex);
    let number = if hex { format!("{raw:#x}") } else { raw.to_string() };
    match decode::meaning(field, raw) {
        Some(meaning) if meaning != number => format!("{number} ({meaning})"),
        _ => number,
    }
}

fn place(place: Place, subleaf: Subleaf) -> String {
    match place {
        Place::Leaf(leaf) => format!("{leaf:x}.{:x}", subleaf.0),
        Place::Msr(index) => format!("msr{index:x}"),
    }
}

/// Vendor, signature and brand, which [`identity`] tells as a whole.
const fn is_told_by_identity(word: Word) -> bool {
    match word.place {
        Place::Leaf(0x8000_0002..=0x8000_0004) => true,
        Place::Leaf(0 | 0x8000_0000) => true,
        Place::Leaf(1) => matches!(word.register, Register::Eax),
        _ => false,
    }
}

/// Bits that differ from CPU to CPU and from run to run.
const fn volatile(word: Word) -> u32 {
    match (word.place, word.register) {
        (Place::Leaf(1), Register::Ebx) => 0xff00_0000,
        (Place::Leaf(1), Register::Ecx) => 1 << 27,
        (Place::Leaf(3), _) => u32::MAX,
        (Place::Leaf(6), Register::Edx) => 0xffff_0000,
        (Place::Leaf(7), Register::Ecx) if word.subleaf.0 == 0 => 1 << 4,
        (Place::Leaf(0xb | 0x1f | 0x8000_0026), Register::Edx) => u32::MAX,
        (Place::Leaf(0xd), Register::Ebx) if word.subleaf.0 <= 1 => u32::MAX,
        (Place::Leaf(0x8000_001e), Register::Eax) => u32::MAX,
        (Place::Leaf(0x8000_001e), Register::Ebx | Register::Ecx) => 0xff,
        // Temperatures, voltages and clocks of VIA's processors, of the moment.
        (Place::Leaf(0xc000_0002 | 0xc000_0004), _) => u32::MAX,
        _ => 0,
    }
}

fn identity(a: &CpuLeaves, b: &CpuLeaves) -> Vec<Change> {
    let (left, right) = (Identity::of(a), Identity::of(b));
    let leaf = |leaf: Option<Leaf>| leaf.map(|leaf| leaf.to_string());
    changes([
        ("vendor", left.vendor_name, right.vendor_name),
        (
            "signature",
            left.signature.map(|signature| signature.to_string()),
            right.signature.map(|signature| signature.to_string()),
        ),
        (
            "signature register",
            a.leaf(1).map(|row| format!("{:#010x}", row.eax)),
            b.leaf(1).map(|row| format!("{:#010x}", row.eax)),
        ),
        ("brand", left.brand, right.brand),
        ("hypervisor", left.hypervisor, right.hypervisor),
        ("highest basic leaf", leaf(left.max_basic), leaf(right.max_basic)),
        (
            "highest extended leaf",
            leaf(left.max_extended),
            leaf(right.max_extended),
        ),
    ])
}

fn changes<'a>(list: impl IntoIterator<Item = (&'a str, Option<String>, Option<String>)>) -> Vec<Change> {
    list.into_iter()
        .filter(|(_, a, b)| a != b)
        .map(|(name, a, b)| Change {
            place: String::new(),
            name: name.to_owned(),
            a,
            b,
        })
        .collect()
}

/// How many of what two dumps have, and their caches.
fn summary(a: &LeafSet, b: &LeafSet) -> Vec<Change> {
    let (left, right) = (topology::decode(a), topology::decode(b));
    let count = |number: usize| Some(number.to_string());
    let mut found = changes([
        ("logical processors", count(left.cpus.len()), count(right.cpus.len())),
        ("packages", count(left.packages.len()), count(right.packages.len())),
        ("dies", count(left.dies.len()), count(right.dies.len())),
        ("modules", count(left.modules.len()), count(right.modules.len())),
        ("cores", count(left.cores.len()), count(right.cores.len())),
    ]);
    let (caches_a, caches_b) = (caches(&left), caches(&right));
    let kinds: BTreeSet<&String> = caches_a.keys().chain(caches_b.keys()).collect();
    let list = kinds.into_iter().map(|kind| {
        let of = |caches: &BTreeMap<String, Vec<String>>| caches.get(kind).map(|sizes| sizes.join(", "));
        (kind.as_str(), of(&caches_a), of(&caches_b))
    });
    found.extend(changes(list));
    found
}

/// Caches by level and kind: `8 x 32 KiB`.
fn caches(topology: &topology::Topology) -> BTreeMap<String, Vec<String>> {
    let mut counted: BTreeMap<String, BTreeMap<u64, usize>> = BTreeMap::new();
    for cache in &topology.caches {
        let description = &cache.description;
        let kind = match description.kind {
            crate::CacheKind::Instruction => "i",
            crate::CacheKind::Data => "d",
            _ => "",
        };
        let sizes = counted
            .entry(format!("L{}{kind} cache", description.level))
            .or_default();
        let number = sizes.entry(description.size).or_default();
        *number = number.saturating_add(1);
    }
    let text = |(size, number): (u64, usize)| format!("{number} x {} KiB", size >> 10);
    counted
        .into_iter()
        .map(|(kind, sizes)| (kind, sizes.into_iter().map(text).collect()))
        .collect()
}

#[cfg(test)]
mod tests;
