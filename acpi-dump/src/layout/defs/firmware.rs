//! What firmware tells of itself and of its boot: logo, performance records, licences, TPM, SMM.

use crate::layout::Cursor;
use crate::layout::spec::{
    Entries, EntryKind, Field, Length, Rest, TableLayout, bit, bits_of, dec, flags, gas, guid, hex, one_of, raw,
    reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(*b"BGRT", "Boot Graphics Resource Table", "ACPI 6.5, 5.2.23", BGRT),
    TableLayout::new(*b"FPDT", "Firmware Performance Data Table", "ACPI 6.5, 5.2.24", &[])
        .rest(Rest::Entries(&PERFORMANCE)),
    TableLayout::new(
        *b"BOOT",
        "Simple Boot Flag Table",
        "Microsoft Simple Boot Flag 2.1",
        &[hex("CMOS index of the boot register", 1), reserved(3)],
    ),
    TableLayout::new(
        *b"WSMT",
        "Windows SMM Security Mitigations Table",
        "Microsoft WSMT",
        &[flags(
            "Protection flags",
            4,
            &[
                bit(0, "FIXED_COMM_BUFFERS"),
                bit(1, "COMM_BUFFER_NESTED_PTR_PROTECTION"),
                bit(2, "SYSTEM_RESOURCE_PROTECTION"),
            ],
        )],
    ),
    // Before ACPI specification 1.2 of the TCG there were no parameters and no log.
    TableLayout::new(*b"TPM2", "Trusted Platform Module 2.0 Table", "TCG ACPI 1.3, 8", TPM2)
        .rest(Rest::Code(start_method)),
    TableLayout::new(
        *b"TCPA",
        "Trusted Computing Platform Alliance Table",
        "TCG ACPI 1.3, 7",
        &[one_of("Platform class", 2, &[(0, "client"), (1, "server")])],
    )
    .rest(Rest::Code(tcpa)),
    TableLayout::new(*b"MSDM", "Microsoft Data Management Table", "Microsoft MSDM", MSDM)
        .rest(Rest::Text("Data (product key)")),
    TableLayout::new(*b"SLIC", "Software Licensing Table", "Microsoft SLIC 2.0", &[]).rest(Rest::Entries(&LICENCE)),
    TableLayout::new(
        *b"UEFI",
        "UEFI ACPI Data Table",
        "UEFI 2.10, appendix O",
        &[guid("Identifier"), dec("Data offset", 2)],
    )
    .rest(Rest::Code(uefi)),
    TableLayout::new(
        *b"WAET",
        "Windows ACPI Emulated Devices Table",
        "Microsoft WAET 1.0",
        &[flags(
            "Emulated device flags",
            4,
            &[
                bit(0, "RTC needs no read of register C after an interrupt (RTC good)"),
                bit(1, "One read of the PM timer is enough (ACPI PM timer good)"),
            ],
        )],
    ),
    TableLayout::new(*b"WPBT", "Windows Platform Binary Table", "Microsoft WPBT", WPBT).rest(Rest::Code(arguments)),
];

const BGRT: &[Field] = &[
    dec("Version", 2),
    flags(
        "Status",
        1,
        &[
            bit(0, "Displayed"),
            bits_of(
                1,
                2,
                "Orientation offset",
                &[
                    (0, "0 degrees"),
                    (1, "90 degrees"),
                    (2, "180 degrees"),
                    (3, "270 degrees"),
                ],
            ),
        ],
    ),
    one_of("Image type", 1, &[(0, "bitmap")]),
    hex("Image address", 8),
    dec("Image offset X", 4),
    dec("Image offset Y", 4),
];

const PERFORMANCE: Entries = Entries {
    noun: "Performance record",
    head: &[
        one_of("Performance record type", 2, &[]),
        dec("Record length", 1),
        dec("Revision", 1),
    ],
    kind_at: (0, 2),
    length: Length::At(2, 1),
    kinds: &[
        EntryKind::new(
            0,
            "Firmware basic boot performance pointer",
            &[reserved(4), hex("FBPT pointer", 8)],
        ),
        EntryKind::new(
            1,
            "S3 performance table pointer",
            &[reserved(4), hex("S3PT pointer", 8)],
        ),
    ],
};

const TPM2: &[Field] = &[
    // Both reserved before revision 4.
    one_of("Platform class", 2, &[(0, "client"), (1, "server")]),
    reserved(2),
    hex("Address of the control area", 8),
    one_of(
        "Start method",
        4,
        &[
            (2, "ACPI start method"),
            (6, "memory mapped I/O (TIS 1.2 and FIFO)"),
            (7, "command response buffer"),
            (8, "command response buffer with ACPI start method"),
            (11, "command response buffer with Arm SMC or HVC"),
            (12, "FIFO over I2C"),
            (13, "command response buffer with AMD mailbox"),
            (15, "command response buffer with Arm FF-A"),
        ],
    ),
];

