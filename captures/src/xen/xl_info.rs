//! What `xl info -n` prints, made of hypercalls: the same lines in the same order, PCI functions sorted.
//!
//! ```text
//! nr_cpus                : 2
//! cpu_topology           :
//! cpu:    core    socket     node
//!   0:       0        0        0
//! device topology        :
//! device           node
//! 0000:00:00.0      0
//! numa_info              :
//! node:    memsize    memfree    distances
//!    0:      2048       1024      10,20
//! ```

use std::fmt::Write;

use rustix::io::Errno;

use super::call::Hypercalls;
use super::sysctl::{Device, Node, Physinfo, Place, Sysctl};
use super::version;

/// Schedulers by number (domctl.h).
const SCHEDULERS: [(u32, &str); 6] = [
    (4, "sedf"),
    (5, "credit"),
    (6, "credit2"),
    (7, "arinc653"),
    (8, "rtds"),
    (9, "null"),
];

const HVM: u32 = 1;
const PV: u32 = 1 << 1;
const DIRECTIO: u32 = 1 << 2;

/// Bits of `XEN_SYSCTL_PHYSCAP_*` that must all be set, in the order of the text.
const CAPABILITIES: [(u32, &str); 11] = [
    (PV, "pv"),
    (HVM, "hvm"),
    (HVM | DIRECTIO, "hvm_directio"),
    (PV | DIRECTIO, "pv_directio"),
    (1 << 3, "hap"),
    (1 << 4, "shadow"),
    (1 << 5, "iommu_hap_pt_share"),
    (1 << 6, "vmtrace"),
    (1 << 7, "vpmu"),
    (1 << 8, "gnttab-v1"),
    (1 << 9, "gnttab-v2"),
];

/// What the text takes from dom0 itself.
pub(super) struct Dom0 {
    /// Host name, release, version and machine of its kernel.
    pub(super) kernel: [String; 4],
    /// Its PCI functions.
    pub(super) devices: Vec<Device>,
}

/// The text.
pub(super) fn text(xen: &dyn Hypercalls, sysctl: &Sysctl<'_>, dom0: &Dom0) -> Result<String, Errno> {
    let mut text = String::new();
    for (name, value) in ["host", "release", "version", "machine"].iter().zip(&dom0.kernel) {
        line(&mut text, name, value);
    }
    let cpus = sysctl.cpus()?;
    physinfo(&mut text, xen, sysctl, cpus.len())?;
    cpu_table(&mut text, &cpus);
    device_table(&mut text, sysctl, &dom0.devices)?;
    node_table(&mut text, &sysctl.nodes()?);
    of_xen(&mut text, xen, sysctl)?;
    line(&mut text, "xend_config_format", 4);
    Ok(text)
}

fn line(text: &mut String, name: &str, value: impl std::fmt::Display) {
    let _ = writeln!(text, "{name:<23}: {value}");
}

fn physinfo(text: &mut String, xen: &dyn Hypercalls, sysctl: &Sysctl<'_>, cpus: usize) -> Result<(), Errno> {
    let info = sysctl.physinfo()?;
    for (name, value) in [
        ("nr_cpus", info.nr_cpus),
        ("max_cpu_id", info.max_cpu_id),
        ("nr_nodes", info.nr_nodes),
        ("cores_per_socket", info.cores_per_socket),
        ("threads_per_core", info.threads_per_core),
    ] {
        line(text, name, value);
    }
    let (mhz, khz) = (info.cpu_khz / 1000, info.cpu_khz % 1000);
    line(text, "cpu_mhz", format_args!("{mhz}.{khz:03}"));
    line(text, "hw_caps", info.hw_cap.map(|word| format!("{word:08x}")).join(":"));
    let _ = writeln!(text, "{:<23}:{}", "virt_caps", capabilities(&info));
    memory(text, xen, &info);
    let cpus = u32::try_from(cpus).unwrap_or(0);
    if let Ok(free) = sysctl.free_cpus(cpus) {
        line(text, "free_cpus", free);
    }
    Ok(())
}

fn capabilities(info: &Physinfo) -> String {
    let has = |bits: u32| info.capabilities & bits == bits;
    let named = CAPABILITIES.iter().filter(|(bits, _)| has(*bits));
    named.map(|(_, name)| format!(" {name}")).collect()
}

