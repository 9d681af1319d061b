//! ACPI Platform Error Interfaces: BERT, ERST, EINJ, HEST (ACPI 6.5, chapter 18).

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, dec, flags, gas, hex, one_of, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"BERT",
        "Boot Error Record Table",
        "ACPI 6.5, 18.3.1",
        &[dec("Boot error region length", 4), hex("Boot error region", 8)],
    ),
    TableLayout::new(
        *b"ERST",
        "Error Record Serialization Table",
        "ACPI 6.5, 18.5.1",
        &[dec("Serialization header size", 4), reserved(4), dec(COUNT, 4)],
    )
    .rest(Rest::Code(serialization)),
    TableLayout::new(
        *b"EINJ",
        "Error Injection Table",
        "ACPI 6.5, 18.6.1",
        &[
            dec("Injection header size", 4),
            hex("Injection flags", 1),
            reserved(3),
            dec(COUNT, 4),
        ],
    )
    .rest(Rest::Code(injection)),
    TableLayout::new(
        *b"HEST",
        "Hardware Error Source Table",
        "ACPI 6.5, 18.3.2",
        &[dec("Error source count", 4)],
    )
    .rest(Rest::Code(sources)),
];

const COUNT: &str = "Instruction entry count";

const INSTRUCTION_FLAGS: Field = flags("Flags", 1, &[bit(0, "Preserve register bits (PRESERVE_REGISTER)")]);

const SERIALIZATION: &[Field] = &[
    one_of("Serialization action", 1, ERST_ACTIONS),
    one_of("Instruction", 1, ERST_INSTRUCTIONS),
    INSTRUCTION_FLAGS,
    reserved(1),
    gas("Register region"),
    hex("Value", 8),
    hex("Mask", 8),
];

const INJECTION: &[Field] = &[
    one_of("Injection action", 1, EINJ_ACTIONS),
    one_of("Instruction", 1, EINJ_INSTRUCTIONS),
    INSTRUCTION_FLAGS,
    reserved(1),
    gas("Register region"),
    hex("Value", 8),
    hex("Mask", 8),
];

const ERST_ACTIONS: Names = &[
    (0x0, "begin write operation"),
    (0x1, "begin read operation"),
    (0x2, "begin clear operation"),
    (0x3, "end operation"),
    (0x4, "set record offset"),
    (0x5, "execute operation"),
    (0x6, "check busy status"),
    (0x7, "get command status"),
    (0x8, "get record identifier"),
    (0x9, "set record identifier"),
    (0xa, "get record count"),
    (0xb, "begin dummy write operation"),
    (0xd, "get error log address range"),
    (0xe, "get error log address range length"),
    (0xf, "get error log address range attributes"),
    (0x10, "get execute operation timings"),
];

const ERST_INSTRUCTIONS: Names = &[
    (0x00, "read register"),
    (0x01, "read register value"),
    (0x02, "write register"),
    (0x03, "write register value"),
    (0x04, "no operation"),
    (0x05, "load VAR1"),
    (0x06, "load VAR2"),
    (0x07, "store VAR1"),
    (0x08, "add"),
    (0x09, "subtract"),
    (0x0a, "add value"),
    (0x0b, "subtract value"),
    (0x0c, "stall"),
    (0x0d, "stall while true"),
    (0x0e, "skip next instruction if true"),
    (0x0f, "go to"),
    (0x10, "set source address base"),
    (0x11, "set destination address base"),
    (0x12, "move data"),
];

const EINJ_ACTIONS: Names = &[
    (0x0, "begin injection operation"),
    (0x1, "get trigger error action table"),
    (0x2, "set error type"),
    (0x3, "get error type"),
    (0x4, "end operation"),
    (0x5, "execute operation"),
    (0x6, "check busy status"),
    (0x7, "get command status"),
    (0x8, "set error type with address"),
    (0x9, "get execute operation timings"),
    (0x10, "EINJv2 set error type"),
    (0x11, "EINJv2 get error type"),
    (0xff, "trigger error"),
];

const EINJ_INSTRUCTIONS: Names = &[
    (0x00, "read register"),
    (0x01, "read register value"),
    (0x02, "write register"),
    (0x03, "write register value"),
    (0x04, "no operation"),
    (0x05, "flush cache line"),
];

