//! What a single file is, from its bytes: SMBIOS, ACPI and PCI binaries by their layout, text by
//! its lines.

use std::ops::Range;

use crate::document::DocumentKind;
use crate::text;

/// Sizes a PCI function's configuration space is read in.
const PCI_SIZES: [usize; 3] = [64, 256, 4096];

/// Length of the entry points; a table follows in a `--dump-bin` image at 32.
const ENTRY_POINT_LIMIT: usize = 32;

/// Structures that must follow each other before bytes count as an SMBIOS table that is cut or
/// damaged further on.
const STRUCTURES_ENOUGH: usize = 5;

/// Dumps in a file, in order, each with its place.
pub(crate) fn detect(bytes: &[u8]) -> Vec<(DocumentKind, Range<usize>)> {
    match binary(bytes) {
        Some(kind) => vec![(kind, 0..bytes.len())],
        None => text::split(bytes),
    }
}

fn binary(bytes: &[u8]) -> Option<DocumentKind> {
    if bytes.starts_with(b"_SM3_") || bytes.starts_with(b"_SM_") {
        return Some(if bytes.len() > ENTRY_POINT_LIMIT {
            DocumentKind::SmbiosImage
        } else {
            DocumentKind::SmbiosEntryPoint
        });
    }
    if is_acpi(bytes) {
        return Some(DocumentKind::AcpiTable);
    }
    if is_text(bytes) {
        return None;
    }
    if is_rsmb(bytes) {
        Some(DocumentKind::SmbiosRsmb)
    } else if is_smbios_table(bytes) {
        Some(DocumentKind::SmbiosTable)
    } else if is_pci_config(bytes) {
        Some(DocumentKind::PciConfig)
    } else {
        None
    }
}

fn is_text(bytes: &[u8]) -> bool {
    let head = bytes.get(..4096).unwrap_or(bytes);
    !head.contains(&0)
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u16::from_le_bytes(*field))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    let field = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_le_bytes(*field))
}

/// ACPI 6.5, 5.2.6: signature, length, revision, checksum, then the maker's names in ASCII.
fn is_acpi(bytes: &[u8]) -> bool {
    if bytes.starts_with(b"RSD PTR ") {
        return true;
    }
    let Some(signature) = bytes.get(..4) else {
        return false;
    };
    let named = signature
        .iter()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || b"_!".contains(byte));
    let length = u32_at(bytes, 4).and_then(|length| usize::try_from(length).ok());
    let Some(length) = length.filter(|_| named) else {
        return false;
    };
    if signature == b"FACS" {
        return length >= 64 && length <= bytes.len();
    }
    let oem = bytes.get(10..24).unwrap_or_default();
    let printable = |byte: &u8| *byte == 0 || (0x20..0x7f).contains(byte);
    let bounded = (36..=64 << 20).contains(&length);
    bounded && bytes.len() >= 36 && !is_text(bytes) && oem.iter().all(printable)
}

/// Windows: method, major, minor, revision, length of the table that follows.
fn is_rsmb(bytes: &[u8]) -> bool {
    let length = u32_at(bytes, 4).and_then(|length| usize::try_from(length).ok());
    length.is_some_and(|length| length > 0 && length.checked_add(8) == Some(bytes.len()))
        && bytes.get(8..).is_some_and(is_smbios_table)
}

/// PCI 3.0, 6.1: a vendor, a header type that exists, one of the sizes it can be read in.
fn is_pci_config(bytes: &[u8]) -> bool {
    let vendor = u16_at(bytes, 0).unwrap_or(0);
    let header = bytes.get(14).map_or(0xff, |byte| byte & 0x7f);
    PCI_SIZES.contains(&bytes.len()) && vendor != 0 && vendor != 0xffff && header <= 2
}

