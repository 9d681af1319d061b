//! A feature by a name of any dialect: as written, then in other spellings, then as part of a name or
//! of a description.
//!
//! ```
//! use cpuid_db::{Database, find};
//! let found = find::find(&Database::builtin(), "ssb-no", None);
//! assert_eq!(find::meanings(&found), 2, "QEMU's and Xen's are different bits");
//! ```

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use crate::bits::Word;
use crate::database::{Database, Field, Kind};
use crate::dialect::Dialect;
use crate::explain;
use crate::leaf::Subleaf;

/// How a field was found; the closest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Match {
    /// By its place (`7.0.ebx[5]`).
    Place,
    /// By a name as written.
    Exact,
    /// By a name spelled with other dashes, dots or capitals.
    Spelling,
    /// By the beginning of a name.
    Prefix,
    /// By a part of a name.
    Part,
    /// By its description.
    Description,
}

/// A field that was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// How.
    pub how: Match,
    /// Its row of the table.
    pub field: &'static Field,
    /// The name that matched; our own when it was not found by a name.
    pub name: &'static str,
    /// Dialects in which it matched; empty for our own name alone.
    pub dialects: Vec<Dialect>,
}

impl Found {
    /// `7.0.ebx[5]`, `1.0.ebx[15:8]`.
    #[must_use]
    pub fn place(&self) -> String {
        let field = self.field;
        let word: Word = field.word(Subleaf(field.subleaves.0));
        if field.low == field.high {
            format!("{word}[{}]", field.low)
        } else {
            format!("{word}[{}:{}]", field.high, field.low)
        }
    }

    /// Names in the dialects, as `qemu/libvirt pclmuldq, xen pclmulqdq`.
    #[must_use]
    pub fn names(&self) -> String {
        let mut by_name: Vec<(&str, Vec<&str>)> = Vec::new();
        for dialect in Dialect::ALL {
            for &name in self.field.names(dialect) {
                match by_name.iter_mut().find(|(known, _)| *known == name) {
                    Some((_, dialects)) => dialects.push(dialect.name()),
                    None => by_name.push((name, vec![dialect.name()])),
                }
            }
        }
        let parts: Vec<String> = by_name
            .into_iter()
            .map(|(name, dialects)| format!("{} {name}", dialects.join("/")))
            .collect();
        parts.join(", ")
    }
}

impl Serialize for Found {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let field = self.field;
        let mut out = serializer.serialize_struct("Found", 7)?;
        out.serialize_field("match", &self.how)?;
        out.serialize_field("id", field.id)?;
        out.serialize_field("place", &self.place())?;
        out.serialize_field("name", self.name)?;
        out.serialize_field("dialects", &self.dialects)?;
        let names: Vec<(Dialect, &[&str])> = Dialect::ALL
            .into_iter()
            .map(|dialect| (dialect, field.names(dialect)))
            .filter(|(_, names)| !names.is_empty())
            .collect();
        let names: std::collections::BTreeMap<_, _> = names.into_iter().collect();
        out.serialize_field("names", &names)?;
        out.serialize_field("description", field.description)?;
        out.end()
    }
}

/// Without dashes, dots, underscores and capitals; `X86_FEATURE_AVX2` is `avx2`.
fn plain(name: &str) -> String {
    let name = name.strip_prefix("X86_FEATURE_").unwrap_or(name);
    name.chars()
        .filter(|letter| !matches!(letter, '-' | '_' | '.' | ' '))
        .flat_map(char::to_lowercase)
        .collect()
}

/// Fields by a name of a dialect, or of any; the closest first, then by place. Descriptions are looked
/// at only when no name is or begins so.
#[must_use]
pub fn find(database: &Database, query: &str, dialect: Option<Dialect>) -> Vec<Found> {
    let query = query.trim();
    let wanted = plain(query);
    if wanted.is_empty() {
        return Vec::new();
    }
    let mut found = by_place(database, query);
    if !found.is_empty() {
        return found;
    }
    for field in database.fields().filter(|field| field.kind != Kind::Reserved) {
        found.extend(by_name(field, query, &wanted, dialect));
    }
    if found.iter().all(|found| found.how > Match::Spelling) {
        let words: Vec<String> = query.split_whitespace().map(str::to_lowercase).collect();
        let met: Vec<&str> = found.iter().map(|found| found.field.id).collect();
        let described = database.fields().filter(|field| {
            let text = field.description.to_lowercase();
            !met.contains(&field.id) && words.iter().all(|word| text.contains(word.as_str()))
        });
        let described: Vec<Found> = described
            .map(|field| Found {
                how: Match::Description,
                field,
                name: field.id,
                dialects: Vec::new(),
            })
            .collect();
        found.extend(described);
    }
    found.sort_by_key(|found| {
        let field = found.field;
        (found.how, field.place, field.subleaves, field.register, field.low)
    });
    found
}

