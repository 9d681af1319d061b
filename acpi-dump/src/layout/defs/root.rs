//! Where everything starts: RSDP, RSDT, XSDT, FADT, FACS, and the tables that hold AML.

use crate::layout::spec::{
    BitField, Field, Names, Rest, TableLayout, bit, bits, bits_of, dec, flags, gas, hex, one_of, reserved, text,
};

pub(crate) const TABLES: &[TableLayout] = &[
    TableLayout::new(*b"RSD ", "Root System Description Pointer", "ACPI 6.5, 5.2.5.3", RSDP).lengths(&[20]),
    TableLayout::new(*b"RSDT", "Root System Description Table", "ACPI 6.5, 5.2.7", &[])
        .rest(Rest::Array(hex("Table address", 4))),
    TableLayout::new(*b"XSDT", "Extended System Description Table", "ACPI 6.5, 5.2.8", &[])
        .rest(Rest::Array(hex("Table address", 8))),
    // ACPI 1.0; 2.0 as printed first; 3.0 and 4.0; 5.0 and 5.1.
    TableLayout::new(*b"FACP", "Fixed ACPI Description Table", "ACPI 6.5, 5.2.9", FADT).lengths(&[116, 132, 244, 268]),
    TableLayout::new(*b"FACS", "Firmware ACPI Control Structure", "ACPI 6.5, 5.2.10", FACS),
    aml(*b"DSDT", "Differentiated System Description Table"),
    aml(*b"SSDT", "Secondary System Description Table"),
    aml(*b"PSDT", "Persistent System Description Table"),
];

const fn aml(signature: [u8; 4], name: &'static str) -> TableLayout {
    TableLayout::new(signature, name, "ACPI 6.5, 5.2.11", &[]).rest(Rest::Bytes(crate::layout::AML))
}

const RSDP: &[Field] = &[
    text("Signature", 8),
    hex("Checksum", 1),
    text("OEM ID", 6),
    dec("Revision", 1),
    hex("RSDT address", 4),
    dec("Length", 4),
    hex("XSDT address", 8),
    hex("Extended checksum", 1),
    reserved(3),
];

const FACS: &[Field] = &[
    text("Signature", 4),
    dec("Length", 4),
    hex("Hardware signature", 4),
    hex("Firmware waking vector", 4),
    flags("Global lock", 4, &[bit(0, "Pending"), bit(1, "Owned")]),
    flags(
        "Flags",
        4,
        &[
            bit(0, "S4BIOS request supported (S4BIOS_F)"),
            bit(1, "64-bit waking vector supported (64BIT_WAKE_SUPPORTED_F)"),
        ],
    ),
    hex("X firmware waking vector", 8),
    dec("Version", 1),
    reserved(3),
    flags(
        "OSPM flags",
        4,
        &[bit(0, "64-bit environment wanted at wake (64BIT_WAKE_F)")],
    ),
    reserved(24),
];

const PROFILES: Names = &[
    (0, "unspecified"),
    (1, "desktop"),
    (2, "mobile"),
    (3, "workstation"),
    (4, "enterprise server"),
    (5, "SOHO server"),
    (6, "appliance PC"),
    (7, "performance server"),
    (8, "tablet"),
];

/// Table 5.10 of ACPI 6.5, bits in order.
const FEATURES: &[BitField] = &[
    bit(0, "WBINVD works (WBINVD)"),
    bit(1, "WBINVD flushes caches without invalidating (WBINVD_FLUSH)"),
    bit(2, "C1 on all processors (PROC_C1)"),
    bit(3, "C2 on multiprocessor systems (P_LVL2_UP)"),
    bit(4, "Power button is a control method or absent (PWR_BUTTON)"),
    bit(5, "Sleep button is a control method or absent (SLP_BUTTON)"),
    bit(6, "RTC wake status is not in fixed registers (FIX_RTC)"),
    bit(7, "RTC alarm can wake from S4 (RTC_S4)"),
    bit(8, "PM timer has 32 bits (TMR_VAL_EXT)"),
    bit(9, "Docking possible (DCK_CAP)"),
    bit(10, "Reset register supported (RESET_REG_SUP)"),
    bit(11, "Sealed case (SEALED_CASE)"),
    bit(12, "Headless (HEADLESS)"),
    bit(13, "Instruction needed after SLP_TYPx write (CPU_SW_SLP)"),
    bit(14, "PCI Express wake bits supported (PCI_EXP_WAK)"),
    bit(15, "Platform timer preferred over TSC (USE_PLATFORM_CLOCK)"),
    bit(16, "RTC status valid after S4 wake (S4_RTC_STS_VALID)"),
    bit(17, "Remote power-on (REMOTE_POWER_ON_CAPABLE)"),
    bit(18, "Local APICs in cluster model (FORCE_APIC_CLUSTER_MODEL)"),
    bit(
        19,
        "Local xAPICs in physical destination mode (FORCE_APIC_PHYSICAL_DESTINATION_MODE)",
    ),
    bit(20, "Hardware-reduced ACPI (HW_REDUCED_ACPI)"),
    bit(21, "Low-power S0 idle (LOW_POWER_S0_IDLE_CAPABLE)"),
    bits_of(
        22,
        2,
        "Persistent processor caches (PERSISTENT_CPU_CACHES)",
        &[(0, "not reported"), (1, "not persistent"), (2, "persistent")],
    ),
];

