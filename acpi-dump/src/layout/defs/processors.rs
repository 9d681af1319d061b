//! Processors and caches: PPTT, and RHCT of RISC-V machines.

use super::arrays::{counted, entries_at, up_to};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Length, Names, Rest, TableLayout, bit, bits_of, dec, flags, hex, one_of, reserved,
    text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(*b"PPTT", "Processor Properties Topology Table", "ACPI 6.5, 5.2.30", &[])
        .rest(Rest::Entries(&PPTT)),
    TableLayout::new(
        *b"RHCT",
        "RISC-V Hart Capabilities Table",
        "ACPI 6.6; RISC-V ACPI specification",
        &[
            flags("Flags", 4, &[bit(0, "Timer cannot wake the processor")]),
            dec("Time base frequency in Hz", 8),
            dec("Number of nodes", 4),
            hex("Offset of the nodes", 4),
        ],
    )
    .rest(Rest::Code(rhct)),
];

const PPTT: Entries = Entries {
    noun: "PPTT structure",
    head: &[hex("Type", 1), dec("Length", 1), reserved(2)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(
            0,
            "Processor hierarchy node",
            &[
                flags("Flags", 4, NODE_FLAGS),
                hex("Parent", 4),
                hex("ACPI processor ID", 4),
                dec("Number of private resources", 4),
            ],
        )
        .rest(Rest::Code(private_resources)),
        EntryKind::new(
            1,
            "Cache",
            &[
                flags("Flags", 4, CACHE_FLAGS),
                hex("Next level of cache", 4),
                dec("Size in bytes", 4),
                dec("Number of sets", 4),
                dec("Associativity", 1),
                flags("Attributes", 1, CACHE_ATTRIBUTES),
                dec("Line size in bytes", 2),
                hex("Cache ID", 4),
            ],
        )
        .lengths(&[24]),
        EntryKind::new(
            2,
            "ID",
            &[
                text("Vendor ID", 4),
                hex("Level 1 ID", 8),
                hex("Level 2 ID", 8),
                dec("Major revision", 2),
                dec("Minor revision", 2),
                dec("Spin revision", 2),
            ],
        ),
    ],
};

const NODE_FLAGS: &[BitField] = &[
    bit(0, "Physical package"),
    bit(1, "ACPI processor ID valid"),
    bit(2, "Processor is a thread"),
    bit(3, "Node is a leaf"),
    bit(4, "Identical implementation"),
];

const CACHE_FLAGS: &[BitField] = &[
    bit(0, "Size valid"),
    bit(1, "Number of sets valid"),
    bit(2, "Associativity valid"),
    bit(3, "Allocation type valid"),
    bit(4, "Cache type valid"),
    bit(5, "Write policy valid"),
    bit(6, "Line size valid"),
    bit(7, "Cache ID valid"),
];

const CACHE_ATTRIBUTES: &[BitField] = &[
    bits_of(
        0,
        2,
        "Allocation type",
        &[(0, "read"), (1, "write"), (2, "read and write"), (3, "read and write")],
    ),
    bits_of(
        2,
        2,
        "Cache type",
        &[(0, "data"), (1, "instruction"), (2, "unified"), (3, "unified")],
    ),
    bits_of(4, 1, "Write policy", &[(0, "write back"), (1, "write through")]),
];

fn private_resources(cursor: &mut Cursor<'_>) {
    counted(cursor, "Number of private resources", hex("Private resource", 4));
}

fn node_offsets(cursor: &mut Cursor<'_>) {
    counted(cursor, "Number of node offsets", hex("Node offset", 4));
}

fn rhct(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of nodes").unwrap_or(0);
    let offset = cursor.size("Offset of the nodes").unwrap_or(0);
    entries_at(cursor, offset, count, &RHCT);
}

const RHCT: Entries = Entries {
    noun: "RHCT node",
    head: &[hex("Type", 2), dec("Length", 2), dec("Revision", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "ISA string", &[dec("ISA string length", 2)]).rest(Rest::Code(isa_string)),
        EntryKind::new(
            1,
            "Cache management operations",
            &[
                reserved(1),
                dec("CBOM block size, power of two", 1),
                dec("CBOP block size, power of two", 1),
                dec("CBOZ block size, power of two", 1),
            ],
        ),
        EntryKind::new(2, "MMU", &[reserved(1), one_of("MMU type", 1, MMU_TYPES)]),
        EntryKind::new(
            0xffff,
            "Hart info",
            &[dec("Number of node offsets", 2), hex("ACPI processor UID", 4)],
        )
        .rest(Rest::Code(node_offsets)),
    ],
};

const MMU_TYPES: Names = &[(0, "Sv39"), (1, "Sv48"), (2, "Sv57")];

fn isa_string(cursor: &mut Cursor<'_>) {
    let length = cursor.size("ISA string length").unwrap_or(0);
    cursor.text("ISA string", length);
    up_to(cursor, cursor.end);
}
