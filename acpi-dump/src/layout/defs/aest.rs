//! Error sources of Arm machines: AEST.

use super::arrays::up_to;
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits_of, dec, flags, hex, one_of, raw,
    reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"AEST",
    "Arm Error Source Table",
    "Arm DEN0085, versions 1.1 and 2.0",
    &[],
)
.rest(Rest::Entries(&AEST))];

const AEST: Entries = Entries {
    noun: "AEST node",
    head: &[
        hex("Type", 1),
        dec("Length", 2),
        reserved(1),
        hex("Offset of the node-specific data", 4),
        hex("Offset of the node interface", 4),
        hex("Offset of the node interrupts", 4),
        dec("Number of node interrupts", 4),
        dec("Timestamp rate in Hz", 8),
        reserved(8),
        dec("Error injection countdown rate", 8),
    ],
    kind_at: (0, 1),
    length: Length::At(1, 2),
    kinds: &[
        EntryKind::new(0, "Processor error node", &[]).rest(Rest::Code(processor)),
        EntryKind::new(1, "Memory error node", &[]).rest(Rest::Code(memory)),
        EntryKind::new(2, "SMMU error node", &[]).rest(Rest::Code(smmu)),
        EntryKind::new(3, "Vendor-defined error node", &[]).rest(Rest::Code(vendor)),
        EntryKind::new(4, "GIC error node", &[]).rest(Rest::Code(gic)),
        EntryKind::new(5, "PCIe root complex error node", &[]).rest(Rest::Code(pcie)),
        EntryKind::new(6, "Proxy error node", &[]).rest(Rest::Code(proxy)),
    ],
};

fn processor(cursor: &mut Cursor<'_>) {
    let interface = place(cursor, "Offset of the node interface");
    specific(cursor, PROCESSOR);
    match cursor.value("Resource type") {
        Some(0) => cursor.fields(&[hex("Cache reference", 4), reserved(4)]),
        Some(1) => cursor.fields(&[dec("TLB level", 4), reserved(4)]),
        _ => {
            cursor.raw("Resource", interface.saturating_sub(cursor.at));
            true
        }
    };
    interface_and_interrupts(cursor);
}

fn memory(cursor: &mut Cursor<'_>) {
    node(cursor, &[dec("Proximity domain", 4)]);
}

fn smmu(cursor: &mut Cursor<'_>) {
    node(
        cursor,
        &[hex("IORT node reference", 4), hex("Subcomponent reference", 4)],
    );
}

fn vendor(cursor: &mut Cursor<'_>) {
    if version(cursor) < 2 {
        node(
            cursor,
            &[hex("ACPI HID", 4), hex("ACPI UID", 4), raw("Vendor-specific data", 16)],
        );
    } else {
        node(
            cursor,
            &[text("ACPI HID", 8), hex("ACPI UID", 4), raw("Vendor-specific data", 16)],
        );
    }
}

fn gic(cursor: &mut Cursor<'_>) {
    node(
        cursor,
        &[one_of("Interface type", 4, GIC_INTERFACES), dec("Instance ID", 4)],
    );
}

fn pcie(cursor: &mut Cursor<'_>) {
    node(cursor, &[hex("IORT node reference", 4)]);
}

fn proxy(cursor: &mut Cursor<'_>) {
    node(cursor, &[hex("Node address", 8)]);
}

/// Revision of the table: 2 changed the interface, the interrupts and the vendor node.
fn version(cursor: &Cursor<'_>) -> u8 {
    cursor.table.header.as_ref().map_or(1, |header| header.revision)
}

fn place(cursor: &Cursor<'_>, name: &str) -> usize {
    cursor.section.offset.saturating_add(cursor.size(name).unwrap_or(0))
}

fn node(cursor: &mut Cursor<'_>, fields: &[Field]) {
    specific(cursor, fields);
    interface_and_interrupts(cursor);
}

fn specific(cursor: &mut Cursor<'_>, fields: &[Field]) {
    up_to(cursor, place(cursor, "Offset of the node-specific data"));
    cursor.fields(fields);
}

