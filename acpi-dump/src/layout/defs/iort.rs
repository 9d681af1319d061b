//! I/O remapping: IORT of Arm machines.

use super::arrays::{counted, entries_at, fields_before, items, round_up, up_to};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits, bits_of, dec, flags, hex, one_of,
    reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"IORT",
    "I/O Remapping Table",
    "Arm DEN0049, issue E.f",
    &[dec("Number of nodes", 4), hex("Offset of the nodes", 4), reserved(4)],
)
.rest(Rest::Code(nodes))];

fn nodes(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of nodes").unwrap_or(0);
    let offset = cursor.size("Offset of the nodes").unwrap_or(0);
    entries_at(cursor, offset, count, &NODES);
    round_up(cursor);
}

const NODES: Entries = Entries {
    noun: "IORT node",
    head: &[
        hex("Type", 1),
        dec("Length", 2),
        dec("Revision", 1),
        dec("Identifier", 4),
        dec("Number of ID mappings", 4),
        hex("Offset of the ID mappings", 4),
    ],
    kind_at: (0, 1),
    length: Length::At(1, 2),
    kinds: &[
        EntryKind::new(0, "ITS group", &[dec("Number of ITSs", 4)]).rest(Rest::Code(its_group)),
        EntryKind::new(1, "Named component", &[]).rest(Rest::Code(named_component)),
        EntryKind::new(2, "Root complex", &[]).rest(Rest::Code(root_complex)),
        EntryKind::new(3, "SMMUv1 or SMMUv2", &[]).rest(Rest::Code(smmu)),
        EntryKind::new(4, "SMMUv3", &[]).rest(Rest::Code(smmu_v3)),
        EntryKind::new(5, "Performance monitor counter group", &[]).rest(Rest::Code(counter_group)),
        EntryKind::new(6, "Reserved memory range", &[]).rest(Rest::Code(memory_range)),
        EntryKind::new(7, "Interrupt wire bridge", &[]).rest(Rest::Code(wire_bridge)),
    ],
};

/// Where the ID mappings of this node start; the end of the node without any.
fn mappings_at(cursor: &Cursor<'_>) -> usize {
    let offset = cursor.size("Offset of the ID mappings").unwrap_or(0);
    match cursor.size("Number of ID mappings") {
        Some(0) | None => cursor.end,
        Some(_) => cursor.section.offset.saturating_add(offset),
    }
}

fn mappings(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of ID mappings").unwrap_or(0);
    items(cursor, "ID mapping", mappings_at(cursor), count, MAPPING);
    round_up(cursor);
}

/// A node of fields and ID mappings.
fn plain(cursor: &mut Cursor<'_>, fields: &[Field]) {
    fields_before(cursor, mappings_at(cursor), fields);
    mappings(cursor);
}

/// A node that ends in the path of an object of the namespace.
fn with_path(cursor: &mut Cursor<'_>, fields: &[Field]) {
    let (limit, end) = (mappings_at(cursor), cursor.end);
    cursor.end = limit.clamp(cursor.at, end);
    cursor.fields(fields);
    cursor.zero_ended("Device object name");
    up_to(cursor, cursor.end);
    cursor.end = end;
    mappings(cursor);
}

fn its_group(cursor: &mut Cursor<'_>) {
    counted(cursor, "Number of ITSs", dec("GIC ITS identifier", 4));
    mappings(cursor);
}

fn named_component(cursor: &mut Cursor<'_>) {
    with_path(cursor, NAMED_COMPONENT);
}

fn wire_bridge(cursor: &mut Cursor<'_>) {
    with_path(cursor, &[hex("Config frame base address", 8), dec("IWB index", 2)]);
}

fn root_complex(cursor: &mut Cursor<'_>) {
    plain(cursor, ROOT_COMPLEX);
}

fn smmu_v3(cursor: &mut Cursor<'_>) {
    plain(cursor, SMMU_V3);
}

fn counter_group(cursor: &mut Cursor<'_>) {
    plain(cursor, COUNTER_GROUP);
}

fn memory_range(cursor: &mut Cursor<'_>) {
    cursor.fields(MEMORY_RANGE);
    let offset = cursor.size("Offset of the range descriptors").unwrap_or(0);
    let count = cursor.size("Number of range descriptors").unwrap_or(0);
    let start = cursor.section.offset.saturating_add(offset);
    items(
        cursor,
        "Reserved memory range descriptor",
        start,
        count,
        RANGE_DESCRIPTOR,
    );
    mappings(cursor);
}

fn smmu(cursor: &mut Cursor<'_>) {
    cursor.fields(SMMU);
    let base = cursor.section.offset;
    let place = |cursor: &Cursor<'_>, name| base.saturating_add(cursor.size(name).unwrap_or(0));
    let global = place(cursor, "Offset of the global interrupts");
    items(cursor, "Global interrupts", global, 1, GLOBAL_INTERRUPTS);
    let (start, count) = (
        place(cursor, "Offset of the context interrupts"),
        cursor.size("Number of context interrupts"),
    );
    items(cursor, "Context interrupt", start, count.unwrap_or(0), INTERRUPT);
    let (start, count) = (
        place(cursor, "Offset of the PMU interrupts"),
        cursor.size("Number of PMU interrupts"),
    );
    items(cursor, "PMU interrupt", start, count.unwrap_or(0), INTERRUPT);
    mappings(cursor);
}

