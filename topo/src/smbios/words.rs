//! The enumerations of DSP0134 3.9.0 in the words that `dmidecode` prints.
//!
//! A value that the specification does not define has no word; text that says `<OUT OF SPEC>` for
//! it reads the same.

/// The word for a code, in a list whose first word stands for `first`.
fn word(list: &[&'static str], first: u8, code: u8) -> Option<&'static str> {
    let index = code.checked_sub(first)?;
    list.get(usize::from(index)).copied().filter(|word| !word.is_empty())
}

/// Chassis type, 7.4.1 (the lock bit is not part of it).
pub(super) fn chassis(code: u8) -> Option<&'static str> {
    word(CHASSIS, 1, code & 0x7f)
}

/// Processor upgrade, 7.5.5.
pub(super) fn upgrade(code: u8) -> Option<&'static str> {
    word(UPGRADE, 1, code)
}

/// System slot type, 7.10.1.
pub(super) fn slot(code: u8) -> Option<&'static str> {
    if code == 0x30 {
        // The capital L is dmidecode's.
        return Some("CXL FLexbus 1.0");
    }
    word(SLOT, 1, code).or_else(|| word(SLOT_A0, 0xa0, code))
}

/// Slot width, 7.10.2, as lanes; widths in bits are of parallel buses and give none.
pub(super) fn lanes(code: u8) -> Option<u8> {
    const LANES: &[u8] = &[1, 2, 4, 8, 12, 16, 32];
    LANES.get(usize::from(code.checked_sub(8)?)).copied()
}

/// Slot usage, 7.10.3.
pub(super) fn usage(code: u8) -> Option<&'static str> {
    word(&["Other", "Unknown", "Available", "In Use", "Unavailable"], 1, code)
}

/// Onboard device type, 7.11.1 and 7.42.2.
pub(super) fn onboard(code: u8) -> Option<&'static str> {
    word(ONBOARD, 1, code & 0x7f)
}

/// Location of a memory array, 7.17.1.
pub(super) fn array_location(code: u8) -> Option<&'static str> {
    word(ARRAY_LOCATION, 1, code).or_else(|| word(ARRAY_LOCATION_A0, 0xa0, code))
}

/// Use of a memory array, 7.17.2.
pub(super) fn array_use(code: u8) -> Option<&'static str> {
    word(ARRAY_USE, 1, code)
}

/// Error correction of a memory array, 7.17.3.
pub(super) fn correction(code: u8) -> Option<&'static str> {
    word(CORRECTION, 1, code)
}

/// Form factor of a memory device, 7.18.1.
pub(super) fn form_factor(code: u8) -> Option<&'static str> {
    word(FORM_FACTOR, 1, code)
}

/// Type of a memory device, 7.18.2.
pub(super) fn memory_type(code: u8) -> Option<&'static str> {
    word(MEMORY_TYPE, 1, code)
}

/// Technology of a memory device, 7.18.6.
pub(super) fn technology(code: u8) -> Option<&'static str> {
    word(TECHNOLOGY, 1, code)
}

/// Type detail of a memory device, 7.18.3: the words of all bits that are set.
pub(super) fn detail(bits: u16) -> Option<String> {
    let words: Vec<&str> = (1_u16..)
        .zip(DETAIL)
        .filter(|(bit, _)| bits.checked_shr(u32::from(*bit)).unwrap_or(0) & 1 == 1)
        .map(|(_, word)| *word)
        .collect();
    (!words.is_empty()).then(|| words.join(" "))
}

/// Chassis types, from 1 (DSP0134 3.9.0, 7.4.1).
pub(crate) const CHASSIS: &[&str] = &[
    "Other",
    "Unknown",
    "Desktop",
    "Low Profile Desktop",
    "Pizza Box",
    "Mini Tower",
    "Tower",
    "Portable",
    "Laptop",
    "Notebook",
    "Hand Held",
    "Docking Station",
    "All In One",
    "Sub Notebook",
    "Space-saving",
    "Lunch Box",
    "Main Server Chassis",
    "Expansion Chassis",
    "Sub Chassis",
    "Bus Expansion Chassis",
    "Peripheral Chassis",
    "RAID Chassis",
    "Rack Mount Chassis",
    "Sealed-case PC",
    "Multi-system",
    "CompactPCI",
    "AdvancedTCA",
    "Blade",
    "Blade Enclosing",
    "Tablet",
    "Convertible",
    "Detachable",
    "IoT Gateway",
    "Embedded PC",
    "Mini PC",
    "Stick PC",
];

