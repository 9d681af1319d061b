//! The machine: sockets, memory slots and PCI functions after all sources were put together.
//!
//! [`crate::merge`] makes it, [`crate::findings`] judges it, [`crate::diagram`] draws it, and
//! `delid topo --json` prints it. Every part says which sources it came from, as indices into
//! [`Machine::origins`].

use captures::{Gap, Origin};
use schemars::JsonSchema;
use serde::Serialize;

use crate::acpi::Acpi;
use crate::evidence::Damage;
use crate::pci::function::{Bdf, Function};
use crate::smbios::{Baseboard, Bios, Chassis, MemoryArray, MemoryModule, OnboardDevice, Processor, Slot, System};
use crate::sysfs::topology::NodeId;
use crate::sysfs::{CpuSet, CpuTopology};
use crate::xen::{Physical, Xen};

/// Index into [`Machine::origins`].
pub type OriginIndex = usize;

/// One machine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Machine {
    /// Every source that gave at least one fact, in order of precedence.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<String>")]
    pub origins: Vec<Origin>,
    /// Kinds of source, present or not, in words.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<SourceState>,
    /// What could not be read, why, and how to get it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "Vec<crate::json::GapShape>")]
    pub gaps: Vec<Gap>,
    /// Broken pieces met while decoding.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub damage: Vec<SourceDamage>,
    /// Facts on which two sources disagree.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub conflicts: Vec<Conflict>,
    /// Firmware, system, board, chassis.
    pub identity: Identity,
    /// Xen, when it is under or beside the sources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xen: Option<Xen>,
    /// CPUs, caches and NUMA nodes.
    pub cpu: CpuTopology,
    /// Sockets, populated or not.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sockets: Vec<Socket>,
    /// Memory arrays and slots.
    pub memory: Memory,
    /// PCI functions and their tree.
    pub pci: Pci,
    /// What the firmware's ACPI tables say, in the firmware's numbers.
    #[serde(skip_serializing_if = "Acpi::is_empty")]
    pub acpi: Acpi,
}

/// One kind of source and whether it was there.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SourceState {
    /// Name ("SMBIOS 3.2", "sysfs", "PCI config").
    pub name: String,
    /// Whether it was present.
    pub present: bool,
    /// A remark ("64 of 256 bytes", "root only").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub note: Option<String>,
}

/// Damage with the source it was met in.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct SourceDamage {
    /// Kind of data: `SMBIOS`, `PCI`, `CPU`, `ACPI`, `CPUID`, `Xen` or `capture`.
    pub area: &'static str,
    /// Where it was read from.
    #[schemars(with = "String")]
    pub origin: Origin,
    /// The broken piece.
    #[serde(flatten)]
    pub damage: Damage,
}

/// Two sources that say different things of one fact.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Conflict {
    /// The fact ("0000:01:00.0 numa_node").
    pub fact: String,
    /// The value that was taken, and its source.
    pub taken: (String, OriginIndex),
    /// The other value, and its source.
    pub other: (String, OriginIndex),
}

/// What the machine is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Identity {
    /// Type 0, or `/sys/class/dmi/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub bios: Option<Bios>,
    /// Type 1, or `/sys/class/dmi/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub system: Option<System>,
    /// Type 2, the first one, or `/sys/class/dmi/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub board: Option<Baseboard>,
    /// Type 3, the first one, or `/sys/class/dmi/id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub chassis: Option<Chassis>,
    /// SMBIOS version.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub smbios_version: Option<(u8, u8)>,
    /// Host name, where a capture has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// Name of the hypervisor this is a guest of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    /// Where it came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginIndex>,
}

/// One processor socket.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Socket {
    /// The firmware's designation ("CPU1"), else "Socket 0" by the kernel's package number.
    pub label: String,
    /// Index into `cpu.packages`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<usize>,
    /// Type 4 structure.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<Processor>,
    /// It is no socket but a NUMA node that stands for one: the sources tell of nodes, and nobody
    /// of packages.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub by_node: bool,
    /// Populated; unknown sockets count as populated.
    pub populated: bool,
    /// The pairing of package and type 4 structure follows their order only.
    pub pairing_assumed: bool,
    /// Model name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Its CPUs, offline ones included where their socket is known.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
    /// Its NUMA nodes; nodes without CPUs are with the socket they are local to.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<NodeId>,
    /// Indices into `memory.slots`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<usize>,
    /// Microcode revision when all its CPUs have the same.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub microcode: Option<u32>,
    /// The newest update for it among those given with `--microcode`, where it is newer than the
    /// revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub newer_microcode: Option<NewerMicrocode>,
}

