//! What the firmware's ACPI tables say of the machine's shape, in the firmware's own numbers:
//! proximity domains, distances, memory attributes, CXL windows, host bridges, IOMMUs, slots.
//!
//! [`crate::merge`] makes it and joins it with what the kernel says; where the kernel is silent
//! its facts fill [`crate::sysfs::CpuTopology`].

use acpi_dump::tables::pptt::Pptt;
use acpi_dump::{Cedt, Decoded, Dmar, Finding, Hmat, Ivrs, Madt, Mcfg, Slit, Srat, Table};
use captures::Origin;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::OriginIndex;
use crate::pci::function::Bdf;
use crate::sysfs::CpuSet;
use crate::sysfs::topology::NodeId;

pub mod ivhd;
pub mod namespace;
pub mod pptt;

/// The tables that are used here, the first of each, with the source it was read from.
#[derive(Debug, Default)]
pub struct Tables {
    /// CPUs.
    pub madt: Option<(Origin, Madt)>,
    /// Proximity domains.
    pub srat: Option<(Origin, Srat)>,
    /// Distances.
    pub slit: Option<(Origin, Slit)>,
    /// Packages, cores, caches.
    pub pptt: Option<(Origin, Pptt)>,
    /// Latency and bandwidth.
    pub hmat: Option<(Origin, Hmat)>,
    /// CXL.
    pub cedt: Option<(Origin, Cedt)>,
    /// Configuration space windows.
    pub mcfg: Option<(Origin, Mcfg)>,
    /// Intel IOMMUs.
    pub dmar: Option<(Origin, Dmar)>,
    /// AMD IOMMUs.
    pub ivrs: Option<(Origin, Ivrs)>,
    /// Bytes of the IVRS: the entries of its units are decoded here.
    pub ivrs_table: Option<Vec<u8>>,
    /// Devices of the DSDT and the SSDTs.
    pub namespace: Option<(Origin, namespace::Facts)>,
    /// IOMMUs as the kernel names them.
    pub units: Vec<KernelUnit>,
    /// Any table at all was there.
    pub any: bool,
}

/// An IOMMU of `/sys/class/iommu`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KernelUnit {
    /// `dmar0`, `ivhd0`.
    pub name: String,
    /// Its registers, where the kernel tells.
    pub base: Option<u64>,
    /// Where it was read.
    pub origin: Option<Origin>,
}

impl Tables {
    /// Take a table in when it is the first of its kind; what is broken in it comes back.
    pub fn take(&mut self, origin: &Origin, table: &Table) -> Vec<Finding> {
        fn first<T>(slot: &mut Option<(Origin, T)>, origin: &Origin, decoded: Option<Decoded<T>>) -> Vec<Finding> {
            let Some(decoded) = decoded.filter(|_| slot.is_none()) else {
                return Vec::new();
            };
            *slot = Some((origin.clone(), decoded.value));
            decoded.findings
        }
        self.any = true;
        match &table.signature.0 {
            b"APIC" => first(&mut self.madt, origin, Madt::decode(table)),
            b"SRAT" => first(&mut self.srat, origin, Srat::decode(table)),
            b"SLIT" => first(&mut self.slit, origin, Slit::decode(table)),
            b"PPTT" => first(&mut self.pptt, origin, Pptt::decode(table)),
            b"HMAT" => first(&mut self.hmat, origin, Hmat::decode(table)),
            b"CEDT" => first(&mut self.cedt, origin, Cedt::decode(table)),
            b"MCFG" => first(&mut self.mcfg, origin, Mcfg::decode(table)),
            b"DMAR" => first(&mut self.dmar, origin, Dmar::decode(table)),
            b"IVRS" => {
                self.ivrs_table.get_or_insert_with(|| table.bytes.clone());
                first(&mut self.ivrs, origin, Ivrs::decode(table))
            }
            _ => Vec::new(),
        }
    }
}

