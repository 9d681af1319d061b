//! The table as a row of structures: header, formatted area, strings (DSP0134 3.9.0, 6.1).
//!
//! A structure is a four-byte header, a formatted area whose length the header gives, and a set
//! of NUL-terminated strings closed by one more NUL. Nothing here knows what a type means, so a
//! structure of an OEM type is carried like any other.

use serde::Serialize;

use super::Handle;
use crate::evidence::{Damage, Decoded, Place};

/// The type that closes a table (DSP0134 3.9.0, 7.46).
pub const END_OF_TABLE: u8 = 127;

/// Most structures one table may hold: handles are 16 bits wide and must differ.
const MOST_STRUCTURES: usize = 0x1_0000;

/// One structure as it stands in the table, of whatever type.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Structure {
    /// Type number.
    #[serde(rename = "type")]
    pub kind: u8,
    /// Handle.
    pub handle: Handle,
    /// Offset of the header from the start of the table.
    pub offset: u64,
    /// Length of the formatted area as the header gives it, header included.
    pub length: u8,
    /// The formatted area, header included; shorter than `length` where the table was cut.
    pub bytes: Vec<u8>,
    /// The strings in their order; string number 1 comes first.
    pub strings: Vec<String>,
}

impl Structure {
    /// The byte at an offset of the formatted area.
    #[must_use]
    pub fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The 16-bit little-endian number at an offset of the formatted area.
    #[must_use]
    pub fn word(&self, at: usize) -> Option<u16> {
        self.array(at).map(u16::from_le_bytes)
    }

    /// The 32-bit little-endian number at an offset of the formatted area.
    #[must_use]
    pub fn dword(&self, at: usize) -> Option<u32> {
        self.array(at).map(u32::from_le_bytes)
    }

    /// The 64-bit little-endian number at an offset of the formatted area.
    #[must_use]
    pub fn qword(&self, at: usize) -> Option<u64> {
        self.array(at).map(u64::from_le_bytes)
    }

    /// The bytes at an offset of the formatted area, when all of them are there.
    #[must_use]
    pub fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        let tail = self.bytes.get(at..)?;
        tail.first_chunk::<N>().copied()
    }

    /// The string with a number; number 0 means "none", and a number past the last is absent too.
    #[must_use]
    pub fn string(&self, number: u8) -> Option<&str> {
        let index = usize::from(number).checked_sub(1)?;
        self.strings.get(index).map(String::as_str)
    }

    /// What this structure is called in a damage report.
    #[must_use]
    pub fn name(&self) -> String {
        format!("type {} structure, handle 0x{:04X}", self.kind, self.handle.0)
    }
}

/// Every structure of a table, up to the end-of-table structure.
#[must_use]
pub fn structures(bytes: &[u8]) -> Decoded<Vec<Structure>> {
    walk(bytes, None, 0)
}

/// As [`structures`], but for a 2.x entry point that announces a number of structures: the walk
/// goes on past type 127 until that many were met. Offsets of damage are raised by `base`, the
/// place of the table inside a larger image.
#[must_use]
pub fn walk(bytes: &[u8], announced: Option<u16>, base: u64) -> Decoded<Vec<Structure>> {
    let mut out = Decoded::intact(Vec::new());
    let mut at = 0_usize;
    let mut ended = false;
    let limit = announced.map_or(MOST_STRUCTURES, usize::from);
    while out.value.len() < limit && at < bytes.len() {
        let Some(rest) = bytes.get(at..) else { break };
        if ended && rest.iter().all(|byte| *byte == 0) {
            break;
        }
        let Some((structure, size)) = step(rest, at, base, &mut out.damage) else {
            break;
        };
        let last = structure.kind == END_OF_TABLE;
        out.value.push(structure);
        at = at.saturating_add(size);
        if last {
            ended = true;
            if announced.is_none() {
                break;
            }
        }
    }
    if !ended && out.value.len() < MOST_STRUCTURES {
        let seen = if at >= bytes.len() {
            "end of the table"
        } else {
            "more structures than announced"
        };
        let seen = if announced.is_some() && out.value.len() == limit && at >= bytes.len() {
            "end of the announced structures"
        } else {
            seen
        };
        out.damage.push(damage(
            "SMBIOS table",
            base,
            at,
            "end-of-table structure (type 127)",
            seen,
        ));
    }
    duplicates(&mut out, base);
    out
}

