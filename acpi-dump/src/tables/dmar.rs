//! DMA Remapping table: the Intel IOMMUs and the devices behind each.
//! Follows the Intel VT-d specification 4.1, chapter 8.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u32_at, u64_at};
use crate::finding::{Decoded, Finding};
use crate::header::Signature;
use crate::ids::{Gpa, ProximityDomain, Segment};
use crate::table::Table;
use crate::tables::entry::{Entry, Layout, entries};

/// What a scope names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ScopeKind {
    /// One PCI function.
    PciEndpoint,
    /// A bridge and all below it.
    PciSubHierarchy,
    /// An I/O APIC.
    IoApic,
    /// An HPET that sends MSIs.
    Hpet,
    /// A device of the ACPI namespace.
    Acpi,
    /// A type the specification does not define.
    Other(u8),
}

/// One device scope: a start bus and the way down from it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Scope {
    /// Offset in the table.
    pub offset: usize,
    /// What it names.
    pub kind: ScopeKind,
    /// I/O APIC id, HPET number or ACPI device number; 0 for PCI.
    pub enumeration_id: u8,
    /// Bus where the path begins.
    pub start_bus: u8,
    /// Device and function of each step; with more than one, all but the last are bridges.
    pub path: Vec<(u8, u8)>,
}

/// One IOMMU (DRHD).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Unit {
    /// Offset in the table.
    pub offset: usize,
    /// PCI segment group.
    pub segment: Segment,
    /// Its registers.
    pub base: Gpa,
    /// It also serves every device of the segment that no other unit names.
    pub include_all: bool,
    /// Devices named.
    pub scopes: Vec<Scope>,
}

/// Memory that devices may use from before the operating system on (RMRR).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct ReservedMemory {
    /// Offset in the table.
    pub offset: usize,
    /// PCI segment group.
    pub segment: Segment,
    /// First byte.
    pub base: Gpa,
    /// Last byte.
    pub limit: Gpa,
    /// Devices that use it.
    pub scopes: Vec<Scope>,
}

/// Domain of an IOMMU (RHSA).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UnitAffinity {
    /// Registers of the IOMMU.
    pub base: Gpa,
    /// Its domain.
    pub domain: ProximityDomain,
}

/// The table.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Dmar {
    /// Bits of the addresses that DMA can reach.
    pub address_bits: Option<u16>,
    /// Interrupt remapping is supported.
    pub interrupt_remapping: bool,
    /// The firmware asks not to use x2APIC.
    pub x2apic_opt_out: bool,
    /// IOMMUs.
    pub units: Vec<Unit>,
    /// Reserved memory.
    pub reserved: Vec<ReservedMemory>,
    /// Domains of IOMMUs.
    pub affinities: Vec<UnitAffinity>,
    /// Number of structures of each other type.
    pub other: BTreeMap<u16, usize>,
}

impl Dmar {
    /// Decode; `None` when it is another table.
    #[must_use]
    pub fn decode(table: &Table) -> Option<Decoded<Self>> {
        if table.signature != Signature::DMAR {
            return None;
        }
        let known = !table.is_missing(&(36..38));
        let flags = u8_at(&table.bytes, 37).filter(|_| known).unwrap_or(0);
        let mut findings = Vec::new();
        let mut dmar = Self {
            // 8.1: the field holds the width minus one.
            address_bits: u8_at(&table.bytes, 36)
                .filter(|_| known)
                .map(|bits| u16::from(bits).saturating_add(1)),
            interrupt_remapping: flags & 1 != 0,
            x2apic_opt_out: flags & 3 == 3,
            ..Self::default()
        };
        for entry in entries(table, 48, Layout::Words, &mut findings) {
            if dmar.add(&entry, &mut findings).is_none() {
                let slot = dmar.other.entry(entry.kind).or_default();
                *slot = slot.saturating_add(1);
            }
        }
        Some(Decoded { value: dmar, findings })
    }

