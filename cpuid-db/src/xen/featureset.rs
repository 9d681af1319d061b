//! Xen's featureset: 19 words of CPUID and of MSR `ARCH_CAPS`, in the order of Xen's public header
//! `arch-x86/cpufeatureset.h` (Xen 4.20), which of their bits are what, and the text of `xen-cpuid`.

use std::fmt::{self, Write as _};

use crate::bits::{Bit, Register, Word, Words};
use crate::xen::features::{Feature, Features, StaticSet};

/// Words of a featureset.
pub const WORDS: usize = 19;

/// One word of a featureset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WordPlace {
    /// The register it is.
    pub word: Word,
    /// How `xen-cpuid -d` names it.
    pub label: &'static str,
    /// How the column of `xen-cpuid` is named.
    pub key: &'static str,
}

const fn place(leaf: u32, subleaf: u32, register: Register, label: &'static str, key: &'static str) -> WordPlace {
    WordPlace {
        word: Word::cpuid(leaf, subleaf, register),
        label,
        key,
    }
}

const fn arch_caps(register: Register, label: &'static str, key: &'static str) -> WordPlace {
    WordPlace {
        word: Word::msr(0x10a, register),
        label,
        key,
    }
}

/// The words in order.
pub static ORDER: [WordPlace; WORDS] = [
    place(1, 0, Register::Edx, "CPUID 0x00000001.edx", "1d"),
    place(1, 0, Register::Ecx, "CPUID 0x00000001.ecx", "1c"),
    place(0x8000_0001, 0, Register::Edx, "CPUID 0x80000001.edx", "e1d"),
    place(0x8000_0001, 0, Register::Ecx, "CPUID 0x80000001.ecx", "e1c"),
    place(0xd, 1, Register::Eax, "CPUID 0x0000000d:1.eax", "Da1"),
    place(7, 0, Register::Ebx, "CPUID 0x00000007:0.ebx", "7b0"),
    place(7, 0, Register::Ecx, "CPUID 0x00000007:0.ecx", "7c0"),
    place(0x8000_0007, 0, Register::Edx, "CPUID 0x80000007.edx", "e7d"),
    place(0x8000_0008, 0, Register::Ebx, "CPUID 0x80000008.ebx", "e8b"),
    place(7, 0, Register::Edx, "CPUID 0x00000007:0.edx", "7d0"),
    place(7, 1, Register::Eax, "CPUID 0x00000007:1.eax", "7a1"),
    place(0x8000_0021, 0, Register::Eax, "CPUID 0x80000021.eax", "e21a"),
    place(7, 1, Register::Ebx, "CPUID 0x00000007:1.ebx", "7b1"),
    place(7, 2, Register::Edx, "CPUID 0x00000007:2.edx", "7d2"),
    place(7, 1, Register::Ecx, "CPUID 0x00000007:1.ecx", "7c1"),
    place(7, 1, Register::Edx, "CPUID 0x00000007:1.edx", "7d1"),
    arch_caps(Register::Eax, "MSR_ARCH_CAPS.lo", "m10Al"),
    arch_caps(Register::Edx, "MSR_ARCH_CAPS.hi", "m10Ah"),
    place(0x8000_0021, 0, Register::Ecx, "CPUID 0x80000021.ecx", "e21c"),
];

/// 19 words.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Featureset(pub [u32; WORDS]);

impl Featureset {
    /// The words of a set of bits; bits of other registers are left out.
    #[must_use]
    pub fn of(words: &Words) -> Self {
        let mut set = Self::default();
        for (value, place) in set.0.iter_mut().zip(&ORDER) {
            *value = words.get(place.word);
        }
        set
    }

    /// As a set of bits.
    #[must_use]
    pub fn words(&self) -> Words {
        ORDER
            .iter()
            .zip(self.0)
            .map(|(place, value)| (place.word, value))
            .collect()
    }

