//! Timers, configuration space, embedded controller, idle states, channels to platform firmware.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Rest, TableLayout, bit, bits, bits_of, dec, flags, gas, hex, one_of,
    raw, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"MCFG",
        "PCI Express Memory Mapped Configuration Table",
        "PCI Firmware 3.3, 4.1.2",
        &[reserved(8)],
    )
    .rest(Rest::Repeat("Configuration space allocation", ALLOCATION)),
    TableLayout::new(
        *b"HPET",
        "High Precision Event Timer Table",
        "IA-PC HPET 1.0a, 3.2.4",
        HPET,
    ),
    TableLayout::new(
        *b"ECDT",
        "Embedded Controller Boot Resources Table",
        "ACPI 6.5, 5.2.15",
        ECDT,
    )
    .rest(Rest::Code(embedded_controller)),
    TableLayout::new(*b"LPIT", "Low Power Idle Table", "Intel LPIT rev. 001", &[]).rest(Rest::Entries(&IDLE)),
    TableLayout::new(
        *b"PCCT",
        "Platform Communications Channel Table",
        "ACPI 6.5, 14.1",
        &[
            flags("Flags", 4, &[bit(0, "Platform interrupt (doorbell)")]),
            reserved(8),
        ],
    )
    .rest(Rest::Entries(&SUBSPACES)),
    TableLayout::new(
        *b"RASF",
        "RAS Feature Table",
        "ACPI 6.4, 5.2.20",
        &[raw("Platform communication channel identifier", 12)],
    ),
    TableLayout::new(*b"MPST", "Memory Power State Table", "ACPI 6.5, 5.2.21", MPST).rest(Rest::Code(nodes)),
];

const ALLOCATION: &[Field] = &[
    hex("Base address", 8),
    hex("PCI segment group number", 2),
    hex("Start bus number", 1),
    hex("End bus number", 1),
    reserved(4),
];

const HPET: &[Field] = &[
    flags(
        "Event timer block ID",
        4,
        &[
            bits(0, 8, "Hardware revision"),
            bits(8, 5, "Number of comparators, less one"),
            bit(13, "Main counter has 64 bits (COUNT_SIZE_CAP)"),
            bit(15, "Can replace 8254 and RTC interrupts (LEG_ROUTE_CAP)"),
            bits(16, 16, "PCI vendor ID"),
        ],
    ),
    gas("Base address"),
    dec("HPET number", 1),
    dec("Main counter minimum clock tick in periodic mode", 2),
    flags(
        "Page protection and OEM attribute",
        1,
        &[
            bits_of(
                0,
                4,
                "Page protection",
                &[(0, "none"), (1, "4 KiB page"), (2, "64 KiB page")],
            ),
            bits(4, 4, "OEM attribute"),
        ],
    ),
];

const ECDT: &[Field] = &[gas("EC_CONTROL"), gas("EC_DATA"), hex("UID", 4), hex("GPE_BIT", 1)];

fn embedded_controller(cursor: &mut Cursor<'_>) {
    cursor.zero_ended("EC_ID");
}

const IDLE: Entries = Entries {
    noun: "LPI state descriptor",
    head: &[one_of("Type", 4, &[]), dec("Length", 4)],
    kind_at: (0, 4),
    length: Length::At(4, 4),
    kinds: &[EntryKind::new(
        0,
        "Native C-state instruction based LPI",
        &[
            hex("Unique ID", 2),
            reserved(2),
            flags(
                "Flags",
                4,
                &[bit(0, "Disabled"), bit(1, "Residency counter unavailable")],
            ),
            gas("Entry trigger"),
            dec("Residency (us)", 4),
            dec("Worst-case exit latency (us)", 4),
            gas("Residency counter"),
            dec("Residency counter frequency (counts/s; 0: TSC frequency)", 8),
        ],
    )],
};

const SUBSPACES: Entries = Entries {
    noun: "PCC subspace",
    head: &[one_of("Type", 1, &[]), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(0, "Generic communications subspace", PCC_GENERIC),
        EntryKind::new(1, "HW-reduced communications subspace, type 1", PCC_REDUCED_1),
        EntryKind::new(2, "HW-reduced communications subspace, type 2", PCC_REDUCED_2),
        EntryKind::new(3, "Extended PCC initiator subspace, type 3", PCC_EXTENDED),
        EntryKind::new(4, "Extended PCC responder subspace, type 4", PCC_EXTENDED),
        EntryKind::new(5, "HW registers based communications subspace, type 5", PCC_REGISTERS),
    ],
};

const PCC_INTERRUPT: Field = dec("Platform interrupt", 4);
const PCC_FLAGS: Field = flags("Platform interrupt flags", 1, PCC_INTERRUPT_BITS);
const PCC_INTERRUPT_BITS: &[BitField] = &[
    bits_of(0, 1, "Polarity", &[(0, "active high"), (1, "active low")]),
    bits_of(1, 1, "Mode", &[(0, "level"), (1, "edge")]),
];
const BASE: Field = hex("Base address", 8);
const LENGTH: Field = hex("Memory range length", 8);
const DOORBELL: Field = gas("Doorbell register");
const DOORBELL_PRESERVE: Field = hex("Doorbell preserve", 8);
const DOORBELL_WRITE: Field = hex("Doorbell write", 8);
const LATENCY: Field = dec("Nominal latency (us)", 4);
const RATE: Field = dec("Maximum periodic access rate (per minute; 0: no limit)", 4);
const TURNAROUND_2: Field = dec("Minimum request turnaround time (us)", 2);
const TURNAROUND_4: Field = dec("Minimum request turnaround time (us)", 4);