const ARM_CALL: &[Field] = &[
    dec("Interrupt GSIV", 4),
    flags("Interrupt flags", 1, &[bit(0, "Interrupt supported")]),
    flags("Operation flags", 1, &[bit(0, "Idle supported")]),
    reserved(2),
    hex("SMC or HVC function ID", 4),
];

/// Parameters of the start method, 12 bytes, and the event log; each may be left out.
fn start_method(cursor: &mut Cursor<'_>) {
    match cursor.value("Start method") {
        _ if cursor.left() < 12 => return cursor.raw("Start method parameters", usize::MAX),
        Some(11) => {
            cursor.fields(ARM_CALL);
        }
        _ => cursor.raw("Start method parameters", 12),
    }
    cursor.fields(&[
        dec("Log area minimum length (LAML)", 4),
        hex("Log area start address (LASA)", 8),
    ]);
}

fn tcpa(cursor: &mut Cursor<'_>) {
    let fields = match cursor.value("Platform class") {
        Some(0) => TCPA_CLIENT,
        Some(1) => TCPA_SERVER,
        _ => return cursor.raw("Contents", usize::MAX),
    };
    if !cursor.fields(fields) {
        cursor.finding(cursor.at, "all fields of the platform class", "end of the table");
    }
}

const TCPA_CLIENT: &[Field] = &[
    dec("Log area minimum length (LAML)", 4),
    hex("Log area start address (LASA)", 8),
];

const TCPA_SERVER: &[Field] = &[
    reserved(2),
    dec("Log area minimum length (LAML)", 8),
    hex("Log area start address (LASA)", 8),
    hex("Specification revision (BCD)", 2),
    flags(
        "Device flags",
        1,
        &[
            bit(0, "PCI device"),
            bit(1, "Bus is Plug and Play"),
            bit(2, "Address valid"),
        ],
    ),
    flags(
        "Interrupt flags",
        1,
        &[
            bits_of(0, 1, "Trigger mode", &[(0, "level"), (1, "edge")]),
            bits_of(1, 1, "Polarity", &[(0, "active high"), (1, "active low")]),
            bit(2, "SCI by GPE"),
            bit(3, "Global system interrupt valid"),
        ],
    ),
    dec("GPE", 1),
    reserved(3),
    dec("Global system interrupt", 4),
    gas("Base address"),
    reserved(4),
    gas("Configuration address"),
    hex("PCI segment group", 1),
    hex("PCI bus", 1),
    hex("PCI device", 1),
    hex("PCI function", 1),
];

const MSDM: &[Field] = &[
    dec("Version", 4),
    reserved(4),
    one_of("Data type", 4, &[(1, "product key")]),
    hex("Data reserved", 4),
    dec("Data length", 4),
];

const LICENCE: Entries = Entries {
    noun: "Software licensing structure",
    head: &[one_of("Type", 4, &[]), dec("Length", 4)],
    kind_at: (0, 4),
    length: Length::At(4, 4),
    kinds: &[
        EntryKind::new(
            0,
            "OEM public key",
            &[
                hex("Key type", 1),
                dec("Version", 1),
                reserved(2),
                hex("Algorithm", 4),
                text("Magic", 4),
                dec("Bit length", 4),
                dec("Exponent", 4),
                raw("Modulus", 128),
            ],
        ),
        EntryKind::new(
            1,
            "Windows marker",
            &[
                hex("Version", 4),
                text("OEM ID", 6),
                text("OEM table ID", 8),
                text("Windows flag", 8),
                hex("SLIC version", 4),
                reserved(16),
                raw("Signature", 128),
            ],
        ),
    ],
};

/// GUID of the structure for communication with SMM: UEFI 2.10, appendix O.
const SMM: &str = "C68ED8E2-9DC6-4CBD-9D94-DB65ACC5C332";

fn uefi(cursor: &mut Cursor<'_>) {
    let identifier = cursor.row("Identifier").map(|row| &row.value);
    let smm = matches!(identifier, Some(crate::layout::Value::Guid(guid)) if guid == SMM);
    if let Some(offset) = cursor.size("Data offset") {
        cursor.skip_to(offset);
    }
    if smm {
        cursor.fields(&[
            hex("Software SMI number", 4),
            hex("Address of the communication buffer pointer", 8),
        ]);
    }
    cursor.raw("Data", usize::MAX);
}

const WPBT: &[Field] = &[
    dec("Handoff memory size", 4),
    hex("Handoff memory location", 8),
    one_of("Content layout", 1, &[(1, "one image in a contiguous buffer")]),
    one_of("Content type", 1, &[(1, "native user-mode application")]),
    dec("Command line arguments length", 2),
];

fn arguments(cursor: &mut Cursor<'_>) {
    let length = cursor.size("Command line arguments length").unwrap_or(0);
    cursor.utf16("Command line arguments", length);
}
