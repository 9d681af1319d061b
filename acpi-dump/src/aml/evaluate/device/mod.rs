//! What the objects below a device say of it. ACPI 6.5, chapters 6 and 8.
//!
//! ```
//! use acpi_dump::aml::Namespace;
//! use acpi_dump::aml::evaluate::Evaluator;
//! // Device (PCI0) { Name (_HID, EisaId ("PNP0A08")) }
//! let mut table = b"DSDT\x35\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! table.extend(b"\x5b\x82\x0fPCI0\x08_HID\x0c\x41\xd0\x0a\x08");
//! let namespace = Namespace::build(&[&table]);
//! let device = Evaluator::new(&namespace).device(namespace.find("\\PCI0").unwrap());
//! let hid = device.hid.known().unwrap();
//! assert_eq!((hid.id.as_str(), hid.words), ("PNP0A08", Some("PCI Express root bridge")));
//! ```

mod ids;
mod location;
mod properties;
mod routing;

use schemars::JsonSchema;
use serde::Serialize;

use super::super::namespace::ObjectId;
use super::super::resource::{self, Descriptor};
use super::{Answer, Buffer, Dependency, Evaluator, Value};
use crate::finding::Finding;

pub use ids::{DeviceId, eisa_id, words_of};
pub use location::Location;
pub use properties::{Property, Section};
pub use routing::Route;

/// What is known of one thing that a device may say.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case", tag = "fact")]
pub enum Fact<T> {
    /// It is that.
    Known {
        /// The value.
        value: T,
        /// What was assumed, such as answers of `_OSI`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        assumptions: Vec<Dependency>,
    },
    /// It depends on the running machine.
    Dynamic {
        /// On what.
        reasons: Vec<Dependency>,
        /// What it may be; empty when even that is unknown.
        candidates: Vec<T>,
    },
    /// The device does not have the object.
    Absent,
    /// Its evaluation fails, or gives something that it must not give.
    Failed {
        /// Why.
        reason: String,
    },
}

impl<T> Fact<T> {
    /// The value, when it is known.
    #[must_use]
    pub fn known(&self) -> Option<&T> {
        match self {
            Self::Known { value, .. } => Some(value),
            _ => None,
        }
    }

    /// The value, or every value that it may be.
    #[must_use]
    pub fn values(&self) -> Vec<&T> {
        match self {
            Self::Known { value, .. } => vec![value],
            Self::Dynamic { candidates, .. } => candidates.iter().collect(),
            Self::Absent | Self::Failed { .. } => Vec::new(),
        }
    }

    /// Whether the device does not have the object.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }
}

/// `_STA`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Status(pub u64);

impl Status {
    /// Bit 0.
    #[must_use]
    pub fn is_present(self) -> bool {
        self.0 & 1 != 0
    }

    /// Bit 1: enabled and decoding its resources.
    #[must_use]
    pub fn is_enabled(self) -> bool {
        self.0 & 2 != 0
    }

    /// Bit 3; with bit 0 clear, the devices below may still be there.
    #[must_use]
    pub fn is_functioning(self) -> bool {
        self.0 & 8 != 0
    }
}

/// A resource template, decoded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Template {
    /// Its bytes.
    pub buffer: Buffer,
    /// Its descriptors.
    pub descriptors: Vec<Descriptor>,
    /// Numbers of the descriptors of which some bits are unknown; these are zero.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub uncertain: Vec<usize>,
    /// What is wrong with it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// What a device says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Device {
    /// Its path.
    pub path: String,
    /// It depends on a condition at the level of a table whether the device exists.
    pub conditional: bool,
    /// `_HID`, hardware id.
    pub hid: Fact<DeviceId>,
    /// `_CID`, compatible ids.
    pub cid: Fact<Vec<DeviceId>>,
    /// `_CLS`, PCI class code: class, subclass, interface.
    pub cls: Fact<[u64; 3]>,
    /// `_ADR`, address on the parent's bus.
    pub adr: Fact<u64>,
    /// `_UID`, tells apart devices with the same `_HID`.
    pub uid: Fact<Value>,
    /// `_BBN`, first bus of a host bridge.
    pub bbn: Fact<u64>,
    /// `_SEG`, PCI segment.
    pub seg: Fact<u64>,
    /// `_PXM`, proximity domain.
    pub pxm: Fact<u64>,
    /// `_SUN`, slot number.
    pub sun: Fact<u64>,
    /// `_STA`, status.
    pub sta: Fact<Status>,
    /// `_HRV`, hardware revision.
    pub hrv: Fact<u64>,
    /// `_DDN`, name in the DOS world.
    pub ddn: Fact<String>,
    /// `_STR`, description.
    pub str: Fact<String>,
    /// `_MLS`, descriptions by language.
    pub mls: Fact<Vec<(String, String)>>,
    /// `_CRS`, resources in use.
    pub crs: Fact<Template>,
    /// `_PRS`, possible resources.
    pub prs: Fact<Template>,
    /// `_PRT`, interrupt routing.
    pub prt: Fact<Vec<Route>>,
    /// `_PLD`, where it is to be found.
    pub pld: Fact<Vec<Location>>,
    /// `_DSD`, properties.
    pub dsd: Fact<Vec<Section>>,
    /// There is an `_OSC`.
    pub osc: bool,
    /// `_PRW`, power resources for wake.
    pub prw: Fact<Value>,
    /// `_CST`, idle states.
    pub cst: Fact<Value>,
    /// `_PSS`, performance states.
    pub pss: Fact<Value>,
    /// `_PSD`, performance state domains.
    pub psd: Fact<Value>,
    /// `_CPC`, continuous performance control.
    pub cpc: Fact<Value>,
}

