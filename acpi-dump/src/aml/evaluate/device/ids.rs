//! Hardware ids: EISA numbers and strings, and what well-known ones are.
//! ACPI 6.5, sections 5.6.7 and 6.1.5; PNP ids as in the public list of the UEFI Forum.

use schemars::JsonSchema;
use serde::Serialize;

use super::super::Value;
use super::wrong;

/// A `_HID` or `_CID`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeviceId {
    /// Its text: `PNP0A08`.
    pub id: String,
    /// What it is, where that is well known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub words: Option<&'static str>,
}

impl DeviceId {
    fn new(id: String) -> Self {
        let words = words_of(&id);
        Self { id, words }
    }
}

/// Text of an EISA id: three letters of five bits each, then four hexadecimal digits, the low byte
/// of the number first.
#[must_use]
pub fn eisa_id(number: u32) -> String {
    let number = number.swap_bytes();
    let letter = |shift: u32| {
        let code = u8::try_from(number >> shift & 0x1f).unwrap_or_default();
        char::from(code.saturating_add(0x40))
    };
    format!("{}{}{}{:04X}", letter(26), letter(21), letter(16), number & 0xffff)
}

pub(super) fn device_id(value: &Value) -> Result<DeviceId, String> {
    match value {
        Value::Integer(number) => match u32::try_from(*number) {
            Ok(number) => Ok(DeviceId::new(eisa_id(number))),
            Err(_) => Err(format!("expected an EISA id of 32 bits, seen {number:#x}")),
        },
        Value::String(text) => Ok(DeviceId::new(text.clone())),
        other => wrong("an EISA id or a string", other),
    }
}

pub(super) fn device_ids(value: &Value) -> Result<Vec<DeviceId>, String> {
    match value {
        Value::Package(list) => list.iter().map(device_id).collect(),
        other => Ok(vec![device_id(other)?]),
    }
}

/// What a well-known id is.
#[must_use]
pub fn words_of(id: &str) -> Option<&'static str> {
    let at = IDS.binary_search_by(|(known, _)| known.cmp(&id)).ok()?;
    IDS.get(at).map(|(_, words)| *words)
}

