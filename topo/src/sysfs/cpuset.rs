//! A set of Linux CPU numbers, and the two texts the kernel writes one in.
//!
//! The list format ("0-7,16") and the mask format ("0000,000000ff,ffffffff": groups of 32 bits,
//! highest first) are those of `%*pbl` and `%*pb` in the kernel's
//! `Documentation/core-api/printk-formats.rst`. Numbers from [`CpuSet::LIMIT`] up are refused, so
//! that no input can make a set large.
//!
//! ```
//! use topo::sysfs::CpuSet;
//! let set = CpuSet::parse_mask("1,000000ff").unwrap();
//! assert_eq!(set.to_string(), "0-7,32");
//! assert_eq!(CpuSet::parse_list("0-7,32"), Some(set));
//! ```

use std::cmp::Ordering;
use std::fmt;

use serde::{Serialize, Serializer};

/// A set of Linux CPU numbers; printed as the kernel's list format ("0-7,16").
#[derive(Clone, Default, PartialEq, Eq, Hash)]
pub struct CpuSet {
    /// Bit `n % 64` of word `n / 64` is CPU `n`; the last word is never 0.
    words: Vec<u64>,
}

/// Longest text that is looked at: every second CPU below the limit, listed one by one.
const LONGEST_TEXT: usize = 256 * 1024;

impl CpuSet {
    /// First CPU number that is refused. Linux itself stops at 8192.
    pub const LIMIT: u32 = 65_536;

    /// The empty set.
    #[must_use]
    pub const fn new() -> Self {
        Self { words: Vec::new() }
    }

    /// The set of one CPU; empty when the number is refused.
    #[must_use]
    pub fn single(cpu: u32) -> Self {
        let mut set = Self::new();
        set.insert(cpu);
        set
    }

    /// Adds a CPU. Returns whether the number was accepted (below [`Self::LIMIT`]).
    pub fn insert(&mut self, cpu: u32) -> bool {
        let (Ok(word), true) = (usize::try_from(cpu / 64), cpu < Self::LIMIT) else {
            return false;
        };
        if word >= self.words.len() {
            self.words.resize(word.saturating_add(1), 0);
        }
        if let Some(bits) = self.words.get_mut(word) {
            *bits |= 1_u64 << (cpu % 64);
        }
        true
    }

    /// Takes a CPU out.
    pub fn remove(&mut self, cpu: u32) {
        if let Some(bits) = usize::try_from(cpu / 64).ok().and_then(|word| self.words.get_mut(word)) {
            *bits &= !(1_u64 << (cpu % 64));
        }
        self.trim();
    }

    /// Whether `cpu` is in the set.
    #[must_use]
    pub fn contains(&self, cpu: u32) -> bool {
        usize::try_from(cpu / 64)
            .ok()
            .and_then(|word| self.words.get(word))
            .is_some_and(|bits| bits & (1_u64 << (cpu % 64)) != 0)
    }

