//! Audio: NHLT (links of Intel machines that are not HD Audio), SWFT (files for SoundWire).

use super::meaning::{name_guid, name_number, signed};
use crate::layout::Cursor;
use crate::layout::spec::{Field, Names, Rest, TableLayout, bits, bits_of, dec, flags, guid, hex, one_of, raw};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"NHLT",
        "Non HD Audio Link Table",
        "Intel, Non HD Audio ACPI specification",
        &[dec("Number of endpoints", 1)],
    )
    .rest(Rest::Code(endpoints)),
    TableLayout::new(
        *b"SWFT",
        "SoundWire File Table",
        "MIPI, DisCo specification for SoundWire",
        &[],
    )
    .rest(Rest::Code(files)),
];

/// Files up to the end of the table; the stated length counts the fields before the data.
fn files(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let length = cursor.peek(cursor.at.saturating_add(8), 4);
        let length = length.and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length >= 12) else {
            return cursor.finding(cursor.at, "length of a file, at least 12", "none");
        };
        if length > cursor.left() {
            let expected = format!("at most {} bytes of a file", cursor.left());
            cursor.finding(cursor.at, expected, format!("length {length}"));
        }
        cursor.nested("File", cursor.at.saturating_add(length), |cursor| {
            cursor.fields(&[
                hex("Vendor ID", 2),
                hex("File ID", 4),
                hex("File version", 2),
                dec("File length", 4),
            ]);
            cursor.raw("Data", usize::MAX);
        });
    }
}

fn endpoints(cursor: &mut Cursor<'_>) {
    for index in 0..cursor.size("Number of endpoints").unwrap_or(0) {
        let length = cursor
            .peek(cursor.at, 4)
            .and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length >= 4) else {
            return cursor.finding(cursor.at, format!("endpoint {index} with its length"), "none");
        };
        if length > cursor.left() {
            let expected = format!("at most {} bytes of an endpoint", cursor.left());
            cursor.finding(cursor.at, expected, format!("length {length}"));
        }
        cursor.nested("Endpoint", cursor.at.saturating_add(length), endpoint);
    }
    if cursor.left() > 0 {
        config(cursor, "OED configuration", |cursor| {
            cursor.raw("Capabilities", usize::MAX)
        });
    }
}

const ENDPOINT: &[Field] = &[
    dec("Length", 4),
    one_of("Link type", 1, LINKS),
    dec("Instance ID", 1),
    hex("Vendor ID", 2),
    hex("Device ID", 2),
    hex("Revision ID", 2),
    hex("Subsystem ID", 4),
];

const DEVICES: Names = &[(0xae20, "DMIC"), (0xae30, "Bluetooth"), (0xae34, "I2S")];

const LINKS: Names = &[
    (0, "HD Audio"),
    (1, "DSP"),
    (2, "PDM"),
    (3, "SSP"),
    (4, "SLIMbus"),
    (5, "SoundWire"),
    (6, "USB audio offload"),
];

const PDM_DEVICES: Names = &[(0, "PDM"), (1, "PDM on Skylake")];
const SSP_DEVICES: Names = &[(0, "Bluetooth"), (1, "FM"), (2, "modem"), (4, "codec")];

fn endpoint(cursor: &mut Cursor<'_>) {
    cursor.fields(ENDPOINT);
    name_number(cursor, "Device ID", DEVICES);
    let devices = match cursor.value("Link type") {
        Some(2) => PDM_DEVICES,
        Some(3) => SSP_DEVICES,
        _ => &[],
    };
    cursor.fields(&[
        one_of("Device type", 1, devices),
        one_of("Direction", 1, &[(0, "render"), (1, "capture")]),
        dec("Virtual bus ID", 1),
    ]);
    config(cursor, "Device configuration", device_config);
    formats(cursor);
    if cursor.left() > 0 {
        devices_info(cursor);
    }
}

/// A block of capabilities behind its size.
fn config(cursor: &mut Cursor<'_>, title: &str, body: impl FnOnce(&mut Cursor<'_>)) {
    let size = cursor.peek(cursor.at, 4).unwrap_or(0);
    let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(4);
    if size > cursor.left() {
        let expected = format!("at most {} bytes of {title}", cursor.left());
        cursor.finding(cursor.at, expected, format!("{size} bytes"));
    }
    cursor.nested(title, cursor.at.saturating_add(size), |cursor| {
        cursor.field(&dec("Capabilities size", 4));
        body(cursor);
    });
}

const VENDOR_ARRAY: u64 = 0x0f;

