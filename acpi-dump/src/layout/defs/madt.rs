//! Multiple APIC Description Table, signature `APIC`: ACPI 6.5, section 5.2.12; the GIC version 5
//! structures are those of ACPI 6.7.

use crate::layout::Cursor;
use crate::layout::spec::{
    BitField, Entries, EntryKind, Field, Length, Names, Rest, TableLayout, bit, bits, bits_of, dec, flags, hex, one_of,
    reserved,
};

pub(crate) const TABLES: &[TableLayout] = &[TableLayout::new(
    *b"APIC",
    "Multiple APIC Description Table",
    "ACPI 6.5, 5.2.12",
    &[
        hex("Local interrupt controller address", 4),
        flags("Flags", 4, &[bit(0, "PC-AT compatible: dual 8259 (PCAT_COMPAT)")]),
    ],
)
.rest(Rest::Entries(&ENTRIES))];

const ENTRIES: Entries = Entries {
    noun: "Interrupt controller structure",
    head: &[one_of("Type", 1, &[]), dec("Length", 1)],
    kind_at: (0, 1),
    length: Length::At(1, 1),
    kinds: &[
        EntryKind::new(0, "Processor local APIC", LOCAL_APIC),
        EntryKind::new(1, "I/O APIC", IO_APIC),
        EntryKind::new(2, "Interrupt source override", OVERRIDE),
        EntryKind::new(3, "NMI source", NMI_SOURCE),
        EntryKind::new(4, "Local APIC NMI", LOCAL_NMI),
        EntryKind::new(
            5,
            "Local APIC address override",
            &[reserved(2), hex("Local APIC address", 8)],
        ),
        EntryKind::new(6, "I/O SAPIC", IO_SAPIC),
        // ACPI 2.0 ended behind the flags.
        EntryKind::new(7, "Local SAPIC", LOCAL_SAPIC)
            .lengths(&[12])
            .rest(Rest::Code(uid_string)),
        EntryKind::new(8, "Platform interrupt source", PLATFORM_INTERRUPT).lengths(&[12]),
        EntryKind::new(9, "Processor local x2APIC", LOCAL_X2APIC),
        EntryKind::new(10, "Local x2APIC NMI", LOCAL_X2APIC_NMI),
        // ACPI 5.0, 5.1, 6.0 to 6.4, 6.5 and 6.6.
        EntryKind::new(11, "GIC CPU interface (GICC)", GICC).lengths(&[40, 76, 80, 82]),
        EntryKind::new(12, "GIC distributor (GICD)", GICD),
        EntryKind::new(13, "GIC MSI frame", GIC_MSI),
        EntryKind::new(14, "GIC redistributor (GICR)", GICR),
        EntryKind::new(15, "GIC interrupt translation service (ITS)", GIC_ITS),
        // ACPI 6.4 and 6.5 had no reset vector.
        EntryKind::new(16, "Multiprocessor wakeup", WAKEUP).lengths(&[16]),
        EntryKind::new(17, "Core programmable interrupt controller (CORE PIC)", CORE_PIC),
        EntryKind::new(18, "Legacy I/O programmable interrupt controller (LIO PIC)", LIO_PIC),
        EntryKind::new(19, "HyperTransport programmable interrupt controller (HT PIC)", HT_PIC),
        EntryKind::new(20, "Extend I/O programmable interrupt controller (EIO PIC)", EIO_PIC),
        EntryKind::new(21, "MSI programmable interrupt controller (MSI PIC)", MSI_PIC),
        EntryKind::new(22, "Bridge I/O programmable interrupt controller (BIO PIC)", BIO_PIC),
        EntryKind::new(23, "LPC programmable interrupt controller (LPC PIC)", LPC_PIC),
        EntryKind::new(24, "RISC-V hart-local interrupt controller (RINTC)", RINTC).lengths(&[20]),
        EntryKind::new(25, "RISC-V incoming MSI controller (IMSIC)", IMSIC),
        EntryKind::new(26, "RISC-V advanced platform-level interrupt controller (APLIC)", APLIC),
        EntryKind::new(27, "RISC-V platform-level interrupt controller (PLIC)", PLIC),
        EntryKind::new(28, "GICv5 interrupt routing service (IRS)", GICV5_IRS),
        EntryKind::new(29, "GICv5 ITS configuration frame", GICV5_ITS),
        EntryKind::new(30, "GICv5 ITS translate frame", GICV5_TRANSLATE),
    ],
};

const ENABLED: BitField = bit(0, "Enabled");