const UPGRADE: &[&str] = &[
    "Other",
    "Unknown",
    "Daughter Board",
    "ZIF Socket",
    "Replaceable Piggy Back",
    "None",
    "LIF Socket",
    "Slot 1",
    "Slot 2",
    "370-pin Socket",
    "Slot A",
    "Slot M",
    "Socket 423",
    "Socket A (Socket 462)",
    "Socket 478",
    "Socket 754",
    "Socket 940",
    "Socket 939",
    "Socket mPGA604",
    "Socket LGA771",
    "Socket LGA775",
    "Socket S1",
    "Socket AM2",
    "Socket F (1207)",
    "Socket LGA1366",
    "Socket G34",
    "Socket AM3",
    "Socket C32",
    "Socket LGA1156",
    "Socket LGA1567",
    "Socket PGA988A",
    "Socket BGA1288",
    "Socket rPGA988B",
    "Socket BGA1023",
    "Socket BGA1224",
    "Socket BGA1155",
    "Socket LGA1356",
    "Socket LGA2011",
    "Socket FS1",
    "Socket FS2",
    "Socket FM1",
    "Socket FM2",
    "Socket LGA2011-3",
    "Socket LGA1356-3",
    "Socket LGA1150",
    "Socket BGA1168",
    "Socket BGA1234",
    "Socket BGA1364",
    "Socket AM4",
    "Socket LGA1151",
    "Socket BGA1356",
    "Socket BGA1440",
    "Socket BGA1515",
    "Socket LGA3647-1",
    "Socket SP3",
    "Socket SP3r2",
    "Socket LGA2066",
    "Socket BGA1392",
    "Socket BGA1510",
    "Socket BGA1528",
    "Socket LGA4189",
    "Socket LGA1200",
    "Socket LGA4677",
    "Socket LGA1700",
    "Socket BGA1744",
    "Socket BGA1781",
    "Socket BGA1211",
    "Socket BGA2422",
    "Socket LGA1211",
    "Socket LGA2422",
    "Socket LGA5773",
    "Socket BGA5773",
    "Socket AM5",
    "Socket SP5",
    "Socket SP6",
    "Socket BGA883",
    "Socket BGA1190",
    "Socket BGA4129",
    "Socket LGA4710",
    "Socket LGA7529",
    "Socket BGA1964",
    "Socket BGA1792",
    "Socket BGA2049",
    "Socket BGA2551",
    "Socket LGA1851",
    "Socket BGA2114",
    "Socket BGA2833",
];

const SLOT: &[&str] = &[
    "Other",
    "Unknown",
    "ISA",
    "MCA",
    "EISA",
    "PCI",
    "PC Card (PCMCIA)",
    "VLB",
    "Proprietary",
    "Processor Card",
    "Proprietary Memory Card",
    "I/O Riser Card",
    "NuBus",
    "PCI-66",
    "AGP",
    "AGP 2x",
    "AGP 4x",
    "PCI-X",
    "AGP 8x",
    "M.2 Socket 1-DP",
    "M.2 Socket 1-SD",
    "M.2 Socket 2",
    "M.2 Socket 3",
    "MXM Type I",
    "MXM Type II",
    "MXM Type III",
    "MXM Type III-HE",
    "MXM Type IV",
    "MXM 3.0 Type A",
    "MXM 3.0 Type B",
    "PCI Express 2 SFF-8639 (U.2)",
    "PCI Express 3 SFF-8639 (U.2)",
    "PCI Express Mini 52-pin with bottom-side keep-outs",
    "PCI Express Mini 52-pin without bottom-side keep-outs",
    "PCI Express Mini 76-pin",
    "PCI Express 4 SFF-8639 (U.2)",
    "PCI Express 5 SFF-8639 (U.2)",
    "OCP NIC 3.0 Small Form Factor (SFF)",
    "OCP NIC 3.0 Large Form Factor (LFF)",
    "OCP NIC Prior to 3.0",
];

