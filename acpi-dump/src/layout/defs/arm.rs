//! Tables of Arm machines: GTDT, AGDI, SDEI, APMT.

use super::arrays::{entries_at, items};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits_of, dec, flags, hex, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(*b"GTDT", "Generic Timer Description Table", "ACPI 6.5, 5.2.25", GTDT)
        .lengths(&[96])
        .rest(Rest::Code(platform_timers)),
    TableLayout::new(
        *b"AGDI",
        "Arm Generic Diagnostic Dump and Reset Device Interface",
        "Arm DEN0093, version 1.1",
        &[
            flags(
                "Flags",
                1,
                &[bits_of(0, 1, "Signalling mode", &[(0, "SDEI"), (1, "interrupt")])],
            ),
            reserved(3),
            dec("SDEI event number", 4),
            dec("GSIV", 4),
        ],
    ),
    TableLayout::new(
        *b"SDEI",
        "Software Delegated Exception Interface Table",
        "Arm DEN0054",
        &[],
    ),
    TableLayout::new(
        *b"APMT",
        "Arm Performance Monitoring Unit Table",
        "Arm DEN0117, version 1.0",
        &[],
    )
    .rest(Rest::Entries(&APMT)),
];

const TIMER_FLAGS: &[BitField] = &[TRIGGER, POLARITY, bit(2, "Always on")];
const FRAME_FLAGS: &[BitField] = &[TRIGGER, POLARITY];
const TRIGGER: BitField = bits_of(0, 1, "Trigger", &[(0, "level"), (1, "edge")]);
const POLARITY: BitField = bits_of(1, 1, "Polarity", &[(0, "active high"), (1, "active low")]);

const GTDT: &[Field] = &[
    hex("CntControlBase physical address", 8),
    reserved(4),
    dec("Secure EL1 timer GSIV", 4),
    flags("Secure EL1 timer flags", 4, TIMER_FLAGS),
    dec("Non-secure EL1 timer GSIV", 4),
    flags("Non-secure EL1 timer flags", 4, TIMER_FLAGS),
    dec("Virtual EL1 timer GSIV", 4),
    flags("Virtual EL1 timer flags", 4, TIMER_FLAGS),
    dec("EL2 timer GSIV", 4),
    flags("EL2 timer flags", 4, TIMER_FLAGS),
    hex("CntReadBase physical address", 8),
    dec("Platform timer count", 4),
    hex("Platform timer offset", 4),
    dec("Virtual EL2 timer GSIV", 4),
    flags("Virtual EL2 timer flags", 4, TIMER_FLAGS),
];

fn platform_timers(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Platform timer count").unwrap_or(0);
    let offset = cursor.size("Platform timer offset").unwrap_or(0);
    if count == 0 {
        return;
    }
    // Table revision 2 has no virtual EL2 timer: a platform timer stands in its place.
    if (REVISION_2..cursor.at).contains(&offset) {
        if is_platform_timer(cursor, offset) {
            cursor.section.rows.retain(|row| row.offset < offset);
            cursor.seek(offset);
        } else {
            let expected = format!("platform timer offset of at least {:#x}", cursor.at);
            cursor.finding(cursor.section.offset, expected, format!("{offset:#x}"));
        }
    }
    entries_at(cursor, offset, count, &PLATFORM_TIMERS);
}

fn is_platform_timer(cursor: &Cursor<'_>, at: usize) -> bool {
    let length = cursor.peek(at.saturating_add(1), 2).unwrap_or(0);
    let left = u64::try_from(cursor.end.saturating_sub(at)).unwrap_or(0);
    cursor.peek(at, 1).is_some_and(|kind| kind <= 1) && (20..=left).contains(&length)
}

/// Length of the fields up to table revision 2.
const REVISION_2: usize = 96;

const PLATFORM_TIMERS: Entries = Entries {
    noun: "Platform timer",
    head: &[hex("Type", 1), dec("Length", 2), reserved(1)],
    kind_at: (0, 1),
    length: Length::At(1, 2),
    kinds: &[
        EntryKind::new(
            0,
            "GT block",
            &[
                hex("CntCtlBase physical address", 8),
                dec("GT block timer count", 4),
                hex("GT block timer offset", 4),
            ],
        )
        .rest(Rest::Code(block_timers)),
        EntryKind::new(
            1,
            "Generic watchdog",
            &[
                hex("Refresh frame physical address", 8),
                hex("Control frame physical address", 8),
                dec("Watchdog timer GSIV", 4),
                flags("Watchdog timer flags", 4, &[TRIGGER, POLARITY, bit(2, "Secure")]),
            ],
        ),
    ],
};

fn block_timers(cursor: &mut Cursor<'_>) {
    let count = cursor.size("GT block timer count").unwrap_or(0);
    let offset = cursor.size("GT block timer offset").unwrap_or(0);
    let start = cursor.section.offset.saturating_add(offset);
    items(cursor, "GT block timer", start, count, BLOCK_TIMER);
}

const BLOCK_TIMER: &[Field] = &[
    dec("GT frame number", 1),
    reserved(3),
    hex("CntBaseN physical address", 8),
    hex("CntEL0BaseN physical address", 8),
    dec("Physical timer GSIV", 4),
    flags("Physical timer flags", 4, FRAME_FLAGS),
    dec("Virtual timer GSIV", 4),
    flags("Virtual timer flags", 4, FRAME_FLAGS),
    flags("Common flags", 4, &[bit(0, "Secure"), bit(1, "Always on")]),
];

const APMT: Entries = Entries {
    noun: "APMT node",
    head: &[
        dec("Length", 2),
        flags(
            "Flags",
            1,
            &[
                bit(0, "Dual-page extension"),
                bits_of(
                    1,
                    1,
                    "Processor affinity",
                    &[(0, "processor"), (1, "processor container")],
                ),
                bit(2, "64-bit single-copy atomic"),
            ],
        ),
        hex("Type", 1),
        dec("Identifier", 4),
    ],
    kind_at: (3, 1),
    length: Length::At(0, 2),
    kinds: &[
        EntryKind::new(0, "Memory controller PMU", APMT_NODE),
        EntryKind::new(1, "SMMU PMU", APMT_NODE),
        EntryKind::new(2, "PCIe root complex PMU", APMT_NODE),
        EntryKind::new(3, "ACPI device PMU", APMT_NODE),
        EntryKind::new(4, "CPU cache PMU", APMT_NODE),
    ],
};

const OVERFLOW_TYPE: Names = &[(0, "wired")];

const APMT_NODE: &[Field] = &[
    hex("Primary node instance", 8),
    hex("Secondary node instance", 4),
    hex("Base address 0", 8),
    hex("Base address 1", 8),
    dec("Overflow interrupt GSIV", 4),
    reserved(4),
    flags(
        "Overflow interrupt flags",
        4,
        &[TRIGGER, bits_of(1, 2, "Interrupt type", OVERFLOW_TYPE)],
    ),
    hex("Processor affinity", 4),
    hex("Implementation ID", 4),
];
