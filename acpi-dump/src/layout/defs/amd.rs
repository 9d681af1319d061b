//! Tables of AMD machines: CRAT and CDIT (shape of an HSA system), VFCT (video BIOS images), ASPT.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, dec, flags, guid, hex, one_of, raw,
    reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(
        *b"CRAT",
        "Component Resource Attribute Table",
        "AMD; layout as Linux reads it (kfd_crat.h)",
        &[dec("Total entries", 4), dec("Number of domains", 2), reserved(6)],
    )
    .rest(Rest::Entries(&CRAT)),
    TableLayout::new(
        *b"CDIT",
        "Component Distance Information Table",
        "AMD; layout as found in firmware",
        &[dec("Number of domains", 4)],
    )
    .rest(Rest::Code(distances)),
    TableLayout::new(
        *b"VFCT",
        "Video BIOS Firmware Content Table",
        "AMD; layout as Linux reads it (amdgpu, atombios.h)",
        &[
            guid("Table UUID"),
            hex("Offset of the VBIOS images", 4),
            hex("Offset of the library images", 4),
            reserved(16),
        ],
    )
    .rest(Rest::Code(images)),
    TableLayout::new(
        *b"ASPT",
        "AMD Secure Processor Table",
        "AMD socket SP5/SP6 platform ASPT specification, revisions 1 and 2",
        &[],
    )
    .rest(Rest::Code(aspt)),
];

const CRAT: Entries = Entries {
    noun: "CRAT entry",
    head: &[hex("Type", 1), dec("Length", 1), reserved(2)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(0, "Compute unit affinity", COMPUTE_UNIT),
        EntryKind::new(1, "Memory affinity", MEMORY),
        EntryKind::new(2, "Cache affinity", CACHE),
        EntryKind::new(3, "TLB affinity", TLB),
        EntryKind::new(
            4,
            "CCompute affinity",
            &[
                flags("Flags", 4, &[bit(0, "Enabled")]),
                hex("Lowest processor ID", 4),
                raw("Sibling map", 32),
                dec("APU size", 4),
                reserved(16),
            ],
        ),
        EntryKind::new(5, "I/O link affinity", IO_LINK),
    ],
};

const COMPUTE_UNIT: &[Field] = &[
    flags(
        "Flags",
        4,
        &[
            bit(0, "Enabled"),
            bit(1, "Hot-pluggable"),
            bit(2, "CPU present"),
            bit(3, "GPU present"),
            bit(4, "IOMMU present"),
        ],
    ),
    dec("Proximity domain", 4),
    hex("Lowest processor ID", 4),
    dec("Number of CPU cores", 2),
    dec("Number of SIMD cores", 2),
    dec("Max waves per SIMD", 2),
    dec("I/O count", 2),
    hex("HSA capability", 2),
    dec("LDS size in KiB", 2),
    dec("Wave front size", 1),
    dec("Number of banks", 1),
    dec("Micro engine ID", 2),
    dec("Number of arrays", 1),
    dec("Number of CUs per array", 1),
    dec("Number of SIMDs per CU", 1),
    dec("Max scratch slots per CU", 1),
    reserved(4),
];

const MEMORY: &[Field] = &[
    flags(
        "Flags",
        4,
        &[bit(0, "Enabled"), bit(1, "Hot-pluggable"), bit(2, "Non-volatile")],
    ),
    dec("Proximity domain", 4),
    hex("Base address, low", 4),
    hex("Base address, high", 4),
    hex("Length, low", 4),
    hex("Length, high", 4),
    dec("Width", 4),
    hex("Visibility type", 1),
    reserved(7),
];

const CACHE_FLAGS: &[BitField] = &[
    bit(0, "Enabled"),
    bit(1, "Data"),
    bit(2, "Instruction"),
    bit(3, "CPU"),
    bit(4, "SIMD"),
];

