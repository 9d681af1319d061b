//! A decoded processor in JSON: each row with its fields, notes and the reserved bits that are set.

use schemars::JsonSchema;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};

use super::{Context, Note, Row, Value, meaning, row, rows};
use crate::bits::{Place, Register, Word};
use crate::database::Database;
use crate::leafset::CpuLeaves;

/// One processor, decoded.
#[derive(Clone, Debug, JsonSchema, Serialize)]
pub struct CpuDecoded {
    /// Number of the logical processor.
    pub number: u32,
    /// The dump tells of some features only.
    pub partial: bool,
    /// Rows, those of MSRs last.
    pub rows: Vec<Row>,
}

/// Decodes every row of a processor.
#[must_use]
pub fn decoded(database: &Database, cpu: &CpuLeaves) -> CpuDecoded {
    let context = Context::of(cpu);
    CpuDecoded {
        number: cpu.number,
        partial: cpu.partial,
        rows: rows(cpu)
            .map(|(place, subleaf, registers, beyond)| row(database, &context, place, subleaf, registers, beyond))
            .collect(),
    }
}

struct Hex(u32);

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("0x{:08x}", self.0))
    }
}

#[derive(JsonSchema, Serialize)]
struct ValueOut<'a> {
    register: Register,
    /// High and low bit.
    bits: [u8; 2],
    id: &'a str,
    value: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    meaning: Option<String>,
    #[serde(skip_serializing_if = "str::is_empty")]
    description: &'a str,
}

impl Serialize for Value {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let field = self.field;
        ValueOut {
            register: field.register,
            bits: [field.high, field.low],
            id: field.id,
            value: self.raw,
            meaning: meaning(field, self.raw),
            description: field.description,
        }
        .serialize(serializer)
    }
}

impl Row {
    /// Set bits that no field covers, as `7.0.ebx[4]`.
    pub fn reserved_bits(&self) -> impl Iterator<Item = crate::bits::Bit> + '_ {
        Register::ALL
            .into_iter()
            .zip(self.reserved)
            .flat_map(|(register, mask)| {
                let word = Word {
                    place: self.place,
                    subleaf: self.subleaf,
                    register,
                };
                (0..32).filter(move |n| mask >> n & 1 == 1).map(move |n| word.bit(n))
            })
    }
}

impl Serialize for Row {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_struct("Row", 11)?;
        match self.place {
            Place::Leaf(leaf) => {
                out.serialize_field("leaf", &Hex(leaf))?;
                out.serialize_field("subleaf", &self.subleaf)?;
                for register in Register::ALL {
                    out.serialize_field(register.name(), &Hex(register.of(self.registers)))?;
                }
            }
            Place::Msr(index) => {
                let value = u64::from(self.registers.edx) << 32 | u64::from(self.registers.eax);
                out.serialize_field("msr", &Hex(index))?;
                out.serialize_field("value", &format!("0x{value:016x}"))?;
            }
        }
        if !self.title.is_empty() {
            out.serialize_field("title", self.title)?;
        }
        if self.beyond {
            out.serialize_field("beyond_maximum", &true)?;
        }
        if !self.values.is_empty() {
            out.serialize_field("fields", &self.values)?;
        }
        let reserved: Vec<String> = self.reserved_bits().map(|bit| bit.to_string()).collect();
        if !reserved.is_empty() {
            out.serialize_field("reserved", &reserved)?;
        }
        if !self.notes.is_empty() {
            out.serialize_field::<Vec<Note>>("notes", &self.notes)?;
        }
        out.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::leaf::{Leaf, Registers, Subleaf};

    #[test]
    fn json_has_fields_notes_and_reserved_bits() {
        let mut cpu = CpuLeaves::new(2);
        cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x633, 0, 1, 0));
        cpu.insert(Leaf(0x2000_0000), Subleaf(0), Registers::new(0, 0, 1 << 16, 0));
        let json = serde_json::to_value(decoded(&Database::builtin(), &cpu)).unwrap();
        let row = &json["rows"][0];
        assert_eq!(row["leaf"], "0x00000001");
        assert!(row.get("reserved").is_none());
        assert_eq!(json["rows"][1]["reserved"], serde_json::json!(["20000000.0.ecx[16]"]));
        assert_eq!(row["notes"][0]["name"], "signature");
        let fields = row["fields"].as_array().unwrap();
        let pni = fields.iter().find(|field| field["id"] == "pni").unwrap();
        assert_eq!((&pni["value"], &pni["bits"]), (&1.into(), &serde_json::json!([0, 0])));
    }
}