fn interface_and_interrupts(cursor: &mut Cursor<'_>) {
    let (interface, interrupts) = (
        place(cursor, "Offset of the node interface"),
        place(cursor, "Offset of the node interrupts"),
    );
    // Records of one group of registers: 64 in 4 KiB, 256 in 16 KiB, 896 in 64 KiB.
    let (length, words) = match (version(cursor), cursor.peek(interface.saturating_add(1), 1)) {
        (0 | 1, _) => (48, 0),
        (_, Some(1)) => (152, 4),
        (_, Some(2)) => (392, 14),
        _ => (80, 1),
    };
    cursor.jump("Node interface", interface, length, |cursor| {
        if words == 0 {
            cursor.fields(INTERFACE_1);
            return;
        }
        cursor.fields(INTERFACE_2);
        for name in ["Error record implemented", "Error status reporting", "Addressing mode"] {
            cursor.array(&hex(name, 8), words);
        }
        cursor.fields(GROUP);
    });
    let fields = if version(cursor) < 2 { INTERRUPT_1 } else { INTERRUPT_2 };
    let count = cursor.size("Number of node interrupts").unwrap_or(0);
    super::arrays::items(cursor, "Node interrupt", interrupts, count, fields);
}

const PROCESSOR: &[Field] = &[
    hex("ACPI processor ID", 4),
    one_of("Resource type", 1, &[(0, "cache"), (1, "TLB"), (2, "generic")]),
    reserved(1),
    flags("Flags", 1, &[bit(0, "Global"), bit(1, "Shared")]),
    dec("Revision", 1),
    hex("Processor affinity level indicator", 8),
];

const GIC_INTERFACES: Names = &[
    (0, "GIC CPU"),
    (1, "GIC distributor"),
    (2, "GIC redistributor"),
    (3, "GIC ITS"),
];

const INTERFACES: Names = &[
    (0, "system registers"),
    (1, "memory mapped"),
    (2, "memory mapped, single record"),
];

const INTERFACE_1: &[Field] = &[
    one_of("Interface type", 1, INTERFACES),
    reserved(3),
    flags(
        "Flags",
        4,
        &[bit(0, "Shared interface"), bit(1, "Clear MISCx registers")],
    ),
    hex("Address", 8),
    dec("Error record index", 4),
    dec("Error record count", 4),
    hex("Error record implemented", 8),
    hex("Error status reporting", 8),
    hex("Addressing mode", 8),
];

const INTERFACE_2: &[Field] = &[
    one_of("Interface type", 1, INTERFACES),
    one_of("Group format", 1, &[(0, "4 KiB"), (1, "16 KiB"), (2, "64 KiB")]),
    reserved(2),
    flags("Flags", 4, INTERFACE_FLAGS),
    hex("Address", 8),
    dec("Error record index", 4),
    dec("Error record count", 4),
];

const INTERFACE_FLAGS: &[BitField] = &[
    bit(0, "Shared interface"),
    bit(1, "Clear MISCx registers"),
    bit(2, "Error node device valid"),
    bit(3, "Affinity type"),
    bit(4, "Error group address valid"),
    bit(5, "Fault injection address valid"),
    bit(6, "Interrupt configuration address valid"),
];

const GROUP: &[Field] = &[
    hex("Error node device", 4),
    hex("Processor affinity", 4),
    hex("Error group register base", 8),
    hex("Fault injection register base", 8),
    hex("Interrupt configuration register base", 8),
];

const INTERRUPTS: Names = &[(0, "fault handling"), (1, "error recovery")];

const TRIGGER: &[BitField] = &[bits_of(0, 1, "Trigger", &[(0, "edge"), (1, "level")])];

const INTERRUPT_1: &[Field] = &[
    one_of("Interrupt type", 1, INTERRUPTS),
    reserved(2),
    flags("Flags", 1, TRIGGER),
    dec("GSIV", 4),
    dec("IORT ID", 1),
    reserved(3),
];

const INTERRUPT_2: &[Field] = &[
    one_of("Interrupt type", 1, INTERRUPTS),
    reserved(2),
    flags("Flags", 1, TRIGGER),
    dec("GSIV", 4),
    reserved(4),
];
