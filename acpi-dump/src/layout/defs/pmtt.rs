//! Sockets, controllers and DIMMs: PMTT.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits_of, dec, flags, guid, hex, one_of,
    reserved,
};

pub(crate) const TABLES: &[TableLayout] =
    &[
        TableLayout::new(*b"PMTT", "Platform Memory Topology Table", "ACPI 6.5, 5.2.22.12", &[])
            .rest(Rest::Code(devices)),
    ];

fn devices(cursor: &mut Cursor<'_>) {
    if has_counts(cursor) {
        cursor.field(&dec("Number of memory devices", 4));
    } else {
        cursor.field(&reserved(4));
    }
    inside(cursor);
}

/// Table revision 2 (ACPI 6.4) counts the devices in each device.
fn has_counts(cursor: &Cursor<'_>) -> bool {
    cursor.table.header.as_ref().is_none_or(|header| header.revision >= 2)
}

/// Devices inside the table or inside another device.
fn inside(cursor: &mut Cursor<'_>) {
    let entries = if has_counts(cursor) { &REVISION_2 } else { &REVISION_1 };
    cursor.entries(entries);
}

const TYPES: Names = &[
    (0, "socket"),
    (1, "memory controller"),
    (2, "DIMM"),
    (0xff, "vendor-specific"),
];

const FLAGS: &[BitField] = &[
    bit(0, "Top-level device"),
    bit(1, "Physical element of the topology"),
    bits_of(
        2,
        2,
        "Memory type",
        &[(0, "volatile"), (1, "volatile and non-volatile"), (2, "non-volatile")],
    ),
];

const HEAD: &[Field] = &[
    one_of("Type", 1, TYPES),
    reserved(1),
    dec("Length", 2),
    flags("Flags", 2, FLAGS),
    reserved(2),
    dec("Number of memory devices", 4),
];

const HEAD_1: &[Field] = HEAD.split_at(5).0;

const REVISION_1: Entries = Entries {
    noun: "Memory device",
    head: HEAD_1,
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "Socket", &[hex("Socket ID", 2), reserved(2)]).rest(Rest::Code(inside)),
        EntryKind::new(
            1,
            "Memory controller",
            &[
                dec("Read latency in ns", 4),
                dec("Write latency in ns", 4),
                dec("Read bandwidth in MB/s", 4),
                dec("Write bandwidth in MB/s", 4),
                dec("Optimal access unit in bytes", 2),
                dec("Optimal access alignment in bytes", 2),
                reserved(2),
                dec("Number of proximity domains", 2),
            ],
        )
        .rest(Rest::Code(domains)),
        EntryKind::new(
            2,
            "DIMM",
            &[
                dec("Physical component identifier", 2),
                reserved(2),
                dec("Size in MB", 4),
                hex("SMBIOS handle", 4),
            ],
        ),
    ],
};

fn domains(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of proximity domains").unwrap_or(0);
    cursor.array(&dec("Proximity domain", 4), count);
    inside(cursor);
}

const REVISION_2: Entries = Entries {
    noun: "Memory device",
    head: HEAD,
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "Socket", &[hex("Socket ID", 2), reserved(2)]).rest(Rest::Code(inside)),
        EntryKind::new(1, "Memory controller", &[hex("Memory controller ID", 2), reserved(2)]).rest(Rest::Code(inside)),
        EntryKind::new(2, "DIMM", &[hex("SMBIOS handle", 4)]).rest(Rest::Code(inside)),
        EntryKind::new(0xff, "Vendor-specific device", &[guid("Type UUID")]).rest(Rest::Bytes("Vendor-specific data")),
    ],
};
