//! NUMA: which processor and memory belong to which proximity domain, and how far apart the
//! domains are. SRAT, SLIT, HMAT, MSCT.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bdf, bit, bits, bits_of, dec, flags, hex,
    one_of, reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"SRAT",
        "System Resource Affinity Table",
        "ACPI 6.5, 5.2.16",
        // The first field is 1 for the sake of old systems.
        &[dec("Reserved (table revision)", 4), reserved(8)],
    )
    .rest(Rest::Entries(&SRAT)),
    TableLayout::new(
        *b"SLIT",
        "System Locality Information Table",
        "ACPI 6.5, 5.2.17",
        &[dec("Number of system localities", 8)],
    )
    .rest(Rest::Code(distances)),
    TableLayout::new(
        *b"HMAT",
        "Heterogeneous Memory Attribute Table",
        "ACPI 6.5, 5.2.28",
        &[reserved(4)],
    )
    .rest(Rest::Entries(&HMAT)),
    TableLayout::new(
        *b"MSCT",
        "Maximum System Characteristics Table",
        "ACPI 6.5, 5.2.19",
        MSCT,
    )
    .rest(Rest::Code(msct)),
];

const SRAT: Entries = Entries {
    noun: "Affinity structure",
    head: &[one_of("Type", 1, &[]), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(0, "Processor local APIC/SAPIC affinity", SRAT_APIC),
        EntryKind::new(1, "Memory affinity", SRAT_MEMORY),
        EntryKind::new(2, "Processor local x2APIC affinity", SRAT_X2APIC),
        EntryKind::new(3, "GICC affinity", SRAT_UID),
        EntryKind::new(4, "GIC ITS affinity", &[DOMAIN, reserved(2), hex("ITS ID", 4)]),
        EntryKind::new(5, "Generic initiator affinity", SRAT_GENERIC).rest(Rest::Code(generic)),
        EntryKind::new(6, "Generic port affinity", SRAT_GENERIC).rest(Rest::Code(generic)),
        EntryKind::new(7, "RINTC affinity", SRAT_RINTC),
    ],
};

const DOMAIN: Field = dec("Proximity domain", 4);
const CLOCK: Field = dec("Clock domain", 4);
const ENABLED: BitField = bit(0, "Enabled");

const SRAT_APIC: &[Field] = &[
    dec("Proximity domain, bits 7:0", 1),
    hex("APIC ID", 1),
    flags("Flags", 4, &[ENABLED]),
    hex("Local SAPIC EID", 1),
    dec("Proximity domain, bits 31:8", 3),
    CLOCK,
];

const SRAT_MEMORY: &[Field] = &[
    DOMAIN,
    reserved(2),
    hex("Base address", 8),
    hex("Length of the range", 8),
    reserved(4),
    flags(
        "Flags",
        4,
        &[
            ENABLED,
            bit(1, "Hot pluggable"),
            bit(2, "Non-volatile"),
            bit(3, "Specific-purpose"),
        ],
    ),
    reserved(8),
];

const SRAT_X2APIC: &[Field] = &[
    reserved(2),
    DOMAIN,
    hex("X2APIC ID", 4),
    flags("Flags", 4, &[ENABLED]),
    CLOCK,
    reserved(4),
];

const SRAT_UID: &[Field] = &[
    DOMAIN,
    hex("ACPI processor UID", 4),
    flags("Flags", 4, &[ENABLED]),
    CLOCK,
];

const SRAT_RINTC: &[Field] = &[
    reserved(2),
    DOMAIN,
    hex("ACPI processor UID", 4),
    flags("Flags", 4, &[ENABLED]),
    CLOCK,
];

const SRAT_GENERIC: &[Field] = &[
    reserved(1),
    one_of("Device handle type", 1, &[(0, "ACPI"), (1, "PCI")]),
    DOMAIN,
];

const SRAT_GENERIC_END: &[Field] = &[
    flags("Flags", 4, &[ENABLED, bit(1, "Architectural transactions")]),
    reserved(4),
];

/// Device handle (tables 5.62 and 5.63), whose form the type before it tells, and flags.
fn generic(cursor: &mut Cursor<'_>) {
    let kind = cursor.value("Device handle type");
    let end = cursor.at.saturating_add(16);
    cursor.nested("Device handle", end, |cursor| match kind {
        Some(0) => {
            cursor.fields(&[text("ACPI _HID", 8), hex("ACPI _UID", 4), reserved(4)]);
        }
        Some(1) => {
            cursor.fields(&[hex("PCI segment", 2), bdf("PCI BDF"), reserved(12)]);
        }
        _ => cursor.raw("Handle", 16),
    });
    cursor.fields(SRAT_GENERIC_END);
}

const DISTANCE: Field = dec("To locality", 1);

/// One row of the matrix for each locality.
fn distances(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of system localities").unwrap_or(0);
    for locality in 0..count {
        if cursor.left() == 0 {
            let seen = format!("{locality} of them");
            return cursor.finding(cursor.at, format!("{count} rows of distances"), seen);
        }
        let end = cursor.at.saturating_add(count);
        cursor.nested(format!("Distances from locality {locality}"), end, |cursor| {
            cursor.array(&DISTANCE, count);
        });
    }
}

