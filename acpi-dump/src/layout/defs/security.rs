//! Measured and protected machines: DRTM, DTPR, CCEL, TDEL, SVKL, KEYP.

use super::arrays::items_here;
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Rest, TableLayout, bit, bits, dec, flags, hex, one_of, reserved,
};

const GHCI: &str = "Intel TDX Guest-Host Communication Interface";

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"DRTM",
        "Dynamic Root of Trust for Measurement Table",
        "TCG D-RTM Architecture, version 1.0.0",
        DRTM,
    )
    .rest(Rest::Code(drtm_lists)),
    TableLayout::new(
        *b"DTPR",
        "DMA TXT Protection Ranges Table",
        "Intel TXT DMA Protection Ranges, revision 0.73",
        &[hex("Flags", 4), dec("Number of instances", 4)],
    )
    .rest(Rest::Code(protection_ranges)),
    TableLayout::new(
        *b"CCEL",
        "Confidential Computing Event Log Table",
        "ACPI 6.5, 5.2.34; Intel TDX GHCI",
        &[
            one_of("CC type", 1, &[(1, "AMD SEV"), (2, "Intel TDX")]),
            hex("CC subtype", 1),
            reserved(2),
            hex("Log area minimum length", 8),
            hex("Log area start address", 8),
        ],
    ),
    TableLayout::new(
        *b"TDEL",
        "TD Event Log Table",
        GHCI,
        &[
            reserved(4),
            hex("Log area minimum length", 8),
            hex("Log area start address", 8),
        ],
    ),
    TableLayout::new(
        *b"SVKL",
        "Storage Volume Key Location Table",
        "ACPI 6.5, 5.2.35; Intel TDX GHCI",
        &[dec("Number of keys", 4)],
    )
    .rest(Rest::Repeat("Key", KEY)),
    TableLayout::new(
        *b"KEYP",
        "Key Programming Interface Table",
        "Intel, Key Programming Interface for Root Complex IDE",
        &[reserved(4)],
    )
    .rest(Rest::Entries(&KEYP)),
];

const DRTM: &[Field] = &[
    hex("DL_Entry base", 8),
    hex("DL_Entry length", 8),
    hex("DL_Entry 32", 4),
    hex("DL_Entry 64", 8),
    hex("DLME_Exit", 8),
    hex("Log area start", 8),
    dec("Log area length", 4),
    hex("Architecture dependent", 8),
    flags("DRT flags", 4, DRTM_FLAGS),
];

const DRTM_FLAGS: &[BitField] = &[
    bit(0, "Namespace in TCB"),
    bit(1, "Gap code on S3 resume"),
    bit(2, "Gap code on DLME_Exit"),
    bit(3, "PCR_Authorities changed"),
];

const RESOURCE: &[Field] = &[
    dec("Size", 7),
    flags("Type", 1, &[bits(0, 7, "Resource type"), bit(7, "Protections")]),
    hex("Address", 8),
];

fn drtm_lists(cursor: &mut Cursor<'_>) {
    let count = cursor.field(&dec("Validated table count", 4)).unwrap_or(0);
    cursor.array(&hex("Validated table", 8), usize::try_from(count).unwrap_or(usize::MAX));
    let count = cursor.field(&dec("Resource count", 4)).unwrap_or(0);
    items_here(
        cursor,
        "Resource",
        usize::try_from(count).unwrap_or(usize::MAX),
        RESOURCE,
    );
    let length = cursor.field(&dec("DLME platform ID length", 4)).unwrap_or(0);
    // The identifier has 16 bytes of room, filled or not.
    cursor.raw(
        "DLME platform ID",
        usize::try_from(length).unwrap_or(usize::MAX).max(16),
    );
}

fn protection_ranges(cursor: &mut Cursor<'_>) {
    for _ in 0..cursor.size("Number of instances").unwrap_or(0) {
        if cursor.left() == 0 {
            return cursor.finding(cursor.at, "TPR instance", "end of the table");
        }
        let count = cursor.peek(cursor.at.saturating_add(4), 4).unwrap_or(0);
        let count = usize::try_from(count).unwrap_or(usize::MAX);
        let length = count.saturating_mul(8).saturating_add(8);
        cursor.nested("TPR instance", cursor.at.saturating_add(length), |cursor| {
            cursor.fields(&[hex("Flags", 4), dec("Number of TPRs", 4)]);
            cursor.array(&hex("TPR base register address", 8), count);
        });
    }
    let count = cursor
        .field(&dec("Number of serialize request registers", 4))
        .unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    cursor.array(&hex("Serialize request register address", 8), count);
}

const KEY: &[Field] = &[
    one_of("Key type", 2, &[(0, "main storage volume key")]),
    one_of("Key format", 2, &[(0, "raw binary")]),
    dec("Key size", 4),
    hex("Key address", 8),
];

const KEYP: Entries = Entries {
    noun: "KEYP structure",
    head: &[hex("Type", 1), reserved(1), dec("Length", 2)],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[EntryKind::new(
        0,
        "Key configuration unit",
        &[
            one_of("Protocol type", 1, &[(1, "PCIe"), (2, "CXL")]),
            dec("Version", 1),
            dec("Number of root ports", 1),
            flags("Flags", 1, &[bit(0, "Usable by trusted VMs")]),
            hex("Register base address", 8),
        ],
    )
    .rest(Rest::Repeat(
        "Root port",
        &[
            hex("Segment", 2),
            hex("Bus", 1),
            flags(
                "Device and function",
                1,
                &[bits(0, 3, "Function"), bits(3, 5, "Device")],
            ),
        ],
    ))],
};
