//! One `key=value` of libxl's `cpuid=` (libxl 4.20): the keys are Xen's feature names, 33 older spellings
//! of some, and twelve values such as `family`.

use std::fmt;

use crate::bits::{Bit, Register, Word};
use crate::database::Place;
use crate::leaf::Subleaf;
use crate::xen::config::{Characters, CpuidConfig, strtoul};
use crate::xen::features::Features;

mod table {
    //! Written by `build.rs`.
    use super::Key;
    use crate::bits::Register;
    include!(concat!(env!("OUT_DIR"), "/xen.rs"));
}

/// A key that libxl knows besides Xen's feature names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// Leaf.
    pub leaf: u32,
    /// Subleaf; `None` for a leaf without.
    pub subleaf: Option<u32>,
    /// Register.
    pub register: Register,
    /// Lowest bit.
    pub low: u32,
    /// Bits; 1 for another spelling of a feature.
    pub length: u32,
}

impl Key {
    /// The word it is in.
    #[must_use]
    pub fn word(&self) -> Word {
        Word::cpuid(self.leaf, self.subleaf.unwrap_or(0), self.register)
    }

    /// Its bits as a mask of the register.
    #[must_use]
    pub const fn mask(&self) -> u32 {
        (u32::MAX >> (32_u32.saturating_sub(self.length) & 31)) << (self.low & 31)
    }
}

/// The keys that are not feature names: values, then other spellings, as libxl searches them.
#[must_use]
pub fn keys() -> &'static [Key] {
    &table::LIBXL_KEYS
}

/// What a key stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Target {
    /// A value or another spelling.
    Key(&'static Key),
    /// A feature by Xen's name.
    Feature(Bit),
}

impl Target {
    /// Its bits, from the lowest.
    pub fn bits(self) -> impl Iterator<Item = Bit> {
        let (word, low, length) = match self {
            Self::Key(key) => (key.word(), key.low, key.length),
            Self::Feature(bit) => (bit.word, u32::from(bit.number), 1),
        };
        (low..low.saturating_add(length))
            .filter_map(|number| u8::try_from(number).ok())
            .map(move |number| word.bit(number))
    }
}

/// Looks a key up as libxl does: its own keys first, then Xen's names.
#[must_use]
pub fn target(features: &Features, name: &str) -> Option<Target> {
    if let Some(key) = keys().iter().find(|key| key.name == name) {
        return Some(Target::Key(key));
    }
    features.by_name(name).map(|feature| Target::Feature(feature.bit()))
}

/// Why libxl does not take a key, with its number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum FlagError {
    /// 1.
    NoEqualsSign,
    /// 2.
    UnknownName,
    /// 3.
    BadValue,
}

impl FlagError {
    /// libxl's number.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::NoEqualsSign => 1,
            Self::UnknownName => 2,
            Self::BadValue => 3,
        }
    }
}

impl fmt::Display for FlagError {
    /// As xl words it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoEqualsSign => "missing \"=\" in key=value",
            Self::UnknownName => "unknown CPUID flag name",
            Self::BadValue => "illegal CPUID value (must be: [0|1|x|k|s])",
        })
    }
}

/// Takes one `key=value` into a configuration. As libxl's, an entry whose value is refused stays behind
/// without characters.
pub fn parse_flag(features: &Features, config: &mut CpuidConfig, text: &str) -> Result<Target, FlagError> {
    let (name, value) = text.split_once('=').ok_or(FlagError::NoEqualsSign)?;
    let target = target(features, name).ok_or(FlagError::UnknownName)?;
    match target {
        Target::Key(key) => add(config, key, value.as_bytes())?,
        Target::Feature(bit) => add_feature(config, bit, value.as_bytes())?,
    }
    Ok(target)
}

fn add_feature(config: &mut CpuidConfig, bit: Bit, value: &[u8]) -> Result<(), FlagError> {
    match bit.word.place {
        Place::Leaf(leaf) => {
            let key = Key {
                name: "",
                leaf,
                subleaf: has_subleaves(leaf).then_some(bit.word.subleaf.0),
                register: bit.word.register,
                low: u32::from(bit.number),
                length: 1,
            };
            add(config, &key, value)
        }
        Place::Msr(index) => {
            let number = match bit.word.register {
                Register::Edx => usize::from(bit.number).saturating_add(32),
                _ => usize::from(bit.number),
            };
            let entry = config.msr_entry(index).ok_or(FlagError::BadValue)?;
            let character = match value {
                [character @ (b'0' | b'1' | b'x' | b'k')] => *character,
                [b's'] => b'k',
                _ => return Err(FlagError::BadValue),
            };
            if let Some(at) = 63_usize
                .checked_sub(number)
                .and_then(|index| entry.policy.get_mut(index))
            {
                *at = character;
            }
            Ok(())
        }
    }
}

/// Leaves that libxl and Xen address by subleaf.
#[must_use]
pub const fn has_subleaves(leaf: u32) -> bool {
    matches!(leaf, 4 | 7 | 0xb | 0xd)
}

