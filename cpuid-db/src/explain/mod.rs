//! A word of feature bits explained: what each bit is, what others call it, what it needs and what
//! needs it.
//!
//! ```
//! use cpuid_db::{Database, explain};
//! let asked = explain::parse("7.0.ebx[5]").unwrap();
//! let word = explain::explain(&Database::builtin(), &asked[0], &explain::Question::default());
//! assert_eq!(word.fields[0].name, "avx2");
//! assert!(word.fields[0].requires.contains(&"avx".to_owned()));
//! ```

mod argument;
mod diagram;
mod text;

use std::collections::{BTreeMap, BTreeSet, HashMap};

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Place, Register, Word};
use crate::database::{Database, Field, Kind, Vendors};
use crate::decode;
use crate::dialect::Dialect;

pub use argument::{Asked, parse};
pub use text::{TextOptions, write_text};

/// How a word is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Question {
    /// Names are this dialect's, where it has one; else our own.
    pub dialect: Option<Dialect>,
    /// Rows of these vendors only.
    pub vendors: Vendors,
}

impl Default for Question {
    fn default() -> Self {
        Self {
            dialect: None,
            vendors: Vendors::ANY,
        }
    }
}

/// A word, explained.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Explained {
    /// The word.
    pub word: Word,
    /// Number of its bit 0: 32 in the high half of an MSR.
    pub first_bit: u8,
    /// Value, when one was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// What the leaf or MSR is about.
    pub title: &'static str,
    /// Fields by bit.
    pub fields: Vec<ExplainedField>,
    /// Set bits without a name.
    pub reserved: Vec<u8>,
}

/// A field, explained.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct ExplainedField {
    /// Our name.
    pub id: &'static str,
    /// In the dialect asked for; our own without one.
    pub name: &'static str,
    /// Highest bit in the word.
    pub high: u8,
    /// Lowest bit in the word.
    pub low: u8,
    /// A feature: one bit that is there or not.
    pub feature: bool,
    /// Bits the manual reserves.
    pub reserved: bool,
    /// Its value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<u32>,
    /// What the value means.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub meaning: Option<String>,
    /// What it is.
    pub description: &'static str,
    /// All its names, by dialect.
    pub names: BTreeMap<Dialect, &'static [&'static str]>,
    /// Whose processors have it; empty for all.
    pub vendors: Vec<&'static str>,
    /// A set bit tells that something is gone.
    pub absence: bool,
    /// Features it needs.
    pub requires: Vec<String>,
    /// What those need in turn.
    pub requires_indirectly: Vec<String>,
    /// Features that need it.
    pub required_by: Vec<String>,
    /// What needs those in turn.
    pub required_by_indirectly: Vec<String>,
}

/// Who needs whom, by id.
struct Needs<'a> {
    database: &'a Database,
    xen: bool,
    needed_by: HashMap<&'static str, Vec<&'static str>>,
}

impl<'a> Needs<'a> {
    /// By Xen's table for Xen's dialects, else by that of the manuals and of Linux.
    fn new(database: &'a Database, dialect: Option<Dialect>) -> Self {
        let mut needs = Self {
            database,
            xen: matches!(dialect, Some(Dialect::Xen | Dialect::Libxl)),
            needed_by: HashMap::new(),
        };
        for field in database.fields() {
            for &id in needs.of(field) {
                needs.needed_by.entry(id).or_default().push(field.id);
            }
        }
        needs
    }

    fn of(&self, field: &Field) -> &'static [&'static str] {
        if self.xen { field.requires_xen } else { field.requires }
    }

    fn direct(&self, id: &str, down: bool) -> Vec<&'static str> {
        if down {
            return self.needed_by.get(id).cloned().unwrap_or_default();
        }
        self.database
            .by_id(id)
            .map(|field| self.of(field).to_vec())
            .unwrap_or_default()
    }

    /// Direct ones, and those found by going on from there.
    fn both(&self, id: &'static str, down: bool) -> [Vec<&'static str>; 2] {
        let direct = self.direct(id, down);
        let mut met: BTreeSet<&str> = direct.iter().copied().collect();
        met.insert(id);
        let (mut waiting, mut further) = (direct.clone(), Vec::new());
        while let Some(id) = waiting.pop() {
            for next in self.direct(id, down) {
                if met.insert(next) {
                    further.push(next);
                    waiting.push(next);
                }
            }
        }
        further.sort_unstable();
        [direct, further]
    }
}

/// Explains a word, or one bit of it.
#[must_use]
pub fn explain(database: &Database, asked: &Asked, question: &Question) -> Explained {
    let needs = Needs::new(database, question.dialect);
    let word = asked.word;
    let mut fields: Vec<&'static Field> = database.of_word(word, question.vendors).collect();
    fields.sort_by_key(|field| (field.low, field.high));
    let covered = fields.iter().fold(0, |mask, field| mask | field.mask());
    let wanted = |low: u8, high: u8| asked.bit.is_none_or(|bit| (low..=high).contains(&bit));
    let left = asked.value.unwrap_or(0) & !covered;
    Explained {
        word,
        first_bit: match (word.place, word.register) {
            (Place::Msr(_), Register::Edx) => 32,
            _ => 0,
        },
        value: asked.value,
        title: decode::title(word.place, word.subleaf.0),
        fields: fields
            .into_iter()
            .filter(|field| wanted(field.low, field.high))
            .map(|field| explain_field(field, asked.value, question.dialect, &needs))
            .collect(),
        reserved: (0..32)
            .filter(|&bit| left >> bit & 1 == 1 && wanted(bit, bit))
            .collect(),
    }
}