const PCC_GENERIC: &[Field] = &[
    reserved(6),
    BASE,
    LENGTH,
    DOORBELL,
    DOORBELL_PRESERVE,
    DOORBELL_WRITE,
    LATENCY,
    RATE,
    TURNAROUND_2,
];

const PCC_REDUCED_1: &[Field] = &[
    PCC_INTERRUPT,
    PCC_FLAGS,
    reserved(1),
    BASE,
    LENGTH,
    DOORBELL,
    DOORBELL_PRESERVE,
    DOORBELL_WRITE,
    LATENCY,
    RATE,
    TURNAROUND_2,
];

const PCC_REDUCED_2: &[Field] = &[
    PCC_INTERRUPT,
    PCC_FLAGS,
    reserved(1),
    BASE,
    LENGTH,
    DOORBELL,
    DOORBELL_PRESERVE,
    DOORBELL_WRITE,
    LATENCY,
    RATE,
    TURNAROUND_2,
    gas("Platform interrupt ack register"),
    hex("Platform interrupt ack preserve", 8),
    hex("Platform interrupt ack write", 8),
];

const PCC_EXTENDED: &[Field] = &[
    PCC_INTERRUPT,
    PCC_FLAGS,
    reserved(1),
    BASE,
    hex("Memory range length", 4),
    DOORBELL,
    DOORBELL_PRESERVE,
    DOORBELL_WRITE,
    LATENCY,
    RATE,
    TURNAROUND_4,
    gas("Platform interrupt ack register"),
    hex("Platform interrupt ack preserve", 8),
    hex("Platform interrupt ack set", 8),
    reserved(8),
    gas("Command complete check register"),
    hex("Command complete check mask", 8),
    gas("Command complete update register"),
    hex("Command complete update preserve", 8),
    hex("Command complete update set", 8),
    gas("Error status register"),
    hex("Error status mask", 8),
];

const PCC_REGISTERS: &[Field] = &[
    dec("Version", 2),
    BASE,
    LENGTH,
    DOORBELL,
    DOORBELL_PRESERVE,
    DOORBELL_WRITE,
    gas("Command complete check register"),
    hex("Command complete check mask", 8),
    gas("Error status register"),
    hex("Error status mask", 8),
    LATENCY,
    TURNAROUND_4,
];

const MPST: &[Field] = &[
    hex("PCC identifier", 1),
    reserved(3),
    dec("Memory power node count", 2),
    reserved(2),
];

const NODE: &[Field] = &[
    flags(
        "Flags",
        1,
        &[bit(0, "Enabled"), bit(1, "Power managed"), bit(2, "Hot pluggable")],
    ),
    reserved(1),
    hex("Memory power node ID", 2),
    dec("Length", 4),
    hex("Base address", 8),
    hex("Length of the range", 8),
    dec("Number of power states", 4),
    dec("Number of physical components", 4),
];

const STATE: &[Field] = &[hex("Power state value", 1), hex("Power state information index", 1)];

const CHARACTERISTICS: &[Field] = &[
    hex("Power state structure ID", 1),
    flags(
        "Flags",
        1,
        &[
            bit(0, "Memory contents preserved"),
            bit(1, "Entered by hardware"),
            bit(2, "Left by hardware"),
        ],
    ),
    reserved(2),
    dec("Average power consumed in MPS0 state (mW)", 4),
    dec("Relative power saving to MPS0 state (%)", 4),
    dec("Exit latency (ns)", 8),
    reserved(8),
];

/// Power nodes, as many as the header says, then power state characteristics.
fn nodes(cursor: &mut Cursor<'_>) {
    let (start, count) = (cursor.at, cursor.value("Memory power node count").unwrap_or(0));
    for index in 0..count {
        let length = cursor.at.checked_add(4).and_then(|at| cursor.peek(at, 4));
        let Some(length) = length
            .and_then(|length| usize::try_from(length).ok())
            .filter(|length| *length >= 32)
        else {
            let seen = format!("no length of at least 32 in number {index}");
            return cursor.finding(start, format!("{count} memory power nodes"), seen);
        };
        let end = cursor.at.saturating_add(length);
        cursor.nested("Memory power node", end, node);
    }
    cursor.fields(&[dec("Memory power state characteristics count", 2), reserved(2)]);
    let count = cursor.value("Memory power state characteristics count").unwrap_or(0);
    for _ in 0..count {
        if cursor.left() == 0 {
            return cursor.finding(cursor.at, format!("{count} power state characteristics"), "fewer");
        }
        let end = cursor.at.saturating_add(28);
        cursor.nested("Memory power state characteristics", end, |cursor| {
            cursor.fields(CHARACTERISTICS);
        });
    }
}

fn node(cursor: &mut Cursor<'_>) {
    cursor.fields(NODE);
    for _ in 0..cursor.value("Number of power states").unwrap_or(0) {
        if cursor.left() == 0 {
            break;
        }
        let end = cursor.at.saturating_add(2);
        cursor.nested("Power state", end, |cursor| {
            cursor.fields(STATE);
        });
    }
    let components = cursor.size("Number of physical components").unwrap_or(0);
    cursor.array(&hex("Physical component ID", 2), components);
}