/// `7.0.ebx[5]`, or all of `7.0.ebx`.
fn by_place(database: &Database, query: &str) -> Vec<Found> {
    let is_place = query.contains(".e") || query.starts_with("msr");
    let Some(asked) = is_place.then(|| explain::parse(query).ok()).flatten() else {
        return Vec::new();
    };
    let of = |asked: &explain::Asked| {
        let bit = asked.bit;
        database
            .of_word(asked.word, crate::database::Vendors::ANY)
            .filter(move |field| bit.is_none_or(|bit| (field.low..=field.high).contains(&bit)))
            .map(|field| Found {
                how: Match::Place,
                field,
                name: field.id,
                dialects: Vec::new(),
            })
            .collect::<Vec<_>>()
    };
    asked.iter().flat_map(of).collect()
}

/// The closest way a name of a field matches, with all dialects in which it does so.
fn by_name(field: &'static Field, query: &str, wanted: &str, dialect: Option<Dialect>) -> Option<Found> {
    let own = dialect.is_none().then_some((None, field.id));
    let others = Dialect::ALL
        .into_iter()
        .filter(|&each| {
            // libxl knows Xen's names too.
            dialect.is_none_or(|dialect| dialect == each || (dialect, each) == (Dialect::Libxl, Dialect::Xen))
        })
        .flat_map(|each| field.names(each).iter().map(move |&name| (Some(each), name)));
    let mut best: Option<Found> = None;
    for (dialect, name) in own.into_iter().chain(others) {
        let Some(how) = compare(name, query, wanted) else {
            continue;
        };
        match &mut best {
            Some(best) if best.how < how => {}
            Some(best) if best.how == how => best.dialects.extend(dialect),
            _ => {
                best = Some(Found {
                    how,
                    field,
                    name,
                    dialects: dialect.into_iter().collect(),
                });
            }
        }
    }
    if let Some(best) = &mut best {
        best.dialects.dedup();
    }
    best
}

fn compare(name: &str, query: &str, wanted: &str) -> Option<Match> {
    if name == query {
        return Some(Match::Exact);
    }
    let name = plain(name);
    if name == wanted {
        Some(Match::Spelling)
    } else if name.starts_with(wanted) {
        Some(Match::Prefix)
    } else if wanted.len() > 2 && name.contains(wanted) {
        Some(Match::Part)
    } else {
        None
    }
}

/// How many different bits the name asked for stands for: more than one is an ambiguous name.
#[must_use]
pub fn meanings(found: &[Found]) -> usize {
    let mut places: Vec<_> = found
        .iter()
        .filter(|found| matches!(found.how, Match::Exact | Match::Spelling))
        .map(|found| {
            let field = found.field;
            (field.place, field.subleaves.0, field.register, field.low, field.high)
        })
        .collect();
    places.sort_unstable();
    places.dedup();
    places.len()
}

/// Writes what was found: fields of the name in full, others one a line, at most `limit` of them.
///
/// # Errors
/// What writing to `out` returns.
pub fn write_text(query: &str, found: &[Found], limit: usize, out: &mut dyn fmt::Write) -> fmt::Result {
    if found.is_empty() {
        return writeln!(out, "no name or description has {query:?}");
    }
    let (close, far): (Vec<&Found>, Vec<&Found>) = found.iter().partition(|found| found.how <= Match::Spelling);
    let different = meanings(found);
    if different > 1 {
        writeln!(out, "{query} stands for {different} different bits or fields:\n")?;
    }
    for found in &close {
        writeln!(out, "{}  {}{}", found.place(), found.field.id, spoken(found))?;
        if !found.field.description.is_empty() {
            writeln!(out, "    {}", found.field.description)?;
        }
        let names = found.names();
        if !names.is_empty() {
            writeln!(out, "    {names}")?;
        }
    }
    if far.is_empty() {
        return Ok(());
    }
    if !close.is_empty() {
        writeln!(out, "\nsimilar:")?;
    }
    let place = far
        .iter()
        .take(limit)
        .map(|found| found.place().len())
        .max()
        .unwrap_or(0);
    let id = far
        .iter()
        .take(limit)
        .map(|found| found.field.id.len())
        .max()
        .unwrap_or(0);
    for found in far.iter().take(limit) {
        let line = format!(
            "{:place$}  {:id$}  {}",
            found.place(),
            found.field.id,
            found.field.description
        );
        writeln!(out, "{}", line.trim_end())?;
    }
    if far.len() > limit {
        writeln!(out, "and {} more", far.len().saturating_sub(limit))?;
    }
    Ok(())
}