fn explain_field(
    field: &'static Field,
    value: Option<u32>,
    dialect: Option<Dialect>,
    needs: &Needs<'_>,
) -> ExplainedField {
    let name = |field: &'static Field| dialect.and_then(|dialect| field.name(dialect)).unwrap_or(field.id);
    let named = |ids: Vec<&'static str>| -> Vec<String> {
        ids.into_iter()
            .map(|id| needs.database.by_id(id).map_or(id, name).to_owned())
            .collect()
    };
    let [requires, requires_indirectly] = needs.both(field.id, false).map(named);
    let [required_by, required_by_indirectly] = needs.both(field.id, true).map(named);
    let value = value.map(|word| field.value(word));
    let vendors = if field.vendors == Vendors::ANY {
        Vec::new()
    } else {
        (0_u16..)
            .zip(Vendors::NAMES)
            .filter(|&(bit, _)| field.vendors.overlaps(Vendors(1 << bit)))
            .map(|(_, name)| name)
            .collect()
    };
    ExplainedField {
        id: field.id,
        name: name(field),
        high: field.high,
        low: field.low,
        feature: field.kind == Kind::Feature,
        reserved: field.kind == Kind::Reserved,
        value,
        meaning: value.and_then(|raw| decode::meaning(field, raw)),
        description: field.description,
        names: Dialect::ALL
            .into_iter()
            .map(|dialect| (dialect, field.names(dialect)))
            .filter(|(_, names)| !names.is_empty())
            .collect(),
        vendors,
        absence: field.absence,
        requires,
        requires_indirectly,
        required_by,
        required_by_indirectly,
    }
}

impl ExplainedField {
    /// Names other than the one shown, with the dialects that use them: `linux pni; xen sse3`.
    #[must_use]
    pub fn other_names(&self) -> String {
        let mut by_name: Vec<(&str, Vec<&str>)> = Vec::new();
        let own = [(None, self.id)];
        let all = own.into_iter().chain(
            self.names
                .iter()
                .flat_map(|(dialect, names)| names.iter().map(|&name| (Some(*dialect), name))),
        );
        for (dialect, name) in all {
            if name.eq_ignore_ascii_case(self.name) {
                continue;
            }
            let who = dialect.map_or("our", Dialect::name);
            match by_name.iter_mut().find(|(known, _)| *known == name) {
                Some((_, dialects)) => dialects.push(who),
                None => by_name.push((name, vec![who])),
            }
        }
        let parts: Vec<String> = by_name
            .into_iter()
            .map(|(name, dialects)| format!("{} {name}", dialects.join("/")))
            .collect();
        parts.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(text: &str, question: Question) -> Explained {
        explain(&Database::builtin(), &parse(text).unwrap()[0], &question)
    }

    fn xen() -> Question {
        Question {
            dialect: Some(Dialect::Xen),
            ..Question::default()
        }
    }

    #[test]
    fn a_bit_has_the_name_of_the_dialect_and_the_others() {
        let word = one("1.ecx[0]", xen());
        let [pni] = &word.fields[..] else { panic!("{word:?}") };
        assert_eq!((pni.id, pni.name), ("pni", "sse3"));
        assert!(pni.other_names().contains("pni"), "{}", pni.other_names());
        assert_eq!(pni.requires, ["sse2"]);
    }

    #[test]
    fn what_is_needed_is_followed_to_the_end() {
        let word = one("7.0.ebx[16]", Question::default());
        let avx512f = &word.fields[0];
        assert_eq!(avx512f.requires, ["avx2"]);
        assert!(avx512f.requires_indirectly.contains(&"avx".to_owned()));
        let avx = &one("1.ecx[28]", Question::default()).fields[0];
        assert!(avx.required_by.contains(&"avx2".to_owned()));
        assert!(avx.required_by_indirectly.contains(&"avx512f".to_owned()));
    }

    #[test]
    fn set_bits_without_a_name_are_reserved() {
        let word = one("2000.3.ecx=0x10001", Question::default());
        assert_eq!(word.reserved, [0, 16]);
        assert!(word.fields.is_empty());
    }

    #[test]
    fn the_high_half_of_an_msr_counts_from_32() {
        let words = parse("msr10a=0").unwrap();
        let high = explain(&Database::builtin(), &words[1], &Question::default());
        assert_eq!(high.first_bit, 32);
    }

    #[test]
    fn json_leaves_out_what_is_not_known() {
        let json = serde_json::to_value(one("7.0.ebx[5]", Question::default())).unwrap();
        assert!(json.get("value").is_none());
        assert_eq!(json["word"], "7.0.ebx");
        assert_eq!(json["fields"][0]["names"]["qemu"][0], "avx2");
    }
}
