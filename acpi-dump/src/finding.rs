//! What is wrong with a table, beside the part of it that could be decoded.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

/// One piece of damage: where, what was expected, what was seen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// Byte offset in the table.
    pub offset: usize,
    /// What the rule asks for.
    pub expected: String,
    /// What the table holds.
    pub seen: String,
}

impl Finding {
    /// A finding at `offset`.
    pub fn new(offset: usize, expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self {
            offset,
            expected: expected.into(),
            seen: seen.into(),
        }
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "at {:#06x}: expected {}, seen {}",
            self.offset, self.expected, self.seen
        )
    }
}

/// A decoded value and the damage met on the way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decoded<T> {
    /// What could be decoded.
    pub value: T,
    /// What could not, and why.
    pub findings: Vec<Finding>,
}
