//! What other sources say of the machine whose tables are checked: the firmware's memory map, the PCI
//! functions and CPUs that are there.

use captures::Source;

use crate::ids::{ApicId, PciAddress, Segment};
use crate::lint::{MemoryKind, MemoryRange, Outside};

/// Where Linux shows the firmware's memory map.
const MEMMAP: &str = "/sys/firmware/memmap";

/// Where Linux lists PCI functions.
const PCI: &str = "/sys/bus/pci/devices";

pub(super) fn outside(source: &Source) -> Outside {
    Outside {
        memory: memory(source),
        pci: pci(source),
        apic_ids: apic_ids(source),
    }
}

fn memory(source: &Source) -> Option<Vec<MemoryRange>> {
    let mut list = Vec::new();
    for name in source.list(MEMMAP) {
        let number = |file: &str| {
            let text = source.text(&format!("{MEMMAP}/{name}/{file}"))?;
            u64::from_str_radix(text.trim().trim_start_matches("0x"), 16).ok()
        };
        let kind = source.text(&format!("{MEMMAP}/{name}/type"))?;
        list.push(MemoryRange {
            bytes: number("start")?..=number("end")?,
            kind: memory_kind(kind.trim()),
        });
    }
    (!list.is_empty()).then_some(list)
}

/// Names of E820 types as the kernel writes them there.
fn memory_kind(name: &str) -> MemoryKind {
    match name {
        "System RAM" => MemoryKind::Usable,
        "ACPI Tables" => MemoryKind::AcpiReclaim,
        "ACPI Non-volatile Storage" => MemoryKind::AcpiNvs,
        "Persistent Memory" | "Persistent Memory (legacy)" => MemoryKind::Persistent,
        _ => MemoryKind::Reserved,
    }
}

fn pci(source: &Source) -> Option<Vec<PciAddress>> {
    let list: Vec<PciAddress> = source.list(PCI).iter().filter_map(|name| address(name)).collect();
    (!list.is_empty()).then_some(list)
}

/// `0000:00:1f.2`.
fn address(name: &str) -> Option<PciAddress> {
    let (segment, rest) = name.split_once(':')?;
    let (bus, rest) = rest.split_once(':')?;
    let (device, function) = rest.split_once('.')?;
    Some(PciAddress {
        segment: Segment(u16::from_str_radix(segment, 16).ok()?),
        bus: u8::from_str_radix(bus, 16).ok()?,
        device: u8::from_str_radix(device, 16).ok()?,
        function: function.parse().ok()?,
    })
}

fn apic_ids(source: &Source) -> Option<Vec<ApicId>> {
    let text = source.text("/proc/cpuinfo")?;
    let lines = text.lines().filter_map(|line| line.split_once(':'));
    let ids = lines.filter(|(key, _)| key.trim() == "apicid");
    let list: Vec<ApicId> = ids.filter_map(|(_, id)| id.trim().parse().ok().map(ApicId)).collect();
    (!list.is_empty()).then_some(list)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_functions_are_read_in_hexadecimal() {
        let address = address("0001:c3:1f.7").unwrap();
        assert_eq!(address.to_string(), "0001:c3:1f.7");
        assert!(super::address("hv_pci").is_none());
    }
}
