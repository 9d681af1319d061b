//! System Resource Affinity Table: which CPU, memory range or device stands in which proximity domain.
//! Follows ACPI 6.5, section 5.2.16.

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{array, u8_at, u16_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::{Signature, printable};
use crate::ids::{ApicId, Gpa, PciAddress, ProcessorUid, ProximityDomain, Segment};
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// How an entry names its CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CpuName {
    /// Local APIC (type 0) or x2APIC (type 2) id.
    Apic(ApicId),
    /// ACPI processor UID (type 3, GICC).
    Uid(ProcessorUid),
}

/// A CPU in a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CpuAffinity {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// The CPU.
    pub cpu: CpuName,
    /// Its domain.
    pub domain: ProximityDomain,
    /// The entry is in use.
    pub enabled: bool,
}

/// A memory range in a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryAffinity {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Its domain.
    pub domain: ProximityDomain,
    /// First byte.
    pub base: Gpa,
    /// Length in bytes.
    pub length: u64,
    /// The entry is in use.
    pub enabled: bool,
    /// The range may be hot-plugged.
    pub hot_pluggable: bool,
    /// The range is non-volatile.
    pub non_volatile: bool,
}

/// How an entry names a device.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum DeviceName {
    /// By `_HID` and `_UID`.
    Acpi {
        /// Hardware id, eight characters.
        hid: String,
        /// Unique id, four bytes.
        uid: u32,
    },
    /// By PCI address.
    Pci(PciAddress),
    /// By a handle type that ACPI 6.5 does not define.
    Other(u8),
}

/// A Generic Initiator (type 5) or Generic Port (type 6) in a domain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DeviceAffinity {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Type 6: a port to devices that are found later (CXL), not an initiator itself.
    pub port: bool,
    /// The device.
    pub device: DeviceName,
    /// Its domain.
    pub domain: ProximityDomain,
    /// The entry is in use.
    pub enabled: bool,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Srat {
    /// CPUs in table order.
    pub cpus: Vec<CpuAffinity>,
    /// Memory ranges in table order.
    pub memory: Vec<MemoryAffinity>,
    /// Generic initiators and ports in table order.
    pub devices: Vec<DeviceAffinity>,
    /// Number of entries of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Srat {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::SRAT {
            return None;
        }
        let mut findings = Vec::new();
        let mut srat = Self::default();
        // Revision 1 (ACPI 1.x/2.0) has an 8-bit domain; the other bytes are reserved and may hold anything.
        let wide = table.revision().unwrap_or(0) >= 2;
        for entry in entries(table, 48, Layout::Bytes, &mut findings) {
            if srat.add(&entry, wide, &mut findings).is_none() {
                let slot = srat.other.entry(entry.kind).or_default();
                *slot = slot.saturating_add(1);
            }
        }
        Some(Decoded { value: srat, findings })
    }

    /// Domains that any enabled entry names, ascending.
    #[must_use]
    pub fn domains(&self) -> BTreeSet<ProximityDomain> {
        let cpus = self.cpus.iter().filter(|cpu| cpu.enabled).map(|cpu| cpu.domain);
        let memory = self
            .memory
            .iter()
            .filter(|range| range.enabled)
            .map(|range| range.domain);
        let devices = self
            .devices
            .iter()
            .filter(|device| device.enabled)
            .map(|device| device.domain);
        cpus.chain(memory).chain(devices).collect()
    }

    fn add(&mut self, entry: &Entry<'_>, wide: bool, findings: &mut Vec<Finding>) -> Option<()> {
        match entry.kind {
            0 if entry.has(16, "Processor Local APIC Affinity", findings) => self.cpus.push(local_apic(entry, wide)?),
            1 if entry.has(40, "Memory Affinity", findings) => self.memory.push(memory(entry, wide)?),
            2 if entry.has(24, "Processor Local x2APIC Affinity", findings) => self.cpus.push(local_x2apic(entry)?),
            3 if entry.has(18, "GICC Affinity", findings) => self.cpus.push(gicc(entry)?),
            5 if entry.has(32, "Generic Initiator Affinity", findings) => self.devices.push(device(entry)?),
            6 if entry.has(32, "Generic Port Affinity", findings) => self.devices.push(device(entry)?),
            _ => return None,
        }
        Some(())
    }
}

fn bit(bytes: &[u8], at: usize, bit: u32) -> bool {
    u32_at(bytes, at).is_some_and(|flags| flags >> bit & 1 == 1)
}

fn local_apic(entry: &Entry<'_>, wide: bool) -> Option<CpuAffinity> {
    let bytes = entry.bytes;
    let [high1, high2, high3] = if wide { array(bytes, 9)? } else { [0; 3] };
    Some(CpuAffinity {
        offset: entry.offset,
        cpu: CpuName::Apic(ApicId(u8_at(bytes, 3)?.into())),
        domain: ProximityDomain(u32::from_le_bytes([u8_at(bytes, 2)?, high1, high2, high3])),
        enabled: bit(bytes, 4, 0),
    })
}

