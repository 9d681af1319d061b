//! What the Linux kernel says of CPUs, caches, NUMA nodes and PCI functions in `/sys` and `/proc`.
//!
//! The readers here walk a [`captures::Source`]; the small text grammars they meet
//! (CPU lists and masks, sizes) are pure functions. Follows the kernel's
//! `Documentation/ABI` and `admin-guide/cputopology.rst`.

pub mod allowed;
pub mod arm;
pub mod cache;
pub mod cpu;
pub mod cpuset;
pub mod dmi;
pub mod hypervisor;
pub mod kind;
pub mod lscpu;
pub mod lscpu_table;
pub mod nd;
pub mod node;
pub mod os_names;
pub mod pci;
pub mod proc;
pub mod reader;
pub mod topology;

pub use cpuset::CpuSet;
pub use dmi::read_dmi_id;
pub use pci::read_functions;
pub use topology::CpuTopology;

use captures::{DocumentKind, Source};

use crate::evidence::Decoded;
use reader::Reader;

/// Reads CPUs, caches and NUMA nodes from `/sys` and `/proc`, else from a `/proc/cpuinfo` or
/// `lscpu` text; empty when the source has none of them.
#[must_use]
pub fn read(source: &Source) -> Decoded<CpuTopology> {
    let mut reader = Reader::new(source);
    let mut topology = CpuTopology::default();
    let info = proc::read(&reader);
    let (online, grouped) = cpu::read(&mut reader, &info, &mut topology);
    if topology.cpus.is_empty()
        && let Some(told) = from_lscpu(source)
    {
        return Decoded::intact(told);
    }
    // Most files are those of the caches: other threads begin with them.
    let ahead = cache::ahead(source, &online, || {
        if grouped == cpu::Grouped::ByFiles {
            cpu::read_groups(&mut reader, &info, &mut topology, &online);
        }
    });
    topology.caches = cache::read(&mut reader, &online, ahead);
    node::read(&mut reader, &online, &mut topology);
    topology.persistent = nd::read(&mut reader);
    kind::read(&mut reader, &info, &mut topology);
    mark_allowed(source, &mut topology);
    if !topology.nodes.iter().any(|node| node.memory.is_some()) {
        topology.memory = node::read_memory(&mut reader, "/proc/meminfo", "MemTotal:");
    }
    fill_microcode(&mut reader, &mut topology);
    topology.architecture = architecture(&reader, &info);
    topology.hypervisor = hypervisor::read(&reader, &info);
    topology.family_model_stepping = info.family_model_stepping().filter(|_| is_x86(&topology));
    topology.model = info.model;
    topology.vendor = info.vendor;
    Decoded {
        value: topology,
        damage: reader.damage,
    }
}

/// What the plain text (or its JSON) and a table of `lscpu` tell together.
fn from_lscpu(source: &Source) -> Option<CpuTopology> {
    let text = |document: &captures::Document| String::from_utf8_lossy(&document.bytes).into_owned();
    let json = || {
        source
            .documents(DocumentKind::LscpuJson)
            .find_map(|it| lscpu_table::text_of_json(&text(it)))
    };
    let plain = source.documents(DocumentKind::Lscpu).next().map(text).or_else(json);
    let told = plain.as_deref().and_then(lscpu::parse);
    let table = source
        .documents(DocumentKind::LscpuTable)
        .find_map(|it| lscpu_table::parse(&text(it)));
    let Some(mut table) = table else { return told };
    lscpu_table::fill_sizes(&mut table.caches, plain.as_deref().unwrap_or_default());
    let told = told.unwrap_or_default();
    Some(CpuTopology {
        architecture: told.architecture,
        model: told.model,
        vendor: told.vendor,
        family_model_stepping: told.family_model_stepping,
        hypervisor: told.hypervisor,
        nodes: if table.nodes.is_empty() {
            told.nodes
        } else {
            table.nodes
        },
        ..table
    })
}

fn is_x86(topology: &CpuTopology) -> bool {
    matches!(
        topology.architecture.as_deref(),
        None | Some("x86_64" | "i686" | "i586" | "i386")
    )
}

fn mark_allowed(source: &Source, topology: &mut CpuTopology) {
    if let Some(cpus) = allowed::read(source).cpus {
        for cpu in &mut topology.cpus {
            cpu.allowed = cpus.contains(cpu.number);
        }
    }
}

/// What the microcode loader says: the platform flags, and the revision where `/proc/cpuinfo` has none.
fn fill_microcode(reader: &mut Reader<'_>, topology: &mut CpuTopology) {
    let first = topology.cpus.iter().find(|cpu| cpu.online).map_or(0, |cpu| cpu.number);
    let flags = reader.hex(&format!("{}/cpu{first}/microcode/processor_flags", cpu::ROOT));
    topology.platform_flags = flags.and_then(|flags| u32::try_from(flags).ok());
    if topology.cpus.iter().any(|cpu| cpu.microcode.is_some()) {
        return;
    }
    for cpu in topology.cpus.iter_mut().filter(|cpu| cpu.online) {
        let path = format!("{}/cpu{}/microcode/version", cpu::ROOT, cpu.number);
        let Some(revision) = reader.hex(&path) else { return };
        cpu.microcode = u32::try_from(revision).ok();
    }
}

/// Architecture as the kernel names it (Linux 6.1 and later), as the capture's maker wrote it down,
/// or as `/proc/cpuinfo` lets one see.
fn architecture(reader: &Reader<'_>, info: &proc::CpuInfo) -> Option<String> {
    let written = || {
        let text = reader.text("/proc/hwloc-nofile-info")?;
        let line = text.lines().find_map(|line| line.strip_prefix("Architecture:"))?;
        Some(line.trim().to_owned())
    };
    reader
        .some_text("/proc/sys/kernel/arch")
        .or_else(written)
        .or_else(|| info.architecture.map(str::to_owned))
}