/// An update that is newer than what runs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct NewerMicrocode {
    /// Its revision.
    #[serde(serialize_with = "crate::json::word")]
    #[schemars(with = "String")]
    pub revision: u32,
    /// Its date, year first.
    pub date: String,
    /// The file it is in, and for an initrd the member.
    pub from: String,
    /// Whether it is for this processor for sure: Intel's updates are made for platforms, and not
    /// every source tells the processor's.
    pub platform_known: bool,
}

/// Memory as SMBIOS tells of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Memory {
    /// Type 16.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub arrays: Vec<MemoryArray>,
    /// Slots for memory modules; firmware flash and the like are left out.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<DimmSlot>,
    /// Type 17 structures that are no memory of the machine (flash).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_memory: Vec<MemoryModule>,
    /// Where the structures came from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginIndex>,
}

/// One memory slot and where it is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct DimmSlot {
    /// The type 17 structure.
    pub module: MemoryModule,
    /// Index into `sockets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<usize>,
    /// Channel as named ("A", "0"), unique within its socket; `None` when not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<String>,
    /// Position in the channel, from the firmware's own count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub position: Option<u32>,
    /// Naming style by which the place was found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub style: Option<&'static str>,
}

impl DimmSlot {
    /// Whether a module is in the slot; unknown size counts as populated only with a part or speed.
    #[must_use]
    pub fn populated(&self) -> bool {
        match self.module.size {
            Some(size) => size > 0,
            None => self.module.part.is_some() && self.module.speed.is_some(),
        }
    }

    /// Locator, or the bank locator, or "slot".
    #[must_use]
    pub fn name(&self) -> &str {
        self.module
            .locator
            .as_deref()
            .or(self.module.bank_locator.as_deref())
            .unwrap_or("slot")
    }
}

/// PCI functions by address, and the tree they form.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Pci {
    /// Functions by ascending address.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub functions: Vec<PciFunction>,
    /// Type 9.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub slots: Vec<Slot>,
    /// Types 10 and 41.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub onboard: Vec<OnboardDevice>,
    /// Indices of the functions on root buses.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub roots: Vec<usize>,
    /// Version of the PCI ID list the names come from.
    pub names_version: String,
}

/// One PCI function with all that is known of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct PciFunction {
    /// Registers and what the kernel says.
    #[serde(flatten)]
    pub function: Function,
    /// Full class name.
    pub class_text: String,
    /// Full vendor and device name, or the numbers.
    pub full_name: String,
    /// Name that fits on a card ("RTX A5000").
    pub short_name: String,
    /// Slot or onboard designation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub place: Option<PlaceLabel>,
    /// Index of the bridge above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parent: Option<usize>,
    /// Indices of the functions below, for bridges.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub children: Vec<usize>,
    /// Socket it hangs off: index into `sockets`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<usize>,
    /// NUMA node it is local to, after looking at the bridges above.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Which source gave which field: field name and index into `origins`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub provenance: Vec<(&'static str, OriginIndex)>,
}

impl PciFunction {
    /// Address.
    #[must_use]
    pub const fn bdf(&self) -> Bdf {
        self.function.bdf
    }

    /// Base class and subclass, 0 when not known.
    #[must_use]
    pub fn kind(&self) -> u32 {
        self.function.class.map_or(0, crate::pci::function::Class::kind)
    }

    /// Whether it is a PCI-to-PCI or CardBus bridge.
    #[must_use]
    pub fn is_bridge(&self) -> bool {
        matches!(self.kind(), 0x0604 | 0x0607 | 0x0609) || matches!(self.function.header_type, Some(1 | 2))
    }
}

/// The name of the place a card is in.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct PlaceLabel {
    /// Designation ("SLOT9", "Onboard LAN 1").
    pub name: String,
    /// Who says so: `smbios-9`, `smbios-41`, `sysfs-slot`, `firmware-label`, `slot-number`,
    /// `acpi-sun` (`_SUN` of the namespace).
    pub source: &'static str,
    /// Index into `pci.slots`, for `smbios-9`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<usize>,
}