/// 5.2.12.5, table 5.26.
const INTERRUPT: &[BitField] = &[
    bits_of(
        0,
        2,
        "Polarity",
        &[
            (0, "as the bus has it"),
            (1, "active high"),
            (2, "reserved"),
            (3, "active low"),
        ],
    ),
    bits_of(
        2,
        2,
        "Trigger mode",
        &[(0, "as the bus has it"), (1, "edge"), (2, "reserved"), (3, "level")],
    ),
];

const LOCAL_APIC: &[Field] = &[
    hex("ACPI processor UID", 1),
    hex("APIC ID", 1),
    flags("Flags", 4, &[ENABLED, bit(1, "Online capable")]),
];

const IO_APIC: &[Field] = &[
    hex("I/O APIC ID", 1),
    reserved(1),
    hex("I/O APIC address", 4),
    dec("Global system interrupt base", 4),
];

const OVERRIDE: &[Field] = &[
    one_of("Bus", 1, &[(0, "ISA")]),
    dec("Source", 1),
    dec("Global system interrupt", 4),
    flags("Flags", 2, INTERRUPT),
];

const NMI_SOURCE: &[Field] = &[flags("Flags", 2, INTERRUPT), dec("Global system interrupt", 4)];

const LOCAL_NMI: &[Field] = &[
    one_of("ACPI processor UID", 1, &[(0xff, "all processors")]),
    flags("Flags", 2, INTERRUPT),
    dec("Local APIC LINT#", 1),
];

const IO_SAPIC: &[Field] = &[
    hex("I/O APIC ID", 1),
    reserved(1),
    dec("Global system interrupt base", 4),
    hex("I/O SAPIC address", 8),
];

const LOCAL_SAPIC: &[Field] = &[
    hex("ACPI processor ID", 1),
    hex("Local SAPIC ID", 1),
    hex("Local SAPIC EID", 1),
    reserved(3),
    flags("Flags", 4, &[ENABLED, bit(1, "Online capable")]),
    hex("ACPI processor UID value", 4),
];

/// Behind a Local SAPIC of ACPI 3.0 and later.
fn uid_string(cursor: &mut Cursor<'_>) {
    if cursor.left() > 0 {
        cursor.zero_ended("ACPI processor UID string");
    }
}

const PLATFORM_INTERRUPT: &[Field] = &[
    flags("Flags", 2, INTERRUPT),
    one_of(
        "Interrupt type",
        1,
        &[(1, "PMI"), (2, "INIT"), (3, "corrected platform error interrupt")],
    ),
    hex("Processor ID", 1),
    hex("Processor EID", 1),
    hex("I/O SAPIC vector", 1),
    dec("Global system interrupt", 4),
    flags(
        "Platform interrupt source flags",
        4,
        &[bit(0, "CPEI processor override")],
    ),
];

const LOCAL_X2APIC: &[Field] = &[
    reserved(2),
    hex("X2APIC ID", 4),
    flags("Flags", 4, &[ENABLED, bit(1, "Online capable")]),
    hex("ACPI processor UID", 4),
];

const LOCAL_X2APIC_NMI: &[Field] = &[
    flags("Flags", 2, INTERRUPT),
    one_of("ACPI processor UID", 4, &[(0xffff_ffff, "all processors")]),
    dec("Local x2APIC LINT#", 1),
    reserved(3),
];

const GICC: &[Field] = &[
    reserved(2),
    hex("CPU interface number", 4),
    hex("ACPI processor UID", 4),
    flags(
        "Flags",
        4,
        &[
            ENABLED,
            bits_of(1, 1, "Performance interrupt mode", TRIGGER),
            bits_of(2, 1, "VGIC maintenance interrupt mode", TRIGGER),
            bit(3, "Online capable"),
            bit(4, "GICR non-coherent"),
        ],
    ),
    dec("Parking protocol version", 4),
    dec("Performance interrupt GSIV", 4),
    hex("Parked address", 8),
    hex("Physical base address", 8),
    hex("GICV", 8),
    hex("GICH", 8),
    dec("VGIC maintenance interrupt", 4),
    hex("GICR base address", 8),
    hex("MPIDR", 8),
    dec("Processor power efficiency class", 1),
    reserved(1),
    dec("SPE overflow interrupt", 2),
    dec("TRBE interrupt", 2),
    hex("IAFFID", 2),
    hex("IRS ID", 4),
];

const TRIGGER: Names = &[(0, "level"), (1, "edge")];

const GICD: &[Field] = &[
    reserved(2),
    hex("GIC ID", 4),
    hex("Physical base address", 8),
    dec("System vector base", 4),
    one_of("GIC version", 1, GIC_VERSIONS),
    reserved(3),
];

const GIC_VERSIONS: Names = &[
    (0, "not stated"),
    (1, "GICv1"),
    (2, "GICv2"),
    (3, "GICv3"),
    (4, "GICv4"),
    (5, "GICv5"),
];

