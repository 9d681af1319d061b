//! Memory partitioning and monitoring of Arm machines: MPAM.

use super::arrays::items_here;
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Field, Names, Rest, TableLayout, bit, bits_of, dec, flags, hex, one_of, reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"MPAM",
    "Memory System Resource Partitioning and Monitoring Table",
    "Arm DEN0065, version 2.0",
    &[],
)
.rest(Rest::Code(controllers))];

/// Memory system components up to the end of the table; the first field is the length.
fn controllers(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let length = cursor
            .peek(cursor.at, 2)
            .and_then(|length| usize::try_from(length).ok());
        let Some(length) = length.filter(|length| *length >= 4) else {
            cursor.finding(cursor.at, "length of a memory system component", "less than 4");
            return;
        };
        if length > cursor.left() {
            let seen = format!("length {length}");
            cursor.finding(
                cursor.at,
                format!("at most {} bytes of a component", cursor.left()),
                seen,
            );
        }
        let end = cursor.at.saturating_add(length);
        cursor.nested("Memory system component", end, |cursor| {
            cursor.fields(COMPONENT);
            for _ in 0..cursor.size("Number of resource nodes").unwrap_or(0) {
                if cursor.left() == 0 {
                    let seen = "end of the component";
                    return cursor.finding(cursor.at, "resource node", seen);
                }
                resource(cursor);
            }
        });
    }
}

const INTERRUPT_FLAGS: &[BitField] = &[
    bits_of(0, 1, "Trigger", &[(0, "level"), (1, "edge")]),
    bits_of(1, 2, "Interrupt type", &[(0, "wired")]),
    bits_of(3, 1, "Affinity type", &[(0, "processor"), (1, "processor container")]),
    bit(4, "Affinity valid"),
];

const COMPONENT: &[Field] = &[
    dec("Length", 2),
    one_of("Interface type", 1, &[(0, "MMIO"), (0x0a, "PCC")]),
    reserved(1),
    dec("Identifier", 4),
    hex("Base address", 8),
    hex("MMIO size", 4),
    dec("Overflow interrupt GSIV", 4),
    flags("Overflow interrupt flags", 4, INTERRUPT_FLAGS),
    reserved(4),
    hex("Overflow interrupt affinity", 4),
    dec("Error interrupt GSIV", 4),
    flags("Error interrupt flags", 4, INTERRUPT_FLAGS),
    reserved(4),
    hex("Error interrupt affinity", 4),
    dec("MAX_NRDY in µs", 4),
    text("Hardware ID of linked device", 8),
    hex("Instance ID of linked device", 4),
    dec("Number of resource nodes", 4),
];

const RESOURCE: &[Field] = &[
    dec("Identifier", 4),
    dec("RIS index", 1),
    reserved(2),
    one_of("Locator type", 1, LOCATORS),
];

const LOCATORS: Names = &[
    (0, "processor cache"),
    (1, "memory"),
    (2, "SMMU"),
    (3, "memory-side cache"),
    (4, "ACPI device"),
    (5, "interconnect"),
    (0xff, "unknown"),
];

fn resource(cursor: &mut Cursor<'_>) {
    // 24 bytes, then dependencies of 8 bytes each.
    let count = cursor.peek(cursor.at.saturating_add(20), 4).unwrap_or(0);
    let count = usize::try_from(count).unwrap_or(usize::MAX);
    let length = count.saturating_mul(8).saturating_add(24);
    cursor.nested("Resource node", cursor.at.saturating_add(length), |cursor| {
        cursor.fields(RESOURCE);
        cursor.fields(locator(cursor.value("Locator type")));
        cursor.field(&dec("Number of functional dependencies", 4));
        items_here(
            cursor,
            "Functional dependency",
            count,
            &[hex("Producer", 4), reserved(4)],
        );
    });
}

fn locator(kind: Option<u64>) -> &'static [Field] {
    match kind {
        Some(0) => const { &[hex("Cache reference", 8), reserved(4)] },
        Some(1) => const { &[hex("Proximity domain", 8), reserved(4)] },
        Some(2) => const { &[hex("SMMU interface", 8), reserved(4)] },
        Some(3) => const { &[reserved(7), dec("Level", 1), hex("Reference", 4)] },
        Some(4) => const { &[text("ACPI hardware ID", 8), hex("ACPI unique ID", 4)] },
        Some(5) => const { &[hex("Interconnect descriptor table offset", 8), reserved(4)] },
        _ => const { &[hex("Descriptor 1", 8), hex("Descriptor 2", 4)] },
    }
}
