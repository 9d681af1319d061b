//! `xl info`, with the tables of `-n` or without.
//!
//! Lines `name : value`; then, with `-n`, the tables `cpu_topology` (a row for each present CPU),
//! `device topology` (a row for each PCI function whose node is known) and `numa_info` (a row for each
//! online node; `memsize` reaches from its first page to its last, holes included, and the distances
//! are those to the nodes 0, 1, 2, …, offline ones too). Sizes are in MiB. A place that is not known
//! is no number, or -1. As of Xen 4.20 (`tools/xl/xl_info.c`, `XEN_SYSCTL_cputopoinfo`,
//! `XEN_SYSCTL_numainfo`).

use std::collections::BTreeSet;

use crate::evidence::{Damage, Decoded, Place};
use crate::pci::function::Bdf;

/// As many CPUs as a Xen can be built for.
const MOST_CPUS: u32 = 16_384;
/// More nodes than a Xen can be built for.
const MOST_NODES: u32 = 1024;
/// Broken lines that are told one by one.
const MOST_DAMAGE: usize = 64;

/// What the text says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct XlInfo {
    /// Host name of dom0.
    pub host: Option<String>,
    /// Architecture, as `uname` in dom0 says it.
    pub architecture: Option<String>,
    /// Version of Xen ("4.20.3").
    pub version: Option<String>,
    /// Xen's command line.
    pub command_line: Option<String>,
    /// CPUs that are online.
    pub online_cpus: Option<u32>,
    /// Highest CPU number there could be.
    pub max_cpu_id: Option<u32>,
    /// CPUs in no CPU pool.
    pub free_cpus: Option<u32>,
    /// Nodes.
    pub nodes: Option<u32>,
    /// Online cores in the socket of CPU 0.
    pub cores_per_socket: Option<u32>,
    /// Online threads of the core of CPU 0.
    pub threads_per_core: Option<u32>,
    /// Frequency of the time stamp counter in kHz.
    pub cpu_khz: Option<u64>,
    /// Memory in bytes.
    pub total_memory: Option<u64>,
    /// Memory of no domain in bytes.
    pub free_memory: Option<u64>,
    /// `virt_caps`.
    pub capabilities: Vec<String>,
    /// Rows of `cpu_topology`, by ascending number.
    pub cpus: Vec<CpuPlace>,
    /// Rows of `device topology`.
    pub devices: Vec<(Bdf, u32)>,
    /// Rows of `numa_info`, by ascending number.
    pub numa: Vec<NodeMemory>,
}

/// Where a CPU is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuPlace {
    /// Xen's number.
    pub cpu: u32,
    /// Core, unique in its socket.
    pub core: Option<u32>,
    /// Socket.
    pub socket: Option<u32>,
    /// Node.
    pub node: Option<u32>,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeMemory {
    /// Xen's number.
    pub node: u32,
    /// Bytes from its first page to its last.
    pub size: Option<u64>,
    /// Free bytes.
    pub free: Option<u64>,
    /// Distances to the nodes 0, 1, 2, ….
    pub distances: Vec<Option<u32>>,
}

impl XlInfo {
    /// Whether it says anything of CPUs.
    #[must_use]
    pub fn tells_cpus(&self) -> bool {
        !self.cpus.is_empty() || self.online_cpus.is_some_and(|count| count > 0)
    }
}

/// The table a row belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Table {
    Cpus,
    Devices,
    Nodes,
}

struct Reader {
    out: XlInfo,
    damage: Vec<Damage>,
    table: Option<Table>,
    cpus: BTreeSet<u32>,
    nodes: BTreeSet<u32>,
    major: Option<String>,
    minor: Option<String>,
    extra: Option<String>,
    /// A line that only this text has was met.
    met: bool,
}

/// Reads the text.
#[must_use]
pub fn parse(text: &str) -> Decoded<XlInfo> {
    let mut reader = Reader {
        out: XlInfo::default(),
        damage: Vec::new(),
        table: None,
        cpus: BTreeSet::new(),
        nodes: BTreeSet::new(),
        major: None,
        minor: None,
        extra: None,
        met: false,
    };
    for (line, number) in text.lines().zip(1_u64..) {
        reader.line(line, number);
    }
    reader.finish()
}

impl Reader {
    fn broken(&mut self, what: &str, line: u64, expected: &str, seen: &str) {
        if self.damage.len() < MOST_DAMAGE {
            self.damage.push(Damage {
                what: what.to_owned(),
                place: Place::Line(line),
                expected: expected.to_owned(),
                seen: seen.trim().chars().take(120).collect(),
            });
        }
    }

    fn line(&mut self, line: &str, number: u64) {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let (name, value) = (name.trim(), value.trim());
        let table = match name {
            "cpu_topology" => Some(Table::Cpus),
            "device topology" => Some(Table::Devices),
            "numa_info" => Some(Table::Nodes),
            _ => None,
        };
        if table.is_some() {
            self.table = table;
            self.met = true;
        } else if name.is_empty() && value.is_empty() {
            // an empty line
        } else if self.table.is_none() || !self.row(line, name, value, number) {
            self.table = None;
            self.value(name, value, number);
        }
    }

    /// A line of a table; false when it is the first line after the table.
    fn row(&mut self, line: &str, name: &str, value: &str, number: u64) -> bool {
        let word = name.starts_with(|c: char| c.is_ascii_lowercase());
        match self.table {
            Some(Table::Cpus) if name == "cpu" => {}
            Some(Table::Nodes) if name == "node" => {}
            Some(Table::Devices) if name.starts_with("device ") || name.starts_with("No device") => {}
            Some(Table::Devices) => match device(line) {
                Some((bdf, Some(node))) => self.out.devices.push((bdf, node)),
                Some((_, None)) => {}
                None if word => return false,
                None => self.broken("row of device topology", number, "a row `device node`", line),
            },
            _ if word => return false,
            Some(Table::Cpus) => self.cpu(name, value, number, line),
            Some(Table::Nodes) => self.node(name, value, number, line),
            None => return false,
        }
        true
    }

