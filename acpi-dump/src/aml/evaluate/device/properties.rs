//! `_DSD`: properties by key. ACPI 6.5, section 6.2.5, and the _DSD guide of the UEFI Forum.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Value;
use super::wrong;

/// Key and value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Property {
    /// The key.
    pub key: String,
    /// The value; in hierarchical data the name or path of the object with the properties below.
    pub value: Value,
}

/// What stands behind one UUID.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Section {
    /// The UUID, as it is written.
    pub uuid: String,
    /// What it is for, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<&'static str>,
    /// Its pairs of key and value.
    pub properties: Vec<Property>,
    /// What is no such pair.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub other: Vec<Value>,
}

/// UUIDs in public documents.
const UUIDS: [(&str, &str); 8] = [
    ("daffd814-6eba-4d8c-8a91-bc9bbf4aa301", "device properties"),
    ("dbb8e3e6-5886-4ba6-8795-1319f52a966b", "hierarchical data"),
    ("edb12dd0-363d-4085-a3d2-49522ca160c4", "buffer properties"),
    ("6211e2c0-58a3-4af3-90e1-927a4e0c55a4", "hot plug in D3"),
    ("efcc06cc-73ac-4bc3-bff0-76143807c389", "external facing port"),
    ("c44d002f-69f9-4e7d-a904-a7baabdf43f7", "USB4 host interface"),
    ("6c501103-c189-4296-ba72-9bf5a26ebe5d", "wake"),
    ("5025030f-842f-4ab4-a561-99a5189762d0", "storage in D3"),
];

pub(super) fn sections(value: &Value) -> Result<Vec<Section>, String> {
    let Value::Package(list) = value else {
        return wrong("a package", value);
    };
    list.chunks(2).map(section).collect()
}

fn section(pair: &[Value]) -> Result<Section, String> {
    let [Value::Buffer(uuid), data] = pair else {
        return Err("expected a UUID and a package".to_owned());
    };
    let uuid = uuid_text(&uuid.bytes).ok_or_else(|| format!("expected 16 bytes of UUID, seen {}", uuid.bytes.len()))?;
    let words = UUIDS.iter().find(|(known, _)| *known == uuid).map(|(_, words)| *words);
    let mut section = Section {
        uuid,
        words,
        properties: Vec::new(),
        other: Vec::new(),
    };
    let Value::Package(elements) = data else {
        section.other.push(data.clone());
        return Ok(section);
    };
    for element in elements {
        match element.elements() {
            [Value::String(key), value] => section.properties.push(Property {
                key: key.clone(),
                value: value.clone(),
            }),
            _ => section.other.push(element.clone()),
        }
    }
    Ok(section)
}

/// The first three groups are little endian (ACPI 6.5, 19.6.142).
fn uuid_text(bytes: &[u8]) -> Option<String> {
    let bytes: [u8; 16] = bytes.try_into().ok()?;
    let order = [3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15];
    let mut text = String::with_capacity(36);
    for (place, at) in order.into_iter().enumerate() {
        if matches!(place, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{:02x}", bytes.get(at)?));
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::super::super::Buffer;
    use super::*;

    #[test]
    fn properties_are_listed_below_their_uuid() {
        let uuid = vec![
            0x14, 0xd8, 0xff, 0xda, 0xba, 0x6e, 0x8c, 0x4d, 0x8a, 0x91, 0xbc, 0x9b, 0xbf, 0x4a, 0xa3, 0x01,
        ];
        let pair = Value::Package(vec![Value::String("address-width".into()), Value::Integer(16)]);
        let value = Value::Package(vec![
            Value::Buffer(Buffer {
                bytes: uuid,
                unknown: Vec::new(),
            }),
            Value::Package(vec![pair, Value::Integer(3)]),
        ]);
        let sections = sections(&value).unwrap();
        assert_eq!(sections[0].words, Some("device properties"));
        assert_eq!(sections[0].properties[0].key, "address-width");
        assert_eq!(sections[0].other, [Value::Integer(3)]);
    }
}
