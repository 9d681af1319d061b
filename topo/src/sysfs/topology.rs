//! CPUs, what groups them, what they share, and where memory is: the result of the sysfs readers
//! and of CPUID dumps, in one shape.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::CpuSet;

/// Number of a NUMA node in Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
pub struct NodeId(pub u32);

/// One logical processor (PU).
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Cpu {
    /// Linux CPU number.
    pub number: u32,
    /// Online; an offline CPU has no topology.
    pub online: bool,
    /// Allowed by the captured process's cpuset; `true` where nothing restricts.
    pub allowed: bool,
    /// `core_id` as the kernel gives it: unique only in its package or die.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub core_id: Option<i64>,
    /// `physical_package_id` as the kernel gives it; -1 is kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package_id: Option<i64>,
    /// (x)APIC id, where `/proc/cpuinfo` or CPUID gives it.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub apic_id: Option<u32>,
    /// Index into [`CpuTopology::kinds`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kind: Option<usize>,
    /// Highest frequency in kHz (`cpuinfo_max_freq`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_khz: Option<u64>,
    /// Base frequency in kHz (`base_frequency`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub base_khz: Option<u64>,
    /// Microcode revision.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub microcode: Option<u32>,
}

/// A set of CPUs with a number: package, die, cluster, core, book, drawer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Group {
    /// Number the kernel or CPUID gives; not unique over the machine for dies and cores.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub os_id: Option<i64>,
    /// Its CPUs.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
}

/// Data, instruction or unified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum CacheKind {
    /// Data cache.
    Data,
    /// Instruction cache.
    Instruction,
    /// Unified cache.
    Unified,
}

/// One cache, with the CPUs that share it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Cache {
    /// Level, from 1.
    pub level: u8,
    /// Kind.
    pub kind: CacheKind,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Line size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
    /// Ways of associativity; 0 is unknown, `u32::MAX` fully associative.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ways: Option<u32>,
    /// CPUs that share it.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
}

/// A memory-side cache in front of a node (`memory_side_cache/indexN`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemorySideCache {
    /// Level, from 1.
    pub level: u8,
    /// Size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// Line size in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What a node's memory is, as far as the kernel's files tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum MemoryKind {
    /// Ordinary memory, or not told otherwise.
    #[default]
    Dram,
    /// High-bandwidth memory.
    Hbm,
    /// Memory of a CXL device.
    Cxl,
    /// Persistent memory used as memory (`kmem`).
    Persistent,
    /// Memory of a GPU.
    Gpu,
}

/// Best performance from the nearest CPUs (`access1/initiators`, else `access0`): HMAT.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct MemoryAccess {
    /// Read bandwidth in MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_bandwidth: Option<u64>,
    /// Write bandwidth in MB/s.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_bandwidth: Option<u64>,
    /// Read latency in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_latency: Option<u64>,
    /// Write latency in nanoseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_latency: Option<u64>,
    /// Initiator nodes.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub initiators: Vec<NodeId>,
}

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Node {
    /// Linux number.
    pub number: NodeId,
    /// Its CPUs; empty for a CPU-less node.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
    /// CPUs it is local to when it has none of its own (from initiators or distances).
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub local_cpus: CpuSet,
    /// `MemTotal` in bytes; `None` when not told, 0 for a memory-less node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
    /// Kind of memory.
    pub kind: MemoryKind,
    /// Memory-side caches, nearest the memory first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub side_caches: Vec<MemorySideCache>,
    /// HMAT performance from the best initiators.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access: Option<MemoryAccess>,
}

/// How a piece of persistent memory is used, in the words of `ndctl`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum PersistentMode {
    /// Block device with DAX (`pfn`).
    Fsdax,
    /// Block device with atomic sectors (`btt`).
    Sector,
    /// Block device without either.
    Raw,
    /// Character device for DAX.
    Devdax,
    /// Given to the kernel as memory (`kmem`).
    SystemRam {
        /// The node it became.
        #[serde(skip_serializing_if = "Option::is_none")]
        node: Option<NodeId>,
    },
    /// A namespace that is not enabled.
    Disabled,
    /// Part of a region in no namespace.
    Unallocated,
}

/// A piece of persistent memory (NVDIMM) with a name of its own.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Persistent {
    /// Name in Linux ("pmem0", "dax0.0", "namespace1.0", "region0").
    pub name: String,
    /// How it is used.
    pub mode: PersistentMode,
    /// Bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub size: Option<u64>,
    /// NUMA node the region is nearest to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node: Option<NodeId>,
    /// Region it is part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// One kind of core (P-core, E-core, LITTLE, …), weakest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct CpuKind {
    /// Name where one is known ("P-core", "E-core", "Cortex-A710").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Facts that tell it from the others ("max_khz=5000000", "capacity=1024").
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub facts: BTreeMap<String, String>,
    /// Its CPUs.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub cpus: CpuSet,
}

/// CPUs, caches, nodes: everything the kernel (or CPUID) says of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct CpuTopology {
    /// Processor architecture where told ("x86_64", "ppc64", "aarch64", "s390x").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub architecture: Option<String>,
    /// Model name of the processors ("AMD EPYC 7452 32-Core Processor").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Codename of the processors ("Sapphire Rapids-SP"), where CPUID tells enough.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub codename: Option<String>,
    /// Processor vendor string ("GenuineIntel", "AuthenticAMD", "POWER7").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub vendor: Option<String>,
    /// x86 family, model, stepping as displayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family_model_stepping: Option<(u32, u32, u32)>,
    /// Platform flags of the processors as Intel's updates name them: one bit (`processor_flags` of
    /// the microcode loader).
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub platform_flags: Option<u32>,
    /// Hypervisor seen from inside ("KVM", "Xen"), where CPU flags or files tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<String>,
    /// Logical processors by ascending number, offline ones included.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<Cpu>,
    /// Packages (sockets).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub packages: Vec<Group>,
    /// Dies; empty where the kernel gives none or one per package.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub dies: Vec<Group>,
    /// Clusters; empty where the kernel gives none or they equal cores or packages.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub clusters: Vec<Group>,
    /// s390 books.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub books: Vec<Group>,
    /// s390 drawers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub drawers: Vec<Group>,
    /// Cores.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cores: Vec<Group>,
    /// Caches, by level, kind, first CPU.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub caches: Vec<Cache>,
    /// NUMA nodes by ascending number.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub nodes: Vec<Node>,
    /// The nodes are the proximity domains of the ACPI SRAT: their numbers are those that Linux would
    /// give them, and their memory is the size of the ranges, not what Linux has to use.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub nodes_by_firmware: bool,
    /// Persistent memory, by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub persistent: Vec<Persistent>,
    /// SLIT distances: row i is from `nodes[i]`, column j to `nodes[j]`; empty when not told.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub distances: Vec<Vec<u32>>,
    /// Kinds of core; empty when there is one.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub kinds: Vec<CpuKind>,
    /// Memory of the machine in bytes when no node tells (`/proc/meminfo`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}