    /// Number of CPUs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.words
            .iter()
            .map(|bits| usize::try_from(bits.count_ones()).unwrap_or(0))
            .sum()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// The CPUs, ascending.
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.words.iter().zip(0_u32..).flat_map(|(&bits, word)| {
            let base = word.saturating_mul(64);
            Bits(bits).map(move |bit| base.saturating_add(bit))
        })
    }

    /// The lowest CPU.
    #[must_use]
    pub fn first(&self) -> Option<u32> {
        self.iter().next()
    }

    /// The highest CPU.
    #[must_use]
    pub fn last(&self) -> Option<u32> {
        let bits = self.words.last()?;
        let word = u32::try_from(self.words.len()).ok()?.checked_sub(1)?;
        word.checked_mul(64)?.checked_add(bits.checked_ilog2()?)
    }

    /// Adds every CPU of `other`.
    pub fn union_with(&mut self, other: &Self) {
        if other.words.len() > self.words.len() {
            self.words.resize(other.words.len(), 0);
        }
        for (mine, theirs) in self.words.iter_mut().zip(&other.words) {
            *mine |= theirs;
        }
    }

    /// CPUs in either.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        let mut set = self.clone();
        set.union_with(other);
        set
    }

    /// CPUs in both.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Self {
        let words = self.words.iter().zip(&other.words).map(|(a, b)| a & b).collect();
        Self { words }.trimmed()
    }

    /// CPUs of this set that are not in `other`.
    #[must_use]
    pub fn difference(&self, other: &Self) -> Self {
        let theirs = other.words.iter().copied().chain(std::iter::repeat(0));
        let words = self.words.iter().zip(theirs).map(|(a, b)| a & !b).collect();
        Self { words }.trimmed()
    }

    /// Whether every CPU of this set is in `other`; true for the empty set.
    #[must_use]
    pub fn is_subset(&self, other: &Self) -> bool {
        self.words.len() <= other.words.len() && self.words.iter().zip(&other.words).all(|(a, b)| a & !b == 0)
    }

    /// Whether a CPU is in both.
    #[must_use]
    pub fn intersects(&self, other: &Self) -> bool {
        self.words.iter().zip(&other.words).any(|(a, b)| a & b != 0)
    }

    /// Reads the kernel's list format; the empty text is the empty set.
    #[must_use]
    pub fn parse_list(text: &str) -> Option<Self> {
        let text = text.trim();
        let mut set = Self::new();
        if text.is_empty() {
            return Some(set);
        }
        if text.len() > LONGEST_TEXT {
            return None;
        }
        for range in text.split(',') {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            set.insert_range(number(first)?, number(last)?)?;
        }
        Some(set)
    }

    /// Reads the kernel's mask format: hexadecimal groups of 32 bits, highest first.
    #[must_use]
    pub fn parse_mask(text: &str) -> Option<Self> {
        let text = text.trim();
        if text.is_empty() || text.len() > LONGEST_TEXT {
            return None;
        }
        let mut set = Self::new();
        let mut base = 0_u32;
        for group in text.rsplit(',') {
            let plain = (1..=8).contains(&group.len()) && group.bytes().all(|byte| byte.is_ascii_hexdigit());
            let bits = if plain {
                u32::from_str_radix(group, 16).ok()?
            } else {
                return None;
            };
            for bit in Bits(u64::from(bits)) {
                if !set.insert(base.checked_add(bit)?) {
                    return None;
                }
            }
            base = base.checked_add(32)?;
        }
        Some(set)
    }

    /// Adds `first..=last`; `None` when the range is reversed or out of bounds.
    fn insert_range(&mut self, first: u32, last: u32) -> Option<()> {
        if first > last || last >= Self::LIMIT {
            return None;
        }
        self.insert(last);
        let words = usize::try_from(first / 64).ok()?..=usize::try_from(last / 64).ok()?;
        for (bits, word) in self.words.get_mut(words)?.iter_mut().zip(first / 64..) {
            let base = word.saturating_mul(64);
            let low = first.saturating_sub(base).min(63);
            let high = last.saturating_sub(base).min(63);
            *bits |= (u64::MAX << low) & (u64::MAX >> 63_u32.saturating_sub(high));
        }
        Some(())
    }

    fn trim(&mut self) {
        while self.words.last() == Some(&0) {
            self.words.pop();
        }
    }

    fn trimmed(mut self) -> Self {
        self.trim();
        self
    }
}

/// A CPU number in plain decimal.
fn number(text: &str) -> Option<u32> {
    let plain = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if plain { text.parse().ok() } else { None }
}

/// Positions of the bits that are set, ascending.
struct Bits(u64);

impl Iterator for Bits {
    type Item = u32;

    fn next(&mut self) -> Option<u32> {
        if self.0 == 0 {
            return None;
        }
        let bit = self.0.trailing_zeros();
        self.0 &= self.0.wrapping_sub(1);
        Some(bit)
    }
}

impl FromIterator<u32> for CpuSet {
    fn from_iter<I: IntoIterator<Item = u32>>(cpus: I) -> Self {
        let mut set = Self::new();
        for cpu in cpus {
            set.insert(cpu);
        }
        set
    }
}

impl Ord for CpuSet {
    /// By the first CPU that differs, as two sorted lists of numbers.
    fn cmp(&self, other: &Self) -> Ordering {
        self.iter().cmp(other.iter())
    }
}

impl PartialOrd for CpuSet {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut cpus = self.iter().peekable();
        let mut separator = "";
        while let Some(first) = cpus.next() {
            let mut last = first;
            while let Some(next) = cpus.next_if(|&next| next.checked_sub(1) == Some(last)) {
                last = next;
            }
            if first == last {
                write!(f, "{separator}{first}")?;
            } else {
                write!(f, "{separator}{first}-{last}")?;
            }
            separator = ",";
        }
        Ok(())
    }
}

