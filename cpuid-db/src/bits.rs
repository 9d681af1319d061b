//! Registers, words and bits of CPUID and of the MSRs that tell of features, and sets of them.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

pub use crate::database::row::Place;
use crate::leaf::{Leaf, Registers, Subleaf};
use crate::leafset::CpuLeaves;

/// Bits that EDX of leaf 0x80000001 repeats of EDX of leaf 1 on AMD's processors (APM volume 3, E.4.2).
pub const COMMON_1D: u32 = 0x0183_f3ff;

/// One of the four registers; of an MSR, EAX is bits 31:0 and EDX bits 63:32.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Register {
    /// EAX.
    Eax,
    /// EBX.
    Ebx,
    /// ECX.
    Ecx,
    /// EDX.
    Edx,
}

impl Register {
    /// All four, in the order of CPUID dumps.
    pub const ALL: [Self; 4] = [Self::Eax, Self::Ebx, Self::Ecx, Self::Edx];

    /// `eax`, `ebx`, `ecx`, `edx`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Eax => "eax",
            Self::Ebx => "ebx",
            Self::Ecx => "ecx",
            Self::Edx => "edx",
        }
    }

    /// Reads a name in any case.
    #[must_use]
    pub fn read(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|register| register.name().eq_ignore_ascii_case(name))
    }

    /// Its value.
    #[must_use]
    pub const fn of(self, registers: Registers) -> u32 {
        match self {
            Self::Eax => registers.eax,
            Self::Ebx => registers.ebx,
            Self::Ecx => registers.ecx,
            Self::Edx => registers.edx,
        }
    }

    /// Its value, to change it.
    pub const fn of_mut(self, registers: &mut Registers) -> &mut u32 {
        match self {
            Self::Eax => &mut registers.eax,
            Self::Ebx => &mut registers.ebx,
            Self::Ecx => &mut registers.ecx,
            Self::Edx => &mut registers.edx,
        }
    }
}

/// A 32-bit word: one register of one subleaf, or half of an MSR.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Word {
    /// Leaf or MSR.
    pub place: Place,
    /// Subleaf; 0 for an MSR and for leaves without subleaves.
    pub subleaf: Subleaf,
    /// Register.
    pub register: Register,
}

impl Word {
    /// Register of a CPUID leaf.
    #[must_use]
    pub const fn cpuid(leaf: u32, subleaf: u32, register: Register) -> Self {
        Self {
            place: Place::Leaf(leaf),
            subleaf: Subleaf(subleaf),
            register,
        }
    }

    /// Half of an MSR: EAX the low one, EDX the high one.
    #[must_use]
    pub const fn msr(index: u32, register: Register) -> Self {
        Self {
            place: Place::Msr(index),
            subleaf: Subleaf(0),
            register,
        }
    }

    /// Bit of this word.
    #[must_use]
    pub const fn bit(self, number: u8) -> Bit {
        Bit { word: self, number }
    }
}

impl fmt::Display for Word {
    /// `7.0.ebx`, `80000001.0.ecx`, `msr10a.eax`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.place {
            Place::Leaf(leaf) => write!(f, "{leaf:x}.{:x}.{}", self.subleaf.0, self.register.name()),
            Place::Msr(index) => write!(f, "msr{index:x}.{}", self.register.name()),
        }
    }
}

impl Serialize for Word {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One bit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Bit {
    /// The word it is in.
    pub word: Word,
    /// 0 to 31.
    pub number: u8,
}

impl fmt::Display for Bit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}[{}]", self.word, self.number)
    }
}

impl Serialize for Bit {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A set of bits, kept as words; a word that is absent is 0.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Words(BTreeMap<Word, u32>);

impl Words {
    /// Value of a word; 0 when absent.
    #[must_use]
    pub fn get(&self, word: Word) -> u32 {
        self.0.get(&word).copied().unwrap_or(0)
    }

    /// Replaces a word; 0 takes it out.
    pub fn put(&mut self, word: Word, value: u32) {
        if value == 0 {
            self.0.remove(&word);
        } else {
            self.0.insert(word, value);
        }
    }