/// One structure at the start of `rest`, and how many bytes it takes; `None` when the walk cannot
/// go on, which is then in the damage.
fn step(rest: &[u8], at: usize, base: u64, report: &mut Vec<Damage>) -> Option<(Structure, usize)> {
    let Some([kind, length, low, high]) = rest.first_chunk::<4>().copied() else {
        let seen = format!("{} bytes", rest.len());
        report.push(damage("structure header", base, at, "4 bytes", &seen));
        return None;
    };
    let mut structure = Structure {
        kind,
        handle: Handle(u16::from_le_bytes([low, high])),
        offset: u64::try_from(at).unwrap_or(u64::MAX),
        length,
        ..Structure::default()
    };
    if length < 4 {
        let seen = format!("length {length}");
        report.push(damage(&structure.name(), base, at, "length of 4 or more", &seen));
        return None;
    }
    let formatted = usize::from(length);
    let Some(area) = rest.get(..formatted) else {
        structure.bytes = rest.to_vec();
        let expected = format!("{length} bytes of formatted area");
        let seen = format!("{} bytes", rest.len());
        report.push(damage(&structure.name(), base, at, &expected, &seen));
        return Some((structure, rest.len()));
    };
    structure.bytes = area.to_vec();
    let set = rest.get(formatted..).unwrap_or_default();
    let (strings, size, closed) = string_set(set);
    structure.strings = strings;
    if !closed {
        let expected = "two NUL bytes after the strings";
        let end = at.saturating_add(rest.len());
        report.push(damage(&structure.name(), base, end, expected, "end of the table"));
    }
    Some((structure, formatted.saturating_add(size)))
}

/// The strings of a set, the bytes it takes with its terminator, and whether the terminator is there.
fn string_set(set: &[u8]) -> (Vec<String>, usize, bool) {
    let end = set.windows(2).position(|pair| pair == [0, 0]);
    let body = set.get(..end.unwrap_or(set.len())).unwrap_or_default();
    let size = end.map_or(set.len(), |end| end.saturating_add(2));
    let strings = if body.is_empty() {
        Vec::new()
    } else {
        body.split(|byte| *byte == 0).map(printable).collect()
    };
    (strings, size, end.is_some())
}

/// A string with every byte outside printable ASCII as a dot, as `dmidecode` shows it.
fn printable(bytes: &[u8]) -> String {
    bytes
        .iter()
        .map(|byte| match byte {
            32..=126 => char::from(*byte),
            _ => '.',
        })
        .collect()
}

fn duplicates(out: &mut Decoded<Vec<Structure>>, base: u64) {
    let mut seen = std::collections::BTreeMap::new();
    for structure in &out.value {
        if let Some(first) = seen.insert(structure.handle, structure.offset) {
            let text = format!("handle 0x{:04X} also at offset {first}", structure.handle.0);
            out.damage.push(Damage {
                what: structure.name(),
                place: Place::Offset(base.saturating_add(structure.offset)),
                expected: "a handle of its own".to_owned(),
                seen: text,
            });
        }
    }
}

fn damage(what: &str, base: u64, at: usize, expected: &str, seen: &str) -> Damage {
    Damage {
        what: what.to_owned(),
        place: Place::Offset(base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX))),
        expected: expected.to_owned(),
        seen: seen.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Type 1 with two strings, then type 127.
    const TABLE: &[u8] = b"\x01\x06\x10\x00\x01\x02Acme\0Box\0\0\x7f\x04\x11\x00\0\0";

    #[test]
    fn a_small_table_is_walked_to_its_end() {
        let out = structures(TABLE);
        assert_eq!(out.damage, []);
        assert_eq!(out.value.len(), 2);
        assert_eq!(out.value[0].string(2), Some("Box"));
        assert_eq!(out.value[0].string(0), None);
        assert_eq!(out.value[0].string(3), None);
        assert_eq!(out.value[1].offset, 16);
    }

    #[test]
    fn every_truncation_is_reported_and_keeps_what_is_whole() {
        for cut in 0..TABLE.len() {
            let out = structures(&TABLE[..cut]);
            assert!(!out.damage.is_empty(), "cut at {cut}");
            assert!(out.value.len() <= 2);
            if cut >= 16 {
                assert_eq!(out.value[0].strings, ["Acme", "Box"]);
            }
        }
    }

    #[test]
    fn a_length_below_four_ends_the_walk_at_its_offset() {
        let out = structures(b"\x01\x04\x01\x00\0\0\x02\x03\x02\x00\0\0");
        assert_eq!(out.value.len(), 1);
        assert_eq!(out.damage[0].place, Place::Offset(6));
        assert_eq!(out.damage[0].seen, "length 3");
    }

    #[test]
    fn the_same_handle_twice_is_reported_and_both_are_kept() {
        let out = structures(b"\x02\x04\x07\x00\0\0\x02\x04\x07\x00\0\0\x7f\x04\x08\x00\0\0");
        assert_eq!(out.value.len(), 3);
        assert_eq!(out.damage.len(), 1);
        assert_eq!(out.damage[0].place, Place::Offset(6));
    }

    #[test]
    fn a_table_without_type_127_is_reported() {
        let out = structures(b"\x02\x04\x07\x00\0\0");
        assert_eq!(out.value.len(), 1);
        assert_eq!(out.damage[0].expected, "end-of-table structure (type 127)");
    }

    #[test]
    fn bytes_outside_ascii_become_dots() {
        let out = structures(b"\x02\x05\x07\x00\x01A\xc3\xa4\x01\0\0\x7f\x04\x08\x00\0\0");
        assert_eq!(out.value[0].strings, ["A..."]);
    }
}