impl fmt::Debug for CpuSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{{{self}}}")
    }
}

impl Serialize for CpuSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeSet;

    #[test]
    fn list_and_mask_of_the_same_cpus_are_equal() {
        let list = CpuSet::parse_list("0-3,32,63-64,127\n").unwrap();
        let mask = CpuSet::parse_mask("80000000,00000000,00000001,80000000,00000001\n");
        assert_eq!(
            mask,
            CpuSet::parse_list("0,63,64,159"),
            "groups are 32 bits, highest first"
        );
        assert_eq!(list.to_string(), "0-3,32,63-64,127");
        assert_eq!(list.len(), 8);
        assert_eq!((list.first(), list.last()), (Some(0), Some(127)));
    }

    #[test]
    fn leading_zero_groups_do_not_make_sets_differ() {
        assert_eq!(CpuSet::parse_mask("0000,00000000,00000005"), CpuSet::parse_mask("5"));
        assert_eq!(CpuSet::parse_mask("0"), Some(CpuSet::new()));
        assert_eq!(CpuSet::parse_list(""), Some(CpuSet::new()));
    }

    #[test]
    fn absurd_numbers_and_other_texts_are_refused() {
        for bad in [
            "7-3",
            "0-99999999",
            "65536",
            "x",
            "1,,2",
            "-1",
            "1-",
            "+1",
            "0x3",
            "1 2",
        ] {
            assert_eq!(CpuSet::parse_list(bad), None, "{bad}");
        }
        for bad in ["", "g", "123456789", "1,,2", "0x1", "-1", "+1"] {
            assert_eq!(CpuSet::parse_mask(bad), None, "{bad}");
        }
        let zeros = vec!["00000000"; 2049].join(",");
        assert_eq!(CpuSet::parse_mask(&zeros), Some(CpuSet::new()));
        assert_eq!(CpuSet::parse_mask(&zeros.replacen('0', "1", 1)), None);
        assert_eq!(CpuSet::parse_mask(&"f".repeat(1 << 22)), None);
        assert_eq!(CpuSet::parse_list(&"0-65535,".repeat(1 << 20)), None);
        assert!(!CpuSet::new().insert(CpuSet::LIMIT));
    }

    #[test]
    fn removing_the_last_cpu_leaves_the_empty_set() {
        let mut set = CpuSet::single(200);
        set.remove(200);
        set.remove(9_999_999);
        assert_eq!(set, CpuSet::new());
        assert!(set.is_empty());
    }

    fn cpus() -> impl Strategy<Value = BTreeSet<u32>> {
        proptest::collection::btree_set(0_u32..300, 0..40)
    }

    proptest! {
        #[test]
        fn behaves_as_a_set_of_numbers(a in cpus(), b in cpus()) {
            let (x, y): (CpuSet, CpuSet) = (a.iter().copied().collect(), b.iter().copied().collect());
            prop_assert_eq!(x.iter().collect::<BTreeSet<_>>(), a.clone());
            prop_assert_eq!(x.len(), a.len());
            prop_assert_eq!(x.last(), a.last().copied());
            prop_assert_eq!(CpuSet::parse_list(&x.to_string()), Some(x.clone()));
            prop_assert_eq!(x.union(&y), a.union(&b).copied().collect::<CpuSet>());
            prop_assert_eq!(x.intersection(&y), a.intersection(&b).copied().collect::<CpuSet>());
            prop_assert_eq!(x.difference(&y), a.difference(&b).copied().collect::<CpuSet>());
            prop_assert_eq!(x.is_subset(&y), a.is_subset(&b));
            prop_assert_eq!(x.intersects(&y), !a.is_disjoint(&b));
            prop_assert_eq!(x.cmp(&y), a.iter().cmp(b.iter()));
        }

        #[test]
        fn ranges_set_every_bit_between(first in 0_u32..400, length in 0_u32..400) {
            let text = format!("{first}-{}", first + length);
            let set = CpuSet::parse_list(&text).unwrap();
            prop_assert_eq!(set, (first..=first + length).collect::<CpuSet>());
        }

        #[test]
        fn any_text_is_answered(text in ".*") {
            let _ = CpuSet::parse_list(&text);
            let _ = CpuSet::parse_mask(&text);
        }
    }
}