type Read<T> = fn(&Value) -> Result<T, String>;

impl Evaluator<'_> {
    /// What a device, a processor or any other object with such children says of itself.
    #[must_use]
    pub fn device(&self, id: ObjectId) -> Device {
        Device {
            path: self.namespace().path(id).to_string(),
            conditional: self.namespace().condition(id).is_some(),
            hid: self.hid(id),
            cid: self.cid(id),
            cls: self.fact(id, b"_CLS", class),
            adr: self.adr(id),
            uid: self.fact(id, b"_UID", raw),
            bbn: self.fact(id, b"_BBN", integer),
            seg: self.fact(id, b"_SEG", integer),
            pxm: self.fact(id, b"_PXM", integer),
            sun: self.fact(id, b"_SUN", integer),
            sta: self.fact(id, b"_STA", |value| integer(value).map(Status)),
            hrv: self.fact(id, b"_HRV", integer),
            ddn: self.fact(id, b"_DDN", text),
            str: self.fact(id, b"_STR", text),
            mls: self.fact(id, b"_MLS", languages),
            crs: self.fact(id, b"_CRS", template),
            prs: self.fact(id, b"_PRS", template),
            prt: self.prt(id),
            pld: self.fact(id, b"_PLD", location::locations),
            dsd: self.fact(id, b"_DSD", properties::sections),
            osc: self.namespace().child(id, b"_OSC").is_some(),
            prw: self.fact(id, b"_PRW", raw),
            cst: self.fact(id, b"_CST", raw),
            pss: self.fact(id, b"_PSS", raw),
            psd: self.fact(id, b"_PSD", raw),
            cpc: self.fact(id, b"_CPC", raw),
        }
    }

    /// `_HID` of a device alone.
    #[must_use]
    pub fn hid(&self, id: ObjectId) -> Fact<DeviceId> {
        self.fact(id, b"_HID", ids::device_id)
    }

    /// `_CID` of a device alone.
    #[must_use]
    pub fn cid(&self, id: ObjectId) -> Fact<Vec<DeviceId>> {
        self.fact(id, b"_CID", ids::device_ids)
    }

    /// `_ADR` of a device alone.
    #[must_use]
    pub fn adr(&self, id: ObjectId) -> Fact<u64> {
        self.fact(id, b"_ADR", integer)
    }

    /// `_PRT` of a bridge alone.
    #[must_use]
    pub fn prt(&self, id: ObjectId) -> Fact<Vec<Route>> {
        self.fact(id, b"_PRT", routing::routes)
    }

    /// One object below a device, evaluated without arguments and read as what it must give.
    pub fn fact<T: PartialEq>(&self, device: ObjectId, name: &[u8; 4], read: Read<T>) -> Fact<T> {
        let Some(id) = self.namespace().child(device, name) else {
            return Fact::Absent;
        };
        let outcome = self.evaluate_object(id, &[]);
        match outcome.answer {
            Answer::Known(value) => match read(&value) {
                Ok(value) => Fact::Known {
                    value,
                    assumptions: outcome.assumptions,
                },
                Err(reason) => Fact::Failed { reason },
            },
            Answer::Dynamic { candidates, reasons } => {
                let mut list: Vec<T> = Vec::new();
                for value in candidates.iter().filter_map(|value| read(value).ok()) {
                    if !list.contains(&value) {
                        list.push(value);
                    }
                }
                Fact::Dynamic {
                    reasons,
                    candidates: list,
                }
            }
            Answer::Failed(reason) => Fact::Failed { reason },
        }
    }
}

fn wrong<T>(wanted: &str, value: &Value) -> Result<T, String> {
    Err(format!("expected {wanted}, seen {}", value.word()))
}

fn raw(value: &Value) -> Result<Value, String> {
    match value {
        Value::Uninitialized => wrong("a value", value),
        other => Ok(other.clone()),
    }
}

fn integer(value: &Value) -> Result<u64, String> {
    value.integer().map_or_else(|| wrong("an integer", value), Ok)
}

