//! A host of a pool: what all of its logical processors have.
//!
//! The processors of one host need not be alike: cores of two kinds differ, and so do processors after
//! firmware or microcode went wrong. A guest runs on all of them, so a feature counts when each has it.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use super::rules::{self, Span};
use crate::bits::{Place, Register, Word, Words, halves};
use crate::database::{Combine, Database, Vendors};
use crate::identity::{Identity, Vendor};
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::{CpuLeaves, LeafSet};

/// A feature that some logical processors of a host lack, or a value on which they differ.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Asymmetry {
    /// Where it stands.
    pub word: Word,
    /// Its bits.
    pub mask: u32,
    /// Our name; empty when nobody names it.
    pub id: &'static str,
    /// Numbers of the logical processors that lack the bit, or whose value is not the first one's.
    pub cpus: Vec<u32>,
}

/// A host of a pool.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Host {
    /// What messages call it.
    pub name: String,
    /// What all of its logical processors have; MSRs only those that tell of abilities.
    #[serde(skip)]
    pub cpu: CpuLeaves,
    /// Whose rules its leaves follow.
    pub vendor: Vendor,
    /// The 12 characters of leaf 0.
    pub vendor_name: Option<String>,
    /// Logical processors of the dump.
    pub cpus: usize,
    /// What the dump does not tell is not known to be absent.
    pub partial: bool,
    /// Where its logical processors differ.
    pub asymmetries: Vec<Asymmetry>,
    /// What was noticed.
    pub notes: Vec<String>,
    #[serde(skip)]
    pub(crate) words: Words,
}

impl Host {
    /// The host of a dump; `None` when the dump has no logical processor.
    #[must_use]
    pub fn of(db: &Database, name: &str, set: &LeafSet) -> Option<Self> {
        let first = set.first()?;
        let mut host = Self {
            name: name.to_owned(),
            cpus: set.cpus().len(),
            ..Self::default()
        };
        let cpus = host.complete(set.cpus());
        let identity = Identity::of(cpus.first().copied().unwrap_or(first));
        host.vendor = identity.vendor;
        host.vendor_name = identity.vendor_name;
        host.partial = cpus.iter().any(|cpu| cpu.partial);
        host.cpu = CpuLeaves::new(first.number);
        host.cpu.partial = host.partial;
        let vendors = host.vendors();
        host.join_rows(db, &cpus, vendors);
        host.join_msrs(db, &cpus, vendors);
        let identity = Identity::of(&host.cpu);
        host.vendor = identity.vendor;
        host.vendor_name = identity.vendor_name;
        host.words = rules::words_of(&host.cpu);
        host.tell_asymmetries();
        Some(host)
    }

    /// The host of one processor's leaves.
    #[must_use]
    pub fn of_cpu(db: &Database, name: &str, cpu: &CpuLeaves) -> Option<Self> {
        Self::of(db, name, &LeafSet::from_iter([cpu.clone()]))
    }

    /// All of its bits: features, values, MSRs; of VMX's control MSRs what may be 1, in EAX.
    #[must_use]
    pub const fn words(&self) -> &Words {
        &self.words
    }

    /// Rows of the table that are for it.
    #[must_use]
    pub(crate) const fn vendors(&self) -> Vendors {
        match self.vendor_name {
            Some(_) => Vendors::of(self.vendor),
            None => Vendors::ANY,
        }
    }

    /// Value of a word; `None` when the dump does not tell: the row is missing from a partial dump.
    pub(crate) fn value(&self, word: Word) -> Option<u32> {
        let known = match word.place {
            Place::Leaf(leaf) => self.cpu.get(Leaf(leaf), word.subleaf).is_some(),
            Place::Msr(index) => self.cpu.msr(index).is_some(),
        };
        (known || !self.partial).then(|| self.words.get(word))
    }

