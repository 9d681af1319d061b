//! Takes out of a capture what names one machine or person: serial numbers, UUIDs, asset tags, MAC
//! addresses, keys, names. Lengths stay, so that every layout can still be parsed.
//!
//! SMBIOS: DMTF DSP0134 (offsets of the string numbers in each structure). PCI: the Device Serial
//! Number extended capability (PCIe 5.0, 7.9.3). ACPI: the Microsoft Data Management table.

use super::gather::Item;
use crate::path;

/// What a removed character becomes.
const MASK: u8 = b'X';

/// Structure types with the offsets of string numbers that name one part.
const SMBIOS_STRINGS: &[(u8, &[usize])] = &[
    (1, &[0x07]),
    (2, &[0x07, 0x08]),
    (3, &[0x07, 0x08]),
    (4, &[0x20, 0x21]),
    (17, &[0x18, 0x19]),
    (22, &[0x07]),
    (39, &[0x08, 0x09]),
];

/// Parameters of the kernel's command line that may name hosts, disks or addresses.
const COMMAND_LINE: &[&str] = &["root", "resume", "ip", "bootif", "nfsroot", "cryptdevice"];

/// Redacts one item in place.
pub(crate) fn redact(place: &str, item: &mut Item) {
    let Item::File(bytes) = item else { return };
    let name = path::name(place);
    if place == "/sys/firmware/dmi/tables/DMI" {
        smbios(bytes);
    } else if place.starts_with("/sys/firmware/acpi/tables/") {
        acpi(bytes);
    } else if place.contains("/dmi/id/") && is_identity(name) || matches!(name, "wwid" | "serial") {
        mask(bytes);
    } else if name == "config" {
        pci_serial(bytes);
    } else if matches!(name, "address" | "node_guid") && !place.starts_with("/sys/bus/pci/slots") {
        zero_digits(bytes);
    } else if place == "/proc/sys/kernel/hostname" {
        mask(bytes);
    } else if place == "/proc/cmdline" {
        command_line(bytes);
    } else if name == "mounts" {
        mounts(bytes);
    }
}

fn is_identity(name: &str) -> bool {
    name.ends_with("_serial") || name.ends_with("_uuid") || name.ends_with("_asset_tag")
}

fn mask(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| !byte.is_ascii_whitespace()) {
        *byte = MASK;
    }
}

fn zero_digits(bytes: &mut [u8]) {
    for byte in bytes.iter_mut().filter(|byte| byte.is_ascii_hexdigit()) {
        *byte = b'0';
    }
}

/// One structure: where its fields and its strings lie in the table.
struct Structure {
    kind: u8,
    start: usize,
    length: usize,
    strings: Vec<(usize, usize)>,
}

/// Structures as far as the table can be walked.
fn structures(table: &[u8]) -> Vec<Structure> {
    let mut found = Vec::new();
    let mut start = 0_usize;
    while let Some([kind, length]) = table.get(start..).and_then(|rest| rest.first_chunk()) {
        let length = usize::from(*length);
        if length < 4 {
            break;
        }
        let mut strings = Vec::new();
        let mut here = start.saturating_add(length);
        while let Some(end) = table
            .get(here..)
            .and_then(|rest| rest.iter().position(|byte| *byte == 0))
        {
            if end == 0 {
                break;
            }
            strings.push((here, end));
            here = here.saturating_add(end).saturating_add(1);
        }
        let terminator = if strings.is_empty() { 2 } else { 1 };
        found.push(Structure {
            kind: *kind,
            start,
            length,
            strings,
        });
        start = here.saturating_add(terminator);
        if *kind == 127 {
            break;
        }
    }
    found
}

