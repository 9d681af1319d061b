//! Recognition of `lspci` text: the slot line of a device at the start of a line.
//!
//! `[domain:]bus:device.function `, then the class and name (plain, `-n`, `-nn`, `-m`), or nothing
//! but hex rows below (`-x` of a stripped file). Tree lines of `-t` are noise.

use super::{Mark, is_hex};
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let (slot, rest) = line.split_once(' ').unwrap_or((line, ""));
    if !is_slot(slot) {
        return None;
    }
    let described = rest.contains(": ") || rest.starts_with('"');
    (described || is_hex_row(next)).then_some(Mark::Body(DocumentKind::Lspci))
}

/// A record of `-vmm` (`Slot:`) or `-vm` (`Device:`), and the line after it.
pub(crate) fn record_mark(line: &str, next: &str) -> Option<Mark> {
    let slot = line
        .strip_prefix("Slot:\t")
        .or_else(|| line.strip_prefix("Device:\t"))?;
    let is_record = is_slot(slot.trim()) && next.starts_with("Class:");
    is_record.then_some(Mark::Body(DocumentKind::Lspci))
}

/// `00:1f.2`, `0000:00:1f.2`, `10000:00:1f.2`.
fn is_slot(slot: &str) -> bool {
    let Some((bus_device, function)) = slot.rsplit_once('.') else {
        return false;
    };
    let mut fields = bus_device.rsplit(':');
    let device = fields.next().is_some_and(|field| is_hex(field, 2..=2));
    let bus = fields.next().is_some_and(|field| is_hex(field, 2..=2));
    let domain = fields.next().is_none_or(|field| is_hex(field, 4..=8));
    device && bus && domain && fields.next().is_none() && is_hex(function, 1..=1)
}

/// `00: 86 80 ...`
fn is_hex_row(line: &str) -> bool {
    line.split_once(": ").is_some_and(|(offset, bytes)| {
        is_hex(offset, 2..=8) && bytes.split(' ').take(2).all(|byte| is_hex(byte, 2..=2))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const IS_LSPCI: Option<Mark> = Some(Mark::Body(DocumentKind::Lspci));

    #[test]
    fn every_dialect_of_the_slot_line_is_known() {
        for line in [
            "00:00.0 Host bridge: Vendor Device (rev 01)",
            "0000:00:1f.2 0601: 8086:2918",
            "10000:e1:00.0 SATA controller [0106]: Vendor [8086:2922]",
            "00:00.0 \"Host bridge\" \"Vendor\" \"Device\" -r01",
        ] {
            assert_eq!(mark(line, ""), IS_LSPCI, "{line}");
        }
        assert_eq!(mark("00:1c.0", "00: 86 80 40 29"), IS_LSPCI);
        assert_eq!(mark("00:1c.0 PCI bridge", "00: 86 80 40 29"), IS_LSPCI);
    }

    #[test]
    fn records_of_vmm_and_vm_are_known() {
        assert_eq!(record_mark("Slot:\t0000:00:1f.2", "Class:\t0601"), IS_LSPCI);
        assert_eq!(record_mark("Device:\t00:1f.2", "Class:\tISA bridge"), IS_LSPCI);
        assert_eq!(record_mark("Device:\tSome bridge", "SVendor:\tMaker"), None);
        assert_eq!(record_mark("Slot:\t1", "Class:\t0601"), None);
    }

    #[test]
    fn times_and_addresses_are_no_slots() {
        for line in [
            "00:11.2 seconds passed",
            "12:34:56.7 Event: something",
            "00:1a:2b:3c:4d:5e.0 x: y",
            "00:00.0",
            "fe80::1.0 a: b",
        ] {
            assert_eq!(mark(line, "text"), None, "{line}");
        }
    }
}
