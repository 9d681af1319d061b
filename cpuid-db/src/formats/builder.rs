//! Collecting rows and MSRs of CPUs while a text is read, with a bound on what is kept.

use std::collections::BTreeMap;

use crate::damage::{DamageLog, Decoded};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// CPUs of one dump: Linux is built for 8192 at most.
const CPU_LIMIT: usize = 32_768;

/// Rows of one CPU: real dumps have about 100.
const ROW_LIMIT: usize = 4096;

/// MSRs of one CPU: real dumps have some hundred.
const MSR_LIMIT: usize = 4096;

/// Rows and MSRs of one dump.
const TOTAL_LIMIT: usize = 2_000_000;

/// Collects rows while a text is read line by line.
#[derive(Default)]
pub(super) struct Builder {
    cpus: Vec<CpuLeaves>,
    /// Places in `cpus` by number.
    places: BTreeMap<u32, usize>,
    current: u32,
    /// Place of the current CPU, once it is known.
    at: Option<usize>,
    total: usize,
    told_limit: bool,
    damage: DamageLog,
}

impl Builder {
    /// Rows that follow belong to this CPU.
    pub(super) fn cpu(&mut self, number: u32) {
        if number != self.current {
            self.current = number;
            self.at = None;
        }
    }

    /// The lowest number of a CPU that has rows.
    pub(super) fn lowest(&self) -> Option<u32> {
        self.places.keys().next().copied()
    }

    /// Goes on to the next CPU when the current one has rows.
    pub(super) fn next_cpu_unless_new(&mut self) {
        if self.places.contains_key(&self.current) {
            self.cpu(self.current.saturating_add(1));
        }
    }

    /// Goes on to the CPU behind the highest.
    pub(super) fn next_cpu(&mut self) {
        if let Some(&highest) = self.places.keys().next_back() {
            self.cpu(highest.saturating_add(1));
        }
    }

    /// The current CPU; `None` beyond a limit, which is told once.
    fn open(&mut self, line: usize) -> Option<&mut CpuLeaves> {
        let at = match self.at.or_else(|| self.places.get(&self.current).copied()) {
            Some(at) => at,
            None if self.cpus.len() < CPU_LIMIT => {
                self.cpus.push(CpuLeaves::new(self.current));
                let at = self.cpus.len().saturating_sub(1);
                self.places.insert(self.current, at);
                at
            }
            None => {
                self.limit(line, format!("more than {CPU_LIMIT} CPUs: the rest is not read"));
                return None;
            }
        };
        self.at = Some(at);
        if self.total >= TOTAL_LIMIT {
            self.limit(line, format!("more than {TOTAL_LIMIT} rows: the rest is not read"));
            return None;
        }
        self.cpus.get_mut(at)
    }

    fn limit(&mut self, line: usize, seen: String) {
        if !self.told_limit {
            self.told_limit = true;
            self.damage.note(line, "a dump of one machine", &seen);
        }
    }

    /// Adds a row of the current CPU; a repeat that says something else is damage.
    pub(super) fn row(&mut self, line: usize, leaf: Leaf, subleaf: Subleaf, registers: Registers) {
        let number = self.current;
        let Some(cpu) = self.open(line) else { return };
        if cpu.len() >= ROW_LIMIT {
            let seen = format!("more than {ROW_LIMIT} rows of CPU {number}: the rest is not read");
            self.limit(line, seen);
            return;
        }
        match cpu.insert(leaf, subleaf, registers) {
            None => self.total = self.total.saturating_add(1),
            Some(kept) if kept != registers => self.damage.note(
                line,
                "each subleaf of a CPU once, with its number where the leaf has several (the first row is kept)",
                &format!(
                    "CPU {number}, leaf {leaf} subleaf {} again with other values",
                    subleaf.0
                ),
            ),
            Some(_) => {}
        }
    }

    /// Adds an MSR of the current CPU; of a repeat the first value stays, since many MSRs count.
    pub(super) fn msr(&mut self, line: usize, index: u32, value: u64) {
        let number = self.current;
        let Some(cpu) = self.open(line) else { return };
        if cpu.msrs().len() >= MSR_LIMIT {
            let seen = format!("more than {MSR_LIMIT} MSRs of CPU {number}: the rest is not read");
            self.limit(line, seen);
            return;
        }
        if cpu.insert_msr(index, value).is_none() {
            self.total = self.total.saturating_add(1);
        }
    }

    /// The current CPU tells of some features only.
    pub(super) fn partial(&mut self, line: usize) {
        if let Some(cpu) = self.open(line) {
            cpu.partial = true;
        }
    }

    pub(super) fn damaged(&mut self, line: usize, expected: &str, seen: &str) {
        self.damage.note(line, expected, seen);
    }

    /// CPUs in the order of the text, those without rows too.
    pub(super) fn into_cpus(self) -> Decoded<Vec<CpuLeaves>> {
        Decoded {
            value: self.cpus,
            damage: self.damage.finish(),
        }
    }

    pub(super) fn finish(self) -> Decoded<LeafSet> {
        Decoded {
            value: self.cpus.into_iter().collect(),
            damage: self.damage.finish(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_beyond_the_limit_are_told_once() {
        let mut builder = Builder::default();
        for leaf in 0..=u32::try_from(ROW_LIMIT).unwrap() + 5 {
            builder.row(7, Leaf(leaf), Subleaf(0), Registers::default());
        }
        let decoded = builder.finish();
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.value.first().unwrap().len(), ROW_LIMIT);
    }

    #[test]
    fn cpus_beyond_the_limit_are_told_once() {
        let mut builder = Builder::default();
        for cpu in 0..=u32::try_from(CPU_LIMIT).unwrap() + 5 {
            builder.cpu(cpu);
            builder.row(1, Leaf(0), Subleaf(0), Registers::default());
        }
        let decoded = builder.finish();
        assert_eq!(decoded.damage.len(), 1);
        assert_eq!(decoded.value.cpus().len(), CPU_LIMIT);
    }

    #[test]
    fn of_two_values_of_an_msr_the_first_stays_without_damage() {
        let mut builder = Builder::default();
        builder.row(1, Leaf(0), Subleaf(0), Registers::default());
        builder.msr(1, 0x10, 5);
        builder.msr(2, 0x10, 6);
        let decoded = builder.finish();
        assert_eq!(decoded.damage, []);
        assert_eq!(decoded.value.first().unwrap().msr(0x10), Some(5));
    }
}
