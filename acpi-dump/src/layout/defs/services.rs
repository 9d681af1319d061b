//! Small tables of the platform: BDAT, CPEP, CSRT, MISC, PDTT, PRMT, RAS2, RGRT, S3PT, SBST.

use super::arrays::items;
use crate::layout::Cursor;
use crate::layout::spec::{
    Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, dec, flags, gas, guid, hex, one_of, reserved,
    text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"BDAT",
        "BIOS Data ACPI Table",
        "BDAT interface specification, version 4.0",
        &[gas("BIOS data")],
    ),
    TableLayout::new(
        *b"CPEP",
        "Corrected Platform Error Polling Table",
        "ACPI 6.5, 5.2.18",
        &[reserved(8)],
    )
    .rest(Rest::Entries(&CPEP)),
    TableLayout::new(
        *b"CSRT",
        "Core System Resource Table",
        "Microsoft, Core System Resources Table",
        &[],
    )
    .rest(Rest::Code(groups)),
    TableLayout::new(*b"MISC", "Miscellaneous GUIDed Table Entries", "ACPI 6.5, 5.2.33", &[]).rest(Rest::Code(misc)),
    TableLayout::new(
        *b"PDTT",
        "Platform Debug Trigger Table",
        "ACPI 6.5, 5.2.29",
        &[
            dec("Number of triggers", 1),
            reserved(3),
            hex("Offset of the trigger identifiers", 4),
        ],
    )
    .rest(Rest::Code(triggers)),
    TableLayout::new(
        *b"PRMT",
        "Platform Runtime Mechanism Table",
        "Platform Runtime Mechanism specification, 1.0",
        &[
            guid("Platform GUID"),
            hex("Offset of the module information", 4),
            dec("Number of modules", 4),
        ],
    )
    .rest(Rest::Code(modules)),
    TableLayout::new(
        *b"RAS2",
        "RAS2 Feature Table",
        "ACPI 6.5, 5.2.21",
        &[reserved(2), dec("Number of PCC descriptors", 2)],
    )
    .rest(Rest::Repeat("PCC descriptor", PCC_DESCRIPTOR)),
    TableLayout::new(
        *b"RGRT",
        "Regulatory Graphics Resource Table",
        "Microsoft, ACPI RGRT",
        &[dec("Version", 2), one_of("Image type", 1, &[(1, "PNG")]), reserved(1)],
    )
    .rest(Rest::Bytes("Image")),
    TableLayout::new(
        *b"S3PT",
        "S3 Performance Table",
        "ACPI 6.5, 5.2.24.6",
        &[text("Signature", 4), dec("Length", 4)],
    )
    .rest(Rest::Entries(&S3PT)),
    TableLayout::new(
        *b"SBST",
        "Smart Battery Table",
        "ACPI 6.5, 5.2.14",
        &[
            dec("Warning energy level in mWh", 4),
            dec("Low energy level in mWh", 4),
            dec("Critical energy level in mWh", 4),
        ],
    ),
];

/// Times in ns since the processor came out of reset.
const S3PT: Entries = Entries {
    noun: "S3 performance record",
    head: &[hex("Type", 2), dec("Length", 1), dec("Revision", 1)],
    kind_at: (0, 2),
    length: Length::At(2, 1),
    kinds: &[
        EntryKind::new(
            0,
            "Basic S3 resume performance record",
            &[
                dec("Resume count", 4),
                dec("Full resume in ns", 8),
                dec("Average resume in ns", 8),
            ],
        ),
        EntryKind::new(
            1,
            "Basic S3 suspend performance record",
            &[dec("Suspend start in ns", 8), dec("Suspend end in ns", 8)],
        ),
    ],
};

const CPEP: Entries = Entries {
    noun: "CPEP structure",
    head: &[hex("Type", 1), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[EntryKind::new(
        0,
        "Corrected platform error polling processor",
        &[
            dec("Processor ID", 1),
            dec("Processor EID", 1),
            dec("Polling interval in ms", 4),
        ],
    )],
};

/// Length of what starts here, when it is a sane one for its fixed fields.
fn stated_length(cursor: &mut Cursor<'_>, at: usize, width: u8, fixed: usize, what: &str) -> Option<usize> {
    let length = cursor.peek(at, width).and_then(|length| usize::try_from(length).ok());
    let sane = length.filter(|length| *length >= fixed);
    if sane.is_none() {
        let seen = length.map_or_else(|| "none".to_owned(), |length| length.to_string());
        cursor.finding(cursor.at, format!("length of {what}, at least {fixed}"), seen);
    }
    if let Some(length) = sane.filter(|length| *length > cursor.left()) {
        let expected = format!("at most {} bytes of {what}", cursor.left());
        cursor.finding(cursor.at, expected, format!("length {length}"));
    }
    sane
}

fn groups(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let Some(length) = stated_length(cursor, cursor.at, 4, 24, "a resource group") else {
            return;
        };
        cursor.nested("Resource group", cursor.at.saturating_add(length), |cursor| {
            cursor.fields(GROUP);
            let shared = cursor.size("Shared info length").unwrap_or(0);
            if shared > 0 {
                cursor.nested("Shared info", cursor.at.saturating_add(shared), |cursor| {
                    // Other devices have a layout of their own, of any length.
                    if cursor.left() == SHARED_LENGTH {
                        cursor.fields(SHARED);
                    }
                    cursor.raw("Further shared info", usize::MAX);
                });
            }
            descriptors(cursor);
        });
    }
}

