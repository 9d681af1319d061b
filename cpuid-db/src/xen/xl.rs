//! What xl 4.20 does with `cpuid=` of a configuration: splits it, hands the pieces to libxl, prints what
//! libxl refuses, and goes on.

use crate::xen::config::CpuidConfig;
use crate::xen::domain::{Domain, DomainType};
use crate::xen::features::Features;
use crate::xen::libxl::{self, FlagError, Target};
use crate::xen::xend::{self, Line, LineError};
use crate::xen::xlcfg::{Config, Text, Value};

/// Why a piece was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Problem {
    /// The first word of the string is not `host`: nothing of it is taken.
    NotHost,
    /// A `key=value`.
    Flag(FlagError),
    /// A line of the list form.
    Line(LineError),
}

/// A piece of the value: the string's first word, a `key=value` or a line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Piece {
    /// As written.
    pub text: String,
    /// Byte of the file, of the piece or of what is wrong in it.
    pub at: usize,
    /// Byte of the file where the value of a `key=value` stands, or where a line begins.
    pub value_at: usize,
    /// What it is.
    pub kind: PieceKind,
    /// Why it was not taken.
    pub problem: Option<Problem>,
}

/// What a piece is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PieceKind {
    /// The first word of the string form.
    Base,
    /// A `key=value`, and what the key stands for.
    Flag(Option<Target>),
    /// A line of the list form.
    Line(Line),
}

/// What comes of a value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// What libxl is asked for.
    pub config: CpuidConfig,
    /// The pieces, in order.
    pub pieces: Vec<Piece>,
    /// Lines xl prints.
    pub messages: Vec<String>,
    /// Byte of the file of a list item that is a list itself: xl stops there without a word.
    pub stopped: bool,
}

/// Does what xl does with the value.
#[must_use]
pub fn apply(features: &Features, value: &Value) -> Outcome {
    let mut out = Outcome::default();
    match value {
        Value::Text(text) => string(features, text, &mut out),
        Value::List(items) => {
            for item in items {
                let Value::Text(text) = item else {
                    out.stopped = true;
                    break;
                };
                line(text, &mut out);
            }
        }
    }
    out
}

/// The guest a whole configuration asks for, and what came of its `cpuid=`; an `Err` is a type that xl
/// refuses.
pub fn domain(features: &Features, config: &Config) -> Result<(Domain, Outcome), String> {
    let text = |name: &str| config.text(name).map(|text| text.value.as_str());
    let flag = |name: &str| config.number(name).map(|number| number != 0);
    let refused = |name: &str| format!("Invalid domain type {name}.");
    let kind = match (text("type"), text("builder")) {
        (Some(name), _) => DomainType::read(name).ok_or_else(|| refused(name))?,
        (None, Some(name)) if "hvm".starts_with(name) => DomainType::Hvm,
        (None, Some(name)) if "generic".starts_with(name) => DomainType::Pv,
        (None, Some(name)) => return Err(refused(name)),
        (None, None) => DomainType::Pv,
    };
    let emulated =
        text("tsc_mode").is_some_and(|mode| mode == "always_emulate") || config.number("tsc_mode") == Some(1);
    let outcome = config
        .get("cpuid")
        .map(|setting| apply(features, &setting.value))
        .unwrap_or_default();
    let domain = Domain {
        kind,
        nested: flag("nestedhvm").unwrap_or(false),
        hap: flag("hap").unwrap_or(true),
        pae: flag("pae").unwrap_or(true),
        itsc: emulated || flag("nomigrate").unwrap_or(false),
        cpuid: outcome.config.clone(),
    };
    Ok((domain, outcome))
}

/// Does what xl does with a string, as if it stood in a file from its byte 0 on.
#[must_use]
pub fn apply_string(features: &Features, text: &str) -> Outcome {
    apply(features, &Value::Text(Text::plain(text, 0)))
}

fn string(features: &Features, text: &Text, out: &mut Outcome) {
    let mut start = 0_usize;
    let mut words = Vec::new();
    for word in text.value.split(',') {
        if !word.is_empty() {
            words.push((start, word));
        }
        start = start.saturating_add(word.len()).saturating_add(1);
    }
    let mut words = words.into_iter();
    let Some((start, base)) = words.next() else { return };
    let problem = (base != "host").then_some(Problem::NotHost);
    out.pieces.push(Piece {
        text: base.to_owned(),
        at: text.place(start),
        value_at: text.place(start),
        kind: PieceKind::Base,
        problem,
    });
    if problem.is_some() {
        out.messages
            .push(format!("while parsing CPUID string: \"{}\":", text.value));
        out.messages.push("  error: first word must be \"host\"".to_owned());
        return;
    }
    for (start, word) in words {
        flag(features, text, start, word, out);
    }
}

fn flag(features: &Features, text: &Text, start: usize, word: &str, out: &mut Outcome) {
    let result = libxl::parse_flag(features, &mut out.config, word);
    let key = word.split('=').next().unwrap_or_default();
    let target = result.ok().or_else(|| libxl::target(features, key));
    let value = start.saturating_add(key.len()).saturating_add(1);
    let error = result.err();
    if let Some(error) = error {
        out.messages.push(format!("while parsing CPUID flag: \"{word}\":"));
        out.messages.push(format!("  error #{}: {error}", error.number()));
    }
    out.pieces.push(Piece {
        text: word.to_owned(),
        at: text.place(start),
        value_at: text.place(value),
        kind: PieceKind::Flag(target),
        problem: error.map(Problem::Flag),
    });
}

fn line(text: &Text, out: &mut Outcome) {
    let line = xend::parse_line(&mut out.config, &text.value);
    let mut at = text.place(0);
    if let Some((error, offset)) = line.error {
        out.messages
            .push(format!("while parsing CPUID line: \"{}\":", text.value));
        out.messages.push(format!("  error #{}: {error}", error.number()));
        at = text.place(offset);
    }
    out.pieces.push(Piece {
        text: text.value.clone(),
        at,
        value_at: text.place(0),
        problem: line.error.map(|(error, _)| Problem::Line(error)),
        kind: PieceKind::Line(line),
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::database::Database;

    #[test]
    fn empty_words_are_skipped_and_the_first_must_be_host() {
        let features = Features::of(&Database::builtin());
        let outcome = apply_string(&features, ",,host,,aes=0,");
        assert!(outcome.messages.is_empty());
        assert_eq!(outcome.config.cpuid.len(), 1);
        assert_eq!(outcome.pieces[1].at, 8);
        for (text, messages) in [("", 0), (",", 0), ("host ,aes=0", 2), ("host, aes=0", 2)] {
            let outcome = apply_string(&features, text);
            assert_eq!(outcome.messages.len(), messages, "{text:?}");
            assert!(outcome.config.is_empty());
        }
    }
}