const HMAT: Entries = Entries {
    noun: "HMAT structure",
    head: &[one_of("Type", 2, &[]), reserved(2), dec("Length", 4)],
    kind_at: (0, 2),
    length: Length::At(4, 4),
    kinds: &[
        EntryKind::new(0, "Memory proximity domain attributes", HMAT_DOMAIN),
        EntryKind::new(1, "System locality latency and bandwidth information", HMAT_LOCALITY).rest(Rest::Code(matrix)),
        EntryKind::new(2, "Memory side cache information", HMAT_CACHE).rest(Rest::Code(handles)),
    ],
};

/// Bits 1 and 2 and the two reserved qwords at the end were in use in ACPI 6.2.
const HMAT_DOMAIN: &[Field] = &[
    flags(
        "Flags",
        2,
        &[bit(0, "Proximity domain of the attached initiator is valid")],
    ),
    reserved(2),
    dec("Proximity domain of the attached initiator", 4),
    dec("Proximity domain of the memory", 4),
    reserved(4),
    reserved(8),
    reserved(8),
];

const LEVELS: Names = &[
    (0, "memory"),
    (1, "first-level memory side cache"),
    (2, "second-level memory side cache"),
    (3, "third-level memory side cache"),
];

const DATA_TYPES: Names = &[
    (0, "access latency"),
    (1, "read latency"),
    (2, "write latency"),
    (3, "access bandwidth"),
    (4, "read bandwidth"),
    (5, "write bandwidth"),
];

const HMAT_LOCALITY: &[Field] = &[
    flags(
        "Flags",
        1,
        &[
            bits_of(0, 4, "Memory hierarchy", LEVELS),
            bit(4, "Minimum transfer size needed"),
            bit(5, "Non-sequential transfers"),
        ],
    ),
    one_of("Data type", 1, DATA_TYPES),
    hex("Minimum transfer size", 1),
    reserved(1),
    dec("Number of initiator proximity domains", 4),
    dec("Number of target proximity domains", 4),
    reserved(4),
    dec("Entry base unit", 8),
];

/// Lists of initiators and targets, then a matrix of one row for each initiator.
fn matrix(cursor: &mut Cursor<'_>) {
    let count = |cursor: &Cursor<'_>, name| cursor.size(name).unwrap_or(0);
    let initiators = count(cursor, "Number of initiator proximity domains");
    let targets = count(cursor, "Number of target proximity domains");
    let unit = cursor.value("Entry base unit").unwrap_or(0);
    let bandwidth = cursor.value("Data type").is_some_and(|kind| kind >= 3);
    // ACPI 6.2 had latencies in nanoseconds, 6.3 (revision 2) has picoseconds.
    let old = cursor.table.revision().is_none_or(|revision| revision < 2);
    let measure = match (bandwidth, old) {
        (true, _) => "MB/s",
        (false, true) => "ns",
        (false, false) => "ps",
    };
    let first = cursor.at;
    cursor.array(&dec("Initiator proximity domain", 4), initiators);
    cursor.array(&dec("Target proximity domain", 4), targets);
    for initiator in 0..initiators {
        if cursor.left() == 0 {
            let seen = format!("{initiator} of them");
            return cursor.finding(cursor.at, format!("{initiators} rows of {targets} entries"), seen);
        }
        let domain = cursor.peek(first.saturating_add(initiator.saturating_mul(4)), 4);
        let domain = domain.map_or_else(|| "?".to_owned(), |domain| domain.to_string());
        let end = cursor.at.saturating_add(targets.saturating_mul(2));
        cursor.nested(format!("From initiator domain {domain}"), end, |cursor| {
            entries(cursor, targets, unit, measure)
        });
    }
}

fn entries(cursor: &mut Cursor<'_>, targets: usize, unit: u64, measure: &str) {
    let mut index = 0;
    while index < targets && cursor.left() > 0 {
        let entry = cursor.field_named(&dec("To target", 2), &format!("To target[{index}]"));
        match entry {
            Some(0) => cursor.say("not given".to_owned()),
            Some(0xffff) => cursor.say("not reachable".to_owned()),
            Some(entry) => {
                if let Some(product) = entry.checked_mul(unit) {
                    cursor.say(format!("{product} {measure}"));
                }
            }
            None => {}
        }
        index = index.saturating_add(1);
    }
}

const HMAT_CACHE: &[Field] = &[
    dec("Proximity domain of the memory", 4),
    reserved(4),
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
    // Reserved before ACPI 6.6.
    one_of("Address mode", 2, &[(0, "not stated"), (1, "extended linear")]),
    dec("Number of SMBIOS handles", 2),
];

fn handles(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of SMBIOS handles").unwrap_or(0);
    cursor.array(&hex("SMBIOS handle", 2), count);
}

const MSCT: &[Field] = &[
    hex("Offset to proximity domain information structures", 4),
    dec("Maximum number of proximity domains, less one", 4),
    dec("Maximum number of clock domains, less one", 4),
    hex("Maximum physical address", 8),
];

const MSCT_DOMAIN: Entries = Entries {
    noun: "Maximum proximity domain information",
    head: &[one_of("Revision", 1, &[]), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[EntryKind::new(
        1,
        "Maximum proximity domain information",
        &[
            dec("First proximity domain", 4),
            dec("Last proximity domain", 4),
            dec("Maximum processor capacity", 4),
            hex("Maximum memory capacity (bytes)", 8),
        ],
    )],
};

fn msct(cursor: &mut Cursor<'_>) {
    if let Some(offset) = cursor.size("Offset to proximity domain information structures") {
        cursor.skip_to(offset);
    }
    cursor.entries(&MSCT_DOMAIN);
}
