//! What a parser of this crate returns beside its value: the lines that could not be read.

use schemars::JsonSchema;
use serde::Serialize;

/// Most damaged lines that are kept one by one; the rest are only counted.
const KEPT: usize = 200;

/// One line of a dump that could not be read.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Damage {
    /// Line of the text, counted from 1; 0 is the text as a whole.
    pub line: usize,
    /// What should have stood there.
    pub expected: String,
    /// What stood there (its beginning, when long).
    pub seen: String,
}

/// A decoded value with the damage met on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Decoded<T> {
    /// What could be decoded.
    pub value: T,
    /// What could not, in the order of the text.
    pub damage: Vec<Damage>,
}

/// Collects damage, with a bound on its size.
#[derive(Default)]
pub(crate) struct DamageLog {
    kept: Vec<Damage>,
    more: usize,
}

impl DamageLog {
    /// Notes a damaged line; `line` is counted from 1.
    pub(crate) fn note(&mut self, line: usize, expected: &str, seen: &str) {
        if self.kept.len() >= KEPT {
            self.more = self.more.saturating_add(1);
            return;
        }
        self.kept.push(Damage {
            line,
            expected: expected.to_owned(),
            seen: seen.chars().take(80).collect(),
        });
    }

    /// The damage, with one last entry for what was only counted.
    pub(crate) fn finish(mut self) -> Vec<Damage> {
        if self.more > 0 {
            self.kept.push(Damage {
                line: 0,
                expected: "rows of the dump's format".to_owned(),
                seen: format!("{} more lines that are not", self.more),
            });
        }
        self.kept
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damage_beyond_the_bound_is_counted() {
        let mut log = DamageLog::default();
        for line in 1..=KEPT + 7 {
            log.note(line, "a row", "junk");
        }
        let damage = log.finish();
        assert_eq!(damage.len(), KEPT + 1);
        assert!(damage[KEPT].seen.starts_with("7 more"));
    }
}