    /// A bit is set.
    #[must_use]
    pub fn has(&self, feature: Feature) -> bool {
        self.0
            .get(feature.word_index())
            .is_some_and(|word| word & feature.mask() != 0)
    }

    /// Sets or clears a bit.
    pub fn set(&mut self, feature: Feature, on: bool) {
        if let Some(word) = self.0.get_mut(feature.word_index()) {
            *word = if on {
                *word | feature.mask()
            } else {
                *word & !feature.mask()
            };
        }
    }

    /// The set bits.
    pub fn iter(&self) -> impl Iterator<Item = Feature> {
        Feature::all().filter(|&feature| self.has(feature))
    }

    /// No bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.iter().all(|&word| word == 0)
    }

    /// The bits of both, word by word.
    #[must_use]
    pub fn and(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & b)
    }

    /// The bits of either.
    #[must_use]
    pub fn or(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a | b)
    }

    /// The bits without those of the other.
    #[must_use]
    pub fn without(&self, other: &Self) -> Self {
        self.zip(other, |a, b| a & !b)
    }

    fn zip(&self, other: &Self, combine: impl Fn(u32, u32) -> u32) -> Self {
        let mut out = *self;
        for (a, b) in out.0.iter_mut().zip(other.0) {
            *a = combine(*a, b);
        }
        out
    }
}

impl FromIterator<Feature> for Featureset {
    fn from_iter<I: IntoIterator<Item = Feature>>(features: I) -> Self {
        let mut set = Self::default();
        for feature in features {
            set.set(feature, true);
        }
        set
    }
}

impl fmt::Display for Featureset {
    /// `178bfbff:7efa320b:…`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex(&self.0))
    }
}

fn hex(words: &[u32]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("{word:08x}")).collect();
    words.join(":")
}

/// A featureset as it is written, which may be shorter than 19 words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reading<'a> {
    /// The words; those that are not given are 0.
    pub features: Featureset,
    /// Words given.
    pub count: usize,
    /// What follows the last word and is no part of it.
    pub rest: &'a str,
}

/// Reads `W0:W1:…` or `W0-W1-…` the way `xen-cpuid` does: hexadecimal words with or without `0x`, at most
/// 19 of them; `None` when there is not even one.
///
/// ```
/// let reading = cpuid_db::xen::featureset::read("178bfbff:7efa320b").unwrap();
/// assert_eq!(reading.count, 2);
/// assert_eq!(reading.features.0[1], 0x7efa_320b);
/// ```
#[must_use]
pub fn read(text: &str) -> Option<Reading<'_>> {
    let mut features = Featureset::default();
    let (mut count, mut rest) = (0, text);
    while let Some((value, after)) = scan_hex(rest) {
        if let Some(word) = features.0.get_mut(count) {
            *word = value;
        }
        count = count.saturating_add(1);
        rest = after;
        if count == WORDS {
            break;
        }
        match rest.strip_prefix([':', '-']) {
            Some(after) => rest = after,
            None => break,
        }
    }
    (count > 0).then_some(Reading { features, count, rest })
}

/// `%x` of sscanf: blanks, a sign, `0x`, digits; more digits than fit keep the low bits.
fn scan_hex(text: &str) -> Option<(u32, &str)> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\x0b', '\x0c', '\r']);
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let is_digit = |text: &str| text.starts_with(|c: char| c.is_ascii_hexdigit());
    let digits = match unsigned.strip_prefix("0x").or_else(|| unsigned.strip_prefix("0X")) {
        Some(digits) if is_digit(digits) => digits,
        _ => unsigned,
    };
    if !is_digit(digits) {
        return None;
    }
    let end = digits.find(|c: char| !c.is_ascii_hexdigit()).unwrap_or(digits.len());
    let (digits, rest) = digits.split_at_checked(end)?;
    let value = u64::from_str_radix(digits, 16).unwrap_or(u64::MAX);
    let [value, _] = crate::bits::halves(if negative { value.wrapping_neg() } else { value });
    Some((value, rest))
}