    /// Processors whose part of the dump is not cut off: with leaf 1, when any has it.
    fn complete<'a>(&mut self, cpus: &'a [CpuLeaves]) -> Vec<&'a CpuLeaves> {
        let whole: Vec<&CpuLeaves> = cpus.iter().filter(|cpu| cpu.leaf(1).is_some()).collect();
        if whole.is_empty() || whole.len() == cpus.len() {
            return cpus.iter().collect();
        }
        let cut = cpus.len().saturating_sub(whole.len());
        self.notes.push(format!(
            "{cut} of {} logical processors without leaf 1 are left out",
            cpus.len()
        ));
        whole
    }

    fn join_rows(&mut self, db: &Database, cpus: &[&CpuLeaves], vendors: Vendors) {
        let Some((first, others)) = cpus.split_first() else {
            return;
        };
        let mut keys: BTreeSet<(Leaf, Subleaf)> = BTreeSet::new();
        let mut alike = true;
        for cpu in others {
            alike &= cpu.rows().eq(first.rows());
            if !alike {
                let all = cpu.rows().map(|(leaf, subleaf, _)| (leaf, subleaf));
                keys.extend(all.filter(|&(leaf, subleaf)| first.row(leaf, subleaf).is_none()));
            }
        }
        keys.extend(first.rows().map(|(leaf, subleaf, _)| (leaf, subleaf)));
        for (leaf, subleaf) in keys {
            let own = first.row(leaf, subleaf);
            if alike || others.iter().all(|cpu| cpu.row(leaf, subleaf) == own) {
                self.cpu.insert(leaf, subleaf, own.unwrap_or_default());
                continue;
            }
            let rows: Vec<Registers> = cpus
                .iter()
                .map(|cpu| cpu.row(leaf, subleaf).unwrap_or_default())
                .collect();
            let mut joined = Registers::default();
            for register in Register::ALL {
                let values: Vec<u32> = rows.iter().map(|row| register.of(*row)).collect();
                let word = Word::cpuid(leaf.0, subleaf.0, register);
                *register.of_mut(&mut joined) = self.join_word(db, word, &values, cpus, vendors);
            }
            self.cpu.insert(leaf, subleaf, joined);
        }
    }

    fn join_msrs(&mut self, db: &Database, cpus: &[&CpuLeaves], vendors: Vendors) {
        let mut values: BTreeMap<u32, Vec<u64>> = BTreeMap::new();
        for (index, value) in cpus.iter().flat_map(|cpu| cpu.msrs()) {
            values.entry(index).or_default().push(value);
        }
        for (index, list) in values {
            if !rules::is_ability(db, Place::Msr(index)) {
                continue;
            }
            let mut joined = 0;
            for (register, half, shift) in [(Register::Eax, 0, 0), (Register::Edx, 1, 32)] {
                let words: Vec<u32> = list
                    .iter()
                    .filter_map(|value| halves(*value).get(half).copied())
                    .collect();
                let value = self.join_word(db, Word::msr(index, register), &words, cpus, vendors);
                joined |= u64::from(value) << shift;
            }
            self.cpu.insert_msr(index, joined);
        }
    }

    /// One word of all processors; where they differ without being expected to, it is noted.
    fn join_word(&mut self, db: &Database, word: Word, values: &[u32], cpus: &[&CpuLeaves], vendors: Vendors) -> u32 {
        let Some((&first, others)) = values.split_first() else {
            return 0;
        };
        if rules::is_identity(word) || others.iter().all(|value| *value == first) {
            return first;
        }
        let mut joined = 0;
        for span in rules::spans(db, word, vendors) {
            let value = join_span(&span, values);
            joined |= value;
            let tells = !matches!(span.rule, Some(Combine::Policy | Combine::Dynamic | Combine::Drop));
            if !tells || others.iter().all(|other| (other ^ first) & span.mask == 0) {
                continue;
            }
            for (mask, wanted) in parts(&span, values) {
                self.asymmetries.push(Asymmetry {
                    word,
                    mask,
                    id: span.id(),
                    cpus: cpus
                        .iter()
                        .zip(values)
                        .filter(|(_, value)| **value & mask != wanted)
                        .map(|(cpu, _)| cpu.number)
                        .collect(),
                });
            }
        }
        joined
    }

    fn tell_asymmetries(&mut self) {
        for found in &self.asymmetries {
            let what = match found.id {
                "" => format!("{} bits 0x{:x}", found.word, found.mask),
                id => format!("{id} ({})", found.word),
            };
            let verb = if found.mask.is_power_of_two() {
                "not on"
            } else {
                "differs on"
            };
            self.notes.push(format!("{what}: {verb} CPUs {}", ranges(&found.cpus)));
        }
    }
}

/// What of a span all processors of a host have.
fn join_span(span: &Span, values: &[u32]) -> u32 {
    let masked = || values.iter().map(|value| value & span.mask);
    let first = masked().next().unwrap_or(0);
    match span.rule {
        None | Some(Combine::And) => masked().fold(span.mask, |all, value| all & value),
        Some(Combine::Or) => masked().fold(0, |all, value| all | value),
        Some(Combine::Min) => masked().min().unwrap_or(0),
        Some(Combine::Max) => masked().max().unwrap_or(0),
        Some(Combine::Equal) if masked().any(|value| value != first) => 0,
        Some(_) => first,
    }
}

