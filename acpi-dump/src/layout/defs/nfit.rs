//! Non-volatile DIMMs: NFIT.

use super::arrays::counted;
use super::meaning::{name_guid, name_number};
use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits, dec, flags, guid, hex, reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"NFIT",
    "NVDIMM Firmware Interface Table",
    "ACPI 6.5, 5.2.26",
    &[reserved(4)],
)
.rest(Rest::Entries(&NFIT))];

const NFIT: Entries = Entries {
    noun: "NFIT structure",
    head: &[hex("Type", 2), dec("Length", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "System physical address range", RANGE)
            .lengths(&[56])
            .rest(Rest::Code(range_kind)),
        EntryKind::new(1, "NVDIMM region mapping", MAPPING),
        EntryKind::new(
            2,
            "Interleave",
            &[
                dec("Interleave index", 2),
                reserved(2),
                dec("Number of lines", 4),
                dec("Line size in bytes", 4),
            ],
        )
        .rest(Rest::Code(lines)),
        EntryKind::new(3, "SMBIOS management information", &[reserved(4)]).rest(Rest::Bytes("SMBIOS structures")),
        EntryKind::new(4, "NVDIMM control region", CONTROL_REGION)
            .lengths(&[32])
            .rest(Rest::Code(interface)),
        EntryKind::new(
            5,
            "NVDIMM block data window region",
            &[
                dec("Control region index", 2),
                dec("Number of block data windows", 2),
                hex("Block data window start offset", 8),
                hex("Size of a block data window", 8),
                hex("Block accessible memory capacity", 8),
                hex("Start address of block accessible memory", 8),
            ],
        ),
        EntryKind::new(
            6,
            "Flush hint addresses",
            &[
                flags("NFIT device handle", 4, DEVICE_HANDLE),
                dec("Number of flush hint addresses", 2),
                reserved(6),
            ],
        )
        .rest(Rest::Code(flush_hints)),
        EntryKind::new(
            7,
            "Platform capabilities",
            &[
                dec("Highest valid capability bit", 1),
                reserved(3),
                flags("Capabilities", 4, CAPABILITIES),
                reserved(4),
            ],
        ),
    ],
};

const RANGE: &[Field] = &[
    dec("SPA range structure index", 2),
    flags(
        "Flags",
        2,
        &[
            bit(0, "Control region for hot add or online operation only"),
            bit(1, "Proximity domain valid"),
            bit(2, "Location cookie valid"),
        ],
    ),
    reserved(4),
    dec("Proximity domain", 4),
    guid("Address range type GUID"),
    hex("Address range base", 8),
    hex("Address range length", 8),
    flags("Address range memory mapping attribute", 8, MEMORY_ATTRIBUTES),
    hex("Location cookie", 8),
];

/// UEFI 2.10, 7.2.3: attributes of memory.
const MEMORY_ATTRIBUTES: &[BitField] = &[
    bit(0, "UC"),
    bit(1, "WC"),
    bit(2, "WT"),
    bit(3, "WB"),
    bit(4, "UCE"),
    bit(12, "WP"),
    bit(13, "RP"),
    bit(14, "XP"),
    bit(15, "NV"),
    bit(16, "More reliable"),
    bit(17, "RO"),
    bit(18, "Specific purpose"),
];

/// ACPI 6.5, table 5.133.
const RANGE_KINDS: &[(&str, &str)] = &[
    ("7305944F-FDDA-44E3-B16C-3F22D252E5D0", "volatile memory"),
    ("66F0D379-B4F3-4074-AC43-0D3318B78CDB", "persistent memory"),
    ("92F701F6-13B4-405D-910B-299367E8234C", "NVDIMM control region"),
    (
        "91AF0530-5D86-470E-A6B0-0A2DB9408249",
        "NVDIMM block data window region",
    ),
    (
        "77AB535A-45FC-624B-5560-F7B281D1F96E",
        "RAM disk: volatile virtual disk",
    ),
    ("3D5ABD30-4175-87CE-6D64-D2ADE523C4BB", "RAM disk: volatile virtual CD"),
    (
        "5CEA02C9-4D07-69D3-269F-4496FBE096F9",
        "RAM disk: persistent virtual disk",
    ),
    (
        "08018188-42CD-BB48-100F-5387D53DED3D",
        "RAM disk: persistent virtual CD",
    ),
];

fn lines(cursor: &mut Cursor<'_>) {
    counted(cursor, "Number of lines", hex("Line offset", 4));
}

fn flush_hints(cursor: &mut Cursor<'_>) {
    counted(cursor, "Number of flush hint addresses", hex("Flush hint address", 8));
}

/// Put the kind of memory beside its GUID.
fn range_kind(cursor: &mut Cursor<'_>) {
    name_guid(cursor, "Address range type GUID", RANGE_KINDS);
}

const DEVICE_HANDLE: &[BitField] = &[
    bits(0, 4, "DIMM number"),
    bits(4, 4, "Memory channel number"),
    bits(8, 4, "Memory controller ID"),
    bits(12, 4, "Socket ID"),
    bits(16, 12, "Node controller ID"),
];

const MAPPING: &[Field] = &[
    flags("NFIT device handle", 4, DEVICE_HANDLE),
    hex("NVDIMM physical ID", 2),
    dec("NVDIMM region ID", 2),
    dec("SPA range structure index", 2),
    dec("Control region index", 2),
    hex("Region size", 8),
    hex("Region offset", 8),
    hex("Physical address region base", 8),
    dec("Interleave index", 2),
    dec("Interleave ways", 2),
    flags(
        "State flags",
        2,
        &[
            bit(0, "Save failed"),
            bit(1, "Restore failed"),
            bit(2, "Platform flush failed"),
            bit(3, "Not armed: does not accept persistent writes"),
            bit(4, "Health events observed before the hand-off"),
            bit(5, "Health event notification enabled"),
            bit(6, "Not mapped by firmware"),
        ],
    ),
    reserved(2),
];

const CONTROL_REGION: &[Field] = &[
    dec("Control region index", 2),
    hex("Vendor ID", 2),
    hex("Device ID", 2),
    hex("Revision ID", 2),
    hex("Subsystem vendor ID", 2),
    hex("Subsystem device ID", 2),
    hex("Subsystem revision ID", 2),
    flags("Valid fields", 1, &[bit(0, "Manufacturing location and date valid")]),
    hex("Manufacturing location", 1),
    hex("Manufacturing date", 2),
    reserved(2),
    hex("Serial number", 4),
    hex("Region format interface code", 2),
    dec("Number of block control windows", 2),
    hex("Size of a block control window", 8),
    hex("Command register offset", 8),
    hex("Command register size", 8),
    hex("Status register offset", 8),
    hex("Status register size", 8),
    flags("Control region flags", 2, &[bit(0, "Block data windows are buffered")]),
    reserved(6),
];

fn interface(cursor: &mut Cursor<'_>) {
    name_number(cursor, "Region format interface code", INTERFACES);
}

/// JEDEC JEP137 annex L function interfaces.
const INTERFACES: Names = &[
    (0x0101, "byte addressable, energy backed"),
    (0x0201, "block addressable, not energy backed"),
    (0x0301, "byte addressable, not energy backed"),
];

const CAPABILITIES: &[BitField] = &[
    bit(0, "CPU cache flush to durability on power loss"),
    bit(1, "Memory controller flush to durability on power loss"),
    bit(2, "Byte addressable hardware mirroring"),
];