/// What the ACPI tables say; empty lists where a table is not there or says nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Acpi {
    /// Tables that gave something, and where each was read: index into `origins`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<(&'static str, OriginIndex)>,
    /// CPUs that the MADT lists.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<CpuCount>,
    /// Proximity domains of the SRAT, ascending.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub domains: Vec<Domain>,
    /// Distances of the SLIT: row and column by proximity domain, from 0.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<Vec<u8>>,
    /// What initiators see of the memory of targets, by the HMAT.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub performance: Vec<Performance>,
    /// Windows of host addresses that CXL memory may be mapped in (CEDT).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cxl_windows: Vec<CxlWindow>,
    /// Configuration space windows (MCFG).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ecam: Vec<EcamWindow>,
    /// PCI host bridges of the namespace, and those that only the MCFG or the CEDT knows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub host_bridges: Vec<HostBridge>,
    /// IOMMUs (DMAR, IVRS).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub iommus: Vec<Iommu>,
    /// Devices of the namespace with a slot number (`_SUN`). What is only here may be absent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<NamedSlot>,
}

/// CPUs by the state the MADT gives them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CpuCount {
    /// Usable; one that is listed twice counts once.
    pub enabled: usize,
    /// May be enabled at run time.
    pub online_capable: usize,
    /// Neither: unused entries.
    pub unusable: usize,
}

/// A proximity domain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Domain {
    /// The firmware's number.
    pub number: u32,
    /// Linux's number of the node; see `node_assumed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// The node's number follows Linux's rule (domains are numbered as they appear in the SRAT) and
    /// was not seen.
    pub node_assumed: bool,
    /// CPUs in use that the SRAT puts there.
    pub listed_cpus: usize,
    /// Those of them that are known here, by their number here.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
    /// Bytes that are there from the start.
    pub memory: u64,
    /// Bytes of address space for memory that may be plugged in later.
    pub hot_pluggable: u64,
    /// Bytes of non-volatile memory.
    pub non_volatile: u64,
    /// Memory ranges in use, by address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ranges: Vec<Range>,
    /// Generic initiators and ports: PCI addresses, or `_HID` and `_UID`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub devices: Vec<String>,
}

/// A memory range of the SRAT.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Range {
    /// First byte.
    #[serde(serialize_with = "crate::json::address")]
    #[schemars(with = "String")]
    pub base: u64,
    /// Bytes.
    pub length: u64,
    /// Memory may be plugged in there.
    pub hot_pluggable: bool,
    /// Non-volatile.
    pub non_volatile: bool,
}

/// Latency and bandwidth from one domain to the memory of another.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Performance {
    /// Domain of the CPUs or devices that access.
    pub initiator: u32,
    /// Domain of the memory.
    pub target: u32,
    /// Read latency in picoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_latency: Option<u64>,
    /// Write latency in picoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_latency: Option<u64>,
    /// Read bandwidth in MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bandwidth: Option<u64>,
    /// Write bandwidth in MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bandwidth: Option<u64>,
}

/// A CXL fixed memory window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct CxlWindow {
    /// First byte.
    #[serde(serialize_with = "crate::json::address")]
    #[schemars(with = "String")]
    pub base: u64,
    /// Bytes of address space; how much memory there is behind it, devices tell.
    pub length: u64,
    /// `_UID` of the host bridges it is interleaved over.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub bridges: Vec<u32>,
    /// Bytes of one interleave step.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub granularity: Option<u32>,
    /// Volatile memory may be mapped there.
    pub volatile: bool,
    /// Persistent memory may be mapped there.
    pub persistent: bool,
}

/// A window of memory-mapped configuration space.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct EcamWindow {
    /// PCI segment group.
    pub segment: u16,
    /// First bus.
    pub first_bus: u8,
    /// Last bus.
    pub last_bus: u8,
    /// Address of bus 0 of the segment.
    #[serde(serialize_with = "crate::json::address")]
    #[schemars(with = "String")]
    pub base: u64,
}

/// A PCI host bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HostBridge {
    /// Path in the namespace (`\_SB.PCI0`).
    pub path: String,
    /// `_HID`: PNP0A03 (PCI), PNP0A08 (PCI Express), ACPI0016 (CXL).
    pub hid: String,
    /// `_UID`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// PCI segment group: `_SEG`, 0 where there is none; `None` when it is computed at run time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub segment: Option<u16>,
    /// Root bus: `_BBN`, else 0 for the first bridge; `None` when it is computed at run time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bus: Option<u8>,
    /// Last bus, where a constant `_CRS` tells.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_bus: Option<u8>,
    /// Proximity domain: `_PXM`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<u32>,
    /// NUMA node of that domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// It stands in an `If`: it may not be there.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub conditional: bool,
    /// `_STA` says that it is not there, or is computed at run time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub present: Option<bool>,
    /// Facts that the firmware computes at run time, by name, with the values that they can have where
    /// those are known (`_BBN: 0x40 or 0x80`, `_STA`).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dynamic: Vec<String>,
    /// Devices with a constant address that the namespace has below it; they may be absent.
    pub named_functions: usize,
    /// Where the INTx pins of its root bus go (`_PRT`), for the I/O APIC.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interrupts: Vec<PinRoute>,
}