const GIC_MSI: &[Field] = &[
    reserved(2),
    hex("GIC MSI frame ID", 4),
    hex("Physical base address", 8),
    flags("Flags", 4, &[bit(0, "SPI count and base here override MSI_TYPER")]),
    dec("SPI count", 2),
    dec("SPI base", 2),
];

const GICR: &[Field] = &[
    flags("Flags", 1, &[bit(0, "GICR non-coherent")]),
    reserved(1),
    hex("Discovery range base address", 8),
    hex("Discovery range length", 4),
];

const GIC_ITS: &[Field] = &[
    flags("Flags", 1, &[bit(0, "GIC ITS non-coherent")]),
    reserved(1),
    hex("GIC ITS ID", 4),
    hex("Physical base address", 8),
    reserved(4),
];

const WAKEUP: &[Field] = &[
    dec("Mailbox version", 2),
    reserved(4),
    hex("Mailbox address", 8),
    hex("Reset vector", 8),
];

const VERSION: Field = dec("Version", 1);

const CORE_PIC: &[Field] = &[
    VERSION,
    hex("ACPI processor ID", 4),
    hex("Physical processor ID", 4),
    flags("Flags", 4, &[ENABLED]),
];

const LIO_PIC: &[Field] = &[
    VERSION,
    hex("Base address", 8),
    hex("Size", 2),
    flags("Cascade vector", 2, &[bits(0, 8, "First"), bits(8, 8, "Second")]),
    flags(
        "Cascade vector mapping",
        8,
        &[bits(0, 32, "First"), bits(32, 32, "Second")],
    ),
];

const HT_PIC: &[Field] = &[
    VERSION,
    hex("Base address", 8),
    hex("Size", 2),
    hex("Cascade vectors", 8),
];

const EIO_PIC: &[Field] = &[VERSION, dec("Cascade vector", 1), dec("Node", 1), hex("Node map", 8)];

const MSI_PIC: &[Field] = &[
    VERSION,
    hex("Message address", 8),
    dec("Start vector", 4),
    dec("Vector count", 4),
];

const BIO_PIC: &[Field] = &[
    VERSION,
    hex("Base address", 8),
    hex("Size", 2),
    hex("Hardware ID", 2),
    dec("GSI base", 2),
];

const LPC_PIC: &[Field] = &[
    VERSION,
    hex("Base address", 8),
    hex("Size", 2),
    dec("Cascade vector", 1),
];

const RINTC: &[Field] = &[
    VERSION,
    reserved(1),
    flags("Flags", 4, &[ENABLED, bit(1, "Online capable")]),
    hex("Hart ID", 8),
    hex("ACPI processor UID", 4),
    hex("External interrupt controller ID", 4),
    hex("IMSIC base address", 8),
    hex("IMSIC size", 4),
];

const IMSIC: &[Field] = &[
    VERSION,
    reserved(1),
    hex("Flags", 4),
    dec("Supervisor-mode interrupt identities", 2),
    dec("Guest-mode interrupt identities", 2),
    dec("Guest index bits", 1),
    dec("Hart index bits", 1),
    dec("Group index bits", 1),
    dec("Group index shift", 1),
];

const APLIC: &[Field] = &[
    VERSION,
    hex("APLIC ID", 1),
    hex("Flags", 4),
    hex("Hardware ID", 8),
    dec("Number of IDCs", 2),
    dec("External interrupt sources supported", 2),
    dec("Global system interrupt base", 4),
    hex("APLIC address", 8),
    hex("APLIC size", 4),
];

const PLIC: &[Field] = &[
    VERSION,
    hex("PLIC ID", 1),
    hex("Hardware ID", 8),
    dec("External interrupt sources supported", 2),
    dec("Max priority", 2),
    hex("Flags", 4),
    hex("PLIC size", 4),
    hex("PLIC address", 8),
    dec("Global system interrupt base", 4),
];

const GICV5_IRS: &[Field] = &[
    one_of("GIC version", 1, GIC_VERSIONS),
    reserved(1),
    hex("IRS ID", 4),
    flags("Flags", 4, &[bit(0, "IRS non-coherent")]),
    reserved(4),
    hex("IRS config frame base address", 8),
    hex("IRS SETLPI frame base address", 8),
];

const GICV5_ITS: &[Field] = &[
    flags("Flags", 1, &[bit(0, "GIC ITS non-coherent")]),
    reserved(1),
    hex("GIC ITS ID", 4),
    hex("Physical base address", 8),
];

const GICV5_TRANSLATE: &[Field] = &[
    reserved(2),
    hex("Linked GIC ITS ID", 4),
    hex("ITS translate frame ID", 4),
    reserved(4),
    hex("ITS translate frame base address", 8),
];
