//! Recognition of `udevadm info --export-db`: `P: /devices/…`, then lines of one letter each.

use super::Mark;
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str, next: &str) -> Option<Mark> {
    let is_record = line.starts_with("P: /") && next.get(1..3) == Some(": ");
    let is_key = next.starts_with(|letter: char| letter.is_ascii_uppercase());
    (is_record && is_key).then_some(Mark::Body(DocumentKind::UdevDatabase))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_and_its_first_property_are_known() {
        let body = Some(Mark::Body(DocumentKind::UdevDatabase));
        assert_eq!(mark("P: /devices/LNXSYSTM:00", "E: DEVPATH=/devices/LNXSYSTM:00"), body);
        assert_eq!(mark("P: /devices/pci0000:00", "M: pci0000:00"), body);
        assert_eq!(mark("P: /devices", "text"), None);
        assert_eq!(mark("P: none", "E: A=b"), None);
    }
}
