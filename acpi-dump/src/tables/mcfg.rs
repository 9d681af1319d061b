//! Memory mapped configuration space base addresses: where the registers of PCI functions are mapped.
//! Follows the PCI Firmware specification 3.3, section 4.1.2.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::{Gpa, Segment};
use crate::table::Table;

/// One window.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Window {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Address that bus 0 of the segment has, or would have.
    pub base: Gpa,
    /// PCI segment group.
    pub segment: Segment,
    /// First bus.
    pub first_bus: u8,
    /// Last bus.
    pub last_bus: u8,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Mcfg {
    /// Windows in table order.
    pub windows: Vec<Window>,
}

impl Mcfg {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::MCFG {
            return None;
        }
        let mut findings = Vec::new();
        let mut windows = Vec::new();
        let mut at: usize = 44;
        if table.bytes.len() < at {
            findings.push(Finding::new(
                36,
                "8 reserved bytes",
                format!("table of {} bytes", table.bytes.len()),
            ));
        }
        while at < table.bytes.len() {
            let end = at.saturating_add(16);
            match table.bytes.get(at..end).and_then(|bytes| window(at, bytes)) {
                Some(window) if !table.is_missing(&(at..end)) => windows.push(window),
                Some(_) => findings.push(Finding::new(at, "window of 16 bytes", "bytes missing in it")),
                None => {
                    let left = table.bytes.len().saturating_sub(at);
                    findings.push(Finding::new(at, "window of 16 bytes", format!("{left} bytes")));
                }
            }
            at = end;
        }
        Some(Decoded {
            value: Self { windows },
            findings,
        })
    }
}

fn window(offset: usize, bytes: &[u8]) -> Option<Window> {
    Some(Window {
        offset,
        base: Gpa(u64_at(bytes, 0)?),
        segment: Segment(u16_at(bytes, 8)?),
        first_bus: u8_at(bytes, 10)?,
        last_bus: u8_at(bytes, 11)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(windows: &str) -> Decoded<Mcfg> {
        let body = [vec![0; 8], hex(windows)].concat();
        Mcfg::decode(&Table::parse(&sdt(b"MCFG", 1, &body)).unwrap()).unwrap()
    }

    #[test]
    fn window_names_segment_and_buses() {
        let mcfg = decode("000000e0 00000000 0100 80 ff 00000000");
        let window = &mcfg.value.windows[0];
        assert_eq!((window.base, window.segment), (Gpa(0xe000_0000), Segment(1)));
        assert_eq!(
            (window.first_bus, window.last_bus, mcfg.findings.len()),
            (0x80, 0xff, 0)
        );
    }

    #[test]
    fn part_of_a_window_is_reported_at_its_offset() {
        let mcfg = decode("000000e0 00000000 0000 00 ff 00000000 1234");
        assert_eq!((mcfg.value.windows.len(), mcfg.findings[0].offset), (1, 60));
    }
}
