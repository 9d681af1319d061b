//! Multiple APIC Description Table: which CPUs and interrupt controllers exist.
//! Follows ACPI 6.5, section 5.2.12. Entries of other types are counted by type.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::{ApicId, Gpa, Mpidr, ProcessorUid};
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// Which entry lists a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum CpuKind {
    /// Processor Local APIC (type 0): 8-bit APIC id.
    LocalApic,
    /// Local SAPIC (type 7, Itanium).
    LocalSapic,
    /// Processor Local x2APIC (type 9): 32-bit APIC id.
    LocalX2Apic,
    /// GIC CPU interface (type 11, Arm).
    Gicc,
}

/// One CPU that the firmware lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cpu {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Which entry.
    pub kind: CpuKind,
    /// ACPI processor UID.
    pub uid: ProcessorUid,
    /// APIC id; SAPIC: id and EID. None for Arm.
    pub apic_id: Option<ApicId>,
    /// Arm affinity register, where the entry is long enough to have it.
    pub mpidr: Option<Mpidr>,
    /// The CPU is usable now.
    pub enabled: bool,
    /// The CPU is not enabled, but may be enabled at run time. Firmware before ACPI 6.3 leaves the bit 0.
    pub online_capable: bool,
}

/// One I/O APIC (type 1).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IoApic {
    /// Offset of the entry in the table.
    pub offset: usize,
    /// Identifier.
    pub id: u8,
    /// Its registers.
    pub address: Gpa,
    /// First global system interrupt.
    pub interrupt_base: u32,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Madt {
    /// Local APIC address; an override entry (type 5) replaces the 32-bit one.
    pub local_apic: Option<Gpa>,
    /// The machine also has two 8259 controllers.
    pub pcat_compatible: bool,
    /// CPUs in table order, unusable slots too.
    pub cpus: Vec<Cpu>,
    /// I/O APICs in table order.
    pub io_apics: Vec<IoApic>,
    /// Number of entries of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Madt {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::APIC {
            return None;
        }
        let mut findings = Vec::new();
        let mut madt = Self {
            local_apic: u32_at(&table.bytes, 36)
                .filter(|_| !table.is_missing(&(36..40)))
                .map(|at| Gpa(at.into())),
            pcat_compatible: flag(&table.bytes, 40, 0) && !table.is_missing(&(40..44)),
            ..Self::default()
        };
        for entry in entries(table, 44, Layout::Bytes, &mut findings) {
            if madt.add(&entry, &mut findings).is_none() {
                let slot = madt.other.entry(entry.kind).or_default();
                *slot = slot.saturating_add(1);
            }
        }
        Some(Decoded { value: madt, findings })
    }

    /// CPUs usable now.
    pub fn enabled(&self) -> impl Iterator<Item = &Cpu> {
        self.cpus.iter().filter(|cpu| cpu.enabled)
    }

    /// CPUs that may be enabled later.
    pub fn online_capable(&self) -> impl Iterator<Item = &Cpu> {
        self.cpus.iter().filter(|cpu| cpu.online_capable && !cpu.enabled)
    }

    /// Take an entry in; `None` when its type is counted only, or it is too short for its type.
    fn add(&mut self, entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Option<()> {
        match entry.kind {
            0 if entry.has(8, "Processor Local APIC", findings) => self.cpus.push(local_apic(entry)?),
            1 if entry.has(12, "I/O APIC", findings) => self.io_apics.push(io_apic(entry)?),
            5 if entry.has(12, "Local APIC Address Override", findings) => {
                self.local_apic = Some(Gpa(u64_at(entry.bytes, 4)?));
            }
            7 if entry.has(16, "Local SAPIC", findings) => self.cpus.push(local_sapic(entry)?),
            9 if entry.has(16, "Processor Local x2APIC", findings) => self.cpus.push(local_x2apic(entry)?),
            // ACPI 5.0: 40 bytes; 5.1: 76, with MPIDR; 6.0: 80; 6.5: 82.
            11 if entry.has(40, "GICC", findings) => self.cpus.push(gicc(entry)?),
            _ => return None,
        }
        Some(())
    }
}

fn flag(bytes: &[u8], at: usize, bit: u32) -> bool {
    u32_at(bytes, at).is_some_and(|flags| flags >> bit & 1 == 1)
}

fn local_apic(entry: &Entry<'_>) -> Option<Cpu> {
    let bytes = entry.bytes;
    Some(Cpu {
        offset: entry.offset,
        kind: CpuKind::LocalApic,
        uid: ProcessorUid(u8_at(bytes, 2)?.into()),
        apic_id: Some(ApicId(u8_at(bytes, 3)?.into())),
        mpidr: None,
        enabled: flag(bytes, 4, 0),
        online_capable: flag(bytes, 4, 1),
    })
}