/// What `xen-cpuid W0:W1:…` prints on standard output: the words given, and the names of their bits.
#[must_use]
pub fn interpret(features: &Features, text: &str) -> Option<String> {
    let reading = read(text)?;
    let mut out = String::new();
    write_set(&mut out, features, "Raw", &reading.features, reading.count, true);
    Some(out)
}

/// What `xen-cpuid` (`detail` false) and `xen-cpuid -d` print: the static sets of the hypervisor, then the
/// sets of a host, which [`dynamic_sets`](crate::xen::HostPolicies::dynamic_sets) tells from its policies.
/// A set without features is one that the hypervisor does not support.
#[must_use]
pub fn report(features: &Features, dynamic: &[(&str, Option<Featureset>)], detail: bool) -> String {
    let mut out = format!("nr_features: {WORDS}\n");
    if !detail {
        let _ = write!(out, "       {:>24} ", "KEY");
        for place in &ORDER {
            let _ = write!(out, "{:<8} ", place.key);
        }
        out.push('\n');
    }
    out.push_str("\nStatic sets:\n");
    for set in StaticSet::ALL {
        write_set(&mut out, features, set.name(), &features.static_set(set), WORDS, detail);
    }
    out.push_str("\nDynamic sets:\n");
    for (name, set) in dynamic {
        match set {
            Some(set) => write_set(&mut out, features, name, set, WORDS, detail),
            None => {
                let _ = writeln!(out, "{name} featureset not supported by Xen");
            }
        }
    }
    out
}

fn write_set(out: &mut String, features: &Features, name: &str, set: &Featureset, count: usize, detail: bool) {
    let words: Vec<u32> = set.0.into_iter().take(count).collect();
    let _ = writeln!(out, "{name:<24}        {}", hex(&words));
    if !detail {
        return;
    }
    for (index, (word, place)) in words.into_iter().zip(&ORDER).enumerate() {
        let _ = write!(out, "  [{index:02}] {:<24}", place.label);
        for number in (0..32_u8).filter(|number| word >> number & 1 == 1) {
            match features.printed_name(place.word.bit(number)) {
                Some(name) => out.push_str(&format!(" {name}")),
                None => out.push_str(&format!(" <{number}>")),
            }
        }
        out.push('\n');
    }
}

/// Index of the featureset word that a register is.
#[must_use]
pub fn index_of(word: Word) -> Option<usize> {
    ORDER.iter().position(|place| place.word == word)
}

/// The feature that a bit is, named by Xen or not.
#[must_use]
pub fn feature_of(bit: Bit) -> Option<Feature> {
    Feature::new(index_of(bit.word)?, bit.number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_read_as_sscanf_does() {
        assert_eq!(scan_hex(" 0x1fz"), Some((0x1f, "z")));
        assert_eq!(scan_hex("0xz"), Some((0, "xz")));
        assert_eq!(scan_hex("1234567890"), Some((0x3456_7890, "")));
        assert_eq!(scan_hex("-1"), Some((u32::MAX, "")));
        assert_eq!(scan_hex("q"), None);
    }

    #[test]
    fn what_follows_the_words_is_told() {
        let reading = read("1-2:3 4").unwrap();
        assert_eq!((reading.count, reading.rest), (3, " 4"));
        let long = "1:".repeat(25);
        let reading = read(&long).unwrap();
        assert_eq!((reading.count, reading.rest.len()), (19, 13));
        assert!(read("host").is_none());
    }

    #[test]
    fn words_and_back_are_the_same_set() {
        let mut set = Featureset::default();
        for (index, word) in set.0.iter_mut().enumerate() {
            *word = 1 << index;
        }
        assert_eq!(Featureset::of(&set.words()), set);
        assert_eq!(set.iter().count(), WORDS);
        assert_eq!(set.iter().collect::<Featureset>(), set);
    }
}