const CACHE: &[Field] = &[
    flags("Flags", 4, CACHE_FLAGS),
    hex("Lowest processor ID", 4),
    raw("Sibling map", 32),
    dec("Cache size in KiB", 4),
    dec("Cache level", 1),
    dec("Lines per tag", 1),
    dec("Cache line size in bytes", 2),
    dec("Associativity", 1),
    hex("Cache properties", 1),
    dec("Cache latency", 2),
    reserved(8),
];

const TLB: &[Field] = &[
    flags("Flags", 4, CACHE_FLAGS),
    hex("Lowest processor ID", 4),
    raw("Sibling map", 32),
    dec("TLB level", 4),
    dec("Data TLB associativity, 2 MiB pages", 1),
    dec("Data TLB size, 2 MiB pages", 1),
    dec("Instruction TLB associativity, 2 MiB pages", 1),
    dec("Instruction TLB size, 2 MiB pages", 1),
    dec("Data TLB associativity, 4 KiB pages", 1),
    dec("Data TLB size, 4 KiB pages", 1),
    dec("Instruction TLB associativity, 4 KiB pages", 1),
    dec("Instruction TLB size, 4 KiB pages", 1),
    dec("Data TLB associativity, 1 GiB pages", 1),
    dec("Data TLB size, 1 GiB pages", 1),
    dec("Instruction TLB associativity, 1 GiB pages", 1),
    dec("Instruction TLB size, 1 GiB pages", 1),
    reserved(4),
];

const IO_LINK: &[Field] = &[
    flags(
        "Flags",
        4,
        &[
            bit(0, "Enabled"),
            bit(1, "Non-coherent"),
            bit(2, "No 32-bit atomics"),
            bit(3, "No 64-bit atomics"),
            bit(4, "No peer-to-peer DMA"),
            bit(31, "Bidirectional"),
        ],
    ),
    dec("Proximity domain, from", 4),
    dec("Proximity domain, to", 4),
    one_of("I/O interface type", 1, LINKS),
    dec("Version, major", 1),
    dec("Version, minor", 2),
    dec("Minimum latency", 4),
    dec("Maximum latency", 4),
    dec("Minimum bandwidth in MB/s", 4),
    dec("Maximum bandwidth in MB/s", 4),
    dec("Recommended transfer size", 4),
    reserved(24),
];

const LINKS: Names = &[
    (0, "undefined"),
    (1, "HyperTransport"),
    (2, "PCI Express"),
    (3, "AMBA"),
    (4, "MIPI"),
    (5, "QPI 1.1"),
    (8, "RapidIO"),
    (9, "InfiniBand"),
    (11, "xGMI"),
    (12, "xGOP"),
    (13, "Gen-Z"),
    (14, "RDMA over Ethernet"),
    (15, "other RDMA"),
    (16, "other"),
];

/// One byte for each pair of domains, as in a SLIT.
fn distances(cursor: &mut Cursor<'_>) {
    let domains = cursor.size("Number of domains").unwrap_or(0);
    for domain in 0..domains {
        if cursor.left() == 0 {
            let seen = format!("{domain} of them");
            return cursor.finding(cursor.at, format!("{domains} rows of distances"), seen);
        }
        let end = cursor.at.saturating_add(domains);
        cursor.nested(format!("Domain {domain}"), end, |cursor| {
            cursor.array(&dec("Distance", 1), domains);
        });
    }
}

/// Header of an image; its bytes follow.
const IMAGE: &[Field] = &[
    dec("PCI bus", 4),
    dec("PCI device", 4),
    dec("PCI function", 4),
    hex("Vendor ID", 2),
    hex("Device ID", 2),
    hex("Subsystem vendor ID", 2),
    hex("Subsystem ID", 2),
    hex("Revision", 4),
    dec("Image length", 4),
];

