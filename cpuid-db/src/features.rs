//! Features of a processor by name, word by word.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, COMMON_1D, Register, Word, Words};
use crate::database::{Combine, Database, Field, Kind, Vendors};
use crate::dialect::Dialect;
use crate::identity::Identity;
use crate::leafset::CpuLeaves;

/// Which name a feature is printed with: a dialect's, or our own. Where a dialect has none, ours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Naming(pub Option<Dialect>);

impl Naming {
    /// Reads `own` or the name of a dialect.
    ///
    /// # Errors
    /// The names there are.
    pub fn read(name: &str) -> Result<Self, String> {
        if name == "own" {
            return Ok(Self(None));
        }
        Dialect::read(name).map(|dialect| Self(Some(dialect))).ok_or_else(|| {
            let names = Dialect::ALL.map(Dialect::name);
            format!("expected own, {}", names.join(", "))
        })
    }

    /// Name of a field.
    #[must_use]
    pub fn of(self, field: &Field) -> &'static str {
        self.0.and_then(|dialect| field.name(dialect)).unwrap_or(field.id)
    }

    /// Name of a bit, or its place where no row names it.
    #[must_use]
    pub fn of_bit(self, database: &Database, bit: Bit, vendors: Vendors) -> String {
        match database.of_bit(bit, vendors) {
            Some(field) if field.kind == Kind::Feature => self.of(field).to_owned(),
            _ => bit.to_string(),
        }
    }
}

/// Features that are set in one word.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Group {
    /// The word.
    pub word: Word,
    /// Names, by bit.
    pub names: Vec<&'static str>,
}

/// Features of a processor that are set, by word; those that only describe its caches and its place
/// in the system are left out, and so are those of 80000001.edx that repeat 1.edx.
#[must_use]
pub fn of(database: &Database, cpu: &CpuLeaves, naming: Naming) -> Vec<Group> {
    let vendors = Vendors::of(Identity::of(cpu).vendor);
    let mut words = Words::of(cpu);
    let extended = Word::cpuid(0x8000_0001, 0, Register::Edx);
    let repeated = COMMON_1D & words.get(Word::cpuid(1, 0, Register::Edx));
    words.put(extended, words.get(extended) & !repeated);
    of_words(database, &words, vendors, naming)
}

/// The same for a set of bits.
#[must_use]
pub fn of_words(database: &Database, words: &Words, vendors: Vendors, naming: Naming) -> Vec<Group> {
    let groups = words.iter().map(|(word, value)| Group {
        word,
        names: database
            .of_word(word, vendors)
            .filter(|field| {
                field.kind == Kind::Feature && field.combine != Some(Combine::Policy) && field.value(value) != 0
            })
            .map(|field| naming.of(field))
            .collect(),
    });
    groups.filter(|group| !group.names.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};

    #[test]
    fn features_have_the_names_asked_for() {
        let mut cpu = CpuLeaves::new(0);
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0, 0, 0b11, 0));
        let database = Database::builtin();
        let names = |naming| of(&database, &cpu, naming)[0].names.clone();
        assert_eq!(names(Naming(Some(Dialect::Libvirt))), ["pni", "pclmuldq"]);
        assert_eq!(names(Naming(Some(Dialect::Xen))), ["sse3", "pclmulqdq"]);
        assert!(Naming::read("esperanto").is_err());
    }
}
