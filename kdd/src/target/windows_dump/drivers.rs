//! The lists of drivers in a triage dump: those that were loaded, which stand in for the kernel's own
//! list, and those that were unloaded.

use schemars::JsonSchema;
use serde::Serialize;

use super::triage::Parts;
use crate::damage::Damage;
use crate::memory::{Gva, Source};
use crate::target::fields::Fields;

/// A driver in the list of a triage dump, which does not hold the kernel's own list.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct TriageDriver {
    /// Base of its image.
    pub base: Gva,
    /// SizeOfImage in bytes.
    pub size: u32,
    /// Entry point.
    pub entry: Gva,
    /// TimeDateStamp of its PE header.
    pub timestamp: u32,
    /// CheckSum of its PE header.
    pub checksum: u32,
    /// Name as the dump has it: with or without a path.
    pub name: String,
}

/// Longest name and list that are believed.
const MOST_NAME: usize = 0x1000;
const MOST_DRIVERS: u32 = 0x1_0000;

/// DUMP_DRIVER_ENTRY32 and 64: offset of the name, then a loader entry.
struct DriverEntry {
    length: usize,
    loader: usize,
    base: usize,
    entry: usize,
    size: usize,
    checksum: usize,
    timestamp: usize,
}

const DRIVER64: DriverEntry = DriverEntry {
    length: 0x90,
    loader: 8,
    base: 0x30,
    entry: 0x38,
    size: 0x40,
    checksum: 0x78,
    timestamp: 0x80,
};

const DRIVER32: DriverEntry = DriverEntry {
    length: 0x4c,
    loader: 4,
    base: 0x18,
    entry: 0x1c,
    size: 0x20,
    checksum: 0x40,
    timestamp: 0x44,
};

/// Drivers that were loaded.
pub(super) fn drivers(source: &Source, parts: &Parts, width: usize, damage: &mut Vec<Damage>) -> Vec<TriageDriver> {
    let layout = if width == 8 { &DRIVER64 } else { &DRIVER32 };
    let stride = u64::try_from(layout.length).unwrap_or(u64::MAX);
    let mut list = Vec::new();
    for number in 0..u64::from(parts.driver_count.min(MOST_DRIVERS)) {
        let at = u64::from(parts.drivers).saturating_add(number * stride);
        let bytes = source.bytes(at, layout.length);
        match driver(source, &bytes, layout, width, parts) {
            Some(driver) => list.push(driver),
            None => {
                let expected = format!("{} drivers", parts.driver_count);
                damage.push(Damage::file("dump-drivers", at, expected, number.to_string()));
                break;
            }
        }
    }
    list
}

fn driver(source: &Source, bytes: &[u8], layout: &DriverEntry, width: usize, parts: &Parts) -> Option<TriageDriver> {
    let fields = Fields(bytes.get(..layout.length)?);
    let loader = Fields(bytes.get(layout.loader..)?);
    Some(TriageDriver {
        base: Gva(loader.word(layout.base, width == 8)?),
        size: loader.u32(layout.size)?,
        entry: Gva(loader.word(layout.entry, width == 8)?),
        timestamp: loader.u32(layout.timestamp)?,
        checksum: loader.u32(layout.checksum)?,
        name: name(source, fields.u32(0)?, parts),
    })
}

/// DUMP_STRING: number of UTF-16 units, then the text. It must lie in the pool.
fn name(source: &Source, at: u32, parts: &Parts) -> String {
    let end = parts.strings.saturating_add(parts.strings_size);
    if at < parts.strings || at >= end {
        return String::new();
    }
    let units = source.array(at.into()).map_or(0, u32::from_le_bytes);
    let room = usize::try_from(end.saturating_sub(at)).unwrap_or(0);
    let length = usize::try_from(units).unwrap_or(usize::MAX).saturating_mul(2);
    let text = source.bytes(u64::from(at).saturating_add(4), length.min(room).min(MOST_NAME));
    utf16(&text)
}

/// UTF-16 up to the first zero.
fn utf16(bytes: &[u8]) -> String {
    let units = bytes.chunks_exact(2).map(|pair| Fields(pair).u16(0).unwrap_or(0));
    let units: Vec<u16> = units.take_while(|unit| *unit != 0).collect();
    String::from_utf16_lossy(&units)
}

/// Names of drivers that were unloaded: a count, then entries with UNICODE_STRING, at most 12 units of
/// the name, begin and end of the image.
pub(super) fn unloaded(source: &Source, at: u32, width: usize) -> Vec<String> {
    const MOST: u64 = 64;
    let (first, text, length) = if width == 8 { (8, 16, 56) } else { (4, 8, 40) };
    if at == 0 {
        return Vec::new();
    }
    let count = source.array(at.into()).map_or(0, u32::from_le_bytes);
    let entry = |number: u64| {
        let place = u64::from(at).saturating_add(first).saturating_add(number * length);
        let bytes = source.bytes(place.saturating_add(text), 24);
        (bytes.len() == 24).then(|| utf16(&bytes))
    };
    (0..u64::from(count).min(MOST)).map_while(entry).collect()
}
