//! Boot from iSCSI: iBFT.

use super::arrays::gaps;
use super::heap;
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bdf, bit, bits_of, dec, flags, hex, one_of,
    raw, reserved,
};

const IBFT: TableLayout = TableLayout::new(
    *b"iBFT",
    "iSCSI Boot Firmware Table",
    "Microsoft and IBM, iBFT as defined in ACPI 3.0b, version 1.02",
    &[reserved(12)],
)
.rest(Rest::Code(structures));

pub(crate) const TABLES: &[TableLayout] = &[
    IBFT,
    TableLayout {
        signature: *b"IBFT",
        ..IBFT
    },
];

const HEAD: &[Field] = &[
    one_of("Structure ID", 1, IDS),
    dec("Version", 1),
    dec("Length", 2),
    dec("Index", 1),
];

const IDS: Names = &[
    (1, "control"),
    (2, "initiator"),
    (3, "NIC"),
    (4, "target"),
    (5, "extensions"),
];

const STRUCTURES: Entries = Entries {
    noun: "iBFT structure",
    head: HEAD,
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(
            1,
            "Control",
            &[
                flags("Flags", 1, &[bit(0, "Boot failover")]),
                hex("Extensions", 2),
                hex("Initiator offset", 2),
                hex("NIC 0 offset", 2),
                hex("Target 0 offset", 2),
                hex("NIC 1 offset", 2),
                hex("Target 1 offset", 2),
            ],
        )
        .rest(Rest::Array(hex("Further offset", 2))),
        EntryKind::new(2, "Initiator", INITIATOR).rest(Rest::Code(addresses)),
        EntryKind::new(3, "NIC", NIC).rest(Rest::Code(addresses)),
        EntryKind::new(4, "Target", TARGET).rest(Rest::Code(addresses)),
    ],
};

const VALID: BitField = bit(0, "Block valid");
const SELECTED: BitField = bit(1, "Selected by boot firmware");

const INITIATOR: &[Field] = &[
    flags("Flags", 1, &[VALID, SELECTED]),
    raw("iSNS server", 16),
    raw("SLP server", 16),
    raw("Primary RADIUS server", 16),
    raw("Secondary RADIUS server", 16),
    dec("Initiator name length", 2),
    hex("Initiator name offset", 2),
];

const NIC: &[Field] = &[
    flags(
        "Flags",
        1,
        &[
            VALID,
            SELECTED,
            bits_of(2, 1, "Address", &[(0, "link local"), (1, "global")]),
        ],
    ),
    raw("IP address", 16),
    dec("Subnet mask prefix", 1),
    one_of("Origin", 1, ORIGINS),
    raw("Gateway", 16),
    raw("Primary DNS", 16),
    raw("Secondary DNS", 16),
    raw("DHCP", 16),
    dec("VLAN", 2),
    raw("MAC address", 6),
    bdf("PCI address"),
    dec("Host name length", 2),
    hex("Host name offset", 2),
];

const ORIGINS: Names = &[
    (0, "other"),
    (1, "manual"),
    (2, "well known"),
    (3, "DHCP"),
    (4, "router advertisement"),
];

const TARGET: &[Field] = &[
    flags(
        "Flags",
        1,
        &[
            VALID,
            SELECTED,
            bit(2, "RADIUS for CHAP"),
            bit(3, "RADIUS for reverse CHAP"),
        ],
    ),
    raw("Target IP address", 16),
    dec("Target port", 2),
    raw("Target boot LUN", 8),
    one_of("CHAP type", 1, &[(0, "none"), (1, "CHAP"), (2, "mutual CHAP")]),
    dec("NIC association", 1),
    dec("Target name length", 2),
    hex("Target name offset", 2),
    dec("CHAP name length", 2),
    hex("CHAP name offset", 2),
    dec("CHAP secret length", 2),
    hex("CHAP secret offset", 2),
    dec("Reverse CHAP name length", 2),
    hex("Reverse CHAP name offset", 2),
    dec("Reverse CHAP secret length", 2),
    hex("Reverse CHAP secret offset", 2),
];

/// The control structure first, then what it points to, then the texts these point to.
fn structures(cursor: &mut Cursor<'_>) {
    cursor.entry(&STRUCTURES);
    let control = cursor.section.sections.last();
    let rows = control.map(|control| control.rows.as_slice()).unwrap_or_default();
    let places: Vec<u64> = rows
        .iter()
        .filter(|row| row.name.contains("offset") || row.name == "Extensions")
        .filter_map(|row| row.value.number())
        .filter(|offset| *offset != 0)
        .collect();
    for place in places {
        let Ok(place) = usize::try_from(place) else { continue };
        let length = usize::try_from(peek(cursor, place.saturating_add(2))).unwrap_or(0);
        cursor.jump("iBFT structure", place, length, |cursor| {
            cursor.entry(&STRUCTURES);
        });
    }
    for (name, offset, length) in heap::objects(cursor) {
        cursor.jump(name, offset, length, |cursor| cursor.text("Text", usize::MAX));
    }
    gaps(cursor);
}

fn peek(cursor: &Cursor<'_>, at: usize) -> u64 {
    cursor.peek(at, 2).unwrap_or(0)
}

/// Addresses and texts beside the fields that hold them or point to them.
fn addresses(cursor: &mut Cursor<'_>) {
    super::addresses::words(cursor, &[]);
    heap::words(cursor, &[]);
}