/// Subleaf as libxl and Xen write it down.
#[must_use]
pub const fn written_subleaf(leaf: u32, subleaf: Subleaf) -> Option<u32> {
    if has_subleaves(leaf) { Some(subleaf.0) } else { None }
}

fn add(config: &mut CpuidConfig, key: &Key, value: &[u8]) -> Result<(), FlagError> {
    let entry = config.entry(key.leaf, key.subleaf).ok_or(FlagError::BadValue)?;
    let number = strtoul(value).map(|(number, _)| number);
    let length = key.length as usize;
    let mut run = match (number, value) {
        (Some(number), _) => binary(number, length),
        (None, [character @ (b'x' | b'k' | b's'), ..]) => vec![*character; length],
        (None, _) => return Err(FlagError::BadValue),
    };
    // Only family asks for it; without a number libxl has 0 here.
    let number = number.unwrap_or(0);
    let characters = entry.register_mut(key.register).get_or_insert(Characters::DEFAULT);
    match key.name {
        "family" if number < 16 => {
            characters.write(key.low, run.get(4..).unwrap_or_default());
            characters.write(20, b"00000000");
        }
        "family" => {
            characters.write(key.low, b"1111");
            // Seven bits of the difference, below the top bit of the family itself.
            let extended = binary(number.wrapping_sub(15), 7);
            run.truncate(1);
            run.extend(extended);
            characters.write(20, &run);
        }
        "model" => {
            characters.write(16, run.get(..4).unwrap_or_default());
            characters.write(key.low, run.get(4..).unwrap_or_default());
        }
        _ => characters.write(key.low, &run),
    }
    Ok(())
}

fn binary(number: u64, length: usize) -> Vec<u8> {
    (0..length)
        .rev()
        .map(|bit| if number >> (bit & 63) & 1 == 1 { b'1' } else { b'0' })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    fn parse(flags: &[&str]) -> (CpuidConfig, Vec<Option<FlagError>>) {
        let features = Features::of(&Database::builtin());
        let mut config = CpuidConfig::default();
        let errors = flags
            .iter()
            .map(|flag| parse_flag(&features, &mut config, flag).err())
            .collect();
        (config, errors)
    }

    fn eax_of_leaf_1(flag: &str) -> String {
        let (config, errors) = parse(&[flag]);
        assert_eq!(errors, [None], "{flag}");
        config.cpuid[0].register(Register::Eax).unwrap().text()
    }

    #[test]
    fn family_and_model_are_split_over_base_and_extension() {
        assert_eq!(eax_of_leaf_1("family=21"), "xxxx00000110xxxxxxxx1111xxxxxxxx");
        assert_eq!(eax_of_leaf_1("family=6"), "xxxx00000000xxxxxxxx0110xxxxxxxx");
        assert_eq!(eax_of_leaf_1("model=0x2c"), "xxxxxxxxxxxx0010xxxxxxxx1100xxxx");
    }

    #[test]
    fn a_family_that_is_left_to_the_default_still_clears_its_extension() {
        assert_eq!(eax_of_leaf_1("family=x"), "xxxx00000000xxxxxxxxxxxxxxxxxxxx");
    }

    #[test]
    fn only_the_low_bits_of_a_number_count() {
        let (config, _) = parse(&["aes=2", "avx=3junk", "sse3=0b1"]);
        let ecx = config.cpuid[0].register(Register::Ecx).unwrap();
        assert_eq!((ecx.of_bit(25), ecx.of_bit(28), ecx.of_bit(0)), (b'0', b'1', b'1'));
    }

    #[test]
    fn errors_have_the_numbers_of_libxl() {
        let (config, errors) = parse(&["+pcid", "nosuch=1", "aes=y", "aes=", "rdcl-no=11", "=1"]);
        let numbers: Vec<u32> = errors.iter().map(|error| error.unwrap().number()).collect();
        assert_eq!(numbers, [1, 2, 3, 3, 3, 2]);
        assert_eq!(config.cpuid.len(), 1, "the entry of a refused value stays");
        assert!(config.cpuid[0].registers.iter().all(Option::is_none));
        assert_eq!(config.msr[0].text(), "x".repeat(64));
    }

    #[test]
    fn bits_of_arch_capabilities_take_one_character() {
        let (config, errors) = parse(&["rdcl-no=1", "its-no=s", "eibrs=0"]);
        assert_eq!(errors, [None; 3]);
        let text = config.msr[0].text();
        assert_eq!(config.msr[0].index, 0x10a);
        assert!(text.starts_with("xkx") && text.ends_with("x01"), "{text}");
    }

    #[test]
    fn clflush_is_the_size_and_clfsh_the_feature() {
        let (config, _) = parse(&["clflush=8", "clfsh=0"]);
        assert!(config.cpuid[0].register(Register::Ebx).is_some());
        assert_eq!(config.cpuid[0].register(Register::Edx).unwrap().of_bit(19), b'0');
    }
}