/// ` (qemu, libvirt: ssb-no)`: who calls it so, when that is not everybody.
fn spoken(found: &Found) -> String {
    if found.dialects.is_empty() || found.how == Match::Place {
        return String::new();
    }
    let who: Vec<&str> = found.dialects.iter().map(|dialect| dialect.name()).collect();
    format!("  ({}: {})", who.join(", "), found.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(query: &str, dialect: Option<Dialect>, how: Match) -> Vec<&'static str> {
        find(&Database::builtin(), query, dialect)
            .into_iter()
            .filter(|found| found.how == how)
            .map(|found| found.field.id)
            .collect()
    }

    fn text(query: &str) -> String {
        let mut out = String::new();
        let found = find(&Database::builtin(), query, None);
        write_text(query, &found, 20, &mut out).unwrap();
        out
    }

    #[test]
    fn a_name_of_any_dialect_finds_the_bit() {
        assert_eq!(ids("pclmuldq", None, Match::Exact), ["pclmulqdq"]);
        assert_eq!(ids("eist", None, Match::Exact), ["est"]);
        assert_eq!(ids("eist", Some(Dialect::Qemu), Match::Exact), [""; 0]);
        assert_eq!(ids("cmpxchg16", Some(Dialect::Libxl), Match::Exact), ["cx16"]);
        assert_eq!(ids("page1gb", Some(Dialect::Libxl), Match::Exact), ["pdpe1gb"]);
    }

    #[test]
    fn other_spellings_find_it_too() {
        for query in ["SSE4.1", "sse4_1", "Sse4-1", "SSE41"] {
            let found = find(&Database::builtin(), query, None);
            assert_eq!(found.first().map(|found| found.field.id), Some("sse4_1"), "{query}");
        }
        assert_eq!(ids("X86_FEATURE_AVX512F", None, Match::Spelling), ["avx512f"]);
    }

    #[test]
    fn a_name_of_two_bits_is_told_with_who_means_which() {
        let drawn = text("ssb-no");
        assert!(
            drawn.starts_with("ssb-no stands for 2 different bits or fields:"),
            "{drawn}"
        );
        let line = |place: &str| drawn.lines().find(|line| line.starts_with(place)).unwrap().to_owned();
        assert!(line("msr10a.eax[4]").contains("(qemu, libvirt: ssb-no)"), "{drawn}");
        assert!(line("80000008.0.ebx[26]").contains("(xen: ssb-no)"), "{drawn}");
        let qemu = find(&Database::builtin(), "ssb-no", Some(Dialect::Qemu));
        assert_eq!(meanings(&qemu), 1);
        assert_eq!(
            meanings(&find(&Database::builtin(), "kvmclock", Some(Dialect::Qemu))),
            2
        );
    }

    #[test]
    fn parts_of_names_come_behind_the_name() {
        let found = find(&Database::builtin(), "stibp", None);
        assert!(found.iter().take_while(|found| found.how <= Match::Spelling).count() >= 1);
        assert!(
            found
                .iter()
                .any(|found| found.how > Match::Spelling && found.field.id.starts_with("amd_stibp"))
        );
        assert!(found.is_sorted_by_key(|found| found.how));
    }

    #[test]
    fn descriptions_are_looked_at_last() {
        let found = find(&Database::builtin(), "half-precision", None);
        assert!(
            found
                .iter()
                .any(|found| found.field.id == "f16c" && found.how == Match::Description)
        );
        assert!(find(&Database::builtin(), "no such thing at all", None).is_empty());
        assert!(find(&Database::builtin(), " - ", None).is_empty());
    }

    #[test]
    fn a_place_finds_what_stands_there() {
        let found = find(&Database::builtin(), "7.0.ebx[5]", None);
        assert_eq!(
            (found.len(), found[0].field.id, found[0].how),
            (1, "avx2", Match::Place)
        );
    }

    #[test]
    fn json_tells_how_and_where() {
        let found = find(&Database::builtin(), "avx2", None);
        let json = serde_json::to_value(&found[0]).unwrap();
        assert_eq!(
            (json["match"].as_str(), json["place"].as_str()),
            (Some("exact"), Some("7.0.ebx[5]"))
        );
        assert_eq!(json["names"]["xen"][0], "avx2");
    }
}