fn serialization(cursor: &mut Cursor<'_>) {
    instructions(cursor, &Rest::Repeat("Serialization instruction", SERIALIZATION));
}

fn injection(cursor: &mut Cursor<'_>) {
    instructions(cursor, &Rest::Repeat("Injection instruction", INJECTION));
}

/// Entries of 32 bytes up to the end, as many as a field says.
fn instructions(cursor: &mut Cursor<'_>, entries: &Rest) {
    let (start, count) = (cursor.at, cursor.value(COUNT));
    let whole = u64::try_from(cursor.left() / 32).unwrap_or(u64::MAX);
    if let Some(count) = count.filter(|count| *count != whole) {
        cursor.finding(
            start,
            format!("{count} instruction entries"),
            format!("room for {whole}"),
        );
    }
    cursor.rest(entries);
}

fn sources(cursor: &mut Cursor<'_>) {
    let (start, count) = (cursor.at, cursor.size("Error source count"));
    let mut seen = 0usize;
    while cursor.left() > 0 && cursor.entry(&SOURCES) {
        seen = seen.saturating_add(1);
    }
    if let Some(count) = count.filter(|count| *count != seen) {
        cursor.finding(start, format!("{count} error sources"), seen.to_string());
    }
}

const SOURCES: Entries = Entries {
    noun: "Error source",
    head: &[one_of("Type", 2, &[]), hex("Source ID", 2)],
    kind_at: (0, 2),
    length: Length::By(source_length),
    kinds: &[
        EntryKind::new(0, "IA-32 machine check exception", MACHINE_CHECK).rest(Rest::Code(banks)),
        EntryKind::new(1, "IA-32 corrected machine check", CORRECTED).rest(Rest::Code(banks)),
        EntryKind::new(2, "IA-32 non-maskable interrupt", NMI),
        EntryKind::new(6, "PCI Express root port AER", AER).rest(Rest::Code(root_port)),
        EntryKind::new(7, "PCI Express device AER", AER),
        EntryKind::new(8, "PCI Express/PCI-X bridge AER", AER).rest(Rest::Code(bridge)),
        EntryKind::new(9, "Generic hardware error source", GENERIC).rest(Rest::Code(generic)),
        EntryKind::new(10, "Generic hardware error source version 2", GENERIC).rest(Rest::Code(generic)),
        EntryKind::new(11, "IA-32 deferred machine check", CORRECTED).rest(Rest::Code(banks)),
    ],
};

/// Sources have no length field: the type tells, and the number of banks behind some types.
fn source_length(bytes: &[u8]) -> Option<usize> {
    let kind = u16::from_le_bytes([*bytes.first()?, *bytes.get(1)?]);
    let with_banks = |fixed: usize, at: usize| {
        let banks = usize::from(*bytes.get(at)?);
        banks.checked_mul(28)?.checked_add(fixed)
    };
    match kind {
        0 => with_banks(40, 32),
        1 | 11 => with_banks(48, 44),
        2 => Some(20),
        6 => Some(48),
        7 => Some(44),
        8 => Some(56),
        9 => Some(64),
        10 => Some(92),
        _ => None,
    }
}

const SOURCE_FLAGS: &[BitField] = &[
    bit(0, "Firmware first (FIRMWARE_FIRST)"),
    bit(1, "For all sources of the type (GLOBAL)"),
    bit(2, "Generic source reports too (GHES_ASSIST)"),
];

const ENABLED: Field = one_of("Enabled", 1, &[(0, "no"), (1, "yes")]);
const RECORDS: Field = dec("Number of records to pre-allocate", 4);
const SECTIONS: Field = dec("Max sections per record", 4);
const BANKS: Field = dec("Number of hardware banks", 1);

const MACHINE_CHECK: &[Field] = &[
    reserved(2),
    flags("Flags", 1, SOURCE_FLAGS),
    ENABLED,
    RECORDS,
    SECTIONS,
    hex("Global capability init data", 8),
    hex("Global control init data", 8),
    BANKS,
    reserved(7),
];

/// Corrected and deferred machine check; the notification is one field here so that the type of
/// the source stays a list of fields, see [`banks`].
const CORRECTED: &[Field] = &[reserved(2), flags("Flags", 1, SOURCE_FLAGS), ENABLED, RECORDS, SECTIONS];