fn images(cursor: &mut Cursor<'_>) {
    let offset = |cursor: &Cursor<'_>, name| cursor.size(name).filter(|offset| *offset != 0);
    let images = offset(cursor, "Offset of the VBIOS images");
    let library = offset(cursor, "Offset of the library images");
    let end = cursor.end;
    for (title, start) in [("VBIOS image", images), ("Library image", library)] {
        let Some(start) = start else { continue };
        let limit = library.filter(|library| *library > start).unwrap_or(end);
        let mut at = start;
        // The length of the image is the last field of its header.
        while let Some(length) = cursor.peek(at.saturating_add(24), 4).filter(|_| at < limit) {
            let title = if length == 0 { "Empty image header" } else { title };
            let length = usize::try_from(length).unwrap_or(usize::MAX).saturating_add(28);
            let read = cursor.jump(title, at, length, |cursor| {
                cursor.fields(IMAGE);
                cursor.raw("Image", usize::MAX);
            });
            if !read {
                break;
            }
            at = at.saturating_add(length);
        }
    }
}

/// Revision 2 has one base address and offsets where revision 1 has addresses.
fn aspt(cursor: &mut Cursor<'_>) {
    if cursor.table.revision() == Some(2) {
        cursor.fields(ASPT_2_FIELDS);
        cursor.entries(&ASPT_2);
    } else {
        cursor.fields(&[dec("Number of structures", 4)]);
        cursor.entries(&ASPT);
    }
}

const ASPT_2_FIELDS: &[Field] = &[
    hex("ASP register base address", 8),
    dec("ASP register space pages", 4),
    dec("Number of structures", 4),
];

const ASPT_2: Entries = Entries {
    noun: "ASPT structure",
    head: &[hex("Type", 2), dec("Length", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(
            0,
            "ASP global registers",
            &[
                reserved(4),
                hex("Feature register offset", 4),
                hex("Interrupt enable register offset", 4),
                hex("Interrupt status register offset", 4),
            ],
        ),
        EntryKind::new(
            1,
            "SEV mailbox registers",
            &[
                dec("Mailbox interrupt ID", 1),
                reserved(3),
                hex("CmdResp register offset", 4),
                hex("CmdBufAddr_Lo register offset", 4),
                hex("CmdBufAddr_Hi register offset", 4),
            ],
        ),
        EntryKind::new(
            2,
            "ACPI mailbox registers",
            &[reserved(4), hex("CmdResp register offset", 4), reserved(8)],
        ),
        EntryKind::new(
            3,
            "ASP TEE interface registers",
            &[
                dec("Revision", 2),
                reserved(2),
                hex("CmdResp register offset", 4),
                hex("CmdBufAddr_Lo register offset", 4),
                hex("CmdBufAddr_Hi register offset", 4),
            ],
        ),
        EntryKind::new(
            4,
            "ASP SFS status registers",
            &[
                dec("Revision", 2),
                reserved(6),
                hex("SFS status memory buffer address", 8),
            ],
        ),
    ],
};

const ASPT: Entries = Entries {
    noun: "ASPT structure",
    head: &[hex("Type", 2), dec("Length", 2)],
    kind_at: (0, 2),
    length: Length::At(2, 2),
    kinds: &[
        EntryKind::new(
            0,
            "ASP global registers",
            &[
                reserved(4),
                hex("Feature register address", 8),
                hex("Interrupt enable register address", 8),
                hex("Interrupt status register address", 8),
            ],
        ),
        EntryKind::new(
            1,
            "SEV mailbox registers",
            &[
                dec("Mailbox interrupt ID", 1),
                reserved(3),
                hex("CmdResp register address", 8),
                hex("CmdBufAddr_Lo register address", 8),
                hex("CmdBufAddr_Hi register address", 8),
            ],
        ),
        EntryKind::new(
            2,
            "ACPI mailbox registers",
            &[
                reserved(4),
                hex("CmdResp register address", 8),
                reserved(8),
                reserved(8),
            ],
        ),
    ],
};