/// A string, or the UTF-16 that `_STR` and `_MLS` hold in a buffer.
fn text(value: &Value) -> Result<String, String> {
    match value {
        Value::String(text) => Ok(text.clone()),
        Value::Buffer(buffer) if buffer.unknown.is_empty() => {
            let units = buffer.bytes.chunks_exact(2).filter_map(|pair| pair.try_into().ok());
            let units: Vec<u16> = units.map(u16::from_le_bytes).take_while(|unit| *unit != 0).collect();
            Ok(String::from_utf16_lossy(&units))
        }
        other => wrong("a string", other),
    }
}

fn languages(value: &Value) -> Result<Vec<(String, String)>, String> {
    let Value::Package(rows) = value else {
        return wrong("a package", value);
    };
    let row = |row: &Value| match row.elements() {
        [language, name] => Ok((text(language)?, text(name)?)),
        _ => wrong("a language and a name", row),
    };
    rows.iter().map(row).collect()
}

fn class(value: &Value) -> Result<[u64; 3], String> {
    match value.elements() {
        [class, subclass, interface] => Ok([integer(class)?, integer(subclass)?, integer(interface)?]),
        _ => wrong("a package of three integers", value),
    }
}

fn template(value: &Value) -> Result<Template, String> {
    let Value::Buffer(buffer) = value else {
        return wrong("a buffer", value);
    };
    let decoded = resource::decode(&buffer.bytes);
    let places = decoded.value.iter().enumerate();
    let uncertain = places
        .filter(|(_, descriptor)| buffer.is_unknown(descriptor.offset, descriptor.length))
        .map(|(at, _)| at)
        .collect();
    Ok(Template {
        buffer: buffer.clone(),
        descriptors: decoded.value,
        uncertain,
        findings: decoded.findings,
    })
}

#[cfg(test)]
mod tests {
    use super::super::super::namespace::Namespace;
    use super::super::super::testing::{device, method, name, package, table};
    use super::*;

    fn bytes(value: &[u8]) -> Vec<u8> {
        package(b"\x11", &[b"\x0a", &[u8::try_from(value.len()).unwrap()], value])
    }

    #[test]
    fn absent_failed_and_known_are_told_apart() {
        let dsdt = table(
            b"DSDT",
            &[&device(
                b"DEV0",
                &[
                    &name(b"_ADR", 1),
                    b"\x08_SUN\x0dtext\0",
                    &method(b"_STA", 0, &[b"\xa4\x0a\x0f"]),
                ],
            )],
        );
        let space = Namespace::build(&[&dsdt]);
        let facts = Evaluator::new(&space).device(space.find("\\DEV0").unwrap());
        assert_eq!(facts.adr.known(), Some(&1));
        assert!(facts.hid.is_absent() && facts.sta.known().unwrap().is_functioning());
        assert_eq!(
            facts.sun,
            Fact::Failed {
                reason: "expected an integer, seen a string".into()
            }
        );
    }

    #[test]
    fn template_that_a_method_fills_from_a_register_is_known_but_for_that() {
        // OperationRegion (R, SystemMemory, 0x1000, 4); Field (R, DWordAcc) { BAR0, 32 }
        let region = [
            b"\x5b\x80REG_\x00\x0b\x00\x10\x0a\x04".to_vec(),
            package(b"\x5b\x81", &[b"REG_\x03BAR0\x20"]),
        ];
        // Memory32Fixed (ReadWrite, 0, 0x1000); its base is at byte 4.
        let buffer = bytes(b"\x86\x09\x00\x01\0\0\0\0\0\x10\0\0\x79\0");
        let crs = method(
            b"_CRS",
            0,
            &[
                b"\x08BUF0",
                &buffer,
                b"\x8aBUF0\x0a\x04BAS0",
                b"\x70BAR0BAS0",
                b"\xa4BUF0",
            ],
        );
        let dsdt = table(b"DSDT", &[&region.concat(), &device(b"DEV0", &[&crs])]);
        let space = Namespace::build(&[&dsdt]);
        let facts = Evaluator::new(&space).device(space.find("\\DEV0").unwrap());
        let Fact::Dynamic { reasons, candidates } = facts.crs else {
            panic!("{:?}", facts.crs)
        };
        assert_eq!(reasons[0].to_string(), "reads \\BAR0 (SystemMemory 0x1000)");
        assert_eq!(
            (candidates[0].descriptors.len(), candidates[0].uncertain.as_slice()),
            (2, &[0][..])
        );
    }

    #[test]
    fn description_may_be_unicode_in_a_buffer() {
        let value = Value::Buffer(Buffer {
            bytes: b"F\0a\0n\0\0\0".to_vec(),
            unknown: Vec::new(),
        });
        assert_eq!(text(&value), Ok("Fan".to_owned()));
    }
}
