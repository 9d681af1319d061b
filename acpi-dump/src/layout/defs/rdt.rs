//! Resource Director Technology of Intel machines: ERDT, MRRM.

use crate::layout::Cursor;
use crate::layout::spec::{
    Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits_of, dec, flags, hex, one_of, reserved,
};

const SOURCE: &str = "Intel RDT architecture specification, version 1.1";

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"ERDT",
        "Enhanced Resource Director Technology Table",
        SOURCE,
        &[dec("Maximum supported CLOSID", 4), reserved(24)],
    )
    .rest(Rest::Entries(&DOMAINS)),
    TableLayout::new(
        *b"MRRM",
        "Memory Range and Region Mapping Table",
        SOURCE,
        &[
            dec("Maximum memory regions supported", 1),
            flags(
                "Flags",
                1,
                &[bits_of(
                    0,
                    1,
                    "Region assignment",
                    &[(0, "static, by firmware"), (1, "by the operating system")],
                )],
            ),
            reserved(26),
        ],
    )
    .rest(Rest::Entries(&MRRM)),
];

const DOMAINS: Entries = Entries {
    noun: "ERDT structure",
    head: HEAD,
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[EntryKind::new(
        0,
        "Resource management domain (RMDD)",
        &[
            flags("Flags", 2, &[bit(0, "L3 domain"), bit(1, "I/O L3 domain")]),
            dec("I/O L3 slices", 2),
            dec("I/O L3 sets", 1),
            dec("I/O L3 ways", 1),
            reserved(8),
            dec("Domain ID", 2),
            dec("Maximum supported RMID", 4),
            hex("Control register base address", 8),
            dec("Control register size in 4 KiB pages", 2),
        ],
    )
    .rest(Rest::Entries(&AGENTS))],
};

const HEAD: &[Field] = &[hex("Type", 2), dec("Length", 2)];

const AGENTS: Entries = Entries {
    noun: "RMDD structure",
    head: HEAD,
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(1, "CPU agent collection (CACD)", COLLECTION).rest(Rest::Array(hex("x2APIC ID", 4))),
        EntryKind::new(2, "Device agent collection (DACD)", COLLECTION).rest(Rest::Entries(&SCOPES)),
        EntryKind::new(3, "Cache monitoring registers for CPU agents (CMRC)", CMRC),
        EntryKind::new(4, "Memory bandwidth monitoring registers for CPU agents (MMRC)", MMRC)
            .rest(Rest::Array(hex("Correction factor", 4))),
        EntryKind::new(5, "Memory bandwidth allocation registers for CPU agents (MARC)", MARC),
        EntryKind::new(6, "Cache allocation registers for CPU agents (CARC)", &[]),
        EntryKind::new(7, "Cache monitoring registers for device agents (CMRD)", CMRD),
        EntryKind::new(8, "I/O bandwidth monitoring registers for device agents (IBRD)", IBRD)
            .rest(Rest::Array(hex("Correction factor", 4))),
        EntryKind::new(9, "I/O bandwidth allocation registers for device agents (IBAD)", &[]),
        EntryKind::new(10, "Cache allocation registers for device agents (CARD)", CARD),
    ],
};

const COLLECTION: &[Field] = &[reserved(2), dec("Domain ID", 2)];

const SCOPE_TYPES: Names = &[(1, "PCI endpoint"), (2, "PCI bridge")];

const SCOPES: Entries = Entries {
    noun: "Device agent",
    head: &[
        one_of("Type", 1, SCOPE_TYPES),
        dec("Length", 1),
        hex("Segment", 2),
        reserved(1),
        hex("Start bus", 1),
    ],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(1, "PCI endpoint", &[]).rest(Rest::Code(path)),
        EntryKind::new(2, "PCI bridge", &[]).rest(Rest::Code(path)),
    ],
};

/// Pairs of device and function.
fn path(cursor: &mut Cursor<'_>) {
    cursor.array(&hex("Path", 1), cursor.left());
}

const INDEX_FUNCTION: Field = hex("Register index function", 1);

const CMRC: &[Field] = &[
    reserved(4),
    hex("Flags", 4),
    INDEX_FUNCTION,
    reserved(11),
    hex("CMT register base address", 8),
    dec("CMT register size", 4),
    dec("Clump size", 2),
    dec("Clump stride", 2),
    dec("Upscale factor", 8),
];

const MMRC: &[Field] = &[
    reserved(4),
    hex("Flags", 4),
    INDEX_FUNCTION,
    reserved(11),
    hex("MBM register base address", 8),
    dec("MBM register size", 4),
    dec("MBM counter width", 1),
    dec("Upscale factor", 8),
    reserved(7),
    dec("Correction factor list length", 4),
];

const MARC: &[Field] = &[
    reserved(2),
    hex("Flags", 2),
    INDEX_FUNCTION,
    reserved(7),
    hex("Optimal MBA register base address", 8),
    hex("Minimum MBA register base address", 8),
    hex("Maximum MBA register base address", 8),
    dec("MBA register size", 4),
    dec("MBA control range", 4),
];

const CMRD: &[Field] = &[
    reserved(4),
    hex("Flags", 4),
    INDEX_FUNCTION,
    reserved(11),
    hex("Register base address", 8),
    dec("Register size", 4),
    hex("Register offset", 2),
    dec("Clump size", 2),
    dec("Upscale factor", 8),
];

const IBRD: &[Field] = &[
    reserved(4),
    hex("Flags", 4),
    INDEX_FUNCTION,
    reserved(11),
    hex("Register base address", 8),
    dec("Register size", 4),
    hex("Total bandwidth offset", 2),
    hex("I/O miss bandwidth offset", 2),
    dec("Total bandwidth clump", 2),
    dec("I/O miss bandwidth clump", 2),
    reserved(7),
    dec("Counter width", 1),
    dec("Upscale factor", 8),
    dec("Correction factor list length", 4),
];

const CARD: &[Field] = &[
    reserved(4),
    hex("Flags", 4),
    hex("Contention mask", 4),
    INDEX_FUNCTION,
    reserved(7),
    hex("Register base address", 8),
    dec("Register size", 4),
    hex("Register offset", 2),
    dec("Register block size", 2),
];

const MRRM: Entries = Entries {
    noun: "MRRM structure",
    head: HEAD,
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[EntryKind::new(
        0,
        "Memory range",
        &[
            reserved(4),
            hex("System address base", 8),
            hex("System address length", 8),
            flags(
                "Region ID flags",
                2,
                &[bit(0, "Local region ID valid"), bit(1, "Remote region ID valid")],
            ),
            dec("Static local region ID", 1),
            dec("Static remote region ID", 1),
            reserved(4),
        ],
    )
    .rest(Rest::Array(hex("Region ID programming register", 8)))],
};
