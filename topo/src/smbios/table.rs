//! The raw table, with or without its entry point (DSP0134 3.9.0, 5.2).
//!
//! Four forms of the same thing: the table alone (`/sys/firmware/dmi/tables/DMI`), the image that
//! `dmidecode --dump-bin` writes (entry point, then the table at the address it names), the buffer
//! of the Windows call `GetSystemFirmwareTable('RSMB')`, and the single structures that Linux shows
//! under `/sys/firmware/dmi/entries`.

use super::structure::{self, Structure};
use super::{Smbios, decode};
use crate::evidence::{Damage, Decoded, Place};

/// Decodes a table; the entry point, when there is one, gives version, length and count.
#[must_use]
pub fn parse(bytes: &[u8], entry_point: Option<&[u8]>) -> Decoded<Smbios> {
    let mut damage = Vec::new();
    let entry = entry_point
        .and_then(|bytes| entry(bytes, &mut damage))
        .unwrap_or_default();
    table(bytes, &entry, 0, damage)
}

/// Decodes an image of `dmidecode --dump-bin`: the entry point first, the table where it says.
#[must_use]
pub fn parse_image(bytes: &[u8]) -> Decoded<Smbios> {
    let mut damage = Vec::new();
    let Some(entry) = entry(bytes, &mut damage) else {
        return Decoded {
            value: Smbios::default(),
            damage,
        };
    };
    let place = entry.address.and_then(|address| usize::try_from(address).ok());
    let found = place.and_then(|at| bytes.get(at..)).filter(|rest| !rest.is_empty());
    if let (Some(rest), Some(at)) = (found, entry.address) {
        return table(rest, &entry, at, damage);
    }
    // An image cut off before its table, or one whose address still is that of the machine.
    damage.push(report(
        "SMBIOS entry point",
        entry.address_at,
        "table address inside the image".to_owned(),
        entry.address.map_or_else(
            || "none".to_owned(),
            |at| format!("0x{at:X}, image of {} bytes", bytes.len()),
        ),
    ));
    match bytes.get(32..) {
        Some(rest) if !rest.is_empty() => table(rest, &entry, 32, damage),
        _ => Decoded {
            value: Smbios {
                version: entry.version,
                ..Smbios::default()
            },
            damage,
        },
    }
}

/// Decodes the buffer of the Windows call: a header of eight bytes (method, major and minor
/// version, revision, length), then the table.
#[must_use]
pub fn parse_rsmb(bytes: &[u8]) -> Decoded<Smbios> {
    let mut damage = Vec::new();
    let Some([_, major, minor, _, a, b, c, d]) = bytes.first_chunk::<8>().copied() else {
        damage.push(report(
            "RawSMBIOSData header",
            0,
            "8 bytes".to_owned(),
            format!("{} bytes", bytes.len()),
        ));
        return Decoded {
            value: Smbios::default(),
            damage,
        };
    };
    let entry = Entry {
        version: Some((major, minor)),
        length: Some(u32::from_le_bytes([a, b, c, d])),
        ..Entry::default()
    };
    table(bytes.get(8..).unwrap_or_default(), &entry, 8, damage)
}

/// Decodes whichever of the forms above the bytes are.
#[must_use]
pub fn parse_any(bytes: &[u8]) -> Decoded<Smbios> {
    if bytes.starts_with(b"_SM3_") || bytes.starts_with(b"_SM_") || bytes.starts_with(b"_DMI_") {
        parse_image(bytes)
    } else if is_rsmb(bytes) {
        parse_rsmb(bytes)
    } else {
        parse(bytes, None)
    }
}

/// Decodes single structures, each with its strings, as `entries/T-I/raw` holds them. Damage
/// offsets count within the file; `what` names the structure.
#[must_use]
pub fn parse_entries(entries: &[Vec<u8>]) -> Decoded<Smbios> {
    let mut damage = Vec::new();
    let mut list: Vec<Structure> = Vec::new();
    for bytes in entries {
        // The files come without the table around them: no end marker is due.
        let walked = structure::walk(bytes, Some(1), 0);
        damage.extend(walked.damage.into_iter().filter(|damage| damage.what != "SMBIOS table"));
        list.extend(walked.value);
    }
    let value = decode::smbios(&list, None, 0, &mut damage);
    Decoded { value, damage }
}

/// The header cannot be told by a magic number: the length must fit and a structure must follow.
fn is_rsmb(bytes: &[u8]) -> bool {
    let Some([_, major, _, _, a, b, c, d]) = bytes.first_chunk::<8>().copied() else {
        return false;
    };
    let length = u64::from(u32::from_le_bytes([a, b, c, d]));
    let rest = u64::try_from(bytes.len()).unwrap_or(u64::MAX).saturating_sub(8);
    (2..=3).contains(&major) && length == rest && bytes.get(9).is_some_and(|length| *length >= 4)
}

/// What an entry point says.
#[derive(Default)]
struct Entry {
    version: Option<(u8, u8)>,
    length: Option<u32>,
    count: Option<u16>,
    address: Option<u64>,
    /// Offset of the address field.
    address_at: u64,
    /// The length is an upper bound, not the size (64-bit entry point).
    bound: bool,
}

