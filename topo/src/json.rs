//! How the model is written as JSON: numbers that are read in hexadecimal as strings of full
//! width, and the JSON Schema of what `delid topo --json` prints (JSON Schema 2020-12).
//!
//! The rules of the schema are those of [`captures::json`].

use std::fmt::LowerHex;

use schemars::JsonSchema;
use serde::Serializer;

/// A known number as `0x` and all digits its type has.
#[expect(clippy::ref_option, reason = "the signature serde asks for")]
pub(crate) fn hex<T: LowerHex, S: Serializer>(value: &Option<T>, serializer: S) -> Result<S::Ok, S::Error> {
    let width = size_of::<T>().saturating_mul(2).saturating_add(2);
    match value {
        Some(value) => serializer.collect_str(&format_args!("{value:#0width$x}")),
        None => serializer.serialize_none(),
    }
}

/// A 32-bit word as `0x` and eight digits.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(crate) fn word<S: Serializer>(value: &u32, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#010x}"))
}

/// An address as `0x` and sixteen digits.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "the signature serde asks for")]
pub(crate) fn address<S: Serializer>(value: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&format_args!("{value:#018x}"))
}

/// Gives a type that is written as a string its schema.
macro_rules! string_schema {
    ($type:ty, $description:literal) => {
        impl JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", "description": $description })
            }
        }
    };
}
pub(crate) use captures::json::schema;
pub(crate) use string_schema;

/// Shape of [`captures::Gap`].
#[derive(JsonSchema)]
#[schemars(rename = "Gap")]
#[expect(dead_code, reason = "only its schema is used")]
pub(crate) struct GapShape {
    /// What is missing, in the field's terms.
    what: String,
    /// Why.
    why: String,
    /// How to get it, where there is a way.
    how: Option<String>,
}

#[cfg(test)]
mod tests;