/// DMTF DSP0134, 6.1.2: structures, each a header of 4, fields, and strings that end in two zeros.
fn is_smbios_table(bytes: &[u8]) -> bool {
    let mut rest = bytes;
    let mut handles = Vec::new();
    while let Some((kind, handle, after)) = smbios_structure(rest) {
        if handles.contains(&handle) {
            return false;
        }
        handles.push(handle);
        rest = after;
        let ended = kind == 127 || rest.is_empty();
        if handles.len() >= STRUCTURES_ENOUGH || (ended && handles.len() > 1) {
            return true;
        }
    }
    false
}

/// Type, handle, and what follows the structure; `None` when it is none.
fn smbios_structure(bytes: &[u8]) -> Option<(u8, u16, &[u8])> {
    let (kind, length) = (*bytes.first()?, usize::from(*bytes.get(1)?));
    let handle = u16_at(bytes, 2)?;
    let strings = bytes.get(length..).filter(|_| length >= 4)?;
    let end = strings.windows(2).position(|pair| pair == [0, 0])?;
    let printable = |byte: &u8| *byte == 0 || *byte >= 0x20 || byte.is_ascii_whitespace();
    let texts = strings.get(..end)?;
    texts
        .iter()
        .all(printable)
        .then(|| strings.get(end.checked_add(2)?..))
        .flatten()
        .map(|after| (kind, handle, after))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(bytes: &[u8]) -> Vec<DocumentKind> {
        detect(bytes).into_iter().map(|(kind, _)| kind).collect()
    }

    fn table() -> Vec<u8> {
        let mut table = vec![0, 6, 0, 0, 1, 2];
        table.extend_from_slice(b"Maker\x001.0\0\0");
        table.extend_from_slice(&[16, 5, 1, 0, 3, 0, 0]);
        table.extend_from_slice(&[127, 4, 2, 0, 0, 0]);
        table
    }

    fn config(length: usize) -> Vec<u8> {
        let mut config = vec![0; length];
        config[..4].copy_from_slice(&[0x86, 0x80, 0x34, 0x12]);
        config
    }

    fn acpi() -> Vec<u8> {
        let mut table = b"APIC\x2c\0\0\0\x03\x5aMAKER MAKERTAB\x01\0\0\0MADE\x01\0\0\0".to_vec();
        table.resize(44, 0);
        table
    }

    #[test]
    fn smbios_in_each_wrapping_is_known() {
        let table = table();
        assert_eq!(kinds(&table), [DocumentKind::SmbiosTable]);
        let mut rsmb = vec![0, 3, 2, 0];
        rsmb.extend_from_slice(&(table.len() as u32).to_le_bytes());
        rsmb.extend_from_slice(&table);
        assert_eq!(kinds(&rsmb), [DocumentKind::SmbiosRsmb]);
        let mut image = b"_SM3_\0\x18".to_vec();
        image.resize(24, 0);
        assert_eq!(kinds(&image), [DocumentKind::SmbiosEntryPoint]);
        image.resize(32, 0);
        image.extend_from_slice(&table);
        assert_eq!(kinds(&image), [DocumentKind::SmbiosImage]);
    }

    #[test]
    fn an_smbios_table_may_be_cut_after_five_structures() {
        let mut table = Vec::new();
        for handle in 0..8 {
            table.extend_from_slice(&[17, 5, handle, 1, 0, 0, 0]);
        }
        assert_eq!(kinds(&table[..table.len() - 2]), [DocumentKind::SmbiosTable]);
    }

    #[test]
    fn acpi_tables_and_pci_configuration_are_known() {
        assert_eq!(kinds(&acpi()), [DocumentKind::AcpiTable]);
        assert_eq!(kinds(&[acpi(), acpi()].concat()), [DocumentKind::AcpiTable]);
        for size in PCI_SIZES {
            assert_eq!(kinds(&config(size)), [DocumentKind::PciConfig]);
        }
        assert!(kinds(&config(100)).is_empty());
        assert!(kinds(&[0xff; 256]).is_empty());
    }

    #[test]
    fn zeros_and_nothing_are_no_dump() {
        assert!(kinds(&[]).is_empty());
        assert!(kinds(&[0; 64]).is_empty());
        assert!(kinds(&[0; 5000]).is_empty());
    }
}