fn descriptors(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let Some(length) = stated_length(cursor, cursor.at, 4, 12, "a resource descriptor") else {
            return;
        };
        cursor.nested("Resource descriptor", cursor.at.saturating_add(length), |cursor| {
            let subtypes: Names = match cursor.peek(cursor.at.saturating_add(4), 2) {
                Some(1) => &[(0, "interrupt line"), (1, "interrupt controller")],
                Some(2) => &[(0, "timer")],
                Some(3) => &[(0, "DMA channel"), (1, "DMA controller")],
                _ => &[],
            };
            cursor.fields(&[
                dec("Length", 4),
                one_of("Type", 2, &[(1, "interrupt"), (2, "timer"), (3, "DMA")]),
                one_of("Subtype", 2, subtypes),
                hex("UID", 4),
            ]);
            cursor.raw("Resource-specific information", usize::MAX);
        });
    }
}

const GROUP: &[Field] = &[
    dec("Length", 4),
    text("Vendor ID", 4),
    text("Subvendor ID", 4),
    hex("Device ID", 2),
    hex("Subdevice ID", 2),
    dec("Revision", 2),
    reserved(2),
    dec("Shared info length", 4),
];

/// Shared information of a DMA controller.
const SHARED: &[Field] = &[
    dec("Major version", 2),
    dec("Minor version", 2),
    hex("MMIO base address, low", 4),
    hex("MMIO base address, high", 4),
    dec("Global system interrupt", 4),
    one_of("Interrupt polarity", 1, &[(0, "active high"), (1, "active low")]),
    one_of("Interrupt mode", 1, &[(0, "level"), (1, "edge")]),
    dec("Number of channels", 1),
    dec("DMA address width", 1),
    dec("Base request line", 2),
    dec("Number of handshake signals", 2),
    dec("Maximum block size", 4),
];

const SHARED_LENGTH: usize = 28;

fn misc(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let at = cursor.at.saturating_add(16);
        let Some(length) = stated_length(cursor, at, 4, 28, "a GUIDed entry") else {
            return;
        };
        cursor.nested("GUIDed entry", cursor.at.saturating_add(length), |cursor| {
            cursor.fields(&[
                guid("Entry GUID ID"),
                dec("Entry length", 4),
                dec("Revision", 4),
                text("Producer ID", 4),
            ]);
            cursor.raw("Data", usize::MAX);
        });
    }
}

fn triggers(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of triggers").unwrap_or(0);
    let offset = cursor.size("Offset of the trigger identifiers").unwrap_or(0);
    items(cursor, "Debug trigger", offset, count, TRIGGER);
}

const TRIGGER: &[Field] = &[
    dec("PCC subspace ID", 1),
    flags(
        "Flags",
        1,
        &[
            bit(0, "Runtime trigger"),
            bit(1, "Wait until completion"),
            bit(2, "Invoked in order"),
        ],
    ),
];

fn modules(cursor: &mut Cursor<'_>) {
    let offset = cursor.size("Offset of the module information").unwrap_or(0);
    super::arrays::up_to(cursor, offset);
    for _ in 0..cursor.size("Number of modules").unwrap_or(0) {
        let at = cursor.at.saturating_add(2);
        let Some(length) = stated_length(cursor, at, 2, 38, "a PRM module") else {
            return;
        };
        cursor.nested("PRM module", cursor.at.saturating_add(length), |cursor| {
            cursor.fields(MODULE);
            let count = cursor.size("Number of handlers").unwrap_or(0);
            let offset = cursor.size("Offset of the handler information").unwrap_or(0);
            let start = cursor.section.offset.saturating_add(offset);
            items(cursor, "PRM handler", start, count, HANDLER);
        });
    }
}

const MODULE: &[Field] = &[
    dec("Structure revision", 2),
    dec("Structure length", 2),
    guid("Module GUID"),
    dec("Module major revision", 2),
    dec("Module minor revision", 2),
    dec("Number of handlers", 2),
    hex("Offset of the handler information", 4),
    hex("Address of the runtime MMIO ranges", 8),
];

const HANDLER: &[Field] = &[
    dec("Structure revision", 2),
    dec("Structure length", 2),
    guid("Handler GUID"),
    hex("Handler physical address", 8),
    hex("Static data buffer physical address", 8),
    hex("ACPI parameter buffer physical address", 8),
];

const PCC_DESCRIPTOR: &[Field] = &[
    dec("PCC identifier", 1),
    reserved(2),
    one_of("Feature type", 1, &[(0, "memory"), (0x80, "vendor-defined")]),
    dec("Instance", 4),
];
