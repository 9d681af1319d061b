//! CXL Early Discovery Table: CXL host bridges and the memory windows in front of them.
//! Follows the Compute Express Link specification 3.1, section 9.18.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::Gpa;
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// A CXL host bridge (CHBS, type 0).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct HostBridge {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// `_UID` of the ACPI0016 device.
    pub uid: u32,
    /// 0: CXL 1.1, `base` is the root complex register block; 1: CXL 2.0, the component registers.
    pub version: u32,
    /// Registers.
    pub base: Gpa,
    /// Length of the registers in bytes.
    pub length: u64,
}

/// A range of host physical addresses that CXL memory may be mapped in (CFMWS, type 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Window {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// First byte.
    pub base: Gpa,
    /// Length in bytes.
    pub length: u64,
    /// Number of host bridges it is interleaved over; none when the code is not one of CXL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<u8>,
    /// Bytes of one interleave step; none when the code is not one of CXL's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<u32>,
    /// 0 modulo, 1 modulo with XOR.
    pub arithmetic: u8,
    /// Restrictions: 0x01 device coherent (type 2), 0x02 host-only (type 3), 0x04 volatile, 0x08 persistent, 0x10 fixed.
    pub restrictions: u16,
    /// Class of service.
    pub qtg: u16,
    /// `_UID` of the host bridges, in order of interleaving.
    pub targets: Vec<u32>,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Cedt {
    /// Host bridges in table order.
    pub bridges: Vec<HostBridge>,
    /// Windows in table order.
    pub windows: Vec<Window>,
    /// Number of entries of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Cedt {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::CEDT {
            return None;
        }
        let mut findings = Vec::new();
        let mut cedt = Self::default();
        for entry in entries(table, 36, Layout::FlaggedWord, &mut findings) {
            match entry.kind {
                0 if entry.has(32, "CXL host bridge", &mut findings) => cedt.bridges.extend(bridge(&entry)),
                1 if entry.has(40, "CXL fixed memory window", &mut findings) => {
                    if let Some(window) = window(&entry) {
                        target_finding(&entry, &window, &mut findings);
                        cedt.windows.push(window);
                    }
                }
                0 | 1 => {}
                kind => {
                    let count = cedt.other.entry(kind).or_default();
                    *count = count.saturating_add(1);
                }
            }
        }
        Some(Decoded { value: cedt, findings })
    }
}

fn bridge(entry: &Entry<'_>) -> Option<HostBridge> {
    Some(HostBridge {
        offset: entry.offset,
        uid: u32_at(entry.bytes, 4)?,
        version: u32_at(entry.bytes, 8)?,
        base: Gpa(u64_at(entry.bytes, 16)?),
        length: u64_at(entry.bytes, 24)?,
    })
}

/// Encoded number of ways: 0 to 4 are powers of two, 8 to 10 three times one.
fn ways(code: u8) -> Option<u8> {
    match code {
        0..=4 => Some(1 << code),
        8..=10 => 3u8.checked_shl(u32::from(code).saturating_sub(8)),
        _ => None,
    }
}

fn window(entry: &Entry<'_>) -> Option<Window> {
    let bytes = entry.bytes;
    let targets = bytes.get(36..)?.chunks_exact(4);
    Some(Window {
        offset: entry.offset,
        base: Gpa(u64_at(bytes, 8)?),
        length: u64_at(bytes, 16)?,
        ways: ways(u8_at(bytes, 24)?),
        granularity: u32_at(bytes, 28).filter(|code| *code <= 6).map(|code| 256 << code),
        arithmetic: u8_at(bytes, 25)?,
        restrictions: u16_at(bytes, 32)?,
        qtg: u16_at(bytes, 34)?,
        targets: targets.filter_map(|target| u32_at(target, 0)).collect(),
    })
}

fn target_finding(entry: &Entry<'_>, window: &Window, findings: &mut Vec<Finding>) {
    let code = u8_at(entry.bytes, 24).unwrap_or_default();
    match window.ways {
        None => findings.push(Finding::new(
            entry.offset.saturating_add(24),
            "interleave ways 0 to 4 or 8 to 10",
            code.to_string(),
        )),
        Some(ways) if usize::from(ways) != window.targets.len() => findings.push(Finding::new(
            entry.offset.saturating_add(36),
            format!("{ways} targets"),
            format!("{} targets", window.targets.len()),
        )),
        Some(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    const BODY: &str = "00 00 2000 07000000 01000000 00000000 0000a0fe00000000 0000010000000000
        01 00 2c00 00000000 0000009004000000 0000000001000000 01 00 0000 05000000 0600 0100 07000000 08000000";

    fn decode(body: &str) -> Decoded<Cedt> {
        Cedt::decode(&Table::parse(&sdt(b"CEDT", 1, &hex(body))).unwrap()).unwrap()
    }

    #[test]
    fn window_names_its_bridges_and_its_interleave() {
        let decoded = decode(BODY);
        assert!(decoded.findings.is_empty(), "{:?}", decoded.findings);
        let window = &decoded.value.windows[0];
        assert_eq!((window.ways, window.granularity), (Some(2), Some(8192)));
        assert_eq!(window.targets, [7, 8]);
        assert_eq!((decoded.value.bridges[0].uid, decoded.value.bridges[0].version), (7, 1));
    }

    #[test]
    fn fewer_targets_than_ways_are_a_finding() {
        let decoded = decode(&BODY.replacen("01 00 0000 05", "02 00 0000 05", 1));
        assert_eq!(decoded.findings[0].expected, "4 targets");
    }
}