const BOOT_X86: &[BitField] = &[
    bit(0, "Legacy devices on LPC or ISA (LEGACY_DEVICES)"),
    bit(1, "8042 keyboard controller (8042)"),
    bit(2, "No VGA (VGA_NOT_PRESENT)"),
    bit(3, "MSI not supported (MSI_NOT_SUPPORTED)"),
    bit(4, "OSPM must not control ASPM (PCIE_ASPM_CONTROLS)"),
    bit(5, "No CMOS RTC (CMOS_RTC_NOT_PRESENT)"),
];

const BOOT_ARM: &[BitField] = &[
    bit(0, "PSCI compliant (PSCI_COMPLIANT)"),
    bit(1, "PSCI by HVC instead of SMC (PSCI_USE_HVC)"),
];

const FADT: &[Field] = &[
    hex("FACS address (FIRMWARE_CTRL)", 4),
    hex("DSDT address", 4),
    // ACPI 1.0: INT_MODEL, 0 dual 8259, 1 multiple APIC.
    hex("Reserved (ACPI 1.0: interrupt model)", 1),
    one_of("Preferred power management profile", 1, PROFILES),
    dec("SCI interrupt", 2),
    hex("SMI command port", 4),
    hex("ACPI enable value", 1),
    hex("ACPI disable value", 1),
    hex("S4BIOS request value", 1),
    hex("P-state control value", 1),
    hex("PM1a event block", 4),
    hex("PM1b event block", 4),
    hex("PM1a control block", 4),
    hex("PM1b control block", 4),
    hex("PM2 control block", 4),
    hex("PM timer block", 4),
    hex("GPE0 block", 4),
    hex("GPE1 block", 4),
    dec("PM1 event block length", 1),
    dec("PM1 control block length", 1),
    dec("PM2 control block length", 1),
    dec("PM timer block length", 1),
    dec("GPE0 block length", 1),
    dec("GPE1 block length", 1),
    dec("GPE1 base", 1),
    hex("C-state control value", 1),
    dec("Worst C2 latency (us; over 100: no C2)", 2),
    dec("Worst C3 latency (us; over 1000: no C3)", 2),
    dec("Cache flush size (lines)", 2),
    dec("Cache flush stride (bytes)", 2),
    dec("Duty cycle offset", 1),
    dec("Duty cycle width", 1),
    hex("RTC day alarm index", 1),
    hex("RTC month alarm index", 1),
    hex("RTC century index", 1),
    flags("IA-PC boot architecture flags", 2, BOOT_X86),
    reserved(1),
    flags("Fixed feature flags", 4, FEATURES),
    gas("Reset register"),
    hex("Reset value", 1),
    flags("Arm boot architecture flags", 2, BOOT_ARM),
    flags(
        "FADT minor version",
        1,
        &[bits(0, 4, "Minor version"), bits(4, 4, "Errata level")],
    ),
    hex("X FACS address (X_FIRMWARE_CTRL)", 8),
    hex("X DSDT address", 8),
    gas("X PM1a event block"),
    gas("X PM1b event block"),
    gas("X PM1a control block"),
    gas("X PM1b control block"),
    gas("X PM2 control block"),
    gas("X PM timer block"),
    gas("X GPE0 block"),
    gas("X GPE1 block"),
    gas("Sleep control register"),
    gas("Sleep status register"),
    hex("Hypervisor vendor identity", 8),
];
