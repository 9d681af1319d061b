//! Tables of firmware vendors. Where no layout is public there are the bytes and the text in them,
//! under the name that the table is known by.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits, dec, flags, gas, hex, one_of,
    text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    RTCT,
    TableLayout {
        signature: *b"PTCT",
        ..RTCT
    },
    TableLayout::new(
        *b"MIGT",
        "MIGT: control register and action region of an SMI",
        "Intel server platform code (Migt.h)",
        &[
            gas("Control register"),
            hex("Control register value", 4),
            gas("Action region"),
        ],
    ),
    TableLayout::new(
        *b"PSDS",
        "Platform Security Discovery Table",
        "Intel Slim Bootloader (PsdLib.h)",
        PSDS,
    ),
    named(*b"AAFT", "ASRock ACPI Firmware Table"),
    named(*b"FIDT", "Firmware ID Table (AMI)"),
    named(*b"GSCI", "GMCH SCI Table"),
    named(*b"MHSP", "Microsoft Pluton Security Processor Table"),
    named(*b"POAT", "Phoenix OEM Activation Table"),
    named(*b"PTDT", "Platform Telemetry Data Table"),
];

/// Any table whose signature starts with `OEM`.
pub(crate) const OEM: TableLayout =
    TableLayout::new(*b"OEMx", "OEM Specific Information Table", "ACPI 6.5, table 5.6", &[]).rest(Rest::Code(contents));

const fn named(signature: [u8; 4], name: &'static str) -> TableLayout {
    TableLayout::new(signature, name, "no public layout", &[]).rest(Rest::Code(contents))
}

/// Bytes and the text in them.
fn contents(cursor: &mut Cursor<'_>) {
    cursor.unknown();
}

const RTCT: TableLayout = TableLayout::new(
    *b"RTCT",
    "Real-Time Configuration Table",
    "Intel TCC; layout as ACRN reads it (rtct.h)",
    &[],
)
.rest(Rest::Code(real_time));

/// Version 2 starts with a compatibility entry; version 1 has none and other types.
fn real_time(cursor: &mut Cursor<'_>) {
    let first = cursor.peek(cursor.at.saturating_add(4), 4);
    cursor.entries(if first == Some(0) { &RTCT_2 } else { &RTCT_1 });
}

const RTCT_HEAD: &[Field] = &[dec("Size", 2), dec("Format", 2), hex("Type", 4)];

const RTCT_1: Entries = Entries {
    noun: "RTCT entry",
    head: RTCT_HEAD,
    kind_at: (4, 4),
    length: Length::At(0, 2),
    kinds: &[
        data(1, "Limit of real-time configuration data"),
        EntryKind::new(2, "Real-time configuration manager binary", BINARY),
        data(3, "WRC L3 way masks"),
        data(4, "GT L3 way masks"),
        EntryKind::new(
            5,
            "Software SRAM",
            &[
                dec("Cache level", 4),
                hex("Base address", 8),
                hex("Ways", 4),
                hex("Size", 4),
            ],
        )
        .rest(Rest::Array(hex("APIC ID", 4))),
        data(6, "Stream data path"),
        data(7, "Time-aware subsystems"),
        data(8, "Real-time IOMMU"),
        EntryKind::new(
            9,
            "Memory hierarchy latency",
            &[dec("Hierarchy", 4), dec("Clock cycles", 4)],
        )
        .rest(Rest::Array(hex("APIC ID", 4))),
    ],
};

const BINARY: &[Field] = &[hex("Address", 8), dec("Size of the binary", 4)];

const RTCT_2: Entries = Entries {
    noun: "RTCT entry",
    head: RTCT_HEAD,
    kind_at: (4, 4),
    length: Length::At(0, 2),
    kinds: &[
        EntryKind::new(
            0,
            "Compatibility",
            &[
                dec("RTCT version, major", 4),
                dec("RTCT version, minor", 4),
                dec("RTCD version, major", 4),
                dec("RTCD version, minor", 4),
            ],
        ),
        data(1, "Limit of real-time configuration data"),
        data(2, "Cache reservation library binary"),
        data(3, "IA way masks"),
        data(4, "WRC way masks"),
        data(5, "GT way masks"),
        EntryKind::new(
            6,
            "Software SRAM way mask",
            &[dec("Cache level", 4), dec("Cache ID", 4), hex("Way mask", 4)],
        ),
        EntryKind::new(
            7,
            "Software SRAM",
            &[
                dec("Cache level", 4),
                dec("Cache ID", 4),
                hex("Base address", 8),
                hex("Size", 4),
                hex("Shared", 4),
            ],
        ),
        data(8, "Memory hierarchy latency"),
        data(9, "Error log address"),
    ],
};

const fn data(number: u64, name: &'static str) -> EntryKind {
    EntryKind::new(number, name, &[]).rest(Rest::Bytes("Data"))
}

const PSDS: &[Field] = &[
    dec("PSD version, minor", 2),
    dec("PSD version, major", 2),
    hex("CSME security capabilities", 4),
    flags("SGX capabilities", 2, SGX),
    dec("Firmware version, minor", 4),
    dec("Firmware version, major", 4),
    dec("Firmware build number", 4),
    dec("Firmware hot fix", 4),
    text("Firmware vendor", 16),
    one_of("End of manufacturing", 1, NO_YES),
    one_of("Secure boot", 1, NO_YES),
    one_of("Measured boot", 1, NO_YES),
    hex("Hardware root of trust type", 1),
];

const NO_YES: Names = &[(0, "no"), (1, "yes")];

const SGX: &[BitField] = &[
    bit(0, "Enabled"),
    bit(1, "Software controlled"),
    bits(2, 4, "PRMRR"),
    bit(6, "Flexible launch control enabled"),
];
