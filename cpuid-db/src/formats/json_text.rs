//! What the readers of JSON share: numbers written as text, the place of a mistake, and what can be
//! kept of a text that is cut or broken.

use serde::de::{Deserialize, DeserializeOwned, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use super::scan;
use crate::damage::DamageLog;

/// Longest JSON text that is read: a dump of 300 CPUs has 4 MB.
const LENGTH_LIMIT: usize = 48 << 20;

/// A number, as JSON number or as text (decimal, or hexadecimal behind `0x`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Number {
    /// Its value.
    Value(u64),
    /// What stood there instead.
    Other(String),
}

impl Number {
    /// Its value, when it has at most 32 bits.
    pub(crate) fn word(&self) -> Result<u32, String> {
        match self {
            Self::Value(value) => u32::try_from(*value).map_err(|_| format!("{value:#x}")),
            Self::Other(text) => Err(text.clone()),
        }
    }

    /// Its value.
    pub(crate) fn wide(&self) -> Result<u64, String> {
        match self {
            Self::Value(value) => Ok(*value),
            Self::Other(text) => Err(text.clone()),
        }
    }
}

impl Default for Number {
    fn default() -> Self {
        Self::Other("nothing".to_owned())
    }
}

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberVisitor)
    }
}

struct NumberVisitor;