fn local_sapic(entry: &Entry<'_>) -> Option<Cpu> {
    let bytes = entry.bytes;
    let (id, eid) = (u8_at(bytes, 3)?, u8_at(bytes, 4)?);
    Some(Cpu {
        offset: entry.offset,
        kind: CpuKind::LocalSapic,
        uid: ProcessorUid(u32_at(bytes, 12)?),
        apic_id: Some(ApicId(u16::from_le_bytes([eid, id]).into())),
        mpidr: None,
        enabled: flag(bytes, 8, 0),
        online_capable: flag(bytes, 8, 1),
    })
}

fn local_x2apic(entry: &Entry<'_>) -> Option<Cpu> {
    let bytes = entry.bytes;
    Some(Cpu {
        offset: entry.offset,
        kind: CpuKind::LocalX2Apic,
        uid: ProcessorUid(u32_at(bytes, 12)?),
        apic_id: Some(ApicId(u32_at(bytes, 4)?)),
        mpidr: None,
        enabled: flag(bytes, 8, 0),
        online_capable: flag(bytes, 8, 1),
    })
}

fn gicc(entry: &Entry<'_>) -> Option<Cpu> {
    let bytes = entry.bytes;
    Some(Cpu {
        offset: entry.offset,
        kind: CpuKind::Gicc,
        uid: ProcessorUid(u32_at(bytes, 8)?),
        apic_id: None,
        mpidr: u64_at(bytes, 68).map(Mpidr),
        enabled: flag(bytes, 12, 0),
        online_capable: flag(bytes, 12, 3),
    })
}

fn io_apic(entry: &Entry<'_>) -> Option<IoApic> {
    let bytes = entry.bytes;
    Some(IoApic {
        offset: entry.offset,
        id: u8_at(bytes, 2)?,
        address: Gpa(u32_at(bytes, 4)?.into()),
        interrupt_base: u32_at(bytes, 8)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(entries: &str) -> Decoded<Madt> {
        let body = [hex("0000e0fe 01000000"), hex(entries)].concat();
        Madt::decode(&Table::parse(&sdt(b"APIC", 5, &body)).unwrap()).unwrap()
    }

    #[test]
    fn fixed_part_alone_is_a_machine_without_cpus() {
        let madt = decode("");
        assert!(madt.findings.is_empty() && madt.value.pcat_compatible);
        assert_eq!(
            (madt.value.local_apic, madt.value.cpus.len()),
            (Some(Gpa(0xfee0_0000)), 0)
        );
    }

    #[test]
    fn cpus_are_enabled_or_online_capable_or_neither() {
        let madt = decode("0008 0120 01000000  0008 0221 02000000  0008 03ff 00000000").value;
        assert_eq!(madt.cpus.len(), 3);
        assert_eq!(
            madt.enabled().map(|cpu| cpu.apic_id).collect::<Vec<_>>(),
            [Some(ApicId(0x20))]
        );
        assert_eq!(
            madt.online_capable().map(|cpu| cpu.uid).collect::<Vec<_>>(),
            [ProcessorUid(2)]
        );
    }

    #[test]
    fn x2apic_ids_have_32_bits() {
        let madt = decode("0910 0000 44332211 01000000 07010000").value;
        assert_eq!(
            (madt.cpus[0].apic_id, madt.cpus[0].uid),
            (Some(ApicId(0x1122_3344)), ProcessorUid(0x107))
        );
    }

    #[test]
    fn arm_cpus_have_mpidr_and_their_own_online_capable_bit() {
        let body = [
            hex("0b50 0000 00000000 05000000 08000000"),
            vec![0; 52],
            hex("0002008100000000"),
            vec![0; 4],
        ];
        let text: String = body.concat().iter().map(|byte| format!("{byte:02x}")).collect();
        let cpu = decode(&text).value.cpus[0].clone();
        assert_eq!((cpu.uid, cpu.mpidr), (ProcessorUid(5), Some(Mpidr(0x8100_0200))));
        assert!(!cpu.enabled && cpu.online_capable && cpu.apic_id.is_none());
    }

    #[test]
    fn unknown_entries_are_counted_and_the_next_one_is_read() {
        let madt = decode("7f04 0000  010c 0200 0000c0fe 18000000").value;
        assert_eq!((madt.other[&0x7f], madt.io_apics[0].address), (1, Gpa(0xfec0_0000)));
        assert_eq!((madt.io_apics[0].id, madt.io_apics[0].interrupt_base), (2, 24));
    }

    #[test]
    fn local_apic_entry_of_six_bytes_is_a_finding_and_no_cpu() {
        let madt = decode("0006 0120 0100  0008 0221 01000000");
        assert_eq!(
            (madt.value.cpus.len(), madt.findings.len(), madt.findings[0].offset),
            (1, 1, 44)
        );
    }

    #[test]
    fn address_override_replaces_the_32_bit_address() {
        assert_eq!(
            decode("050c 0000 0000e0fe 01000000").value.local_apic,
            Some(Gpa(0x1_fee0_0000))
        );
    }
}
