//! Where `iasl` and this crate say different things about sound tables, and why. Versions seen:
//! 20140214 to 20230628 (decoded texts of real machines), 20200925 and 20260408 (installed).

/// Signature, part of the description of the difference (empty: any), reason.
pub const KNOWN: &[(&str, &str, &str)] = &[
    (
        "ASPT",
        "",
        "20260408 reads revision 2 as revision 1; fwts reads it as this crate does",
    ),
    (
        "APIC",
        "Contents (ours only)",
        "iasl shows nothing of types that it does not know",
    ),
    (
        "ASF!",
        "Fixed SMBus address (ours only)",
        "iasl shows the first address of the list only",
    ),
    (
        "CEDT",
        "(iasl) in",
        "iasl counts from a wrong offset in CXIMS and RDPAS structures",
    ),
    (
        "DBG2",
        "OEM",
        "iasl tells the offset of OEM data in the device, not in the table",
    ),
    (
        "FACS",
        "Reserved (ours only)",
        "iasl leaves the reserved bytes at the end out",
    ),
    (
        "FPDT",
        "Contents (ours only)",
        "records of types that firmware makers use for themselves",
    ),
    (
        "FPDT",
        "(ours only)",
        "20140214 reads a pointer as the longer record that it points to",
    ),
    (
        "HEST",
        "bit GLOBAL",
        "iasl takes GLOBAL from bit 0; ACPI 6.5, 18.3.2.4 has bit 1",
    ),
    (
        "IORT",
        "value of Padding",
        "iasl shows the first bytes of the table in its place",
    ),
    (
        "IVRS",
        "in Padding",
        "iasl shows a device in padding of four or eight bytes",
    ),
    (
        "IVRS",
        "(ours only)",
        "20200925 does not know IVHD 40h, nor entries that name a device",
    ),
    ("NFIT", "Line offset", "20200925 shows line offsets of the next place"),
    (
        "NFIT",
        "SMBIOS structures (ours only)",
        "iasl tells the offset in the structure, not in the table",
    ),
    (
        "PHAT",
        "(iasl) in",
        "iasl of 2023 and before counts from a wrong offset in a record",
    ),
    ("PHAT", "(ours only)", "the same"),
    (
        "RHCT",
        "Optional Padding (iasl)",
        "iasl looks for padding at a wrong offset, inside the string",
    ),
    (
        "SDEV",
        "(iasl) in",
        "iasl counts offsets in a PCIe entry from its header's end, not from the table's start",
    ),
    ("SDEV", "(ours only)", "the same"),
    (
        "SPCR",
        "Language (reserved) (ours only)",
        "20200925 shows another reserved field in its place",
    ),
    ("SPCR", "Reserved (iasl) in UART clock frequency", "the same"),
    ("SRAT", "(ours only)", "20200925 does not know generic ports (ACPI 6.4)"),
    (
        "TPM2",
        "(iasl) in",
        "iasl has 12 bytes of parameters for every start method; 13 has 16",
    ),
    ("UEFI", "(ours only)", "iasl shows nothing behind the data offset"),
    (
        "WPBT",
        "value of Command line arguments",
        "iasl shows the first bytes of the table in their place",
    ),
    ("VIOT", "(ours only)", "20200925 does not know the table"),
];

/// Why a difference is known, if it is.
pub fn reason(difference: &str) -> Option<&'static str> {
    let (signature, what) = difference.split_once(": ")?;
    let mut known = KNOWN.iter();
    let found = known.find(|(of, part, _)| *of == signature && what.contains(part));
    found.map(|(_, _, reason)| *reason)
}
