//! DMA remapping units: DMAR (Intel VT-d) and IVRS (AMD).

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Rest, TableLayout, bdf, bit, bits, dec, flags, hex, one_of, raw,
    reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"DMAR",
        "DMA Remapping Reporting Structure",
        "Intel VT-d 4.1, 8.1",
        DMAR,
    )
    .rest(Rest::Entries(&UNITS)),
    TableLayout::new(
        *b"IVRS",
        "I/O Virtualization Reporting Structure",
        "AMD IOMMU 3.08, 5.2",
        IVRS,
    )
    .rest(Rest::Entries(&BLOCKS)),
];

const DMAR: &[Field] = &[
    dec("Host address width, less one", 1),
    flags(
        "Flags",
        1,
        &[
            bit(0, "Interrupt remapping (INTR_REMAP)"),
            bit(1, "OS is asked not to use x2APIC (X2APIC_OPT_OUT)"),
            bit(
                2,
                "OS is asked to remap DMA from the start (DMA_CTRL_PLATFORM_OPT_IN_FLAG)",
            ),
        ],
    ),
    reserved(10),
];

const SEGMENT: Field = hex("Segment number", 2);

const UNITS: Entries = Entries {
    noun: "Remapping structure",
    head: &[one_of("Type", 2, &[]), dec("Length", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0, "DMA remapping hardware unit definition (DRHD)", DRHD).rest(Rest::Entries(&SCOPES)),
        EntryKind::new(
            1,
            "Reserved memory region reporting (RMRR)",
            &[
                reserved(2),
                SEGMENT,
                hex("Reserved memory region base address", 8),
                hex("Reserved memory region limit address", 8),
            ],
        )
        .rest(Rest::Entries(&SCOPES)),
        EntryKind::new(
            2,
            "Root port ATS capability reporting (ATSR)",
            &[
                flags(
                    "Flags",
                    1,
                    &[bit(0, "All PCI Express root ports of the segment (ALL_PORTS)")],
                ),
                reserved(1),
                SEGMENT,
            ],
        )
        .rest(Rest::Entries(&SCOPES)),
        EntryKind::new(
            3,
            "Remapping hardware static affinity (RHSA)",
            &[reserved(4), hex("Register base address", 8), dec("Proximity domain", 4)],
        ),
        EntryKind::new(
            4,
            "ACPI name-space device declaration (ANDD)",
            &[reserved(3), dec("ACPI device number", 1)],
        )
        .rest(Rest::Text("ACPI object name")),
        EntryKind::new(
            5,
            "SoC integrated address translation cache (SATC)",
            &[
                flags("Flags", 1, &[bit(0, "ATC must be enabled for function (ATC_REQUIRED)")]),
                reserved(1),
                SEGMENT,
            ],
        )
        .rest(Rest::Entries(&SCOPES)),
        EntryKind::new(6, "SoC integrated device property (SIDP)", &[reserved(2), SEGMENT])
            .rest(Rest::Entries(&SCOPES)),
    ],
};

const DRHD: &[Field] = &[
    flags(
        "Flags",
        1,
        &[bit(0, "All PCI devices of the segment (INCLUDE_PCI_ALL)")],
    ),
    flags("Size", 1, &[bits(0, 4, "Register set of 2^n pages of 4 KiB, n")]),
    SEGMENT,
    hex("Register base address", 8),
];

const SCOPES: Entries = Entries {
    noun: "Device scope",
    head: &[
        one_of("Type", 1, &[]),
        dec("Length", 1),
        // Reserved except in a SIDP.
        hex("Flags", 1),
        reserved(1),
        hex("Enumeration ID", 1),
        hex("Start bus number", 1),
    ],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        scope(1, "PCI endpoint device"),
        scope(2, "PCI sub-hierarchy"),
        scope(3, "I/O APIC"),
        scope(4, "MSI-capable HPET"),
        scope(5, "ACPI name-space device"),
    ],
};

