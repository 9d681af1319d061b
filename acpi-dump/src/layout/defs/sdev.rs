//! Secure devices: SDEV.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Rest, TableLayout, bit, dec, flags, hex, one_of, reserved,
};

pub(crate) const TABLES: &[TableLayout] =
    &[TableLayout::new(*b"SDEV", "Secure Devices Table", "ACPI 6.5, 5.2.27", &[]).rest(Rest::Entries(&SDEV))];

const SDEV: Entries = Entries {
    noun: "Secure device structure",
    head: &[hex("Type", 1), flags("Flags", 1, FLAGS), dec("Length", 2)],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "Secure ACPI namespace device", NAMESPACE).rest(Rest::Code(namespace_device)),
        EntryKind::new(1, "Secure PCIe endpoint device", ENDPOINT).rest(Rest::Code(endpoint)),
    ],
};

const FLAGS: &[BitField] = &[
    bit(0, "Allow hand-off to a non-secure OS"),
    bit(1, "Secure access components present"),
];

const NAMESPACE: &[Field] = &[
    hex("Device identifier offset", 2),
    dec("Device identifier length", 2),
    hex("Vendor-specific data offset", 2),
    dec("Vendor-specific data length", 2),
];

const ENDPOINT: &[Field] = &[
    hex("PCI segment", 2),
    hex("Start bus", 2),
    hex("PCI path offset", 2),
    dec("PCI path length", 2),
    hex("Vendor-specific data offset", 2),
    dec("Vendor-specific data length", 2),
];

/// The part of this structure that two fields point to.
fn part(cursor: &mut Cursor<'_>, title: &str, body: impl FnOnce(&mut Cursor<'_>)) {
    let number = |cursor: &Cursor<'_>, what| cursor.size(&format!("{title} {what}")).unwrap_or(0);
    let (offset, length) = (number(cursor, "offset"), number(cursor, "length"));
    let start = cursor.section.offset.saturating_add(offset);
    if length > 0 && start.saturating_add(length) > cursor.end {
        let seen = format!("offset {offset:#x}, length {length:#x}");
        cursor.finding(cursor.section.offset, format!("{title} inside the structure"), seen);
    } else if length > 0 {
        cursor.jump(title, start, length, body);
    }
}

fn namespace_device(cursor: &mut Cursor<'_>) {
    let components = cursor.value("Flags").is_some_and(|flags| flags & 2 != 0);
    let path = cursor
        .section
        .offset
        .saturating_add(cursor.size("Device identifier offset").unwrap_or(0));
    if components && cursor.at.saturating_add(4) <= path {
        cursor.fields(&[
            hex("Secure access components offset", 2),
            dec("Secure access components length", 2),
        ]);
    }
    part(cursor, "Device identifier", |cursor| {
        cursor.text("Namespace path", usize::MAX)
    });
    part(cursor, "Secure access components", |cursor| cursor.entries(&COMPONENTS));
    part(cursor, "Vendor-specific data", |cursor| {
        cursor.raw("Vendor-specific data", usize::MAX)
    });
}

fn endpoint(cursor: &mut Cursor<'_>) {
    part(cursor, "PCI path", |cursor| {
        cursor.rest(&Rest::Repeat("Hop", HOP));
    });
    part(cursor, "Vendor-specific data", |cursor| {
        cursor.raw("Vendor-specific data", usize::MAX)
    });
}

const HOP: &[Field] = &[hex("Device", 1), hex("Function", 1)];

/// Stated length of a component; where firmware leaves it zero, that of the type's fields.
fn component_length(bytes: &[u8]) -> Option<usize> {
    let [kind, _, low, high, ..] = bytes else { return None };
    match (u16::from_le_bytes([*low, *high]), *kind) {
        (0, 0) => Some(19),
        (0, 1) => Some(24),
        (length, _) => Some(length.into()),
    }
}

const COMPONENTS: Entries = Entries {
    noun: "Secure access component",
    head: &[hex("Type", 1), hex("Flags", 1), dec("Length", 2)],
    kind_at: (0, 1),
    length: Length::By(component_length),
    kinds: &[
        EntryKind::new(
            0,
            "Identification based component",
            &[
                hex("Hardware identifier offset", 2),
                dec("Hardware identifier length", 2),
                hex("Subsystem identifier offset", 2),
                dec("Subsystem identifier length", 2),
                hex("Hardware revision", 2),
                one_of("Hardware revision present", 1, &[(0, "no"), (1, "yes")]),
                one_of("Class code present", 1, &[(0, "no"), (1, "yes")]),
                hex("PCI base class", 1),
                hex("PCI sub-class", 1),
                hex("PCI programming interface", 1),
            ],
        )
        .rest(Rest::Code(identifiers)),
        EntryKind::new(
            1,
            "Memory based component",
            &[reserved(4), hex("Memory address base", 8), hex("Memory length", 8)],
        ),
    ],
};

fn identifiers(cursor: &mut Cursor<'_>) {
    part(cursor, "Hardware identifier", |cursor| {
        cursor.text("Hardware identifier", usize::MAX)
    });
    part(cursor, "Subsystem identifier", |cursor| {
        cursor.text("Subsystem identifier", usize::MAX)
    });
}