fn table(bytes: &[u8], entry: &Entry, base: u64, mut damage: Vec<Damage>) -> Decoded<Smbios> {
    let announced = entry.length.and_then(|length| usize::try_from(length).ok());
    let within = announced.and_then(|length| bytes.get(..length));
    if let (Some(length), None) = (announced, within) {
        let end = base.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if !entry.bound || !ends(bytes) {
            let seen = format!("{} bytes", bytes.len());
            damage.push(report(
                "SMBIOS table",
                end,
                format!("{length} bytes, as announced"),
                seen,
            ));
        }
    }
    let walked = structure::walk(within.unwrap_or(bytes), entry.count, base);
    damage.extend(walked.damage);
    if let Some(count) = entry.count.filter(|count| usize::from(*count) != walked.value.len()) {
        let seen = format!("{} structures", walked.value.len());
        damage.push(report(
            "SMBIOS table",
            base,
            format!("{count} structures, as announced"),
            seen,
        ));
    }
    let value = decode::smbios(&walked.value, entry.version, base, &mut damage);
    Decoded { value, damage }
}

fn ends(bytes: &[u8]) -> bool {
    structure::structures(bytes)
        .value
        .last()
        .is_some_and(|last| last.kind == structure::END_OF_TABLE)
}

fn entry(bytes: &[u8], damage: &mut Vec<Damage>) -> Option<Entry> {
    if bytes.starts_with(b"_SM3_") {
        entry_64(bytes, damage)
    } else if bytes.starts_with(b"_SM_") {
        entry_32(bytes, damage)
    } else if bytes.starts_with(b"_DMI_") {
        Some(entry_legacy(bytes, 0, damage))
    } else {
        let head: Vec<u8> = bytes.iter().take(5).copied().collect();
        damage.push(report(
            "SMBIOS entry point",
            0,
            "_SM3_, _SM_ or _DMI_".to_owned(),
            format!("{:?}", String::from_utf8_lossy(&head)),
        ));
        None
    }
}

/// The 64-bit entry point, 24 bytes (5.2.2).
fn entry_64(bytes: &[u8], damage: &mut Vec<Damage>) -> Option<Entry> {
    let Some(fields) = bytes.first_chunk::<24>() else {
        damage.push(report(
            "64-bit entry point",
            0,
            "24 bytes".to_owned(),
            format!("{} bytes", bytes.len()),
        ));
        return None;
    };
    let [
        _,
        _,
        _,
        _,
        _,
        _,
        length,
        major,
        minor,
        _,
        _,
        _,
        l0,
        l1,
        l2,
        l3,
        address @ ..,
    ] = *fields;
    checksum(bytes, 0, length, "64-bit entry point", damage);
    Some(Entry {
        version: Some((major, minor)),
        length: Some(u32::from_le_bytes([l0, l1, l2, l3])),
        count: None,
        address: Some(u64::from_le_bytes(address)),
        address_at: 0x10,
        bound: true,
    })
}

/// The 32-bit entry point, 31 bytes with the older one inside (5.2.1).
fn entry_32(bytes: &[u8], damage: &mut Vec<Damage>) -> Option<Entry> {
    let Some([_, _, _, _, _, length, major, minor, ..]) = bytes.first_chunk::<31>().copied() else {
        damage.push(report(
            "32-bit entry point",
            0,
            "31 bytes".to_owned(),
            format!("{} bytes", bytes.len()),
        ));
        return None;
    };
    // 2.1 of the specification misprinted the length as 0x1E.
    checksum(
        bytes,
        0,
        if length == 0x1e { 0x1f } else { length },
        "32-bit entry point",
        damage,
    );
    let inner = bytes.get(0x10..).unwrap_or_default();
    if !inner.starts_with(b"_DMI_") {
        damage.push(report(
            "32-bit entry point",
            0x10,
            "_DMI_".to_owned(),
            "another anchor".to_owned(),
        ));
    }
    let mut entry = entry_legacy(inner, 0x10, damage);
    entry.version = Some(repaired((major, minor)));
    Some(entry)
}

/// The intermediate part, 15 bytes: length, address and number of structures.
fn entry_legacy(bytes: &[u8], base: u64, damage: &mut Vec<Damage>) -> Entry {
    let Some([_, _, _, _, _, _, l0, l1, a, b, c, d, n0, n1, bcd]) = bytes.first_chunk::<15>().copied() else {
        damage.push(report(
            "_DMI_ entry point",
            base,
            "15 bytes".to_owned(),
            format!("{} bytes", bytes.len()),
        ));
        return Entry::default();
    };
    checksum(bytes, base, 15, "_DMI_ entry point", damage);
    Entry {
        version: Some((bcd >> 4, bcd & 0x0f)),
        length: Some(u32::from(u16::from_le_bytes([l0, l1]))),
        count: Some(u16::from_le_bytes([n0, n1])),
        address: Some(u64::from(u32::from_le_bytes([a, b, c, d]))),
        address_at: base.saturating_add(8),
        bound: false,
    }
}

/// Versions that firmware is known to have written for another: 2.31, 2.33 and 2.51.
const fn repaired(version: (u8, u8)) -> (u8, u8) {
    match version {
        (2, 0x1f | 0x21) => (2, 3),
        (2, 0x33) => (2, 6),
        other => other,
    }
}

fn checksum(bytes: &[u8], base: u64, length: u8, what: &str, damage: &mut Vec<Damage>) {
    let covered = bytes.get(..usize::from(length));
    let Some(covered) = covered.filter(|covered| covered.len() >= 15) else {
        damage.push(report(
            what,
            base,
            "a length inside the input".to_owned(),
            format!("length {length}"),
        ));
        return;
    };
    let sum = covered.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte));
    if sum != 0 {
        let expected = format!("bytes that sum to 0 over {length}");
        damage.push(report(what, base, expected, format!("sum 0x{sum:02X}")));
    }
}

fn report(what: &str, at: u64, expected: String, seen: String) -> Damage {
    Damage {
        what: what.to_owned(),
        place: Place::Offset(at),
        expected,
        seen,
    }
}