const fn scope(number: u64, name: &'static str) -> EntryKind {
    EntryKind::new(number, name, &[]).rest(Rest::Code(path))
}

/// Device and function, from the start bus down.
fn path(cursor: &mut Cursor<'_>) {
    while cursor.left() >= 2 {
        if let Some(step) = cursor.field(&hex("Path", 2)) {
            cursor.say(format!("{:02x}.{:x}", step & 0xff, step >> 8));
        }
    }
}

const IVRS: &[Field] = &[
    flags(
        "I/O virtualization information (IVinfo)",
        4,
        &[
            bit(0, "Extended feature support (EFRSup)"),
            bit(1, "OS is asked to remap DMA from the start (DMA remap support)"),
            bits(5, 3, "Guest virtual address size (GVASize)"),
            bits(8, 7, "Physical address size (PASize)"),
            bits(15, 7, "Virtual address size (VASize)"),
            bit(22, "ATS address range reserved (HtAtsResv)"),
        ],
    ),
    reserved(8),
];

const BLOCKS: Entries = Entries {
    noun: "I/O virtualization block",
    head: &[],
    kind_at: (0, 1),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(0x10, "I/O virtualization hardware definition (IVHD 10h)", IVHD_10)
            .rest(Rest::Entries(&DEVICES)),
        EntryKind::new(0x11, "I/O virtualization hardware definition (IVHD 11h)", IVHD_11)
            .rest(Rest::Entries(&DEVICES)),
        EntryKind::new(0x40, "I/O virtualization hardware definition (IVHD 40h)", IVHD_11)
            .rest(Rest::Entries(&DEVICES)),
        EntryKind::new(
            0x20,
            "I/O virtualization memory definition, all devices (IVMD 20h)",
            IVMD,
        ),
        EntryKind::new(
            0x21,
            "I/O virtualization memory definition, one device (IVMD 21h)",
            IVMD,
        ),
        EntryKind::new(
            0x22,
            "I/O virtualization memory definition, device range (IVMD 22h)",
            IVMD,
        ),
    ],
};

const IVHD_FLAGS: &[BitField] = &[
    bit(0, "HtTunEn"),
    bit(1, "PassPW"),
    bit(2, "ResPassPW"),
    bit(3, "Isoc"),
    bit(4, "IotlbSup"),
    bit(5, "Coherent"),
    bit(6, "PreFSup"),
    bit(7, "PPRSup"),
];

const IVHD_INFO: &[BitField] = &[bits(0, 5, "MSI number"), bits(8, 5, "Unit ID")];

const IVHD_10: &[Field] = &[
    hex("Type", 1),
    flags("Flags", 1, IVHD_FLAGS),
    dec("Length", 2),
    bdf("Device ID of the IOMMU"),
    hex("Capability offset", 2),
    hex("IOMMU base address", 8),
    hex("PCI segment group", 2),
    flags("IOMMU info", 2, IVHD_INFO),
    flags(
        "IOMMU feature reporting",
        4,
        &[
            bit(0, "XTSup"),
            bit(1, "NXSup"),
            bit(2, "GTSup"),
            bits(3, 2, "GLXSup"),
            bit(5, "IASup"),
            bit(6, "GASup"),
            bit(7, "HESup"),
            bits(8, 5, "PASmax"),
            bits(13, 4, "PNCounters"),
            bits(17, 6, "PNBanks"),
            bits(23, 5, "MsiNumPPR"),
            bits(28, 2, "GATS"),
            bits(30, 2, "HATS"),
        ],
    ),
];

const IVHD_11: &[Field] = &[
    hex("Type", 1),
    flags("Flags", 1, IVHD_FLAGS),
    dec("Length", 2),
    bdf("Device ID of the IOMMU"),
    hex("Capability offset", 2),
    hex("IOMMU base address", 8),
    hex("PCI segment group", 2),
    flags("IOMMU info", 2, IVHD_INFO),
    flags(
        "IOMMU attributes",
        4,
        &[
            bits(13, 4, "PNCounters"),
            bits(17, 6, "PNBanks"),
            bits(23, 5, "MsiNumPPR"),
        ],
    ),
    hex("Extended feature register image (EFR)", 8),
    hex("Extended feature register 2 image (EFR2)", 8),
];