    /// Whether a bit is set.
    #[must_use]
    pub fn has(&self, bit: Bit) -> bool {
        self.get(bit.word) & mask(bit) != 0
    }

    /// Sets or clears a bit.
    pub fn set(&mut self, bit: Bit, on: bool) {
        let value = self.get(bit.word);
        self.put(bit.word, if on { value | mask(bit) } else { value & !mask(bit) });
    }

    /// Words that are not 0, in ascending order.
    pub fn iter(&self) -> impl Iterator<Item = (Word, u32)> {
        self.0.iter().map(|(&word, &value)| (word, value))
    }

    /// Set bits, in ascending order.
    pub fn bits(&self) -> impl Iterator<Item = Bit> {
        self.iter()
            .flat_map(|(word, value)| (0..32).filter(move |n| value >> n & 1 == 1).map(move |n| word.bit(n)))
    }

    /// No bit is set.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every register and MSR of a processor, within its leaf maxima.
    #[must_use]
    pub fn of(cpu: &CpuLeaves) -> Self {
        let mut words = Self::default();
        for (leaf, subleaf, _) in cpu.rows() {
            let Some(registers) = cpu.get(leaf, subleaf) else {
                continue;
            };
            for register in Register::ALL {
                words.put(Word::cpuid(leaf.0, subleaf.0, register), register.of(registers));
            }
        }
        for (index, value) in cpu.msrs() {
            let [low, high] = halves(value);
            words.put(Word::msr(index, Register::Eax), low);
            words.put(Word::msr(index, Register::Edx), high);
        }
        words
    }
}

impl FromIterator<Bit> for Words {
    fn from_iter<I: IntoIterator<Item = Bit>>(bits: I) -> Self {
        let mut words = Self::default();
        for bit in bits {
            words.set(bit, true);
        }
        words
    }
}

impl FromIterator<(Word, u32)> for Words {
    fn from_iter<I: IntoIterator<Item = (Word, u32)>>(pairs: I) -> Self {
        let mut words = Self::default();
        for (word, value) in pairs {
            words.put(word, value);
        }
        words
    }
}

/// Low and high half of an MSR.
#[must_use]
pub const fn halves(value: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = value.to_le_bytes();
    [u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h])]
}

const fn mask(bit: Bit) -> u32 {
    1 << (bit.number & 31)
}

impl Leaf {
    /// Register of this leaf.
    #[must_use]
    pub const fn word(self, subleaf: u32, register: Register) -> Word {
        Word::cpuid(self.0, subleaf, register)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_say_where_they_are() {
        assert_eq!(Word::cpuid(0x8000_0001, 0, Register::Ecx).to_string(), "80000001.0.ecx");
        assert_eq!(Word::cpuid(7, 1, Register::Eax).bit(4).to_string(), "7.1.eax[4]");
        assert_eq!(Word::msr(0x10a, Register::Eax).to_string(), "msr10a.eax");
    }

    #[test]
    fn a_word_of_zero_is_no_word() {
        let bit = Word::cpuid(1, 0, Register::Edx).bit(31);
        let mut words = Words::from_iter([bit]);
        assert!(words.has(bit));
        assert_eq!(words.iter().collect::<Vec<_>>(), [(bit.word, 0x8000_0000)]);
        words.set(bit, false);
        assert!(words.is_empty());
        assert_eq!(words, Words::default());
    }

    #[test]
    fn leaves_beyond_the_maximum_and_msr_halves_are_told_apart() {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(0), Subleaf(0), Registers::new(1, 0, 0, 0));
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0, 0, 5, 0));
        cpu.insert(Leaf(7), Subleaf(0), Registers::new(0, 9, 0, 0));
        cpu.insert_msr(0x10a, 0x2_0000_0001);
        let words = Words::of(&cpu);
        assert_eq!(words.get(Word::cpuid(1, 0, Register::Ecx)), 5);
        assert_eq!(words.get(Word::cpuid(7, 0, Register::Ebx)), 0);
        assert_eq!(words.get(Word::msr(0x10a, Register::Eax)), 1);
        assert_eq!(words.get(Word::msr(0x10a, Register::Edx)), 2);
    }
}