fn smbios(table: &mut [u8]) {
    let structures = structures(table);
    let mut names: Vec<Vec<u8>> = Vec::new();
    for structure in &structures {
        if structure.kind == 1 {
            let uuid = structure.start.saturating_add(8);
            let end = structure.start.saturating_add(structure.length.min(24));
            if let Some(uuid) = table.get_mut(uuid..end) {
                uuid.fill(0);
            }
        }
        let fields = SMBIOS_STRINGS.iter().find(|(kind, _)| *kind == structure.kind);
        for offset in fields.map_or(&[][..], |(_, offsets)| offsets) {
            if *offset >= structure.length {
                continue;
            }
            let number = table.get(structure.start.saturating_add(*offset)).copied();
            let place = usize::from(number.unwrap_or(0)).checked_sub(1);
            let string = place.and_then(|place| structure.strings.get(place));
            let Some((at, length)) = string else { continue };
            if let Some(text) = table.get(*at..at.saturating_add(*length)) {
                names.push(text.to_vec());
            }
        }
    }
    // The same number often stands again in another string (OEM strings, slots' names).
    names.retain(|name| !name.iter().all(u8::is_ascii_whitespace));
    names.sort_by_key(|name| std::cmp::Reverse(name.len()));
    for structure in &structures {
        for (at, length) in &structure.strings {
            if let Some(text) = table.get_mut(*at..at.saturating_add(*length)) {
                mask_names(text, &names);
            }
        }
    }
}

/// Masks a string that is a name, or the places in it where one of 5 or more letters stands.
fn mask_names(text: &mut [u8], names: &[Vec<u8>]) {
    for name in names {
        if text == name.as_slice() {
            mask(text);
        } else if name.len() >= 5 {
            let hits: Vec<usize> = text
                .windows(name.len())
                .enumerate()
                .filter_map(|(at, part)| (part == name.as_slice()).then_some(at))
                .collect();
            for at in hits {
                if let Some(part) = text.get_mut(at..at.saturating_add(name.len())) {
                    mask(part);
                }
            }
        }
    }
}

/// Zeros the key in an MSDM table and makes its checksum right again.
fn acpi(table: &mut [u8]) {
    const HEADER: usize = 36;
    const KEY: usize = HEADER + 20;
    if !table.starts_with(b"MSDM") {
        return;
    }
    if let Some(key) = table.get_mut(KEY..) {
        key.fill(0);
    }
    if let Some(checksum) = table.get_mut(9) {
        *checksum = 0;
    }
    let sum = table.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if let Some(checksum) = table.get_mut(9) {
        *checksum = sum.wrapping_neg();
    }
}

/// Zeros the number of the Device Serial Number capability (id 0003h).
fn pci_serial(config: &mut [u8]) {
    let mut at = 0x100_usize;
    for _ in 0..960 {
        let Some(header) = config.get(at..).and_then(|rest| rest.first_chunk::<4>()) else {
            return;
        };
        let header = u32::from_le_bytes(*header);
        if header & 0xffff == 0x0003 {
            let number = at.saturating_add(4)..at.saturating_add(12);
            if let Some(number) = config.get_mut(number) {
                number.fill(0);
            }
        }
        let next = usize::try_from(header >> 20).unwrap_or(0) & !3;
        if next < 0x100 {
            return;
        }
        at = next;
    }
}

fn command_line(bytes: &mut [u8]) {
    for word in bytes.split_mut(|byte| byte.is_ascii_whitespace()) {
        let Some(equals) = word.iter().position(|byte| *byte == b'=') else {
            continue;
        };
        let (key, value) = word.split_at_mut(equals);
        let key = String::from_utf8_lossy(key).to_ascii_lowercase();
        let text = String::from_utf8_lossy(value).to_ascii_lowercase();
        let names = COMMAND_LINE.contains(&key.as_str());
        if names || key.contains("uuid") || key.starts_with("ifname") || text.contains("uuid=") {
            mask(value.get_mut(1..).unwrap_or_default());
        }
    }
}