fn device_config(cursor: &mut Cursor<'_>) {
    cursor.field(&dec("Virtual slot", 1));
    let kind = cursor.field(&one_of(
        "Configuration type",
        1,
        &[(0, "generic"), (1, "microphone array")],
    ));
    if kind == Some(1) {
        let array = cursor.field(&ARRAY);
        if array.is_some_and(|array| array & 0x0f == VENDOR_ARRAY) {
            let count = cursor.field(&dec("Number of microphones", 1)).unwrap_or(0);
            for index in 0..count {
                if cursor.left() == 0 {
                    let seen = format!("{index} of them");
                    return cursor.finding(cursor.at, format!("{count} microphones"), seen);
                }
                cursor.nested("Microphone", cursor.at.saturating_add(22), |cursor| {
                    cursor.fields(MICROPHONE);
                    signed(cursor, SIGNED);
                });
            }
        }
    }
    cursor.raw("Further capabilities", usize::MAX);
}

const ARRAY: Field = flags(
    "Array type",
    1,
    &[bits_of(0, 4, "Array", ARRAYS), bits(4, 4, "Extension")],
);

const ARRAYS: Names = &[
    (0x0a, "two, linear, small"),
    (0x0b, "two, linear, big"),
    (0x0c, "four, linear, geometry 1"),
    (0x0d, "four, planar, L-shaped"),
    (0x0e, "four, linear, geometry 2"),
    (0x0f, "vendor-defined"),
];

const MICROPHONE: &[Field] = &[
    one_of("Type", 1, MICROPHONES),
    one_of("Panel", 1, PANELS),
    dec("Speaker position distance in mm", 2),
    dec("Horizontal offset in mm", 2),
    dec("Vertical offset in mm", 2),
    dec("Frequency low band in units of 5 Hz", 1),
    dec("Frequency high band in units of 500 Hz", 1),
    dec("Direction angle in degrees", 2),
    dec("Elevation angle in degrees", 2),
    dec("Vertical angle begin in degrees", 2),
    dec("Vertical angle end in degrees", 2),
    dec("Horizontal angle begin in degrees", 2),
    dec("Horizontal angle end in degrees", 2),
];

const SIGNED: &[&str] = &[
    "Horizontal offset in mm",
    "Vertical offset in mm",
    "Direction angle in degrees",
    "Elevation angle in degrees",
    "Vertical angle begin in degrees",
    "Vertical angle end in degrees",
    "Horizontal angle begin in degrees",
    "Horizontal angle end in degrees",
];

const MICROPHONES: Names = &[
    (0, "omnidirectional"),
    (1, "subcardioid"),
    (2, "cardioid"),
    (3, "supercardioid"),
    (4, "hypercardioid"),
    (5, "figure eight"),
    (7, "vendor-defined"),
];

const PANELS: Names = &[
    (0, "top"),
    (1, "bottom"),
    (2, "left"),
    (3, "right"),
    (4, "front"),
    (5, "rear"),
];

/// `WAVEFORMATEXTENSIBLE` of Microsoft.
const FORMAT: &[Field] = &[
    hex("Format tag", 2),
    dec("Channels", 2),
    dec("Samples per second", 4),
    dec("Average bytes per second", 4),
    dec("Block align", 2),
    dec("Bits per sample", 2),
    dec("Extra format size", 2),
    dec("Valid bits per sample", 2),
    hex("Channel mask", 4),
    guid("Subformat"),
];

const TAGS: Names = &[(1, "PCM"), (3, "IEEE float"), (0xfffe, "extensible")];

const SUBFORMATS: &[(&str, &str)] = &[
    ("00000001-0000-0010-8000-00AA00389B71", "PCM"),
    ("00000003-0000-0010-8000-00AA00389B71", "IEEE float"),
];

fn formats(cursor: &mut Cursor<'_>) {
    let count = cursor.field(&dec("Number of formats", 1)).unwrap_or(0);
    for index in 0..count {
        if cursor.left() == 0 {
            return cursor.finding(cursor.at, format!("{count} formats"), format!("{index} of them"));
        }
        // 40 bytes of format, then its configuration behind a size.
        let size = cursor.peek(cursor.at.saturating_add(40), 4).unwrap_or(0);
        let size = usize::try_from(size).unwrap_or(usize::MAX).saturating_add(44);
        cursor.nested("Format", cursor.at.saturating_add(size), |cursor| {
            cursor.fields(FORMAT);
            name_number(cursor, "Format tag", TAGS);
            name_guid(cursor, "Subformat", SUBFORMATS);
            config(cursor, "Format configuration", |cursor| {
                cursor.raw("Capabilities", usize::MAX)
            });
        });
    }
}

fn devices_info(cursor: &mut Cursor<'_>) {
    let count = cursor.field(&dec("Number of devices", 1)).unwrap_or(0);
    let device = &[
        raw("Device ID", 16),
        dec("Device instance ID", 1),
        dec("Device port ID", 1),
    ];
    super::arrays::items_here(cursor, "Device", usize::try_from(count).unwrap_or(0), device);
}