/// The parts of a span that are told one by one, each with the value it should have: bits of a mask,
/// or the value as a whole.
fn parts(span: &Span, values: &[u32]) -> Vec<(u32, u32)> {
    let bitwise = matches!(span.rule, None | Some(Combine::And | Combine::Or));
    if !bitwise {
        return vec![(span.mask, values.first().copied().unwrap_or(0) & span.mask)];
    }
    (0..32)
        .map(|number| 1_u32 << number)
        .filter(|bit| span.mask & bit != 0)
        .filter(|bit| values.iter().any(|value| value & bit != 0) && values.iter().any(|value| value & bit == 0))
        .map(|bit| (bit, bit))
        .collect()
}

/// `0-3,8`: neighbours joined.
pub(crate) fn ranges(numbers: &[u32]) -> String {
    let mut out = String::new();
    let mut left = numbers.iter().copied().peekable();
    while let Some(first) = left.next() {
        let mut last = first;
        while let Some(next) = left.next_if(|next| last.checked_add(1) == Some(*next)) {
            last = next;
        }
        if !out.is_empty() {
            out.push(',');
        }
        out.push_str(&first.to_string());
        if last > first {
            out.push('-');
            out.push_str(&last.to_string());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cpu(number: u32, rows: &[(u32, u32, [u32; 4])]) -> CpuLeaves {
        let mut cpu = CpuLeaves::new(number);
        for &(leaf, subleaf, [a, b, c, d]) in rows {
            cpu.insert(Leaf(leaf), Subleaf(subleaf), Registers::new(a, b, c, d));
        }
        cpu
    }

    #[test]
    fn cores_of_two_kinds_have_in_common_what_both_have() {
        // 14.0.ecx bit 31 only on the second kind, another APIC id and another cache on each.
        let set = LeafSet::from_iter([
            cpu(
                0,
                &[
                    (0, 0, [0x14, 0, 0, 0]),
                    (1, 0, [1, 0x0000_0800, 7, 0]),
                    (0x14, 0, [0, 3, 7, 0]),
                ],
            ),
            cpu(
                1,
                &[
                    (0, 0, [0x14, 0, 0, 0]),
                    (1, 0, [1, 0x0100_0800, 7, 0]),
                    (0x14, 0, [0, 3, 0x8000_0007, 0]),
                ],
            ),
            cpu(
                2,
                &[
                    (0, 0, [0x14, 0, 0, 0]),
                    (1, 0, [1, 0x0200_0800, 5, 0]),
                    (0x14, 0, [0, 3, 0x8000_0007, 0]),
                ],
            ),
        ]);
        let host = Host::of(&Database::builtin(), "h", &set).unwrap();
        assert_eq!(host.cpu.leaf(0x14).unwrap().ecx, 7);
        assert_eq!(host.cpu.leaf(1).unwrap().ecx, 5);
        let told: Vec<_> = host.asymmetries.iter().map(|a| (a.id, a.cpus.clone())).collect();
        assert_eq!(told, [("pclmulqdq", vec![2]), ("intel_pt_lip", vec![0])]);
        assert!(
            host.notes.iter().any(|note| note.ends_with("not on CPUs 2")),
            "{:?}",
            host.notes
        );
    }

    #[test]
    fn processor_that_was_cut_off_does_not_take_everything_away() {
        let set = LeafSet::from_iter([
            cpu(0, &[(0, 0, [1, 0, 0, 0]), (1, 0, [1, 0, 7, 0])]),
            cpu(1, &[(0, 0, [1, 0, 0, 0])]),
        ]);
        let host = Host::of(&Database::builtin(), "h", &set).unwrap();
        assert_eq!(host.cpu.leaf(1).unwrap().ecx, 7);
        assert_eq!(host.notes, ["1 of 2 logical processors without leaf 1 are left out"]);
    }

    #[test]
    fn msrs_that_are_state_are_left_out() {
        let mut one = cpu(0, &[(1, 0, [1, 0, 0, 0])]);
        one.insert_msr(0x10, 12345);
        one.insert_msr(0x10a, 0x2b);
        let host = Host::of_cpu(&Database::builtin(), "h", &one).unwrap();
        assert_eq!(host.cpu.msr(0x10), None);
        assert_eq!(host.words().get(Word::msr(0x10a, Register::Eax)), 0x2b);
    }

    #[test]
    fn neighbours_are_joined() {
        assert_eq!(ranges(&[0, 1, 2, 7, 9, 10]), "0-2,7,9-10");
        assert_eq!(ranges(&[u32::MAX]), "4294967295");
        assert_eq!(ranges(&[]), "");
    }
}