/// Keeps the mounts of kernel file systems; others name disks and servers.
fn mounts(bytes: &mut Vec<u8>) {
    let text = String::from_utf8_lossy(bytes);
    let kept: Vec<&str> = text
        .lines()
        .filter(|line| {
            let kind = line.split(' ').nth(2);
            matches!(kind, Some("proc" | "sysfs" | "cgroup" | "cgroup2" | "cpuset"))
        })
        .collect();
    let kept: String = kept.iter().flat_map(|line| [*line, "\n"]).collect();
    *bytes = kept.into_bytes();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn redacted(place: &str, bytes: &[u8]) -> Vec<u8> {
        let mut item = Item::File(bytes.to_vec());
        redact(place, &mut item);
        let Item::File(bytes) = item else { unreachable!() };
        bytes
    }

    #[test]
    fn smbios_keeps_its_layout_and_loses_its_numbers() {
        let mut table = vec![1, 27, 1, 0, 1, 2, 0, 3];
        table.extend_from_slice(&[0xaa; 16]);
        table.extend_from_slice(&[6, 0, 0]);
        table.extend_from_slice(b"Maker\0Box\0SN12345\0\0");
        table.extend_from_slice(&[11, 5, 2, 0, 1]);
        table.extend_from_slice(b"tag SN12345 here\0\0");
        table.extend_from_slice(&[127, 4, 3, 0, 0, 0]);
        let after = redacted("/sys/firmware/dmi/tables/DMI", &table);
        assert_eq!(after.len(), table.len());
        let text = String::from_utf8_lossy(&after).into_owned();
        assert!(text.contains("Maker\0Box\0XXXXXXX\0\0"), "{text:?}");
        assert!(text.contains("tag XXXXXXX here\0\0"), "{text:?}");
        assert_eq!(after[8..24], [0; 16]);
        assert_eq!(after[..8], table[..8]);
        assert_eq!(after[24..27], table[24..27]);
    }

    #[test]
    fn a_cut_smbios_table_is_redacted_as_far_as_it_goes() {
        let mut table = vec![2, 9, 0, 0, 0, 0, 0, 1, 2];
        table.extend_from_slice(b"SN123\0TAG42");
        for cut in 0..table.len() {
            assert_eq!(redacted("/sys/firmware/dmi/tables/DMI", &table[..cut]).len(), cut);
        }
    }

    #[test]
    fn the_key_is_zeroed_and_the_checksum_stays_right() {
        let mut table = b"MSDM\x55\0\0\0".to_vec();
        table.resize(56, 7);
        table.extend_from_slice(b"AAAAA-BBBBB-CCCCC-DDDDD-EEEEE");
        let after = redacted("/sys/firmware/acpi/tables/MSDM", &table);
        assert!(after[56..].iter().all(|byte| *byte == 0));
        assert_eq!(after.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte)), 0);
    }

    #[test]
    fn the_serial_number_of_a_function_is_zeroed() {
        let mut config = vec![0; 4096];
        config[0x100..0x104].copy_from_slice(&[0x01, 0, 0x02, 0x14]);
        config[0x140..0x144].copy_from_slice(&[0x03, 0, 0x01, 0x10]);
        config[0x144..0x14c].fill(0xee);
        config[0x14c] = 0x77;
        let after = redacted("/sys/devices/pci0000:00/0000:00:01.0/config", &config);
        assert!(after[0x144..0x14c].iter().all(|byte| *byte == 0));
        assert_eq!(after[0x14c], 0x77);
    }

    #[test]
    fn names_of_hosts_disks_and_cards_are_taken_out() {
        let cases: [(&str, &str, &str); 5] = [
            (
                "/sys/devices/x/net/eth0/address",
                "52:54:aa:1b:00:ff\n",
                "00:00:00:00:00:00\n",
            ),
            ("/proc/sys/kernel/hostname", "box7\n", "XXXX\n"),
            ("/sys/devices/virtual/dmi/id/product_uuid", "ab-12\n", "XXXXX\n"),
            (
                "/proc/cmdline",
                "root=UUID=ab-1 ro nokaslr\n",
                "root=XXXXXXXXX ro nokaslr\n",
            ),
            (
                "/proc/mounts",
                "nas:/x /m nfs rw 0 0\nsysfs /sys sysfs rw 0 0\n",
                "sysfs /sys sysfs rw 0 0\n",
            ),
        ];
        for (place, before, after) in cases {
            assert_eq!(redacted(place, before.as_bytes()), after.as_bytes(), "{place}");
        }
        let slot = "/sys/bus/pci/slots/3/address";
        assert_eq!(redacted(slot, b"0000:3b:00\n"), b"0000:3b:00\n");
    }
}
