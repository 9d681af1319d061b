//! A rule that a file breaks, with the place.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// Where, what the rule asks for, what the file holds.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Damage {
    /// Short name of the rule, as `delid microcode verify` prints it: `intel-checksum`.
    pub rule: &'static str,
    /// Byte offset in the file.
    pub offset: usize,
    /// What the format asks for.
    pub expected: String,
    /// What the file holds.
    pub seen: String,
}

impl Damage {
    /// Damage at `offset`.
    pub fn new(offset: usize, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            rule: "format",
            offset,
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    /// The same, with the name of its rule.
    #[must_use]
    pub fn rule(self, rule: &'static str) -> Self {
        Self { rule, ..self }
    }
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:#x}: expected {}, seen {}",
            self.offset, self.expected, self.seen
        )
    }
}