    fn cpu(&mut self, name: &str, value: &str, line: u64, whole: &str) {
        let mut places = value.split_whitespace();
        let row = (name.parse::<u32>().ok()).filter(|cpu| *cpu < MOST_CPUS);
        let (Some(cpu), [Some(core), Some(socket), Some(node)]) = (row, [(); 3].map(|()| places.next())) else {
            let expected = "a row `cpu: core socket node`";
            self.broken("row of cpu_topology", line, expected, whole);
            return;
        };
        if !self.cpus.insert(cpu) {
            let expected = "each CPU once";
            self.broken("row of cpu_topology", line, expected, whole);
            return;
        }
        self.out.cpus.push(CpuPlace {
            cpu,
            core: core.parse().ok(),
            socket: socket.parse().ok(),
            node: node.parse().ok().filter(|node| *node < MOST_NODES),
        });
    }

    fn node(&mut self, name: &str, value: &str, line: u64, whole: &str) {
        let mut fields = value.split_whitespace();
        let node = name.parse::<u32>().ok().filter(|node| *node < MOST_NODES);
        let (Some(node), [Some(size), Some(free)]) = (node, [(); 2].map(|()| fields.next())) else {
            let expected = "a row `node: memsize memfree distances`";
            self.broken("row of numa_info", line, expected, whole);
            return;
        };
        if !self.nodes.insert(node) {
            self.broken("row of numa_info", line, "each node once", whole);
            return;
        }
        let most = usize::try_from(MOST_NODES).unwrap_or(usize::MAX);
        let distances = fields.next().unwrap_or_default().split(',').take(most);
        self.out.numa.push(NodeMemory {
            node,
            size: mebibytes(size),
            free: mebibytes(free),
            distances: distances.map(|distance| distance.parse().ok()).collect(),
        });
    }

    fn value(&mut self, name: &str, value: &str, line: u64) {
        let text = || (!value.is_empty()).then(|| value.to_owned());
        let out = &mut self.out;
        match name {
            "host" => out.host = text(),
            "machine" => out.architecture = text(),
            "virt_caps" => out.capabilities = value.split_whitespace().map(str::to_owned).collect(),
            "xen_version" => out.version = text(),
            "xen_major" => self.major = text(),
            "xen_minor" => self.minor = text(),
            "xen_extra" => self.extra = text(),
            "xen_commandline" => out.command_line = text(),
            _ => self.number(name, value, line),
        }
    }

    fn number(&mut self, name: &str, value: &str, line: u64) {
        let out = &mut self.out;
        let count = value.parse::<u32>().ok();
        let read = match name {
            "nr_cpus" => into(&mut out.online_cpus, count),
            "max_cpu_id" => into(&mut out.max_cpu_id, count),
            "free_cpus" => into(&mut out.free_cpus, count),
            "nr_nodes" => into(&mut out.nodes, count),
            "cores_per_socket" => into(&mut out.cores_per_socket, count),
            "threads_per_core" => into(&mut out.threads_per_core, count),
            "cpu_mhz" => into(&mut out.cpu_khz, kilohertz(value)),
            "total_memory" => into(&mut out.total_memory, mebibytes(value)),
            "free_memory" => into(&mut out.free_memory, mebibytes(value)),
            _ => return,
        };
        self.met = true;
        if !read {
            self.broken(&format!("{name} of xl info"), line, "a number", value);
        }
    }

    fn finish(mut self) -> Decoded<XlInfo> {
        if !self.met {
            self.damage.push(Damage {
                what: "xl info text".to_owned(),
                place: Place::Whole,
                expected: "lines of xl info (nr_cpus, total_memory)".to_owned(),
                seen: "none".to_owned(),
            });
        }
        let extra = self.extra.unwrap_or_default();
        let joined = self.major.zip(self.minor);
        let joined = joined.map(|(major, minor)| format!("{major}.{minor}{extra}"));
        let mut out = self.out;
        out.version = out.version.or(joined);
        out.cpus.sort_by_key(|row| row.cpu);
        out.numa.sort_by_key(|row| row.node);
        Decoded {
            value: out,
            damage: self.damage,
        }
    }
}

/// Whether there is a value; it is then kept.
fn into<T>(place: &mut Option<T>, value: Option<T>) -> bool {
    let told = value.is_some();
    if told {
        *place = value;
    }
    told
}

/// A row of `device topology`.
fn device(line: &str) -> Option<(Bdf, Option<u32>)> {
    let mut words = line.split_whitespace();
    let (bdf, node) = (words.next()?.parse().ok()?, words.next()?);
    let node = node.parse().ok().filter(|node| *node < MOST_NODES);
    words.next().is_none().then_some((bdf, node))
}

fn mebibytes(text: &str) -> Option<u64> {
    text.parse::<u64>().ok()?.checked_mul(1 << 20)
}

/// MHz with three digits behind the point.
fn kilohertz(text: &str) -> Option<u64> {
    let (whole, part) = text.split_once('.').unwrap_or((text, "0"));
    let part = part.parse::<u64>().ok().filter(|part| *part < 1000)?;
    whole.parse::<u64>().ok()?.checked_mul(1000)?.checked_add(part)
}

#[cfg(test)]
mod tests;
