//! Management of a machine from outside: ASF!, MCHI, SPMI.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits, bits_of, dec, flags, gas, hex,
    one_of, raw, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"ASF!",
        "Alert Standard Format Table",
        "DMTF DSP0136 (ASF 2.0), 4.1",
        &[],
    )
    .rest(Rest::Code(records)),
    TableLayout::new(
        *b"MCHI",
        "Management Controller Host Interface Table",
        "DMTF DSP0256 (MCTP host interface), 1.0",
        MCHI,
    ),
    TableLayout::new(
        *b"SPMI",
        "Server Platform Management Interface Table",
        "IPMI 2.0, appendix C3",
        SPMI,
    )
    .lengths(&[64]),
];

/// Up to the record that says it is the last one.
fn records(cursor: &mut Cursor<'_>) {
    let mut last = false;
    while !last && cursor.left() > 0 {
        last = cursor.peek(cursor.at, 1).is_some_and(|kind| kind & 0x80 != 0);
        if !cursor.entry(&ASF) {
            return;
        }
    }
}

/// Bit 7 of the type marks the last record.
const ASF: Entries = Entries {
    noun: "ASF record",
    head: &[
        flags(
            "Type",
            1,
            &[bits_of(0, 7, "Record type", ASF_TYPES), bit(7, "Last record")],
        ),
        reserved(1),
        dec("Length", 2),
    ],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        ASF_INFO,
        ASF_ALRT,
        ASF_RCTL,
        ASF_RMCP,
        ASF_ADDR,
        last(ASF_INFO),
        last(ASF_ALRT),
        last(ASF_RCTL),
        last(ASF_RMCP),
        last(ASF_ADDR),
    ],
};

const fn last(kind: EntryKind) -> EntryKind {
    EntryKind {
        number: kind.number | 0x80,
        ..kind
    }
}

const ASF_TYPES: Names = &[
    (0, "ASF_INFO"),
    (1, "ASF_ALRT"),
    (2, "ASF_RCTL"),
    (3, "ASF_RMCP"),
    (4, "ASF_ADDR"),
];

const ASF_INFO: EntryKind = EntryKind::new(
    0,
    "ASF information",
    &[
        dec("Minimum watchdog reset value", 1),
        dec("Minimum ASF sensor polling wait time", 1),
        hex("System ID", 2),
        hex("IANA manufacturer ID", 4),
        flags("Feature flags", 1, &[bit(0, "SMBus protocols")]),
        reserved(3),
    ],
);

const ASF_ALRT: EntryKind = EntryKind::new(
    1,
    "ASF alerts",
    &[
        hex("Assertion event bit mask", 1),
        hex("Deassertion event bit mask", 1),
        dec("Number of alerts", 1),
        dec("Array element length", 1),
    ],
)
.rest(Rest::Code(alerts));

const ASF_RCTL: EntryKind = EntryKind::new(
    2,
    "ASF remote control",
    &[
        dec("Number of controls", 1),
        dec("Array element length", 1),
        reserved(2),
    ],
)
.rest(Rest::Code(controls));

const ASF_RMCP: EntryKind = EntryKind::new(
    3,
    "ASF RMCP boot options",
    &[
        raw("Remote control capabilities", 7),
        hex("Boot options completion code", 1),
        hex("IANA enterprise ID", 4),
        hex("Special command", 1),
        hex("Special command parameter", 2),
        hex("Boot options", 2),
        hex("OEM parameters", 2),
    ],
);

const ASF_ADDR: EntryKind = EntryKind::new(
    4,
    "ASF fixed SMBus addresses",
    &[hex("SEEPROM address", 1), dec("Number of devices", 1)],
)
.rest(Rest::Array(hex("Fixed SMBus address", 1)));

fn alerts(cursor: &mut Cursor<'_>) {
    elements(cursor, "Alert", "Number of alerts", ALERT);
}

fn controls(cursor: &mut Cursor<'_>) {
    elements(cursor, "Control", "Number of controls", CONTROL);
}

fn elements(cursor: &mut Cursor<'_>, title: &str, count: &str, fields: &[Field]) {
    let (count, length) = (cursor.size(count), cursor.size("Array element length"));
    let length = length.unwrap_or(0).max(1);
    for index in 0..count.unwrap_or(0) {
        if cursor.left() == 0 {
            return cursor.finding(cursor.at, format!("{title} {index}"), "end of the record");
        }
        cursor.nested(title, cursor.at.saturating_add(length), |cursor| {
            cursor.fields(fields);
        });
    }
}

const ALERT: &[Field] = &[
    hex("Device address", 1),
    hex("Command", 1),
    hex("Data mask", 1),
    hex("Compare value", 1),
    hex("Event sensor type", 1),
    hex("Event type", 1),
    hex("Event offset", 1),
    hex("Event source type", 1),
    one_of("Event severity", 1, SEVERITIES),
    hex("Sensor number", 1),
    hex("Entity", 1),
    hex("Entity instance", 1),
];

/// IPMI platform event trap format, 1.0.
const SEVERITIES: Names = &[
    (0, "unspecified"),
    (1, "monitor"),
    (2, "information"),
    (4, "OK"),
    (8, "non-critical"),
    (16, "critical"),
    (32, "non-recoverable"),
];

const CONTROL: &[Field] = &[
    one_of(
        "Function",
        1,
        &[
            (0, "reset"),
            (1, "power down"),
            (2, "power up"),
            (3, "power cycle reset"),
        ],
    ),
    hex("Device address", 1),
    hex("Command", 1),
    hex("Data value", 1),
];

const INTERRUPT_TYPE: &[BitField] = &[bit(0, "SCI through GPE"), bit(1, "I/O APIC or SAPIC interrupt")];

const MCHI: &[Field] = &[
    hex("Interface type", 1),
    hex("Protocol identifier", 1),
    hex("Protocol-specific data", 8),
    flags("Interrupt type", 1, INTERRUPT_TYPE),
    dec("GPE", 1),
    flags("PCI device flag", 1, &[bit(0, "PCI device")]),
    dec("Global system interrupt", 4),
    gas("Base address"),
    dec("PCI segment group", 1),
    hex("PCI bus", 1),
    hex("PCI device", 1),
    hex("PCI function", 1),
];

const SPMI: &[Field] = &[
    one_of("Interface type", 1, &[(1, "KCS"), (2, "SMIC"), (3, "BT"), (4, "SSIF")]),
    hex("Reserved, must be 1", 1),
    flags(
        "Specification revision",
        2,
        &[bits(0, 8, "Minor, BCD"), bits(8, 8, "Major, BCD")],
    ),
    flags("Interrupt type", 1, INTERRUPT_TYPE),
    dec("GPE", 1),
    reserved(1),
    flags("PCI device flag", 1, &[bit(0, "PCI device")]),
    dec("Global system interrupt", 4),
    gas("Base address"),
    hex("PCI segment group, or UID byte 1", 1),
    hex("PCI bus, or UID byte 2", 1),
    hex("PCI device, or UID byte 3", 1),
    hex("PCI function, or UID byte 4", 1),
    reserved(1),
];
