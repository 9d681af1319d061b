//! Compute Express Link: CEDT, and CDAT, which a device gives and no firmware table list has.

use crate::layout::Cursor;
use crate::layout::spec::{
    Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bdf, bit, bits, bits_of, dec, flags, hex, one_of,
    reserved,
};

pub(crate) const TABLES: &[TableLayout] =
    &[TableLayout::new(*b"CEDT", "CXL Early Discovery Table", "CXL 3.1, 9.18.1", &[]).rest(Rest::Entries(&CEDT))];

/// CDAT: its own header of 16 bytes, no signature.
pub(crate) const CDAT: TableLayout = TableLayout::new(
    *b"CDAT",
    "Coherent Device Attribute Table",
    "CDAT 1.03, 2",
    &[
        dec("Length", 4),
        dec("Revision", 1),
        hex("Checksum", 1),
        reserved(6),
        dec("Sequence", 4),
    ],
)
.rest(Rest::Entries(&CDAT_ENTRIES));

const HEAD: &[Field] = &[one_of("Type", 1, &[]), reserved(1), dec("Record length", 2)];

const CEDT: Entries = Entries {
    noun: "CEDT structure",
    head: HEAD,
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "CXL host bridge structure (CHBS)", CHBS),
        EntryKind::new(1, "CXL fixed memory window structure (CFMWS)", CFMWS)
            .rest(Rest::Array(hex("Interleave target", 4))),
        EntryKind::new(2, "CXL XOR interleave math structure (CXIMS)", CXIMS).rest(Rest::Code(xormaps)),
        EntryKind::new(3, "RCEC downstream port association structure (RDPAS)", RDPAS),
    ],
};

const CHBS: &[Field] = &[
    hex("UID", 4),
    one_of(
        "CXL version",
        4,
        &[
            (0, "CXL 1.1: base is the RCRB"),
            (1, "CXL 2.0: base is the component registers"),
        ],
    ),
    reserved(4),
    hex("Base", 8),
    hex("Length", 8),
];

const GRANULARITY: Names = &[
    (0, "256 B"),
    (1, "512 B"),
    (2, "1 KiB"),
    (3, "2 KiB"),
    (4, "4 KiB"),
    (5, "8 KiB"),
    (6, "16 KiB"),
];

const CFMWS: &[Field] = &[
    reserved(4),
    hex("Base HPA", 8),
    hex("Window size", 8),
    one_of(
        "Encoded number of interleave ways (ENIW)",
        1,
        &[
            (0, "1 way"),
            (1, "2 ways"),
            (2, "4 ways"),
            (3, "8 ways"),
            (4, "16 ways"),
            (8, "3 ways"),
            (9, "6 ways"),
            (10, "12 ways"),
        ],
    ),
    one_of("Interleave arithmetic", 1, &[(0, "modulo"), (1, "modulo and XOR")]),
    reserved(2),
    one_of("Host bridge interleave granularity (HBIG)", 4, GRANULARITY),
    flags(
        "Window restrictions",
        2,
        &[
            bit(0, "Device-coherent (CXL type 2) memory"),
            bit(1, "Host-only coherent (CXL type 3) memory"),
            bit(2, "Volatile memory"),
            bit(3, "Persistent memory"),
            bit(4, "Fixed device configuration"),
            bit(5, "Back-invalidate memory"),
        ],
    ),
    dec("QTG ID", 2),
];

const CXIMS: &[Field] = &[
    reserved(2),
    one_of("Host bridge interleave granularity (HBIG)", 1, GRANULARITY),
    dec("Number of bitmap entries (NIB)", 1),
];

fn xormaps(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of bitmap entries (NIB)").unwrap_or(0);
    cursor.array(&hex("XORMAP", 8), count);
}

const RDPAS: &[Field] = &[
    hex("RCEC segment number", 2),
    bdf("RCEC BDF"),
    one_of("Protocol type", 1, &[(0, "CXL.io"), (1, "CXL.cachemem")]),
    reserved(3),
    hex("Base address", 8),
];

const CDAT_ENTRIES: Entries = Entries {
    noun: "CDAT structure",
    head: HEAD,
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "Device scoped memory affinity structure (DSMAS)", DSMAS),
        EntryKind::new(
            1,
            "Device scoped latency and bandwidth information structure (DSLBIS)",
            DSLBIS,
        ),
        EntryKind::new(
            2,
            "Device scoped memory side cache information structure (DSMSCIS)",
            DSMSCIS,
        ),
        EntryKind::new(3, "Device scoped initiator structure (DSIS)", DSIS),
        EntryKind::new(4, "Device scoped EFI memory type structure (DSEMTS)", DSEMTS),
        EntryKind::new(
            5,
            "Switch scoped latency and bandwidth information structure (SSLBIS)",
            SSLBIS,
        )
        .rest(Rest::Repeat("Switch scoped latency and bandwidth entry (SSLBE)", SSLBE)),
    ],
};

const DSMAS: &[Field] = &[
    dec("DSMAD handle", 1),
    flags(
        "Flags",
        1,
        &[bit(2, "Non-volatile"), bit(3, "Shareable"), bit(6, "Read only")],
    ),
    reserved(2),
    hex("DPA base", 8),
    hex("DPA length", 8),
];

const DATA_TYPES: Names = &[
    (0, "access latency"),
    (1, "read latency"),
    (2, "write latency"),
    (3, "access bandwidth"),
    (4, "read bandwidth"),
    (5, "write bandwidth"),
];

const DSLBIS: &[Field] = &[
    dec("Handle", 1),
    flags("Flags", 1, &[bits(0, 4, "Memory hierarchy")]),
    one_of("Data type", 1, DATA_TYPES),
    reserved(1),
    dec("Entry base unit", 8),
    dec("Entry[0]", 2),
    dec("Entry[1]", 2),
    dec("Entry[2]", 2),
    reserved(2),
];

const DSMSCIS: &[Field] = &[
    dec("DSMAS handle", 1),
    reserved(3),
    hex("Memory side cache size", 8),
    flags(
        "Cache attributes",
        4,
        &[
            bits(0, 4, "Total cache levels"),
            bits(4, 4, "Cache level"),
            bits_of(
                8,
                4,
                "Cache associativity",
                &[(0, "none"), (1, "direct mapped"), (2, "complex cache indexing")],
            ),
            bits_of(
                12,
                4,
                "Write policy",
                &[(0, "none"), (1, "write back"), (2, "write through")],
            ),
            bits(16, 16, "Cache line size (bytes)"),
        ],
    ),
];

const DSIS: &[Field] = &[
    flags("Flags", 1, &[bit(0, "Memory attached")]),
    dec("Handle", 1),
    reserved(2),
];

const DSEMTS: &[Field] = &[
    dec("DSMAS handle", 1),
    one_of(
        "EFI memory type and attribute",
        1,
        &[
            (0, "EfiConventionalMemory"),
            (1, "EfiConventionalMemory with EFI_MEMORY_SP"),
            (2, "EfiReservedMemoryType"),
        ],
    ),
    reserved(2),
    hex("DPA offset", 8),
    hex("DPA length", 8),
];

const SSLBIS: &[Field] = &[
    one_of("Data type", 1, DATA_TYPES),
    reserved(3),
    dec("Entry base unit", 8),
];

const PORTS: Names = &[(0x100, "upstream port"), (0xffff, "any port")];

const SSLBE: &[Field] = &[
    one_of("Port X ID", 2, PORTS),
    one_of("Port Y ID", 2, PORTS),
    dec("Latency or bandwidth", 2),
    reserved(2),
];