const NMI: &[Field] = &[reserved(4), RECORDS, SECTIONS, dec("Max raw data length", 4)];

const AER: &[Field] = &[
    reserved(2),
    flags("Flags", 1, SOURCE_FLAGS),
    ENABLED,
    RECORDS,
    SECTIONS,
    hex("Bus (bits 7:0) and segment (bits 23:8)", 4),
    hex("Device", 2),
    hex("Function", 2),
    hex("Device control", 2),
    reserved(2),
    hex("Uncorrectable error mask", 4),
    hex("Uncorrectable error severity", 4),
    hex("Correctable error mask", 4),
    hex("Advanced error capabilities and control", 4),
];

fn root_port(cursor: &mut Cursor<'_>) {
    cursor.fields(&[hex("Root error command", 4)]);
}

fn bridge(cursor: &mut Cursor<'_>) {
    cursor.fields(&[
        hex("Secondary uncorrectable error mask", 4),
        hex("Secondary uncorrectable error severity", 4),
        hex("Secondary advanced capabilities and control", 4),
    ]);
}

const GENERIC: &[Field] = &[
    one_of("Related source ID", 2, &[(0xffff, "none")]),
    hex("Flags (reserved)", 1),
    ENABLED,
    RECORDS,
    SECTIONS,
    dec("Max raw data length", 4),
    gas("Error status address"),
];

/// Notification, length of the status block, and in version 2 how a read is acknowledged.
fn generic(cursor: &mut Cursor<'_>) {
    notification(cursor);
    cursor.fields(&[dec("Error status block length", 4)]);
    if cursor.left() > 0 {
        cursor.fields(&[
            gas("Read ack register"),
            hex("Read ack preserve", 8),
            hex("Read ack write", 8),
        ]);
    }
}

fn banks(cursor: &mut Cursor<'_>) {
    if cursor.row("Number of hardware banks").is_none() {
        notification(cursor);
        cursor.fields(&[BANKS, reserved(3)]);
    }
    cursor.rest(&Rest::Repeat("Machine check bank", BANK));
}

const BANK: &[Field] = &[
    dec("Bank number", 1),
    one_of("Clear status on initialization", 1, &[(0, "yes"), (1, "no")]),
    one_of(
        "Status data format",
        1,
        &[(0, "IA-32 MCA"), (1, "Intel 64 MCA"), (2, "AMD64 MCA")],
    ),
    reserved(1),
    hex("Control register MSR address", 4),
    hex("Control init data", 8),
    hex("Status register MSR address", 4),
    hex("Address register MSR address", 4),
    hex("Misc register MSR address", 4),
];

const NOTIFICATION_TYPES: Names = &[
    (0, "polled"),
    (1, "external interrupt"),
    (2, "local interrupt"),
    (3, "SCI"),
    (4, "NMI"),
    (5, "CMCI"),
    (6, "MCE"),
    (7, "GPIO signal"),
    (8, "Armv8 SEA"),
    (9, "Armv8 SEI"),
    (10, "external interrupt (GSIV)"),
    (11, "software delegated exception"),
];

/// 18.3.2.9, hardware error notification structure.
const NOTIFICATION: &[Field] = &[
    one_of("Type", 1, NOTIFICATION_TYPES),
    dec("Length", 1),
    flags(
        "Configuration write enable",
        2,
        &[
            bit(0, "Type"),
            bit(1, "Poll interval"),
            bit(2, "Switch to polling threshold value"),
            bit(3, "Switch to polling threshold window"),
            bit(4, "Error threshold value"),
            bit(5, "Error threshold window"),
        ],
    ),
    dec("Poll interval (ms)", 4),
    dec("Vector", 4),
    dec("Switch to polling threshold value", 4),
    dec("Switch to polling threshold window (ms)", 4),
    dec("Error threshold value", 4),
    dec("Error threshold window (ms)", 4),
];

fn notification(cursor: &mut Cursor<'_>) {
    let end = cursor.at.saturating_add(28);
    cursor.nested("Notification", end, |cursor| {
        cursor.fields(NOTIFICATION);
    });
}
