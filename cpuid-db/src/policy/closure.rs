//! Features that cannot be without another: what goes when something is missing, and because of what.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bits::{Bit, Words};
use crate::database::Database;

/// Whose table of dependencies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Requirements {
    /// Column `requires`: what the manuals and Linux say, too.
    #[default]
    All,
    /// Column `requires_xen`: Xen's own.
    Xen,
}

/// A feature that a missing one took along.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Removed {
    /// The feature.
    pub bit: Bit,
    /// Our name of it.
    pub id: &'static str,
    /// What it needs, what that needs, and so on; the last was missing from the start.
    pub because: Vec<&'static str>,
}

/// A feature and our name of it.
type Named = (Bit, &'static str);

/// Every feature with what it needs.
pub(crate) struct Needs(Vec<(Named, Vec<Named>)>);

impl Needs {
    pub(crate) fn of(db: &Database, which: Requirements) -> Self {
        let list = |field: &'static crate::Field| match which {
            Requirements::All => field.requires,
            Requirements::Xen => field.requires_xen,
        };
        let needs = db.fields().filter(|field| !list(field).is_empty()).filter_map(|field| {
            let needed = list(field)
                .iter()
                .filter_map(|id| Some((db.by_id(id)?.bit()?, *id)))
                .collect();
            Some(((field.bit()?, field.id), needed))
        });
        Self(needs.collect())
    }

    /// Takes out of `words` what lacks something it needs. `gone` knows the reasons of what was taken
    /// out before; what goes now is added.
    pub(crate) fn close(&self, words: &mut Words, gone: &mut BTreeMap<Bit, Vec<&'static str>>) -> Vec<Removed> {
        let mut removed = Vec::new();
        loop {
            let before = removed.len();
            for ((bit, id), needed) in &self.0 {
                if !words.has(*bit) {
                    continue;
                }
                let Some((missing, missing_id)) = needed.iter().find(|(needed, _)| !words.has(*needed)) else {
                    continue;
                };
                let mut because = vec![*missing_id];
                because.extend(gone.get(missing).into_iter().flatten());
                words.set(*bit, false);
                gone.insert(*bit, because.clone());
                removed.push(Removed { bit: *bit, id, because });
            }
            if removed.len() == before {
                return removed;
            }
        }
    }
}

/// What of `words` lacks something it needs, in the order of its going.
///
/// ```
/// use cpuid_db::{Database, Words, policy};
/// let db = Database::builtin();
/// let bit = |id| db.by_id(id).and_then(cpuid_db::Field::bit).unwrap();
/// let words = Words::from_iter(["avx2", "avx512f"].map(bit));
/// let removed = policy::closure(&db, &words, policy::Requirements::All);
/// assert_eq!(removed[0].id, "avx2");
/// assert_eq!(removed[1].because, ["avx2", "avx"]);
/// ```
#[must_use]
pub fn closure(db: &Database, words: &Words, which: Requirements) -> Vec<Removed> {
    Needs::of(db, which).close(&mut words.clone(), &mut BTreeMap::new())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(id: &str) -> Bit {
        Database::builtin().by_id(id).and_then(crate::Field::bit).unwrap()
    }

    #[test]
    fn what_has_all_it_needs_stays() {
        let words = Words::from_iter(["fxsr", "fpu", "sse", "sse2", "pni", "ssse3"].map(bit));
        assert_eq!(closure(&Database::builtin(), &words, Requirements::All), []);
    }

    #[test]
    fn a_chain_ends_with_what_was_missing_from_the_start() {
        let words = Words::from_iter(["sse2", "pni", "ssse3"].map(bit));
        let removed = closure(&Database::builtin(), &words, Requirements::Xen);
        let ssse3 = removed.iter().find(|removed| removed.id == "ssse3").unwrap();
        assert_eq!(ssse3.because.first(), Some(&"pni"));
        assert_eq!(ssse3.because.get(1), Some(&"sse2"));
        assert!(!["ssse3", "pni", "sse2"].contains(ssse3.because.last().unwrap()));
    }
}
