//! Recognition of `acpidump` text: `SSDT @ 0x00000000BF6D9487`, then hex rows.

use super::{Mark, is_hex};
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let (signature, address) = line.trim_end().split_once(" @ 0x")?;
    let signature = (1..=4).contains(&signature.len()) || signature == "RSD PTR";
    let is_header = signature && is_hex(address, 1..=16) && is_row(next);
    is_header.then_some(Mark::Body(DocumentKind::Acpidump))
}

/// `    0000: 41 50 49 43 ...  APIC`
fn is_row(line: &str) -> bool {
    line.starts_with(' ')
        && line.trim_start().split_once(": ").is_some_and(|(offset, bytes)| {
            is_hex(offset, 4..=8) && bytes.split(' ').take(2).all(|byte| is_hex(byte, 2..=2))
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_address_widths_and_indents_are_known() {
        let body = Some(Mark::Body(DocumentKind::Acpidump));
        let row = "    0000: 46 41 43 50 14 01 00 00  FACP....";
        assert_eq!(mark("FACP @ 0x0000000000000000", row), body);
        assert_eq!(mark("FACP @ 0x3ffe0040", "  0000: 46 41 43 50 14"), body);
        assert_eq!(mark("FACP @ 0x3ffe0040", "text"), None);
        assert_eq!(mark("mail @ 0xhome", row), None);
    }
}
