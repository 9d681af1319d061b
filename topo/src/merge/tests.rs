//! Tests: which packages, nodes and type 4 structures make a socket.

use super::sockets;
use crate::smbios::{Handle, Processor, Smbios};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Cpu, CpuTopology, Group, Node, NodeId};

/// Packages and nodes of two CPUs each.
fn cpu(packages: u32, nodes: u32) -> CpuTopology {
    let pair = |index: u32| [2 * index, 2 * index + 1].into_iter().collect::<CpuSet>();
    CpuTopology {
        cpus: (0..2 * packages.max(nodes))
            .map(|number| Cpu {
                number,
                online: true,
                allowed: true,
                ..Cpu::default()
            })
            .collect(),
        packages: (0..packages)
            .map(|index| Group {
                os_id: Some(index.into()),
                cpus: pair(index),
            })
            .collect(),
        nodes: (0..nodes)
            .map(|index| Node {
                number: NodeId(index),
                cpus: pair(index),
                ..Node::default()
            })
            .collect(),
        ..CpuTopology::default()
    }
}

/// Type 4 structures, populated or not.
fn firmware(populated: &[bool]) -> Smbios {
    let processors = (0x400..).zip(populated).map(|(handle, populated)| Processor {
        handle: Handle(handle),
        socket: Some(format!("CPU{}", handle - 0x3ff)),
        populated: Some(*populated),
        ..Processor::default()
    });
    Smbios {
        processors: processors.collect(),
        ..Smbios::default()
    }
}

fn told(cpu: &CpuTopology, smbios: &Smbios) -> Vec<(String, String, bool)> {
    sockets(cpu, smbios)
        .into_iter()
        .map(|socket| (socket.label, socket.cpus.to_string(), socket.pairing_assumed))
        .collect()
}

fn row(label: &str, cpus: &str, assumed: bool) -> (String, String, bool) {
    (label.to_owned(), cpus.to_owned(), assumed)
}

#[test]
fn packages_and_populated_sockets_pair_in_order() {
    let expected = [
        row("CPU1", "0-1", true),
        row("CPU2", "", false),
        row("CPU3", "2-3", true),
    ];
    assert_eq!(told(&cpu(2, 0), &firmware(&[true, false, true])), expected);
}

#[test]
fn packages_stand_alone_when_the_firmware_counts_otherwise() {
    let expected = [row("Socket 0", "0-1", false), row("Socket 1", "2-3", false)];
    assert_eq!(
        told(&cpu(2, 0), &firmware(&[true])),
        expected,
        "more packages than type 4"
    );
    assert_eq!(
        told(&cpu(2, 0), &firmware(&[true, true, true])),
        expected,
        "fewer packages than type 4"
    );
    assert_eq!(told(&cpu(2, 0), &firmware(&[])), expected, "no type 4");
}

#[test]
fn nodes_stand_for_packages_only_when_there_are_as_many() {
    let expected = [row("CPU1", "0-1", true), row("CPU2", "2-3", true)];
    assert_eq!(told(&cpu(0, 2), &firmware(&[true, true])), expected);
    let expected = [row("CPU1", "", false), row("CPU2", "", false)];
    assert_eq!(told(&cpu(0, 4), &firmware(&[true, true])), expected);
}

#[test]
fn one_populated_socket_has_all_cpus_when_nobody_tells_of_packages() {
    assert_eq!(
        told(&cpu(0, 2), &firmware(&[true, false]))[0],
        row("CPU1", "0-3", false)
    );
    assert_eq!(told(&cpu(0, 2), &firmware(&[])), [row("CPUs", "0-3", false)]);
}
