//! Tests: the schema is the committed one, and shipped captures are written in its form.

use std::path::Path;

use captures::Source;
use serde_json::{Map, Value};

/// A structural check of a document against the parts of JSON Schema that are used here; fields
/// the schema does not name are errors, as it is made from the same types.
struct Check<'a> {
    root: &'a Value,
    errors: Vec<String>,
}

impl Check<'_> {
    fn at(&mut self, value: &Value, schema: &Value, path: &str) {
        let Value::Object(schema) = schema else { return };
        if let Some(target) = schema.get("$ref").and_then(Value::as_str) {
            let target = self.root.pointer(target.trim_start_matches('#')).unwrap().clone();
            return self.at(value, &target, path);
        }
        self.kind(value, schema, path);
        if let Some(Value::Array(known)) = schema.get("anyOf") {
            let fits = known.iter().any(|one| {
                let mut inner = Check {
                    root: self.root,
                    errors: Vec::new(),
                };
                inner.at(value, one, path);
                inner.errors.is_empty()
            });
            if !fits {
                self.errors.push(format!("{path}: fits nothing of anyOf"));
            }
        }
        match value {
            Value::Object(object) if schema.contains_key("properties") => {
                for (name, inner) in object {
                    match &schema["properties"].get(name) {
                        Some(known) => self.at(inner, known, &format!("{path}/{name}")),
                        None => self.errors.push(format!("{path}/{name}: not in the schema")),
                    }
                }
            }
            Value::Array(list) => {
                for (index, inner) in list.iter().enumerate() {
                    let known = schema
                        .get("prefixItems")
                        .and_then(|items| items.get(index))
                        .or_else(|| schema.get("items"));
                    if let Some(known) = known {
                        self.at(inner, known, &format!("{path}/{index}"));
                    }
                }
            }
            _ => {}
        }
    }

    fn kind(&mut self, value: &Value, schema: &Map<String, Value>, path: &str) {
        let is = |kind: &Value| match kind.as_str() {
            Some("object") => value.is_object(),
            Some("array") => value.is_array(),
            Some("string") => value.is_string(),
            Some("integer") => value.is_u64() || value.is_i64(),
            Some("number") => value.is_number(),
            Some("boolean") => value.is_boolean(),
            Some("null") => value.is_null(),
            _ => false,
        };
        let fits = match schema.get("type") {
            Some(Value::Array(kinds)) => kinds.iter().any(is),
            Some(kind) => is(kind),
            None => true,
        };
        if !fits {
            self.errors.push(format!("{path}: {value} is not {}", schema["type"]));
        }
    }
}

fn workspace() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn document(source: &Source) -> Value {
    let machine = crate::open(source);
    let report = crate::findings::judge(&machine);
    serde_json::to_value(crate::cli::document(&machine, &report)).unwrap()
}

#[test]
fn the_committed_schema_is_the_one_of_the_types() {
    let committed = std::fs::read_to_string(workspace().join("docs/schema/topo.json")).unwrap_or_default();
    assert!(
        committed == crate::cli::schema(),
        "write it anew: delid topo --json-schema > docs/schema/topo.json"
    );
}

#[test]
fn the_json_of_every_shipped_capture_has_the_form_of_the_schema() {
    let schema: Value = serde_json::from_str(&crate::cli::schema()).unwrap();
    let mut captures = 0;
    for entry in std::fs::read_dir(workspace().join("captures/machines")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|suffix| suffix == "zst") {
            captures += 1;
            let document = document(&Source::open(&[&path]).unwrap());
            let mut check = Check {
                root: &schema,
                errors: Vec::new(),
            };
            check.at(&document, &schema, "");
            assert_eq!(check.errors, Vec::<String>::new(), "{}", path.display());
            assert!(document.pointer("/machine/pci/functions/0").is_some());
        }
    }
    assert!(captures > 0);
}

#[test]
fn numbers_read_in_hexadecimal_are_padded_strings_and_unknown_fields_are_left_out() {
    let mut listing = crate::pci::text::parse(b"01:00.0 0108: 144d:a808\n").value.functions;
    let mut function = listing.pop().unwrap();
    function.revision = Some(1);
    function.serial = Some(0x11_2233);
    let value = serde_json::to_value(&function).unwrap();
    assert_eq!(value["vendor"], "0x144d");
    assert_eq!(value["class"], "0x010800");
    assert_eq!(value["revision"], "0x01");
    assert_eq!(value["serial"], "0x0000000000112233");
    assert!(value.get("driver").is_none() && value.get("os_names").is_none());
    let cpu = crate::sysfs::topology::Cpu {
        apic_id: Some(5),
        microcode: Some(0xa011),
        ..Default::default()
    };
    let value = serde_json::to_value(&cpu).unwrap();
    assert_eq!(
        (&value["apic_id"], &value["microcode"]),
        (&"0x00000005".into(), &"0x0000a011".into())
    );
}

#[test]
fn the_schema_requires_nothing_and_its_enums_are_open() {
    let text = crate::cli::schema();
    assert!(!text.contains("\"required\"") && !text.contains("\"oneOf\"") && !text.contains("\"enum\""));
}
