//! CPUs, what groups them, what they share, and where memory is: the result of the sysfs readers
//! and of CPUID dumps, in one shape.

use std::collections::BTreeMap;

use serde::Serialize;

use super::CpuSet;

/// Number of a NUMA node in Linux.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct NodeId(pub u32);

/// One logical processor (PU).
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cpu {
    /// Linux CPU number.
    pub number: u32,
    /// Online; an offline CPU has no topology.
    pub online: bool,
    /// Allowed by the captured process's cpuset; `true` where nothing restricts.
    pub allowed: bool,
    /// `core_id` as the kernel gives it: unique only in its package or die.
    pub core_id: Option<i64>,
    /// `physical_package_id` as the kernel gives it; -1 is kept.
    pub package_id: Option<i64>,
    /// (x)APIC id, where `/proc/cpuinfo` or CPUID gives it.
    pub apic_id: Option<u32>,
    /// Index into [`CpuTopology::kinds`].
    pub kind: Option<usize>,
    /// Highest frequency in kHz (`cpuinfo_max_freq`).
    pub max_khz: Option<u64>,
    /// Base frequency in kHz (`base_frequency`).
    pub base_khz: Option<u64>,
    /// Microcode revision.
    pub microcode: Option<u32>,
}

/// A set of CPUs with a number: package, die, cluster, core, book, drawer.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Group {
    /// Number the kernel or CPUID gives; not unique over the machine for dies and cores.
    pub os_id: Option<i64>,
    /// Its CPUs.
    pub cpus: CpuSet,
}

/// Data, instruction or unified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
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
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Cache {
    /// Level, from 1.
    pub level: u8,
    /// Kind.
    pub kind: CacheKind,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Line size in bytes.
    pub line: Option<u32>,
    /// Ways of associativity; 0 is unknown, `u32::MAX` fully associative.
    pub ways: Option<u32>,
    /// CPUs that share it.
    pub cpus: CpuSet,
}

/// A memory-side cache in front of a node (`memory_side_cache/indexN`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemorySideCache {
    /// Level, from 1.
    pub level: u8,
    /// Size in bytes.
    pub size: Option<u64>,
    /// Line size in bytes.
    pub line: Option<u32>,
}

/// What a node's memory is, as far as the kernel's files tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
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
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct MemoryAccess {
    /// Read bandwidth in MB/s.
    pub read_bandwidth: Option<u64>,
    /// Write bandwidth in MB/s.
    pub write_bandwidth: Option<u64>,
    /// Read latency in nanoseconds.
    pub read_latency: Option<u64>,
    /// Write latency in nanoseconds.
    pub write_latency: Option<u64>,
    /// Initiator nodes.
    pub initiators: Vec<NodeId>,
}

/// One NUMA node.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Node {
    /// Linux number.
    pub number: NodeId,
    /// Its CPUs; empty for a CPU-less node.
    pub cpus: CpuSet,
    /// CPUs it is local to when it has none of its own (from initiators or distances).
    pub local_cpus: CpuSet,
    /// `MemTotal` in bytes; `None` when not told, 0 for a memory-less node.
    pub memory: Option<u64>,
    /// Kind of memory.
    pub kind: MemoryKind,
    /// Memory-side caches, nearest the memory first.
    pub side_caches: Vec<MemorySideCache>,
    /// HMAT performance from the best initiators.
    pub access: Option<MemoryAccess>,
}

/// One kind of core (P-core, E-core, LITTLE, …), weakest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CpuKind {
    /// Name where one is known ("P-core", "E-core", "Cortex-A710").
    pub name: Option<String>,
    /// Facts that tell it from the others ("max_khz=5000000", "capacity=1024").
    pub facts: BTreeMap<String, String>,
    /// Its CPUs.
    pub cpus: CpuSet,
}

/// CPUs, caches, nodes: everything the kernel (or CPUID) says of them.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct CpuTopology {
    /// Processor architecture where told ("x86_64", "ppc64", "aarch64", "s390x").
    pub architecture: Option<String>,
    /// Model name of the processors ("AMD EPYC 7452 32-Core Processor").
    pub model: Option<String>,
    /// Processor vendor string ("GenuineIntel", "AuthenticAMD", "POWER7").
    pub vendor: Option<String>,
    /// x86 family, model, stepping as displayed.
    pub family_model_stepping: Option<(u32, u32, u32)>,
    /// Hypervisor seen from inside ("KVM", "Xen"), where CPU flags or files tell.
    pub hypervisor: Option<String>,
    /// Logical processors by ascending number, offline ones included.
    pub cpus: Vec<Cpu>,
    /// Packages (sockets).
    pub packages: Vec<Group>,
    /// Dies; empty where the kernel gives none or one per package.
    pub dies: Vec<Group>,
    /// Clusters; empty where the kernel gives none or they equal cores or packages.
    pub clusters: Vec<Group>,
    /// s390 books.
    pub books: Vec<Group>,
    /// s390 drawers.
    pub drawers: Vec<Group>,
    /// Cores.
    pub cores: Vec<Group>,
    /// Caches, by level, kind, first CPU.
    pub caches: Vec<Cache>,
    /// NUMA nodes by ascending number.
    pub nodes: Vec<Node>,
    /// SLIT distances: row i is from `nodes[i]`, column j to `nodes[j]`; empty when not told.
    pub distances: Vec<Vec<u32>>,
    /// Kinds of core; empty when there is one.
    pub kinds: Vec<CpuKind>,
    /// Memory of the machine in bytes when no node tells (`/proc/meminfo`).
    pub memory: Option<u64>,
}
