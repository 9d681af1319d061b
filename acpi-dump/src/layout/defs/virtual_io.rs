//! Virtual machines and other I/O translation: VIOT, IOVT (LoongArch), RIMT (RISC-V), XENV, STAO.

use super::arrays::{entries_at, items, up_to};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Rest, TableLayout, bdf, bit, bits_of, dec, flags, hex, one_of,
    reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"VIOT",
        "Virtual I/O Translation Table",
        "ACPI 6.5, 5.2.32",
        &[dec("Number of nodes", 2), hex("Offset of the nodes", 2), reserved(8)],
    )
    .rest(Rest::Code(viot)),
    TableLayout::new(
        *b"IOVT",
        "I/O Virtualization Table",
        "LoongArch I/O Virtualization Table, version 0.1",
        &[dec("Number of IOMMUs", 2), hex("Offset of the IOMMUs", 2), reserved(8)],
    )
    .rest(Rest::Code(iovt)),
    TableLayout::new(
        *b"RIMT",
        "RISC-V I/O Mapping Table",
        "RISC-V ACPI RIMT specification",
        &[dec("Number of nodes", 4), hex("Offset of the nodes", 4), reserved(4)],
    )
    .rest(Rest::Code(rimt)),
    TableLayout::new(
        *b"XENV",
        "Xen Environment Table",
        "Xen project, ACPI Specification for Xen Environment Table",
        &[
            hex("Grant table address", 8),
            hex("Grant table size", 8),
            dec("Event channel interrupt", 4),
            flags("Event channel interrupt flags", 1, &[TRIGGER, POLARITY]),
        ],
    ),
    TableLayout::new(
        *b"STAO",
        "Status Override Table",
        "Xen project, ACPI Specification for Status Override Table",
        &[one_of("Ignore UART", 1, &[(0, "no"), (1, "yes")])],
    )
    .rest(Rest::Code(names)),
];

const TRIGGER: BitField = bits_of(0, 1, "Trigger", &[(0, "level"), (1, "edge")]);
const POLARITY: BitField = bits_of(1, 1, "Polarity", &[(0, "active high"), (1, "active low")]);

fn names(cursor: &mut Cursor<'_>) {
    while cursor.left() > 0 {
        let before = cursor.at;
        cursor.zero_ended("Namespace path");
        if cursor.at == before {
            return;
        }
    }
}

fn viot(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of nodes").unwrap_or(0);
    let offset = cursor.size("Offset of the nodes").unwrap_or(0);
    entries_at(cursor, offset, count, &VIOT);
}

const VIOT: Entries = Entries {
    noun: "VIOT node",
    head: &[hex("Type", 1), reserved(1), dec("Length", 2)],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(
            1,
            "PCI range",
            &[
                hex("Endpoint start", 4),
                hex("PCI segment start", 2),
                hex("PCI segment end", 2),
                bdf("PCI BDF start"),
                bdf("PCI BDF end"),
                hex("Output node", 2),
                reserved(6),
            ],
        ),
        EntryKind::new(
            2,
            "MMIO endpoint",
            &[
                hex("Endpoint ID", 4),
                hex("Base address", 8),
                hex("Output node", 2),
                reserved(6),
            ],
        ),
        EntryKind::new(
            3,
            "virtio-iommu on PCI",
            &[hex("PCI segment", 2), bdf("PCI BDF"), reserved(8)],
        ),
        EntryKind::new(4, "virtio-iommu on MMIO", &[reserved(4), hex("Base address", 8)]),
    ],
};

fn iovt(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of IOMMUs").unwrap_or(0);
    let offset = cursor.size("Offset of the IOMMUs").unwrap_or(0);
    entries_at(cursor, offset, count, &IOVT);
}