impl Machine {
    /// Product name of the board, when it says more than the system's product name.
    #[must_use]
    pub fn board_name(&self) -> Option<&str> {
        let name = self.identity.board.as_ref()?.product.as_deref()?.trim();
        let system = self
            .identity
            .system
            .as_ref()
            .and_then(|system| system.product.as_deref())
            .unwrap_or_default();
        (is_told(name) && name != system.trim()).then_some(name)
    }

    /// Whether it is a virtual machine: a hypervisor is named, or the firmware is a hypervisor's.
    #[must_use]
    pub fn is_guest(&self) -> bool {
        const MAKERS: &[&str] = &[
            "QEMU",
            "VMware",
            "Xen",
            "innotek",
            "oVirt",
            "OpenStack",
            "Parallels",
            "Bochs",
        ];
        let maker = self
            .identity
            .system
            .as_ref()
            .and_then(|system| system.manufacturer.as_deref());
        self.identity.hypervisor.is_some()
            || maker.is_some_and(|maker| MAKERS.iter().any(|known| maker.starts_with(known)))
    }

    /// What Xen says of the machine, when `cpu` is by it and not by the files of a domain.
    #[must_use]
    pub fn by_xen(&self) -> Option<&Physical> {
        self.xen.as_ref()?.machine.as_ref()
    }

    /// The function at an address.
    #[must_use]
    pub fn function(&self, bdf: Bdf) -> Option<&PciFunction> {
        let at = self.pci.functions.binary_search_by_key(&bdf, PciFunction::bdf).ok()?;
        self.pci.functions.get(at)
    }

    /// Functions from `index` up to its root port, itself first. Bounded by the number of functions.
    pub fn path_up(&self, index: usize) -> impl Iterator<Item = &PciFunction> {
        let mut next = self.pci.functions.get(index);
        let mut left = self.pci.functions.len();
        std::iter::from_fn(move || {
            let here = next?;
            left = left.checked_sub(1)?;
            next = here.parent.and_then(|parent| self.pci.functions.get(parent));
            Some(here)
        })
    }

    /// Number of sockets with a processor.
    #[must_use]
    pub fn populated_sockets(&self) -> usize {
        self.sockets
            .iter()
            .filter(|socket| socket.populated && !socket.by_node)
            .count()
    }

    /// Cores that are known: from the kernel, else the sum of SMBIOS.
    #[must_use]
    pub fn core_count(&self) -> Option<usize> {
        if !self.cpu.cores.is_empty() {
            return Some(self.cpu.cores.len());
        }
        let sum: usize = self
            .sockets
            .iter()
            .filter_map(|s| s.processor.as_ref()?.cores)
            .map(usize::from)
            .sum();
        (sum > 0).then_some(sum)
    }

    /// Hardware threads that are known: CPUs of the kernel, else the sum of SMBIOS.
    #[must_use]
    pub fn thread_count(&self) -> Option<usize> {
        if !self.cpu.cpus.is_empty() {
            return Some(self.cpu.cpus.len());
        }
        let sum: usize = self
            .sockets
            .iter()
            .filter_map(|s| s.processor.as_ref()?.threads)
            .map(usize::from)
            .sum();
        (sum > 0).then_some(sum)
    }

    /// Memory in bytes: modules, else what Xen counts, else nodes, else `/proc/meminfo`.
    #[must_use]
    pub fn memory_bytes(&self) -> Option<u64> {
        let modules = self
            .memory
            .slots
            .iter()
            .filter_map(|slot| slot.module.size)
            .fold(0, u64::saturating_add);
        if modules > 0 {
            return Some(modules);
        }
        if let Some(total) = self.by_xen().and_then(|xen| xen.total_memory) {
            return Some(total);
        }
        let nodes = self
            .cpu
            .nodes
            .iter()
            .filter_map(|node| node.memory)
            .fold(0, u64::saturating_add);
        if nodes > 0 { Some(nodes) } else { self.cpu.memory }
    }
}

/// Whether a firmware string says something.
#[must_use]
pub fn is_told(text: &str) -> bool {
    let lower = text.to_lowercase();
    !matches!(
        lower.as_str(),
        "" | "unknown"
            | "not specified"
            | "none"
            | "n/a"
            | "default string"
            | "system product name"
            | "system manufacturer"
            | "to be filled by o.e.m."
            | "o.e.m."
            | "not applicable"
            | "empty"
            | "0123456789"
    ) && !lower.contains("to be filled")
}