impl<'de> Visitor<'de> for NumberVisitor {
    type Value = Number;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a number")
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Number, E> {
        Ok(Number::Value(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Number, E> {
        Ok(Number::Other(value.to_string()))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Number, E> {
        Ok(Number::Other(value.to_string()))
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Number, E> {
        Ok(Number::Other(value.to_string()))
    }

    fn visit_unit<E: Error>(self) -> Result<Number, E> {
        Ok(Number::Other("null".to_owned()))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Number, E> {
        let other = || Number::Other(text.chars().take(80).collect());
        Ok(scan::number(text).map_or_else(other, Number::Value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Number, A::Error> {
        while list.next_element::<IgnoredAny>()?.is_some() {}
        Ok(Number::Other("[".to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(Number::Other("{".to_owned()))
    }
}

/// Line of the first place where `seen` stands within quotes; 0 when it does not.
pub(crate) fn line_of_text(text: &str, seen: &str) -> usize {
    let quoted = text
        .match_indices(seen)
        .find(|(at, _)| at.checked_sub(1).and_then(|at| text.as_bytes().get(at)) == Some(&b'"'));
    quoted
        .or_else(|| text.match_indices(seen).next().filter(|_| !seen.is_empty()))
        .map_or(0, |(at, _)| scan::line_of(text, at))
}

/// The part of a text that is JSON: from the first line that begins with `{`, behind what a log or a
/// command wrote before it.
fn object(text: &str) -> (usize, &str) {
    let mut at = 0_usize;
    for line in text.split_inclusive('\n') {
        if line.trim_start().starts_with('{') {
            return (at, text.get(at..).unwrap_or_default());
        }
        at = at.saturating_add(line.len());
    }
    (0, text)
}

/// Reads one object of the text; where it is broken, notes it and gives nothing.
pub(crate) fn read_whole<T: DeserializeOwned>(text: &str, damage: &mut DamageLog) -> Option<T> {
    attempt(text, damage).ok()
}

/// Reads one object of the text; where it is broken, notes it and gives what stands before that place.
pub(crate) fn read<T: DeserializeOwned>(text: &str, damage: &mut DamageLog) -> Option<T> {
    match attempt(text, damage) {
        Ok(value) => Some(value),
        Err(Some((object, error))) => first::<T>(&mend(object, &error)?).ok(),
        Err(None) => None,
    }
}

/// The object, or the text of the object and the mistake in it.
fn attempt<'a, T: DeserializeOwned>(
    text: &'a str,
    damage: &mut DamageLog,
) -> Result<T, Option<(&'a str, serde_json::Error)>> {
    if text.len() > LENGTH_LIMIT {
        let seen = format!("{} bytes", text.len());
        damage.note(0, &format!("JSON of at most {LENGTH_LIMIT} bytes"), &seen);
        return Err(None);
    }
    let (start, object) = object(text);
    first::<T>(object).map_err(|error| {
        let before = scan::line_of(text, start).saturating_sub(1);
        damage.note(before.saturating_add(error.line()), "JSON", &message(&error));
        Some((object, error))
    })
}

/// The first value; what follows it is passed over.
fn first<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<T>();
    values
        .next()
        .unwrap_or_else(|| Err(serde_json::Error::custom("no value")))
}

/// The error in words, without its place.
fn message(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split_once(" at line ")
        .map_or(text.clone(), |(words, _)| words.to_owned())
}

/// The text up to the last object or list that ends before the mistake, with what is open there closed.
fn mend(text: &str, error: &serde_json::Error) -> Option<String> {
    let broken = offset(text, error.line(), error.column());
    let mut open: Vec<char> = Vec::new();
    let mut kept: Option<(usize, Vec<char>)> = None;
    let (mut in_text, mut escaped) = (false, false);
    for (at, &byte) in text.as_bytes().iter().enumerate().take(broken) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_text => escaped = true,
            b'"' => in_text = !in_text,
            _ if in_text => {}
            b'{' => open.push('}'),
            b'[' => open.push(']'),
            b'}' | b']' => {
                if open.pop() != Some(char::from(byte)) {
                    break;
                }
                // an object that ends where the mistake was seen may be the mistake
                if at.saturating_add(1) < broken {
                    kept = Some((at, open.clone()));
                }
            }
            _ => {}
        }
        if open.len() > 16 {
            break;
        }
    }
    let (at, open) = kept?;
    let mut mended = text.get(..=at)?.to_owned();
    mended.extend(open.iter().rev());
    Some(mended)
}

/// Byte of a line and column as serde_json counts them.
fn offset(text: &str, line: usize, column: usize) -> usize {
    let before: usize = text
        .split_inclusive('\n')
        .take(line.saturating_sub(1))
        .map(str::len)
        .fold(0, usize::saturating_add);
    before.saturating_add(column).min(text.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(text: &str) -> (Option<Vec<Number>>, usize) {
        #[derive(serde::Deserialize)]
        struct Outer {
            list: Vec<Inner>,
        }
        #[derive(serde::Deserialize)]
        struct Inner {
            n: Number,
        }
        let mut damage = DamageLog::default();
        let read: Option<Outer> = read(text, &mut damage);
        let list = read.map(|outer| outer.list.into_iter().map(|inner| inner.n).collect());
        (list, damage.finish().len())
    }

    #[test]
    fn numbers_are_numbers_or_text() {
        let (list, damage) = numbers(r#"{"list": [{"n": 5}, {"n": "0x1f"}, {"n": "zz"}, {"n": [{}]}]}"#);
        assert_eq!(damage, 0);
        let list = list.unwrap();
        assert_eq!(list[1], Number::Value(31));
        assert_eq!(list[2].word(), Err("zz".to_owned()));
        assert_eq!(list.len(), 4);
    }

    #[test]
    fn what_stands_before_a_cut_is_kept() {
        let text = "{\"list\": [\n{\"n\": 1},\n{\"n\": 2},\n{\"n\"";
        let (list, damage) = numbers(text);
        assert_eq!(list.unwrap().len(), 2);
        assert_eq!(damage, 1);
    }

    #[test]
    fn text_before_and_behind_the_object_is_passed_over() {
        let (list, damage) = numbers("$ delid\n{\"list\": [{\"n\": 1}]}\nok } ]\n");
        assert_eq!(list.unwrap().len(), 1);
        assert_eq!(damage, 0);
    }

    #[test]
    fn a_text_without_json_gives_nothing() {
        assert_eq!(numbers("hello").0, None);
        assert_eq!(numbers("").0, None);
        assert_eq!(numbers("}").0, None);
    }
}
