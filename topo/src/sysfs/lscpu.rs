//! The text of `lscpu` (util-linux), for machines of which nothing else was kept.
//!
//! It counts cores and sockets without saying which CPU is in which; only what it does say is
//! taken: CPUs, model, NUMA nodes, and the one package of a machine that has one.

use super::CpuSet;
use super::topology::{Cpu, CpuTopology, Group, Node, NodeId};

/// Decodes the text; `None` when it names no CPU.
///
/// ```
/// let text = "CPU(s): 4\nOn-line CPU(s) list: 0-3\nSocket(s): 1\nNUMA node0 CPU(s): 0-3\n";
/// let topology = topo::sysfs::lscpu::parse(text).unwrap();
/// assert_eq!(topology.packages[0].cpus.to_string(), "0-3");
/// ```
#[must_use]
pub fn parse(text: &str) -> Option<CpuTopology> {
    let value = |key: &str| {
        text.lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(seen, _)| seen.trim() == key)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty() && *value != "-")
    };
    let owned = |key: &str| value(key).map(str::to_owned);
    let number = |key: &str| value(key).and_then(|text| text.parse::<u32>().ok());
    let online = cpus(value("On-line CPU(s) list"), number("CPU(s)"))?;
    let offline = value("Off-line CPU(s) list")
        .and_then(CpuSet::parse_list)
        .unwrap_or_default();
    let family = number("CPU family").zip(number("Model")).zip(number("Stepping"));
    Some(CpuTopology {
        architecture: owned("Architecture"),
        model: owned("Model name"),
        vendor: owned("Vendor ID"),
        family_model_stepping: family.map(|((family, model), stepping)| (family, model, stepping)),
        hypervisor: owned("Hypervisor vendor"),
        packages: one_package(number("Socket(s)"), &online),
        nodes: nodes(text),
        cpus: online
            .union(&offline)
            .iter()
            .map(|cpu| logical(cpu, online.contains(cpu)))
            .collect(),
        ..CpuTopology::default()
    })
}

/// CPUs of the list, or the first `count` when there is no list.
fn cpus(list: Option<&str>, count: Option<u32>) -> Option<CpuSet> {
    let set = match list {
        Some(list) => CpuSet::parse_list(list)?,
        None => (0..count.filter(|count| *count <= CpuSet::LIMIT)?).collect(),
    };
    Some(set).filter(|set| !set.is_empty())
}

fn logical(number: u32, online: bool) -> Cpu {
    Cpu {
        number,
        online,
        allowed: true,
        ..Cpu::default()
    }
}

fn one_package(sockets: Option<u32>, online: &CpuSet) -> Vec<Group> {
    if sockets != Some(1) {
        return Vec::new();
    }
    vec![Group {
        os_id: None,
        cpus: online.clone(),
    }]
}

/// `NUMA node1 CPU(s):  8-15`.
fn nodes(text: &str) -> Vec<Node> {
    let mut nodes: Vec<Node> = text.lines().filter_map(node).collect();
    nodes.sort_by_key(|node| node.number);
    nodes.dedup_by_key(|node| node.number);
    nodes
}

fn node(line: &str) -> Option<Node> {
    let (key, list) = line.split_once(':')?;
    let number = key.trim().strip_prefix("NUMA node")?.strip_suffix(" CPU(s)")?;
    Some(Node {
        number: NodeId(number.parse().ok()?),
        cpus: CpuSet::parse_list(list)?,
        ..Node::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nodes_and_offline_cpus_are_taken_and_sockets_are_not_guessed() {
        let topology = parse(
            "Architecture:        x86_64\nCPU(s):              8\nOn-line CPU(s) list: 0-6\n\
             Off-line CPU(s) list: 7\nSocket(s): 2\nCPU family: 21\nModel: 2\nStepping: 0\n\
             NUMA node0 CPU(s):   0-3\nNUMA node1 CPU(s):   4-6\nNUMA node2 CPU(s):\n",
        )
        .unwrap();
        assert_eq!(topology.cpus.len(), 8);
        assert!(!topology.cpus[7].online);
        assert!(topology.packages.is_empty());
        assert_eq!(topology.nodes[1].cpus.to_string(), "4-6");
        assert!(topology.nodes[2].cpus.is_empty());
        assert_eq!(topology.family_model_stepping, Some((21, 2, 0)));
    }

    #[test]
    fn absurd_counts_name_no_cpu() {
        for bad in ["", "CPU(s): 4000000000", "CPU(s): 0", "On-line CPU(s) list: 0-99999999"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