const MAPPING: &[Field] = &[
    hex("Input base", 4),
    dec("Number of IDs less one", 4),
    hex("Output base", 4),
    hex("Output reference", 4),
    flags("Flags", 4, &[bit(0, "Single mapping")]),
];

const COHERENCY: Names = &[(0, "not coherent"), (1, "fully coherent")];

const HINTS: &[BitField] = &[
    bit(0, "Transient"),
    bit(1, "Write allocate"),
    bit(2, "Read allocate"),
    bit(3, "Override"),
];

const MEMORY_FLAGS: &[BitField] = &[
    bit(0, "Coherent path to memory"),
    bit(1, "Device attributes are cacheable and inner-shareable"),
    bit(2, "Coherency of all accesses ensured"),
];

const NAMED_COMPONENT: &[Field] = &[
    flags(
        "Node flags",
        4,
        &[bit(0, "Stall supported"), bits(1, 5, "Substream width")],
    ),
    one_of("Cache coherency", 4, COHERENCY),
    flags("Allocation hints", 1, HINTS),
    reserved(2),
    flags("Memory access flags", 1, MEMORY_FLAGS),
    dec("Memory address size limit", 1),
];

const ROOT_COMPLEX: &[Field] = &[
    one_of("Cache coherency", 4, COHERENCY),
    flags("Allocation hints", 1, HINTS),
    reserved(2),
    flags("Memory access flags", 1, MEMORY_FLAGS),
    flags(
        "ATS attribute",
        4,
        &[
            bit(0, "ATS supported"),
            bit(1, "PRI supported"),
            bit(2, "PASIDs forwarded"),
        ],
    ),
    dec("PCI segment number", 4),
    dec("Memory address size limit", 1),
    flags("PASID capabilities", 2, &[bits(0, 5, "Max PASID width")]),
    reserved(1),
    flags("Flags", 4, &[bit(0, "PASID supported")]),
];

const SMMU: &[Field] = &[
    hex("Base address", 8),
    hex("Span", 8),
    one_of(
        "Model",
        4,
        &[
            (0, "SMMUv1"),
            (1, "SMMUv2"),
            (2, "Arm CoreLink MMU-400"),
            (3, "Arm CoreLink MMU-500"),
            (4, "Arm CoreLink MMU-401"),
            (5, "Cavium ThunderX SMMUv2"),
        ],
    ),
    flags(
        "Flags",
        4,
        &[bit(0, "DVM supported"), bit(1, "Coherent page table walk")],
    ),
    hex("Offset of the global interrupts", 4),
    dec("Number of context interrupts", 4),
    hex("Offset of the context interrupts", 4),
    dec("Number of PMU interrupts", 4),
    hex("Offset of the PMU interrupts", 4),
];

const EDGE: &[BitField] = &[bits_of(0, 1, "Trigger", &[(0, "level"), (1, "edge")])];

const GLOBAL_INTERRUPTS: &[Field] = &[
    dec("SMMU_NSgIrpt GSIV", 4),
    flags("SMMU_NSgIrpt flags", 4, EDGE),
    dec("SMMU_NSgCfgIrpt GSIV", 4),
    flags("SMMU_NSgCfgIrpt flags", 4, EDGE),
];

const INTERRUPT: &[Field] = &[dec("GSIV", 4), flags("Flags", 4, EDGE)];

const SMMU_V3: &[Field] = &[
    hex("Base address", 8),
    flags(
        "Flags",
        4,
        &[
            bit(0, "COHACC override"),
            bits_of(
                1,
                2,
                "HTTU override",
                &[(0, "none"), (1, "access flag"), (2, "access flag and dirty state")],
            ),
            bit(3, "Proximity domain valid"),
            bit(4, "DeviceID mapping index valid"),
        ],
    ),
    reserved(4),
    hex("VATOS address", 8),
    one_of(
        "Model",
        4,
        &[
            (0, "generic SMMUv3"),
            (1, "HiSilicon Hi161x SMMUv3"),
            (2, "Cavium CN99xx SMMUv3"),
        ],
    ),
    dec("Event GSIV", 4),
    dec("PRI GSIV", 4),
    dec("Global error GSIV", 4),
    dec("Sync GSIV", 4),
    dec("Proximity domain", 4),
    dec("DeviceID mapping index", 4),
];

const COUNTER_GROUP: &[Field] = &[
    hex("Page 0 base address", 8),
    dec("Overflow interrupt GSIV", 4),
    hex("Node reference", 4),
    hex("Page 1 base address", 8),
];

const MEMORY_RANGE: &[Field] = &[
    flags(
        "Flags",
        4,
        &[
            bit(0, "Remapping permitted"),
            bit(1, "Access privileged"),
            bits_of(
                2,
                8,
                "Access attributes",
                &[
                    (0, "Device-nGnRnE"),
                    (1, "Device-nGnRE"),
                    (2, "Device-nGRE"),
                    (3, "Device-GRE"),
                    (4, "Normal, inner and outer non-cacheable"),
                    (5, "Normal, inner and outer write-back, inner shareable"),
                ],
            ),
        ],
    ),
    dec("Number of range descriptors", 4),
    hex("Offset of the range descriptors", 4),
];

const RANGE_DESCRIPTOR: &[Field] = &[hex("Physical range base", 8), hex("Length", 8), reserved(4)];
