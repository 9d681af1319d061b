//! What is wrong with an input: where, what was expected, what was seen.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// A rule of a format that an input breaks; the rest of the input was still read.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Damage {
    /// Short name of the rule: `elf-note`, `kdump-page`.
    pub rule: &'static str,
    /// Where it stands: a byte offset in the file, or an address of the guest when `place` says so.
    pub offset: u64,
    /// What `offset` counts in.
    pub place: Place,
    /// What the format asks for.
    pub expected: String,
    /// What is there.
    pub seen: String,
}

/// What an offset counts in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// Bytes of the file.
    File,
    /// Physical memory of the guest.
    Physical,
    /// Virtual memory of the guest.
    Virtual,
}

impl Damage {
    /// Damage of the file at `offset`.
    pub fn file(rule: &'static str, offset: u64, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            rule,
            offset,
            place: Place::File,
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// The same, in another place.
    #[must_use]
    pub fn at(self, place: Place) -> Self {
        Self { place, ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let place = match self.place {
            Place::File => "",
            Place::Physical => "physical ",
            Place::Virtual => "virtual ",
        };
        write!(
            f,
            "at {place}{:#x}: expected {}, seen {} ({})",
            self.offset, self.expected, self.seen, self.rule
        )
    }
}