/// One row of a `_PRT`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct PinRoute {
    /// Device number on the bus.
    pub device: u8,
    /// Pin: `A` to `D`.
    pub pin: char,
    /// Global system interrupt, where it is hard-wired.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interrupt: Option<u32>,
    /// Link device that chooses the interrupt, by its path.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub link: Option<String>,
}

impl PinRoute {
    /// `GSI 16` or the link device's path.
    #[must_use]
    pub fn words(&self) -> String {
        match (&self.link, self.interrupt) {
            (Some(link), _) => link.clone(),
            (None, Some(number)) => format!("GSI {number}"),
            (None, None) => String::new(),
        }
    }
}

/// What an IOMMU serves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct IommuScope {
    /// `endpoint`, `bridge` (and all below it), `range`, `all`, `I/O APIC`, `HPET`, `ACPI device`, `other`.
    pub kind: &'static str,
    /// Address, where each step of the way is known; else bus and way ("80:03.0/00.0").
    pub place: String,
    /// Number of an I/O APIC, a HPET or an ACPI device.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub number: Option<u8>,
}

/// An IOMMU.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Iommu {
    /// Linux's name: seen in `/sys/class/iommu`, else by order of the table.
    pub name: String,
    /// The name was seen.
    pub seen: bool,
    /// `DMAR` or `IVRS`.
    pub table: &'static str,
    /// PCI segment group.
    pub segment: u16,
    /// Its registers.
    #[serde(serialize_with = "crate::json::address")]
    #[schemars(with = "String")]
    pub base: u64,
    /// Its own PCI function (AMD).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub address: Option<Bdf>,
    /// It serves every function of the segment that no other names.
    pub include_all: bool,
    /// Proximity domain (RHSA).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<u32>,
    /// NUMA node of that domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// What it names.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes: Vec<IommuScope>,
}

/// A device of the namespace with a slot number.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NamedSlot {
    /// Path in the namespace.
    pub path: String,
    /// `_SUN`.
    pub number: u64,
    /// Its function as far as it is known: `None` when a bus above is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub bdf: Option<Bdf>,
    /// The port above it, as far as it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub port: Option<Bdf>,
    /// Device and function of each step from the host bridge down to it, itself last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<(u8, u8)>,
    /// Index of its host bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bridge: Option<usize>,
    /// It, or something above it, stands in an `If`.
    pub conditional: bool,
}

impl Acpi {
    /// Whether nothing is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where a table was read.
    #[must_use]
    pub fn table(&self, signature: &str) -> Option<OriginIndex> {
        let same = |(name, _): &&(&'static str, OriginIndex)| *name == signature;
        self.tables.iter().find(same).map(|(_, origin)| *origin)
    }

    /// The domain of a Linux node.
    #[must_use]
    pub fn domain_of(&self, node: NodeId) -> Option<&Domain> {
        self.domains.iter().find(|domain| domain.node == Some(node))
    }

    /// The Linux node of a domain.
    #[must_use]
    pub fn node_of(&self, domain: u32) -> Option<NodeId> {
        self.domains.iter().find(|known| known.number == domain)?.node
    }

    /// Where the pin of a device on a root bus goes; `pin` is 1 for INTA, as configuration space has it.
    #[must_use]
    pub fn interrupt_of(&self, segment: u32, bus: u8, device: u8, pin: u8) -> Option<&PinRoute> {
        let pin = char::from(b'A'.checked_add(pin.checked_sub(1)?)?);
        let bridge = self.bridge_of(segment, bus)?;
        bridge
            .interrupts
            .iter()
            .find(|route| route.device == device && route.pin == pin)
    }

    /// The host bridge of a root bus.
    #[must_use]
    pub fn bridge_of(&self, segment: u32, bus: u8) -> Option<&HostBridge> {
        self.host_bridges
            .iter()
            .filter(|bridge| bridge.present != Some(false))
            .find(|bridge| bridge.segment.map(u32::from) == Some(segment) && bridge.bus == Some(bus))
    }
}