/// In order of id.
const IDS: &[(&str, &str)] = &[
    ("80860F09", "Intel pulse width modulator"),
    ("80860F0A", "Intel high-speed UART"),
    ("80860F0E", "Intel SPI host controller"),
    ("80860F14", "Intel SD/eMMC host controller"),
    ("80860F41", "Intel I2C host controller"),
    ("8086228A", "Intel high-speed UART"),
    ("808622C1", "Intel I2C host controller"),
    ("ACPI0001", "SMBus 1.0 host controller"),
    ("ACPI0002", "smart battery subsystem"),
    ("ACPI0003", "AC adapter"),
    ("ACPI0004", "module device"),
    ("ACPI0005", "SMBus 2.0 host controller"),
    ("ACPI0006", "GPE block device"),
    ("ACPI0007", "processor device"),
    ("ACPI0008", "ambient light sensor"),
    ("ACPI0009", "I/O xAPIC device"),
    ("ACPI000A", "I/O APIC device"),
    ("ACPI000B", "I/O SAPIC device"),
    ("ACPI000C", "processor aggregator"),
    ("ACPI000D", "power meter"),
    ("ACPI000E", "time and alarm device"),
    ("ACPI000F", "user presence detection device"),
    ("ACPI0010", "processor container"),
    ("ACPI0011", "generic buttons device"),
    ("ACPI0012", "NVDIMM root device"),
    ("ACPI0013", "generic event device"),
    ("ACPI0014", "wireless power calibration device"),
    ("ACPI0015", "USB4 host interface"),
    ("ACPI0016", "CXL host bridge"),
    ("ACPI0017", "CXL root"),
    ("AMDI0010", "AMD I2C controller"),
    ("AMDI0019", "AMD I2C controller"),
    ("AMDI0020", "AMD UART"),
    ("AMDI0030", "AMD GPIO controller"),
    ("AMDI0031", "AMD GPIO controller"),
    ("AMDI0060", "AMD SPI controller"),
    ("AMDI0100", "AMD platform management framework"),
    ("ARMH0011", "Arm PL011 UART"),
    ("ARMH0061", "Arm PL061 GPIO controller"),
    ("ARMHC500", "Arm CoreSight embedded trace macrocell"),
    ("ARMHC600", "Arm DMC-620 memory controller counters"),
    ("ARMHC700", "Arm CMN-700 mesh"),
    ("HISI0031", "HiSilicon UART"),
    ("INT0002", "Intel virtual GPIO controller"),
    ("INT0800", "Intel firmware hub"),
    ("INT1092", "Intel specific absorption rate device"),
    ("INT33A1", "Intel power engine"),
    ("INT33BB", "Intel SD host controller"),
    ("INT33C2", "Intel I2C host controller"),
    ("INT33C3", "Intel I2C host controller"),
    ("INT33D5", "Intel HID event filter"),
    ("INT33FC", "Intel GPIO controller"),
    ("INT33FF", "Intel GPIO controller"),
    ("INT3400", "Intel dynamic platform and thermal framework"),
    ("INT3401", "Intel DPTF processor"),
    ("INT3402", "Intel DPTF memory"),
    ("INT3403", "Intel DPTF participant"),
    ("INT3404", "Intel DPTF fan"),
    ("INT3407", "Intel DPTF platform power"),
    ("INT3450", "Intel GPIO controller"),
    ("INT3452", "Intel GPIO controller"),
    ("INT345D", "Intel GPIO controller"),
    ("INT34C5", "Intel GPIO controller"),
    ("INT34C6", "Intel GPIO controller"),
    ("INT34C8", "Intel GPIO controller"),
    ("INTC1055", "Intel GPIO controller"),
    ("INTC1056", "Intel GPIO controller"),
    ("INTC1057", "Intel GPIO controller"),
    ("INTC1085", "Intel GPIO controller"),
    ("IPI0001", "IPMI interface"),
    ("IPI0002", "IPMI interface for SSIF"),
    ("MSFT0101", "TPM 2.0"),
    ("PNP0000", "8259 interrupt controller"),
    ("PNP0001", "EISA interrupt controller"),
    ("PNP0003", "APIC interrupt controller"),
    ("PNP0100", "8254 timer"),
    ("PNP0103", "HPET"),
    ("PNP0200", "DMA controller"),
    ("PNP0300", "keyboard (PC/XT)"),
    ("PNP0301", "keyboard (PC/AT)"),
    ("PNP0303", "keyboard (IBM enhanced)"),
    ("PNP0400", "parallel port"),
    ("PNP0401", "ECP parallel port"),
    ("PNP0500", "UART"),
    ("PNP0501", "16550A UART"),
    ("PNP0502", "multiport serial device"),
    ("PNP0510", "infrared device"),
    ("PNP0511", "infrared device"),
    ("PNP0600", "ESDI hard disk controller"),
    ("PNP0604", "ATAPI controller"),
    ("PNP0700", "floppy disk controller"),
    ("PNP0800", "speaker"),
    ("PNP0A00", "ISA bus"),
    ("PNP0A01", "EISA bus"),
    ("PNP0A03", "PCI root bridge"),
    ("PNP0A05", "generic container"),
    ("PNP0A06", "extended I/O container"),
    ("PNP0A08", "PCI Express root bridge"),
    ("PNP0B00", "real-time clock"),
    ("PNP0C01", "system board"),
    ("PNP0C02", "motherboard resources"),
    ("PNP0C04", "mathematics coprocessor"),
    ("PNP0C08", "ACPI system board hardware"),
    ("PNP0C09", "embedded controller"),
    ("PNP0C0A", "control method battery"),
    ("PNP0C0B", "fan"),
    ("PNP0C0C", "power button"),
    ("PNP0C0D", "lid"),
    ("PNP0C0E", "sleep button"),
    ("PNP0C0F", "PCI interrupt link"),
    ("PNP0C10", "ACPI system indicator"),
    ("PNP0C11", "thermal zone"),
    ("PNP0C14", "WMI"),
    ("PNP0C15", "docking station"),
    ("PNP0C31", "TPM 1.2"),
    ("PNP0C32", "quick-start button"),
    ("PNP0C33", "error device"),
    ("PNP0C40", "standard button controller"),
    ("PNP0C50", "HID over I2C"),
    ("PNP0C51", "HID over SPI"),
    ("PNP0C60", "display sensor"),
    ("PNP0C70", "dock sensor"),
    ("PNP0C80", "memory device"),
    ("PNP0CA0", "USB Type-C connector manager"),
    ("PNP0D10", "USB XHCI host controller without debug"),
    ("PNP0D15", "USB XHCI host controller with debug"),
    ("PNP0D20", "USB EHCI host controller without debug"),
    ("PNP0D25", "USB EHCI host controller with debug"),
    ("PNP0D40", "SD host controller"),
    ("PNP0D80", "system power management controller"),
    ("PNP0E00", "PCMCIA controller"),
    ("PNP0F03", "PS/2 mouse"),
    ("PNP0F13", "PS/2 mouse"),
    ("QEMU0001", "QEMU panic event device"),
    ("QEMU0002", "QEMU firmware configuration device"),
    ("SMO8800", "freefall sensor"),
    ("VMBUS", "Hyper-V VMBus"),
    ("VMGENCTR", "VM generation counter"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_and_digits_come_out_of_the_number() {
        assert_eq!(eisa_id(0x080a_d041), "PNP0A08");
        assert_eq!(eisa_id(0x0c0a_d041), "PNP0A0C");
        assert_eq!(eisa_id(0xa133_d425), "INT33A1");
    }

    #[test]
    fn ids_are_in_order_so_that_the_search_finds_each() {
        let wrong: Vec<_> = IDS.windows(2).filter(|pair| pair[0].0 >= pair[1].0).collect();
        assert!(wrong.is_empty(), "{wrong:?}");
        assert_eq!(words_of("ACPI0016"), Some("CXL host bridge"));
        assert_eq!(words_of("XYZ0000"), None);
    }

    #[test]
    fn compatible_ids_are_one_or_a_package() {
        let one = Value::Integer(0x030a_d041);
        let list = Value::Package(vec![one.clone(), Value::String("LNKX0001".into())]);
        assert_eq!(device_ids(&one).unwrap()[0].words, Some("PCI root bridge"));
        assert_eq!(device_ids(&list).unwrap()[1].id, "LNKX0001");
        assert!(device_id(&Value::Integer(1 << 40)).is_err());
    }
}