const IVMD: &[Field] = &[
    hex("Type", 1),
    flags(
        "Flags",
        1,
        &[
            bit(0, "Unity mapped"),
            bit(1, "Readable (IR)"),
            bit(2, "Writable (IW)"),
            bit(3, "Exclusion range"),
        ],
    ),
    dec("Length", 2),
    bdf("Device ID"),
    hex("Auxiliary data: last device ID of a range", 2),
    reserved(8),
    hex("Start address", 8),
    hex("Memory block length", 8),
];

const DEVICES: Entries = Entries {
    noun: "Device entry",
    head: &[],
    kind_at: (0, 1),
    length: Length::By(device_length),
    kinds: &[
        EntryKind::new(0, "Padding", &[one_of("Type", 1, &[]), raw("Padding", 3)]),
        EntryKind::new(1, "All devices", DEVICE),
        EntryKind::new(2, "Select", DEVICE),
        EntryKind::new(3, "Start of range", DEVICE),
        EntryKind::new(4, "End of range", DEVICE),
        EntryKind::new(64, "Padding", &[one_of("Type", 1, &[]), raw("Padding", 7)]),
        EntryKind::new(66, "Alias select", ALIAS),
        EntryKind::new(67, "Alias start of range", ALIAS),
        EntryKind::new(70, "Extended select", EXTENDED),
        EntryKind::new(71, "Extended start of range", EXTENDED),
        EntryKind::new(72, "Special device", SPECIAL),
        EntryKind::new(240, "ACPI HID device", NAMED).rest(Rest::Code(uid)),
    ],
};

/// The top two bits of the type give 4, 8, 16 or 32 bytes; type F0h is as long as its name.
fn device_length(bytes: &[u8]) -> Option<usize> {
    match bytes.first()? {
        240 => usize::from(*bytes.get(21)?).checked_add(22),
        kind => Some(4 << (kind >> 6)),
    }
}

const SETTING: Field = flags(
    "DTE setting",
    1,
    &[
        bit(0, "INITPass"),
        bit(1, "EIntPass"),
        bit(2, "NMIPass"),
        bits(4, 2, "SysMgt"),
        bit(6, "Lint0Pass"),
        bit(7, "Lint1Pass"),
    ],
);

const DEVICE: &[Field] = &[one_of("Type", 1, &[]), bdf("Device ID"), SETTING];

const ALIAS: &[Field] = &[
    one_of("Type", 1, &[]),
    bdf("Device ID"),
    SETTING,
    reserved(1),
    bdf("Source device ID"),
    reserved(1),
];

const EXTENDED: &[Field] = &[
    one_of("Type", 1, &[]),
    bdf("Device ID"),
    SETTING,
    flags("Extended DTE setting", 4, &[bit(31, "AtsDisabled")]),
];

const SPECIAL: &[Field] = &[
    one_of("Type", 1, &[]),
    bdf("Device ID"),
    SETTING,
    hex("Handle", 1),
    bdf("Source device ID"),
    one_of("Variety", 1, &[(1, "I/O APIC"), (2, "HPET")]),
];

const NAMED: &[Field] = &[
    one_of("Type", 1, &[]),
    bdf("Device ID"),
    SETTING,
    text("Hardware ID", 8),
    text("Extended DTE setting or compatible ID", 8),
    one_of("Unique ID format", 1, &[(0, "none"), (1, "integer"), (2, "string")]),
    dec("Unique ID length", 1),
];

fn uid(cursor: &mut Cursor<'_>) {
    match cursor.value("Unique ID format") {
        Some(1) if cursor.left() == 8 => {
            cursor.u64("Unique ID");
        }
        Some(2) => cursor.text("Unique ID", usize::MAX),
        _ => cursor.raw("Unique ID", usize::MAX),
    }
}