const SLOT_A0: &[&str] = &[
    "PC-98/C20",
    "PC-98/C24",
    "PC-98/E",
    "PC-98/Local Bus",
    "PC-98/Card",
    "PCI Express",
    "PCI Express x1",
    "PCI Express x2",
    "PCI Express x4",
    "PCI Express x8",
    "PCI Express x16",
    "PCI Express 2",
    "PCI Express 2 x1",
    "PCI Express 2 x2",
    "PCI Express 2 x4",
    "PCI Express 2 x8",
    "PCI Express 2 x16",
    "PCI Express 3",
    "PCI Express 3 x1",
    "PCI Express 3 x2",
    "PCI Express 3 x4",
    "PCI Express 3 x8",
    "PCI Express 3 x16",
    "",
    "PCI Express 4",
    "PCI Express 4 x1",
    "PCI Express 4 x2",
    "PCI Express 4 x4",
    "PCI Express 4 x8",
    "PCI Express 4 x16",
    "PCI Express 5",
    "PCI Express 5 x1",
    "PCI Express 5 x2",
    "PCI Express 5 x4",
    "PCI Express 5 x8",
    "PCI Express 5 x16",
    "PCI Express 6+",
    "EDSFF E1",
    "EDSFF E3",
];

const ONBOARD: &[&str] = &[
    "Other",
    "Unknown",
    "Video",
    "SCSI Controller",
    "Ethernet",
    "Token Ring",
    "Sound",
    "PATA Controller",
    "SATA Controller",
    "SAS Controller",
    "Wireless LAN",
    "Bluetooth",
    "WWAN",
    "eMMC",
    "NVMe Controller",
    "UFS Controller",
];

const ARRAY_LOCATION: &[&str] = &[
    "Other",
    "Unknown",
    "System Board Or Motherboard",
    "ISA Add-on Card",
    "EISA Add-on Card",
    "PCI Add-on Card",
    "MCA Add-on Card",
    "PCMCIA Add-on Card",
    "Proprietary Add-on Card",
    "NuBus",
];

const ARRAY_LOCATION_A0: &[&str] = &[
    "PC-98/C20 Add-on Card",
    "PC-98/C24 Add-on Card",
    "PC-98/E Add-on Card",
    "PC-98/Local Bus Add-on Card",
    "CXL Add-on Card",
];

const ARRAY_USE: &[&str] = &[
    "Other",
    "Unknown",
    "System Memory",
    "Video Memory",
    "Flash Memory",
    "Non-volatile RAM",
    "Cache Memory",
];

const CORRECTION: &[&str] = &[
    "Other",
    "Unknown",
    "None",
    "Parity",
    "Single-bit ECC",
    "Multi-bit ECC",
    "CRC",
];

const FORM_FACTOR: &[&str] = &[
    "Other",
    "Unknown",
    "SIMM",
    "SIP",
    "Chip",
    "DIP",
    "ZIP",
    "Proprietary Card",
    "DIMM",
    "TSOP",
    "Row Of Chips",
    "RIMM",
    "SODIMM",
    "SRIMM",
    "FB-DIMM",
    "Die",
    "CAMM",
    "CUDIMM",
    "CSODIMM",
];

const MEMORY_TYPE: &[&str] = &[
    "Other",
    "Unknown",
    "DRAM",
    "EDRAM",
    "VRAM",
    "SRAM",
    "RAM",
    "ROM",
    "Flash",
    "EEPROM",
    "FEPROM",
    "EPROM",
    "CDRAM",
    "3DRAM",
    "SDRAM",
    "SGRAM",
    "RDRAM",
    "DDR",
    "DDR2",
    "DDR2 FB-DIMM",
    "Reserved",
    "Reserved",
    "Reserved",
    "DDR3",
    "FBD2",
    "DDR4",
    "LPDDR",
    "LPDDR2",
    "LPDDR3",
    "LPDDR4",
    "Logical non-volatile device",
    "HBM",
    "HBM2",
    "DDR5",
    "LPDDR5",
    "HBM3",
    "MRDIMM",
];

const DETAIL: &[&str] = &[
    "Other",
    "Unknown",
    "Fast-paged",
    "Static Column",
    "Pseudo-static",
    "RAMBus",
    "Synchronous",
    "CMOS",
    "EDO",
    "Window DRAM",
    "Cache DRAM",
    "Non-Volatile",
    "Registered (Buffered)",
    "Unbuffered (Unregistered)",
    "LRDIMM",
];

const TECHNOLOGY: &[&str] = &[
    "Other",
    "Unknown",
    "DRAM",
    "NVDIMM-N",
    "NVDIMM-F",
    "NVDIMM-P",
    "Intel Optane DC persistent memory",
    "MRDIMM",
];
