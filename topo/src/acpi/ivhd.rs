//! Device entries of an IVHD: which requesters an AMD IOMMU serves.
//! AMD I/O Virtualization Technology (IOMMU) specification 3.08, section 5.2.2.

use acpi_dump::tables::ivrs::Block;

use super::IommuScope;

/// Offset of the device entries in a block.
fn head(kind: u16) -> usize {
    if kind == 0x10 { 24 } else { 40 }
}

/// What a block of the table with these bytes names.
#[must_use]
pub fn scopes(table: &[u8], block: &Block) -> Vec<IommuScope> {
    let start = block.offset.saturating_add(head(block.kind));
    let mut rest = table
        .get(start..)
        .and_then(|rest| rest.get(..block.device_entry_bytes))
        .unwrap_or_default();
    let segment = block.address.segment.0;
    let mut list = Vec::new();
    let mut from: Option<u16> = None;
    while let Some((kind, _)) = rest.split_first() {
        let Some((entry, others)) = length(*kind, rest).and_then(|length| rest.split_at_checked(length)) else {
            break;
        };
        rest = others;
        let requester = |at: usize| entry.get(at..)?.first_chunk().map(|bytes| u16::from_le_bytes(*bytes));
        let id = requester(1).unwrap_or(0);
        match kind {
            1 => list.push(scope("all", format!("{segment:04x}: every function"), None)),
            2 | 0x42 | 0x46 => list.push(scope("endpoint", words(segment, id), None)),
            3 | 0x43 | 0x47 => from = Some(id),
            4 => {
                if let Some(from) = from.take() {
                    list.push(scope(
                        "range",
                        format!("{} to {}", words(segment, from), words(segment, id)),
                        None,
                    ));
                }
            }
            0x48 => {
                let kind = match entry.get(7) {
                    Some(1) => "I/O APIC",
                    Some(2) => "HPET",
                    _ => "other",
                };
                let place = words(segment, requester(5).unwrap_or(0));
                list.push(scope(kind, place, entry.get(4).copied()));
            }
            0xf0 => {
                let name = entry.get(4..12).unwrap_or_default();
                let name = String::from_utf8_lossy(name);
                let place = format!("{} {}", name.trim_end_matches('\0'), words(segment, id));
                list.push(scope("ACPI device", place, None));
            }
            _ => {}
        }
    }
    list
}

/// Bytes of an entry: the two high bits of the type give 4 to 32, type 0xf0 has its own count.
fn length(kind: u8, rest: &[u8]) -> Option<usize> {
    match kind {
        0..=0xef => 4_usize.checked_shl(u32::from(kind >> 6)),
        _ => usize::from(*rest.get(21)?).checked_add(22),
    }
}

fn scope(kind: &'static str, place: String, number: Option<u8>) -> IommuScope {
    IommuScope { kind, place, number }
}

fn words(segment: u16, id: u16) -> String {
    format!("{segment:04x}:{:02x}:{:02x}.{:x}", id >> 8, id >> 3 & 0x1f, id & 7)
}

#[cfg(test)]
mod tests {
    use acpi_dump::{Gpa, PciAddress, Segment};

    use super::*;

    fn decode(entries: &[u8]) -> Vec<(&'static str, String, Option<u8>)> {
        let block = Block {
            offset: 48,
            kind: 0x10,
            address: PciAddress::from_requester(Segment(0), 2),
            base: Gpa(0),
            device_entry_bytes: entries.len(),
        };
        let table = [vec![0; 48 + 24], entries.to_vec()].concat();
        let words = |scope: IommuScope| (scope.kind, scope.place, scope.number);
        scopes(&table, &block).into_iter().map(words).collect()
    }

    #[test]
    fn ranges_functions_and_io_apics_are_named() {
        let entries = [
            [0x02, 0x08, 0x00, 0x00].as_slice(),
            &[0x03, 0x00, 0x01, 0x00],
            &[0x04, 0xff, 0xff, 0x00],
            &[0x48, 0, 0, 0, 4, 0xa0, 0, 1],
        ]
        .concat();
        assert_eq!(
            decode(&entries),
            [
                ("endpoint", "0000:00:01.0".to_owned(), None),
                ("range", "0000:01:00.0 to 0000:ff:1f.7".to_owned(), None),
                ("I/O APIC", "0000:00:14.0".to_owned(), Some(4)),
            ]
        );
    }

    #[test]
    fn an_entry_that_is_cut_ends_the_list() {
        assert_eq!(decode(&[0x01, 0, 0, 0, 0x48, 0, 0]).len(), 1);
        assert_eq!(decode(&[0xf0, 0, 0]), []);
    }
}