const IOVT: Entries = Entries {
    noun: "IOVT structure",
    head: &[hex("Type", 2), dec("Length", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[EntryKind::new(0, "IOMMU version 1", IOMMU).rest(Rest::Code(iommu_devices))],
};

const IOMMU: &[Field] = &[
    flags(
        "Flags",
        4,
        &[
            bit(0, "PCI device"),
            bit(1, "Proximity domain valid"),
            bit(2, "Manages the whole segment"),
            bit(3, "Hardware capabilities supported"),
            bit(4, "MSI interrupts bypass translation"),
        ],
    ),
    hex("PCI segment", 2),
    dec("Physical address width", 2),
    dec("Virtual address width", 2),
    dec("Maximum page level", 2),
    hex("Supported page sizes", 8),
    hex("Device ID", 4),
    hex("Base address", 8),
    hex("Address space size", 4),
    hex("Interrupt type", 1),
    reserved(3),
    dec("Global system interrupt", 4),
    dec("Proximity domain", 4),
    dec("Maximum number of devices", 4),
    dec("Number of device entries", 4),
    hex("Offset of the device entries", 4),
];

fn iommu_devices(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of device entries").unwrap_or(0);
    let offset = cursor.size("Offset of the device entries").unwrap_or(0);
    let start = cursor.section.offset.saturating_add(offset);
    entries_at(cursor, start, count, &IOMMU_DEVICES);
}

const IOMMU_DEVICE: &[Field] = &[hex("Flags", 1), reserved(3), bdf("Device ID")];

const IOMMU_DEVICES: Entries = Entries {
    noun: "Device entry",
    head: &[hex("Type", 1), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(0, "Single PCI device", IOMMU_DEVICE),
        EntryKind::new(1, "Start of a range", IOMMU_DEVICE),
        EntryKind::new(2, "End of a range", IOMMU_DEVICE),
    ],
};

fn rimt(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of nodes").unwrap_or(0);
    let offset = cursor.size("Offset of the nodes").unwrap_or(0);
    entries_at(cursor, offset, count, &RIMT);
}

const RIMT: Entries = Entries {
    noun: "RIMT node",
    head: &[
        hex("Type", 1),
        dec("Revision", 1),
        dec("Length", 2),
        reserved(2),
        dec("Identifier", 2),
    ],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(
            0,
            "IOMMU",
            &[
                text("Hardware ID", 8),
                hex("Base address", 8),
                flags("Flags", 4, &[bit(0, "PCIe device"), bit(1, "Proximity domain valid")]),
                dec("Proximity domain", 4),
                hex("PCIe segment", 2),
                bdf("PCIe BDF"),
                dec("Number of interrupt wires", 2),
                hex("Offset of the interrupt wires", 2),
            ],
        )
        .rest(Rest::Code(wires)),
        EntryKind::new(
            1,
            "PCIe root complex",
            &[
                flags("Flags", 4, &[bit(0, "ATS supported"), bit(1, "PRI supported")]),
                reserved(2),
                hex("PCIe segment", 2),
                hex("Offset of the ID mappings", 2),
                dec("Number of ID mappings", 2),
            ],
        )
        .rest(Rest::Code(id_mappings)),
        EntryKind::new(
            2,
            "Platform device",
            &[hex("Offset of the ID mappings", 2), dec("Number of ID mappings", 2)],
        )
        .rest(Rest::Code(platform_device)),
    ],
};

fn place(cursor: &Cursor<'_>, name: &str) -> usize {
    cursor.section.offset.saturating_add(cursor.size(name).unwrap_or(0))
}

fn wires(cursor: &mut Cursor<'_>) {
    let (start, count) = (
        place(cursor, "Offset of the interrupt wires"),
        cursor.size("Number of interrupt wires").unwrap_or(0),
    );
    items(cursor, "Interrupt wire", start, count, WIRE);
}

const WIRE: &[Field] = &[
    dec("Interrupt number", 4),
    flags("Flags", 4, &[bit(0, "Level triggered"), bit(1, "Active high")]),
];

fn platform_device(cursor: &mut Cursor<'_>) {
    let end = cursor.end;
    if cursor.value("Number of ID mappings") != Some(0) {
        cursor.end = place(cursor, "Offset of the ID mappings").clamp(cursor.at, end);
    }
    cursor.zero_ended("Device object name");
    up_to(cursor, cursor.end);
    cursor.end = end;
    id_mappings(cursor);
}

fn id_mappings(cursor: &mut Cursor<'_>) {
    let count = cursor.size("Number of ID mappings").unwrap_or(0);
    items(
        cursor,
        "ID mapping",
        place(cursor, "Offset of the ID mappings"),
        count,
        MAPPING,
    );
}

const MAPPING: &[Field] = &[
    hex("Source ID base", 4),
    dec("Number of IDs", 4),
    hex("Destination device ID base", 4),
    hex("Destination IOMMU offset", 4),
    hex("Flags", 4),
];