    fn add(&mut self, entry: &Entry<'_>, findings: &mut Vec<Finding>) -> Option<()> {
        let bytes = entry.bytes;
        match entry.kind {
            0 if entry.has(16, "DRHD", findings) => self.units.push(Unit {
                offset: entry.offset,
                segment: Segment(u16_at(bytes, 6)?),
                base: Gpa(u64_at(bytes, 8)?),
                include_all: u8_at(bytes, 4)? & 1 != 0,
                scopes: scopes(entry, 16, findings),
            }),
            1 if entry.has(24, "RMRR", findings) => self.reserved.push(ReservedMemory {
                offset: entry.offset,
                segment: Segment(u16_at(bytes, 6)?),
                base: Gpa(u64_at(bytes, 8)?),
                limit: Gpa(u64_at(bytes, 16)?),
                scopes: scopes(entry, 24, findings),
            }),
            3 if entry.has(20, "RHSA", findings) => self.affinities.push(UnitAffinity {
                base: Gpa(u64_at(bytes, 8)?),
                domain: ProximityDomain(u32_at(bytes, 16)?),
            }),
            _ => return None,
        }
        Some(())
    }
}

/// Device scopes (8.3.1) from `start` to the end of the structure.
fn scopes(entry: &Entry<'_>, start: usize, findings: &mut Vec<Finding>) -> Vec<Scope> {
    let mut list = Vec::new();
    let mut rest = entry.bytes.get(start..).unwrap_or_default();
    let mut offset = entry.offset.saturating_add(start);
    while !rest.is_empty() {
        let length = u8_at(rest, 1).map_or(0, usize::from);
        let parts = rest.split_at_checked(length).filter(|_| length >= 6);
        let Some((scope, others)) = parts.and_then(|(bytes, others)| Some((scope(offset, bytes)?, others))) else {
            let expected = format!("device scope length from 6 to {}", rest.len());
            findings.push(Finding::new(offset, expected, length.to_string()));
            break;
        };
        list.push(scope);
        rest = others;
        offset = offset.saturating_add(length);
    }
    list
}

fn scope(offset: usize, bytes: &[u8]) -> Option<Scope> {
    let kind = match u8_at(bytes, 0)? {
        1 => ScopeKind::PciEndpoint,
        2 => ScopeKind::PciSubHierarchy,
        3 => ScopeKind::IoApic,
        4 => ScopeKind::Hpet,
        5 => ScopeKind::Acpi,
        other => ScopeKind::Other(other),
    };
    let (steps, _) = bytes.get(6..)?.as_chunks::<2>();
    let path = steps.iter().map(|[device, function]| (*device, *function)).collect();
    Some(Scope {
        offset,
        kind,
        enumeration_id: u8_at(bytes, 4)?,
        start_bus: u8_at(bytes, 5)?,
        path,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    fn decode(structures: &str) -> Decoded<Dmar> {
        let body = [hex("2d 01 00000000000000000000"), hex(structures)].concat();
        Dmar::decode(&Table::parse(&sdt(b"DMAR", 1, &body)).unwrap()).unwrap()
    }

    #[test]
    fn unit_lists_the_devices_behind_it() {
        let dmar = decode("0000 2000 00 00 0000 0010d9fe00000000  01 08 0000 00 00 0200  03 08 0000 02 f0 1f07");
        assert!(dmar.findings.is_empty());
        let (value, unit) = (&dmar.value, &dmar.value.units[0]);
        assert_eq!(
            (value.address_bits, value.interrupt_remapping, unit.base),
            (Some(46), true, Gpa(0xfed9_1000))
        );
        assert_eq!(
            (unit.scopes[0].kind, unit.scopes[0].path.as_slice()),
            (ScopeKind::PciEndpoint, &[(2, 0)][..])
        );
        assert_eq!((unit.scopes[1].enumeration_id, unit.scopes[1].start_bus), (2, 0xf0));
    }

    #[test]
    fn opt_out_counts_only_with_interrupt_remapping() {
        let table = |flags| Table::parse(&sdt(b"DMAR", 1, &[0x2d, flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])).unwrap();
        let opt_out = |flags| Dmar::decode(&table(flags)).unwrap().value.x2apic_opt_out;
        assert!(opt_out(3) && !opt_out(2));
    }

    #[test]
    fn scope_of_length_zero_is_a_finding_and_the_unit_stays() {
        let dmar = decode("0000 1800 01 00 0000 0010d9fe00000000  0100 0000 0000 0000");
        assert_eq!((dmar.value.units.len(), dmar.findings[0].offset), (1, 64));
        assert!(dmar.value.units[0].include_all);
    }

    #[test]
    fn affinity_joins_a_unit_to_its_domain() {
        let dmar = decode("0300 1400 00000000 0010d9fe00000000 01000000").value;
        assert_eq!(dmar.affinities[0].domain, ProximityDomain(1));
    }
}
