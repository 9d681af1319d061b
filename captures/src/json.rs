//! JSON Schema (2020-12) of what the rooms' commands print with `--json`. It stands here because every
//! command line uses this room.
//!
//! A schema names what may be there and forbids nothing: fields that are not known are left out,
//! and later versions may add fields and values.

use schemars::{JsonSchema, Schema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// Schema of a type as it is written, with all fields optional and enums open.
#[must_use]
pub fn schema<T: JsonSchema>() -> Schema {
    let mut schema = SchemaSettings::draft2020_12()
        .for_serialize()
        .into_generator()
        .into_root_schema_for::<T>();
    if let Some(object) = schema.as_object_mut() {
        open(object);
    }
    schema
}

/// Removes what would make a later version's document invalid.
fn open(object: &mut Map<String, Value>) {
    object.remove("required");
    object.remove("additionalProperties");
    if let Some(Value::Array(mut known)) = object.remove("oneOf") {
        known.push(Value::Bool(true));
        object.insert("anyOf".to_owned(), Value::Array(known));
    }
    if let Some(values) = object.remove("enum") {
        object.insert("examples".to_owned(), values);
    }
    for value in object.values_mut() {
        descend(value);
    }
}

fn descend(value: &mut Value) {
    match value {
        Value::Object(object) => open(object),
        Value::Array(list) => list.iter_mut().for_each(descend),
        _ => {}
    }
}