fn local_x2apic(entry: &Entry<'_>) -> Option<CpuAffinity> {
    let bytes = entry.bytes;
    Some(CpuAffinity {
        offset: entry.offset,
        cpu: CpuName::Apic(ApicId(u32_at(bytes, 8)?)),
        domain: ProximityDomain(u32_at(bytes, 4)?),
        enabled: bit(bytes, 12, 0),
    })
}

fn gicc(entry: &Entry<'_>) -> Option<CpuAffinity> {
    let bytes = entry.bytes;
    Some(CpuAffinity {
        offset: entry.offset,
        cpu: CpuName::Uid(ProcessorUid(u32_at(bytes, 6)?)),
        domain: ProximityDomain(u32_at(bytes, 2)?),
        enabled: bit(bytes, 10, 0),
    })
}

fn memory(entry: &Entry<'_>, wide: bool) -> Option<MemoryAffinity> {
    let bytes = entry.bytes;
    let domain = if wide {
        u32_at(bytes, 2)?
    } else {
        u8_at(bytes, 2)?.into()
    };
    Some(MemoryAffinity {
        offset: entry.offset,
        domain: ProximityDomain(domain),
        base: Gpa(u64_at(bytes, 8)?),
        length: u64_at(bytes, 16)?,
        enabled: bit(bytes, 28, 0),
        hot_pluggable: bit(bytes, 28, 1),
        non_volatile: bit(bytes, 28, 2),
    })
}

fn device(entry: &Entry<'_>) -> Option<DeviceAffinity> {
    let bytes = entry.bytes;
    let device = match u8_at(bytes, 3)? {
        0 => DeviceName::Acpi {
            hid: printable(&array::<8>(bytes, 8)?),
            uid: u32_at(bytes, 16)?,
        },
        1 => {
            // Bus in the first byte, device and function in the second (table 5.66).
            let [bus, device_function] = array(bytes, 10)?;
            let requester = u16::from_le_bytes([device_function, bus]);
            DeviceName::Pci(PciAddress::from_requester(Segment(u16_at(bytes, 8)?), requester))
        }
        other => DeviceName::Other(other),
    };
    Some(DeviceAffinity {
        offset: entry.offset,
        port: entry.kind == 6,
        device,
        domain: ProximityDomain(u32_at(bytes, 4)?),
        enabled: bit(bytes, 24, 0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(revision: u8, entries: &str) -> Decoded<Srat> {
        let body = [hex("01000000 0000000000000000"), hex(entries)].concat();
        Srat::decode(&Table::parse(&sdt(b"SRAT", revision, &body)).unwrap()).unwrap()
    }

    #[test]
    fn cpu_entries_of_all_three_kinds_name_their_domain() {
        let srat = decode(
            3,
            "0010 02 20 01000000 00 000100 00000000
             0218 0000 03000000 00010000 01000000 00000000 00000000
             0312 04000000 09000000 01000000 00000000",
        );
        let pairs: Vec<_> = srat
            .value
            .cpus
            .iter()
            .map(|cpu| (cpu.cpu, cpu.domain.0, cpu.enabled))
            .collect();
        let expected = [
            (CpuName::Apic(ApicId(0x20)), 0x0001_0002, true),
            (CpuName::Apic(ApicId(0x100)), 3, true),
            (CpuName::Uid(ProcessorUid(9)), 4, true),
        ];
        assert_eq!(pairs, expected);
        assert!(srat.findings.is_empty());
    }

    #[test]
    fn revision_one_uses_only_eight_bits_of_the_domain() {
        let srat = decode(1, "0010 02 20 01000000 00 ffffff 00000000").value;
        assert_eq!(srat.cpus[0].domain, ProximityDomain(2));
    }

    #[test]
    fn memory_flags_are_kept_apart() {
        let srat = decode(
            2,
            "0128 01000000 0000 0000000001000000 0000000040000000 00000000 07000000 0000000000000000
             0128 02000000 0000 0000000002000000 0000000040000000 00000000 00000000 0000000000000000",
        )
        .value;
        let first = &srat.memory[0];
        assert_eq!((first.base, first.length), (Gpa(0x1_0000_0000), 0x40_0000_0000));
        assert!(first.enabled && first.hot_pluggable && first.non_volatile);
        assert!(!srat.memory[1].enabled);
        assert_eq!(srat.domains().into_iter().collect::<Vec<_>>(), [ProximityDomain(1)]);
    }

    #[test]
    fn generic_initiator_names_a_pci_function() {
        let srat = decode(
            3,
            "0520 00 01 05000000 0100 c3a5 000000000000000000000000 01000000 00000000",
        )
        .value;
        let DeviceName::Pci(address) = &srat.devices[0].device else {
            panic!("PCI handle")
        };
        assert_eq!(
            (address.to_string().as_str(), srat.devices[0].port),
            ("0001:c3:14.5", false)
        );
    }

    #[test]
    fn memory_entry_cut_short_is_a_finding() {
        let srat = decode(2, "0110 01000000 0000 0000000001000000");
        assert!(srat.value.memory.is_empty());
        assert_eq!((srat.findings.len(), srat.findings[0].offset), (1, 48));
    }
}
