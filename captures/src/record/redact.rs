//! Takes out of a capture what names one machine or person: serial numbers, UUIDs, asset tags, MAC
//! addresses, keys, names. Lengths stay, so that every layout can still be parsed.
//!
//! SMBIOS: DMTF DSP0134 (offsets of the string numbers in each structure). PCI: the Device Serial
//! Number extended capability (PCIe 5.0, 7.9.3). ACPI: MSDM, iBFT, NBFT.

use std::collections::{BTreeMap, BTreeSet};

use super::gather::Item;
use crate::path;
use crate::text::is_hex;

/// What a removed character becomes.
const MASK: u8 = b'X';

/// Numbers looked for in other strings; a real table has some hundred.
const NAME_LIMIT: usize = 2048;

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

/// ACPI tables that are about one machine or its owner, and how much of each is layout that stays:
/// the Microsoft key (its 20 bytes of description), boot over iSCSI and NVMe (names, secrets).
const ACPI_TABLES: &[(&[u8; 4], usize)] = &[(b"MSDM", 36 + 20), (b"iBFT", 36), (b"IBFT", 36), (b"NBFT", 36)];

/// Lines of `/proc/cpuinfo` (Arm) and `/proc/sysinfo` (s390) with numbers and names of one machine.
const LINES: &[&str] = &["Serial", "Sequence Code", "UUID", "Name"];

/// Redacts everything.
pub(crate) fn redact_all(items: BTreeMap<String, Item>) -> BTreeMap<String, Item> {
    let cards = named_cards(&items);
    let renamed = items.into_iter().map(|(place, mut item)| {
        redact(&place, &mut item);
        if let Item::Link(target) = &mut item {
            *target = rename(target, &cards);
        }
        (rename(&place, &cards), item)
    });
    renamed.collect()
}

/// Network cards that are called by their MAC address (`enx525400123456`), in order.
fn named_cards(items: &BTreeMap<String, Item>) -> BTreeSet<String> {
    let is_address = |name: &&str| {
        let digits = name.get(3..).unwrap_or("");
        let kind = name.get(..3).unwrap_or("");
        matches!(kind, "enx" | "wlx" | "wwx" | "ibx") && is_hex(digits, 12..=12)
    };
    let names = items.keys().map(|place| path::name(place));
    names.filter(is_address).map(str::to_owned).collect()
}

fn rename(text: &str, cards: &BTreeSet<String>) -> String {
    let mut text = text.to_owned();
    for (number, card) in cards.iter().enumerate() {
        if text.contains(card.as_str()) {
            let kind = card.get(..3).unwrap_or("");
            text = text.replace(card.as_str(), &format!("{kind}{number:012x}"));
        }
    }
    text
}

/// Redacts one item in place.
fn redact(place: &str, item: &mut Item) {
    let Item::File(bytes) = item else { return };
    let name = path::name(place);
    match name {
        "DMI" if place == "/sys/firmware/dmi/tables/DMI" => smbios(bytes),
        _ if place.starts_with("/sys/firmware/acpi/tables/") => acpi(bytes),
        _ if place.contains("/dmi/id/") && is_identity(name) => mask(bytes),
        "wwid" | "serial" | "uuid" | "hostname" => mask(bytes),
        "config" => pci_serial(bytes),
        "address" if place.starts_with("/sys/bus/pci/slots/") => {}
        "address" | "node_guid" | "ppin" => zero_digits(bytes),
        "cmdline" => command_line(bytes),
        "mounts" => mounts(bytes),
        "cpuinfo" | "sysinfo" => lines(bytes),
        _ => {}
    }
}

/// Masks the values of lines that begin with one of [`LINES`].
fn lines(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (key, value) = line.split_at_mut(colon);
        let key = String::from_utf8_lossy(key);
        let named = key.trim_end().split_once(' ').map_or("", |(_, after)| after.trim());
        if LINES.iter().any(|name| key.trim_end() == *name || named == *name) {
            mask(value.get_mut(1..).unwrap_or_default());
        }
    }
}

/// Masks the host's name in `xl info`, and in Xen's command line what the kernel's own would lose.
pub(super) fn xl_info(bytes: &mut [u8]) {
    for line in bytes.split_mut(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at_mut(colon);
        match name.trim_ascii_end() {
            b"host" | b"cc_compile_by" | b"cc_compile_domain" => mask(value.get_mut(1..).unwrap_or_default()),
            b"xen_commandline" => command_line(value.get_mut(1..).unwrap_or_default()),
            _ => {}
        }
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
            if let Some(text) = table.get_mut(*at..at.saturating_add(*length)) {
                names.push(text.to_vec());
                mask(text);
            }
        }
    }
    // The same number often stands again in another string (OEM strings, slots' names).
    names.retain(|name| !name.iter().all(u8::is_ascii_whitespace));
    names.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
    names.dedup();
    names.truncate(NAME_LIMIT);
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

/// Zeros what [`ACPI_TABLES`] says of a table and makes its checksum right again.
fn acpi(table: &mut [u8]) {
    let known = ACPI_TABLES.iter().find(|(name, _)| table.starts_with(*name));
    let Some((_, kept)) = known else { return };
    if let Some(rest) = table.get_mut(*kept..) {
        rest.fill(0);
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
        let cases: [(&str, &str, &str); 7] = [
            (
                "/proc/cpuinfo",
                "Hardware\t: Board\nSerial\t\t: 00ab\n",
                "Hardware\t: Board\nSerial\t\t: XXXX\n",
            ),
            (
                "/proc/sysinfo",
                "LPAR Name: PROD\nType: 3906\n",
                "LPAR Name: XXXX\nType: 3906\n",
            ),
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
        let ppin = "/sys/devices/system/cpu/cpu0/topology/ppin";
        assert_eq!(redacted(ppin, b"0x1f2e\n"), b"0x0000\n");
        let slot = "/sys/bus/pci/slots/3/address";
        assert_eq!(redacted(slot, b"0000:3b:00\n"), b"0000:3b:00\n");
    }

    #[test]
    fn cards_called_by_their_address_get_a_number() {
        let card = "/sys/devices/x/net/enx525400aabbcc";
        let link = Item::Link("../../devices/x/net/enx525400aabbcc".to_owned());
        let items = BTreeMap::from([
            (card.to_owned(), Item::Directory),
            ("/sys/class/net/enx525400aabbcc".to_owned(), link),
        ]);
        let after = redact_all(items);
        let expected = Item::Link("../../devices/x/net/enx000000000000".to_owned());
        assert_eq!(after["/sys/class/net/enx000000000000"], expected);
        assert!(after.contains_key("/sys/devices/x/net/enx000000000000"));
    }
}
