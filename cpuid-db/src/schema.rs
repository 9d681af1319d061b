//! JSON Schema of types that are written in a way of their own.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::bits::{Bit, Word};
use crate::decode::Row;
use crate::find::Found;
use crate::identity::Signature;
use crate::leaf::Leaf;
use crate::leafset::CpuLeaves;

macro_rules! string_schema {
    ($($type:ty: $description:literal),+ $(,)?) => {$(
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({ "type": "string", "description": $description })
            }
        }
    )+};
}

string_schema! {
    Leaf: "0x and 8 digits",
    Signature: "0x and 8 digits",
    Word: "leaf, subleaf and register in hexadecimal: 7.0.ebx; half of an MSR: msr10a.eax",
    Bit: "a word and the number of a bit: 7.0.ebx[5]",
}

impl JsonSchema for CpuLeaves {
    fn schema_name() -> Cow<'static, str> {
        "CpuLeaves".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "number": { "type": "integer" },
                "rows": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "properties": {
                            "leaf": { "type": "string" },
                            "subleaf": { "type": "integer" },
                            "eax": { "type": "string" },
                            "ebx": { "type": "string" },
                            "ecx": { "type": "string" },
                            "edx": { "type": "string" }
                        }
                    }
                }
            }
        })
    }
}

impl JsonSchema for Row {
    fn schema_name() -> Cow<'static, str> {
        "Row".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "object", "description": "a row with its registers, fields and reserved bits" })
    }
}

impl JsonSchema for Found {
    fn schema_name() -> Cow<'static, str> {
        "Found".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "object",
            "properties": {
                "match": { "type": "string", "description": "how the name was found" },
                "id": { "type": "string", "description": "our own name" },
                "place": { "type": "string", "description": "where it stands: 7.0.ebx[5]" },
                "name": { "type": "string", "description": "the name that was found" },
                "dialects": { "type": "array", "items": { "type": "string" } },
                "names": { "type": "object", "description": "all names, by dialect" },
                "description": { "type": "string" }
            }
        })
    }
}
