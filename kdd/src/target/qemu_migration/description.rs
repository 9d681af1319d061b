//! The description that QEMU writes at the end of a migration stream: the fields of each device in the
//! order in which they stand in its section, with names and sizes.

use serde::Deserialize;

use crate::memory::Source;
use crate::target::fields::{Fields, size, wide};

/// Type of the section that holds it.
const VMDESCRIPTION: u8 = 6;
/// Longest description that is looked for; those of machines with many devices take a megabyte.
const LONGEST: u64 = 16 << 20;

/// All devices, in the order of their sections.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Description {
    #[serde(default)]
    pub(super) devices: Vec<Device>,
}

/// A device.
#[derive(Debug, Deserialize)]
pub(super) struct Device {
    pub(super) name: String,
    pub(super) instance_id: u32,
    #[serde(flatten)]
    pub(super) content: Content,
}

/// Fields and subsections of a device, of a structure in it, or of a subsection.
#[derive(Debug, Default, Deserialize)]
pub(super) struct Content {
    #[serde(default)]
    vmsd_name: String,
    #[serde(default)]
    fields: Vec<Field>,
    #[serde(default)]
    subsections: Vec<Content>,
}

/// A field: one value, a structure, or an array of either whose elements are all of one size.
#[derive(Debug, Deserialize)]
struct Field {
    #[serde(default)]
    name: String,
    #[serde(default)]
    size: u64,
    #[serde(default)]
    array_len: Option<u64>,
    #[serde(default, rename = "struct")]
    structure: Option<Content>,
}

impl Field {
    fn length(&self) -> Option<u64> {
        self.size.checked_mul(self.array_len.unwrap_or(1))
    }
}

impl Content {
    /// Bytes of it in the stream.
    pub(super) fn length(&self) -> Option<u64> {
        let mut sum = 0u64;
        for field in &self.fields {
            sum = sum.checked_add(field.length()?)?;
        }
        for subsection in &self.subsections {
            // A type byte, the name with its length, a version.
            let head = wide(subsection.vmsd_name.len()).checked_add(6)?;
            sum = sum.checked_add(head)?.checked_add(subsection.length()?)?;
        }
        Some(sum)
    }

    /// A field by its name, in the bytes that this describes.
    pub(super) fn field<'a>(&'a self, bytes: &'a [u8], name: &str) -> Option<Part<'a>> {
        let mut at = 0u64;
        for field in &self.fields {
            let length = field.length()?;
            if field.name == name {
                return Some(Part {
                    bytes: Fields(bytes).slice(usize::try_from(at).ok()?, usize::try_from(length).ok()?)?,
                    element: usize::try_from(field.size).ok()?,
                    inside: field.structure.as_ref(),
                });
            }
            at = at.checked_add(length)?;
        }
        None
    }
}

/// The bytes of a field.
#[derive(Clone, Copy)]
pub(super) struct Part<'a> {
    pub(super) bytes: &'a [u8],
    element: usize,
    inside: Option<&'a Content>,
}

impl<'a> Part<'a> {
    /// An element of an array.
    pub(super) fn element(self, index: usize) -> Option<Self> {
        let at = index.checked_mul(self.element)?;
        let bytes = Fields(self.bytes).slice(at, self.element)?;
        Some(Self { bytes, ..self })
    }

    /// A field of a structure.
    pub(super) fn field(self, name: &str) -> Option<Part<'a>> {
        self.inside?.field(self.bytes, name)
    }

    /// The number that it is.
    pub(super) fn number(self) -> Option<u64> {
        if self.bytes.is_empty() || self.bytes.len() > 8 {
            return None;
        }
        Some(self.bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }
}

/// Finds the description at the end of a stream.
pub(super) fn find(source: &Source) -> Option<Description> {
    let start = source.len().saturating_sub(LONGEST);
    let tail = source.bytes(start, size(LONGEST));
    let fields = Fields(&tail);
    // From the end on, where it stands; no text of it can hold the byte of the type.
    let braces = tail.iter().enumerate().rev().filter(|(_, byte)| **byte == b'{');
    braces
        .filter_map(|(brace, _)| {
            let at = brace.checked_sub(5)?;
            let length = usize::try_from(u32::from_be_bytes(fields.array(at.checked_add(1)?)?)).ok()?;
            let text = fields.slice(brace, length)?;
            (tail.get(at) == Some(&VMDESCRIPTION) && text.ends_with(b"}")).then_some(text)
        })
        .find_map(|text| serde_json::from_slice(text).ok())
}
