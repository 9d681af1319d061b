//! The rows of a CPUID dump, CPU by CPU, and the rules for looking a leaf up.
//!
//! Leaves above the maximum of their range are not looked up, whatever the dump has there: Intel
//! processors answer them with the data of the highest basic leaf (SDM volume 2A, CPUID, "If a value
//! entered for CPUID.EAX is higher than the maximum"), and several tools write those rows down.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::leaf::{Leaf, Registers, Subleaf};

/// What one logical processor answered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CpuLeaves {
    /// Number of the logical processor in the dump.
    pub number: u32,
    rows: BTreeMap<(Leaf, Subleaf), Registers>,
    msrs: BTreeMap<u32, u64>,
    /// The dump tells of some features only: what it lacks is not known to be absent (`/proc/cpuinfo`,
    /// featureset words, libvirt definitions).
    pub partial: bool,
}

impl CpuLeaves {
    /// A processor without rows.
    #[must_use]
    pub fn new(number: u32) -> Self {
        Self {
            number,
            ..Self::default()
        }
    }

    /// Adds a model-specific register. An earlier value stays; then the answer is that value.
    pub fn insert_msr(&mut self, index: u32, value: u64) -> Option<u64> {
        use std::collections::btree_map::Entry;
        match self.msrs.entry(index) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(value);
                None
            }
        }
    }

    /// Model-specific register.
    #[must_use]
    pub fn msr(&self, index: u32) -> Option<u64> {
        self.msrs.get(&index).copied()
    }

    /// Model-specific registers of the dump, by index.
    pub fn msrs(&self) -> impl ExactSizeIterator<Item = (u32, u64)> {
        self.msrs.iter().map(|(&index, &value)| (index, value))
    }

    /// Adds a row. An earlier row of the same leaf and subleaf stays; then the answer is that row.
    pub fn insert(&mut self, leaf: Leaf, subleaf: Subleaf, registers: Registers) -> Option<Registers> {
        use std::collections::btree_map::Entry;
        match self.rows.entry((leaf, subleaf)) {
            Entry::Occupied(entry) => Some(*entry.get()),
            Entry::Vacant(entry) => {
                entry.insert(registers);
                None
            }
        }
    }

    /// The row as the dump has it, without any rule.
    #[must_use]
    pub fn row(&self, leaf: Leaf, subleaf: Subleaf) -> Option<Registers> {
        self.rows.get(&(leaf, subleaf)).copied()
    }

    /// All rows in ascending order of leaf and subleaf.
    pub fn rows(&self) -> impl Iterator<Item = (Leaf, Subleaf, Registers)> {
        self.rows
            .iter()
            .map(|(&(leaf, subleaf), &registers)| (leaf, subleaf, registers))
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// No rows at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Highest leaf of the range that begins at `base`; `None` when the dump has no such row or the
    /// answer lies outside of the range (then the range does not exist).
    #[must_use]
    pub fn maximum(&self, base: Leaf) -> Option<Leaf> {
        let maximum = Leaf(self.row(base, Subleaf(0))?.eax);
        (maximum.base() == base).then_some(maximum)
    }

    /// Whether the processor implements the range of `leaf` up to it. Without the row that tells
    /// the maximum, rows of the dump are believed.
    fn within_maximum(&self, leaf: Leaf) -> bool {
        let base = leaf.base();
        match self.row(base, Subleaf(0)) {
            None => true,
            Some(_) => self.maximum(base).is_some_and(|maximum| leaf <= maximum),
        }
    }

    /// Subleaf of a leaf; `None` beyond the maximum or when the dump has no such row.
    #[must_use]
    pub fn get(&self, leaf: Leaf, subleaf: Subleaf) -> Option<Registers> {
        let registers = self.row(leaf, subleaf)?;
        self.within_maximum(leaf).then_some(registers)
    }

    /// Subleaf 0 of a leaf; `None` beyond the maximum or when the dump has no such row.
    #[must_use]
    pub fn leaf(&self, leaf: u32) -> Option<Registers> {
        self.get(Leaf(leaf), Subleaf(0))
    }

    /// Subleaves 0, 1, 2, … of a leaf, up to the first the dump does not have.
    pub fn subleaves(&self, leaf: u32) -> impl Iterator<Item = Registers> {
        (0..=u32::MAX).map_while(move |subleaf| self.get(Leaf(leaf), Subleaf(subleaf)))
    }
}

