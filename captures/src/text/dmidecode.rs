//! Recognition of `dmidecode` text: `Handle 0x0011, DMI type 17, 40 bytes`.

use super::{Mark, is_hex};
use crate::document::DocumentKind;

pub(crate) fn mark(line: &str) -> Option<Mark> {
    if line.starts_with("# dmidecode ") {
        return Some(Mark::Opening(DocumentKind::Dmidecode));
    }
    let (handle, rest) = line.strip_prefix("Handle 0x")?.split_once(',')?;
    let rest = rest.trim_start();
    let is_header = is_hex(handle, 4..=4) && rest.starts_with("DMI type ");
    is_header.then_some(Mark::Body(DocumentKind::Dmidecode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_of_old_and_new_versions_are_known() {
        let body = Some(Mark::Body(DocumentKind::Dmidecode));
        assert_eq!(mark("Handle 0x0011, DMI type 17, 40 bytes"), body);
        assert_eq!(mark("Handle 0x00DA, DMI type 218, 11 bytes."), body);
        assert_eq!(mark("Handle 0x11, DMI type 17"), None);
    }
}
