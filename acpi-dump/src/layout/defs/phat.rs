//! Health of firmware and devices: PHAT.

use super::meaning::name_guid;
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, dec, flags, guid, hex, one_of,
    reserved, text,
};

pub(crate) const TABLES: &[TableLayout] =
    &[
        TableLayout::new(*b"PHAT", "Platform Health Assessment Table", "ACPI 6.5, 5.2.31", &[])
            .rest(Rest::Entries(&PHAT)),
    ];

const PHAT: Entries = Entries {
    noun: "PHAT record",
    head: &[hex("Type", 2), dec("Length", 2), dec("Revision", 1)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "Firmware version data", &[reserved(3), dec("Number of elements", 4)])
            .rest(Rest::Repeat("Version element", ELEMENT)),
        EntryKind::new(
            1,
            "Firmware health data",
            &[
                reserved(2),
                one_of("Health", 1, HEALTH),
                guid("Device signature"),
                hex("Offset of the device-specific data", 4),
            ],
        )
        .rest(Rest::Code(device)),
    ],
};

const ELEMENT: &[Field] = &[guid("Component ID"), hex("Version value", 8), text("Producer ID", 4)];

const HEALTH: Names = &[
    (0, "errors found"),
    (1, "no errors found"),
    (2, "unknown"),
    (3, "advisory"),
];

const RESET_REASON: &str = "7A014CE2-F263-4B77-B88A-E6336B782C14";

/// Path of the device as text in UTF-16, then data of its own.
fn device(cursor: &mut Cursor<'_>) {
    name_guid(cursor, "Device signature", &[(RESET_REASON, "reset reason")]);
    let offset = cursor.size("Offset of the device-specific data").unwrap_or(0);
    let data = match offset {
        0 => cursor.end,
        _ => cursor.section.offset.saturating_add(offset).min(cursor.end),
    };
    let path = data.saturating_sub(cursor.at);
    let words = utf16(cursor.bytes().get(..path).unwrap_or_default());
    cursor.raw("Device path", path);
    if let Some(row) = cursor.section.rows.last_mut().filter(|row| row.name == "Device path") {
        row.words = words;
    }
    let reset = cursor.row("Device signature").is_some_and(|row| row.words.is_some());
    if reset && cursor.left() > 0 {
        reset_reason(cursor);
    } else {
        cursor.raw("Device-specific data", usize::MAX);
    }
}

/// Text up to a zero; `None` for what is no text (a binary device path).
fn utf16(bytes: &[u8]) -> Option<String> {
    let units = bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair));
    let text: Option<String> = char::decode_utf16(units.take_while(|unit| *unit != 0))
        .map(|char| char.ok().filter(|char| !char.is_control()))
        .collect();
    text.filter(|text| !text.is_empty())
}

/// Reset reason health record: ACPI 6.5, 5.2.31.5.
fn reset_reason(cursor: &mut Cursor<'_>) {
    cursor.nested("Reset reason", cursor.end, |cursor| {
        cursor.fields(RESET);
        let count = cursor.size("Number of vendor data entries").unwrap_or(0);
        for _ in 0..count {
            if cursor.left() == 0 {
                return cursor.finding(cursor.at, "vendor data entry", "end of the record");
            }
            let length = cursor.peek(cursor.at.saturating_add(16), 2).unwrap_or(0);
            let length = usize::try_from(length).unwrap_or(0).max(20);
            cursor.nested("Vendor data", cursor.at.saturating_add(length), |cursor| {
                cursor.fields(&[guid("Vendor data ID"), dec("Length", 2), dec("Revision", 2)]);
                cursor.raw("Data", usize::MAX);
            });
        }
    });
}

const SOURCES: &[BitField] = &[
    bit(0, "Unknown"),
    bit(1, "Hardware"),
    bit(2, "Firmware"),
    bit(3, "Software"),
    bit(4, "Supervisor"),
];

const RESET: &[Field] = &[
    flags("Supported sources", 1, SOURCES),
    flags("Source", 1, SOURCES),
    hex("Sub-source", 1),
    one_of("Reason", 1, REASONS),
    dec("Number of vendor data entries", 2),
];

const REASONS: Names = &[
    (0, "unknown"),
    (1, "cold boot"),
    (2, "cold reset"),
    (3, "warm reset"),
    (4, "update"),
    (32, "unexpected reset"),
    (33, "fault"),
    (34, "timeout"),
    (35, "thermal"),
    (36, "power loss"),
    (37, "power button"),
];