/// A CPUID dump: logical processors by ascending number.
///
/// ```
/// use cpuid_db::{CpuLeaves, Leaf, LeafSet, Registers, Subleaf};
/// let mut cpu = CpuLeaves::new(0);
/// cpu.insert(Leaf(0), Subleaf(0), Registers::new(1, 0, 0, 0));
/// cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x000a_0671, 0, 0, 0));
/// cpu.insert(Leaf(2), Subleaf(0), Registers::new(9, 9, 9, 9));
/// let set = LeafSet::from_iter([cpu]);
/// assert!(set.cpus()[0].leaf(1).is_some());
/// assert!(set.cpus()[0].leaf(2).is_none(), "leaf 0 says the maximum is 1");
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeafSet {
    cpus: Vec<CpuLeaves>,
}

impl FromIterator<CpuLeaves> for LeafSet {
    /// Processors without rows are left out; of two with one number the first stays.
    fn from_iter<I: IntoIterator<Item = CpuLeaves>>(cpus: I) -> Self {
        let mut by_number = BTreeMap::new();
        for cpu in cpus.into_iter().filter(|cpu| !cpu.is_empty()) {
            by_number.entry(cpu.number).or_insert(cpu);
        }
        Self {
            cpus: by_number.into_values().collect(),
        }
    }
}

impl LeafSet {
    /// Logical processors by ascending number.
    #[must_use]
    pub fn cpus(&self) -> &[CpuLeaves] {
        &self.cpus
    }

    /// The logical processor with the lowest number.
    #[must_use]
    pub fn first(&self) -> Option<&CpuLeaves> {
        self.cpus.first()
    }

    /// The set with one logical processor left.
    #[must_use]
    pub fn only(&self, number: u32) -> Self {
        self.cpus.iter().filter(|cpu| cpu.number == number).cloned().collect()
    }

    /// No logical processor at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.cpus.is_empty()
    }

    /// CPUs differ in the kind of their cores: leaf 7 EDX bit 15 (Intel), or leaf 0x80000026 EAX bit 30 (AMD).
    #[must_use]
    pub fn is_hybrid(&self) -> bool {
        self.cpus.iter().any(|cpu| {
            cpu.leaf(7).is_some_and(|row| crate::leaf::bit(row.edx, 15))
                || cpu
                    .subleaves(0x8000_0026)
                    .take(8)
                    .any(|row| crate::leaf::bit(row.eax, 30))
        })
    }
}

/// How a row is written in JSON.
#[derive(JsonSchema, Serialize)]
struct RowOut {
    leaf: Leaf,
    subleaf: Subleaf,
    eax: String,
    ebx: String,
    ecx: String,
    edx: String,
}

impl Serialize for CpuLeaves {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeStruct;
        let hex = |register: u32| format!("0x{register:08x}");
        let rows: Vec<RowOut> = self
            .rows()
            .map(|(leaf, subleaf, r)| RowOut {
                leaf,
                subleaf,
                eax: hex(r.eax),
                ebx: hex(r.ebx),
                ecx: hex(r.ecx),
                edx: hex(r.edx),
            })
            .collect();
        let mut out = serializer.serialize_struct("CpuLeaves", 2)?;
        out.serialize_field("number", &self.number)?;
        out.serialize_field("rows", &rows)?;
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(3);
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    #[test]
    fn leaf_beyond_the_maximum_is_none() {
        let cpu = cpu(&[(0, 0, [4, 0, 0, 0]), (4, 0, [1, 0, 0, 0]), (0xb, 0, [1, 2, 3, 4])]);
        assert!(cpu.leaf(4).is_some());
        assert!(cpu.leaf(0xb).is_none());
        assert!(cpu.row(Leaf(0xb), Subleaf(0)).is_some());
    }

    #[test]
    fn a_dump_without_leaf_0_is_believed() {
        assert!(cpu(&[(0xb, 0, [1, 2, 3, 4])]).leaf(0xb).is_some());
    }

    #[test]
    fn extended_range_that_answers_with_a_basic_leaf_does_not_exist() {
        let cpu = cpu(&[(0x8000_0000, 0, [2, 0, 0, 0]), (0x8000_0008, 0, [7, 7, 7, 7])]);
        assert!(cpu.leaf(0x8000_0008).is_none());
        assert_eq!(cpu.maximum(Leaf(0x8000_0000)), None);
    }

    #[test]
    fn the_first_of_two_rows_stays() {
        let mut cpu = cpu(&[(7, 0, [1, 1, 1, 1])]);
        let kept = cpu.insert(Leaf(7), Subleaf(0), Registers::new(2, 2, 2, 2));
        assert_eq!(kept, Some(Registers::new(1, 1, 1, 1)));
        assert_eq!(cpu.leaf(7), Some(Registers::new(1, 1, 1, 1)));
    }

    #[test]
    fn subleaves_stop_at_the_first_gap() {
        let cpu = cpu(&[(4, 0, [1; 4]), (4, 1, [2; 4]), (4, 3, [3; 4])]);
        assert_eq!(cpu.subleaves(4).count(), 2);
    }
}