/// In MiB.
fn memory(text: &mut String, xen: &dyn Hypercalls, info: &Physinfo) {
    let Some(pages) = version::page_size(xen)
        .ok()
        .and_then(|size| (1_u32 << 20).checked_div(size))
    else {
        return;
    };
    let pages = u64::from(pages.max(1));
    let (freed, used) = version::sharing(xen);
    for (name, count) in [
        ("total_memory", info.total_pages),
        ("free_memory", info.free_pages.saturating_sub(info.outstanding_pages)),
        ("sharing_freed_memory", u64::from(freed)),
        ("sharing_used_memory", u64::from(used)),
        ("outstanding_claims", info.outstanding_pages),
    ] {
        line(text, name, count / pages);
    }
}

fn cpu_table(text: &mut String, cpus: &[Option<Place>]) {
    let _ = writeln!(text, "{:<23}:\ncpu:    core    socket     node", "cpu_topology");
    for (number, place) in cpus.iter().enumerate() {
        if let Some(Place { core, socket, node }) = place {
            let (core, socket, node) = (signed(*core), signed(*socket), signed(*node));
            let _ = writeln!(text, "{number:3}:    {core:4}     {socket:4}     {node:4}");
        }
    }
}

/// As `%d` prints what is no number of a thing: -1.
fn signed(number: u32) -> i32 {
    number.cast_signed()
}

fn device_table(text: &mut String, sysctl: &Sysctl<'_>, devices: &[Device]) -> Result<(), Errno> {
    // A dom0 without PCI, or a Xen without ACPI, has no such table.
    let nodes = match sysctl.devices(devices) {
        Ok(nodes) => nodes,
        Err(Errno::NOSYS | Errno::OPNOTSUPP) => return Ok(()),
        Err(error) => return Err(error),
    };
    let _ = writeln!(text, "{:<23}:\ndevice           node", "device topology");
    let mut known = devices
        .iter()
        .zip(nodes)
        .filter_map(|(device, node)| Some((device, node?)))
        .peekable();
    if known.peek().is_none() {
        text.push_str("No device topology data available\n");
    }
    for (Device { segment, bus, devfn }, node) in known {
        let (device, function) = (devfn >> 3, devfn & 7);
        let _ = writeln!(text, "{segment:04x}:{bus:02x}:{device:02x}.{function:x}      {node}");
    }
    Ok(())
}

/// In MiB.
fn node_table(text: &mut String, nodes: &[Option<Node>]) {
    let _ = writeln!(text, "{:<23}:\nnode:    memsize    memfree    distances", "numa_info");
    for (number, node) in nodes.iter().enumerate() {
        if let Some(Node { size, free, distances }) = node {
            let distances: Vec<String> = distances.iter().map(|distance| signed(*distance).to_string()).collect();
            let (size, free) = (size >> 20, free >> 20);
            let _ = writeln!(
                text,
                "{number:4}:    {size:6}     {free:6}      {}",
                distances.join(",")
            );
        }
    }
}

fn of_xen(text: &mut String, xen: &dyn Hypercalls, sysctl: &Sysctl<'_>) -> Result<(), Errno> {
    let (major, minor) = version::version(xen)?;
    let extra = version::EXTRAVERSION.read(xen);
    let scheduler = sysctl.scheduler()?;
    let scheduler = SCHEDULERS.iter().find(|(number, _)| *number == scheduler);
    line(text, "xen_major", major);
    line(text, "xen_minor", minor);
    line(text, "xen_extra", &extra);
    line(text, "xen_version", format_args!("{major}.{minor}{extra}"));
    line(text, "xen_caps", version::CAPABILITIES.read(xen));
    line(text, "xen_scheduler", scheduler.map_or("unknown", |(_, name)| name));
    line(text, "xen_pagesize", version::page_size(xen)?);
    let start = version::virt_start(xen);
    line(text, "platform_params", format_args!("virt_start={start:#x}"));
    line(text, "xen_changeset", version::CHANGESET.read(xen));
    line(text, "xen_commandline", version::COMMANDLINE.read(xen));
    let [compiler, by, domain, date] = version::compile_info(xen);
    line(text, "cc_compiler", compiler);
    line(text, "cc_compile_by", by);
    line(text, "cc_compile_domain", domain);
    line(text, "cc_compile_date", date);
    line(text, "build_id", version::build_id(xen));
    Ok(())
}
