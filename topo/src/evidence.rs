//! What every parser of this crate returns: a value, and beside it the damage that was met.
//!
//! A parser takes bytes or text, never a file. It decodes what is intact and says what is not:
//! where (byte offset or line), what was expected, what was seen. Only an input that cannot be
//! started on at all is an `Err`.

use schemars::JsonSchema;
use serde::Serialize;

/// A place inside one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Place {
    /// Byte offset from the start of the input.
    Offset(u64),
    /// Line of a text, counted from 1.
    Line(u64),
    /// The input as a whole.
    Whole,
}

/// One broken piece of an input; the rest of the input was still decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Damage {
    /// The structure that is broken, in the field's terms ("type 17 structure, handle 0x0041").
    pub what: String,
    /// Where in the input.
    pub place: Place,
    /// What should have stood there.
    pub expected: String,
    /// What stood there.
    pub seen: String,
}

/// A decoded value with the damage met on the way.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Decoded<T> {
    /// What could be decoded.
    pub value: T,
    /// What could not, in the order of the input.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<Damage>,
}

impl<T> Decoded<T> {
    /// An intact value.
    pub const fn intact(value: T) -> Self {
        Self {
            value,
            damage: Vec::new(),
        }
    }
}
