//! Tests: CPUs, nodes and distances from small tables made here.

use std::sync::Arc;

use acpi_dump::Table;
use captures::{LayerId, Origin};
use cpuid_db::leaf::{Leaf, Registers, Subleaf};
use cpuid_db::{CpuLeaves, LeafSet};

use super::Told;
use crate::acpi::{Acpi, Tables};
use crate::merge::{Origins, firmware};
use crate::sysfs::CpuSet;
use crate::sysfs::hypervisor::UNNAMED;
use crate::sysfs::topology::{Cpu, CpuTopology, Node, NodeId};

fn origin() -> Origin {
    Origin {
        layer: LayerId(0),
        label: Arc::from("test"),
        path: Arc::from(""),
    }
}

fn table(signature: &[u8; 4], revision: u8, body: &[u8]) -> (Origin, Table) {
    let mut bytes = signature.to_vec();
    bytes.extend(u32::try_from(36 + body.len()).unwrap().to_le_bytes());
    bytes.extend([revision, 0]);
    bytes.extend([0; 26]);
    bytes.extend(body);
    let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
    bytes[9] = sum.wrapping_neg();
    (origin(), Table::parse(&bytes).unwrap())
}

/// A MADT: local APIC entries (APIC id, enabled).
fn madt(cpus: &[(u8, bool)]) -> (Origin, Table) {
    let mut body = vec![0; 8];
    for (id, enabled) in cpus {
        body.extend([0, 8, *id, *id, u8::from(*enabled), 0, 0, 0]);
    }
    table(b"APIC", 3, &body)
}

/// An SRAT: local APIC entries (APIC id, domain).
fn srat(cpus: &[(u8, u8)]) -> (Origin, Table) {
    let mut body = vec![0; 12];
    for (id, domain) in cpus {
        body.extend([0, 16, *domain, *id, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    }
    table(b"SRAT", 3, &body)
}

fn slit(rows: &[&[u8]]) -> (Origin, Table) {
    let mut body = u64::try_from(rows.len()).unwrap().to_le_bytes().to_vec();
    body.extend(rows.concat());
    table(b"SLIT", 1, &body)
}

/// What CPUID and tables together make of the CPUs.
fn fill(cpu: &mut CpuTopology, cpuid: &[(Origin, LeafSet)], list: &[(Origin, Table)]) -> Told {
    joined(cpu, cpuid, list).0
}

fn joined(cpu: &mut CpuTopology, cpuid: &[(Origin, LeafSet)], list: &[(Origin, Table)]) -> (Told, Acpi) {
    let mut tables = Tables::default();
    for (origin, table) in list {
        assert_eq!(tables.take(origin, table), []);
    }
    let mut told = super::fill(cpu, cpuid, &tables);
    let acpi = firmware::join(cpu, &tables, &mut told, &mut Origins::default());
    (told, acpi)
}

fn word(text: &[u8; 4]) -> u32 {
    u32::from_le_bytes(*text)
}

fn guest(base: [&[u8; 4]; 3], second: Option<[&[u8; 4]; 3]>) -> (Origin, LeafSet) {
    let mut cpu = CpuLeaves::new(0);
    cpu.insert(Leaf(1), Subleaf(0), Registers::new(0x0080_0f12, 0, 1 << 31, 0));
    for (leaf, name) in [(0x4000_0000, Some(base)), (0x4000_0100, second)] {
        if let Some([a, b, c]) = name {
            cpu.insert(
                Leaf(leaf),
                Subleaf(0),
                Registers::new(leaf + 1, word(a), word(b), word(c)),
            );
        }
    }
    (origin(), LeafSet::from_iter([cpu]))
}

#[test]
fn enabled_cpus_are_numbered_in_the_order_of_the_madt() {
    let mut cpu = CpuTopology::default();
    let tables = [
        madt(&[(0, true), (2, true), (9, false), (1, true), (3, true)]),
        srat(&[(0, 0), (1, 1), (2, 0), (3, 1)]),
        slit(&[&[10, 21], &[21, 10]]),
    ];
    let told = fill(&mut cpu, &[], &tables);
    assert_eq!(
        cpu.cpus.iter().map(|cpu| cpu.apic_id).collect::<Vec<_>>(),
        [Some(0), Some(2), Some(1), Some(3)]
    );
    let sets: Vec<String> = cpu.nodes.iter().map(|node| node.cpus.to_string()).collect();
    assert_eq!(sets, ["0-1", "2-3"]);
    assert_eq!(cpu.distances, [[10, 21], [21, 10]]);
    assert_eq!(told.note.as_deref(), Some("CPU numbers by MADT order (assumed)"));
    assert!(cpu.packages.is_empty(), "tables tell of no packages");
}

#[test]
fn distances_of_the_kernel_are_not_overwritten() {
    let node = |number| Node {
        number: NodeId(number),
        cpus: CpuSet::single(number),
        ..Node::default()
    };
    let mut cpu = CpuTopology {
        cpus: (0..2)
            .map(|number| Cpu {
                number,
                online: true,
                ..Cpu::default()
            })
            .collect(),
        nodes: vec![node(0), node(1)],
        distances: vec![vec![10, 32], vec![32, 10]],
        ..CpuTopology::default()
    };
    let tables = [slit(&[&[10, 21], &[21, 10]])];
    fill(&mut cpu, &[], &tables);
    assert_eq!(cpu.distances[0], [10, 32]);
    cpu.distances.clear();
    fill(&mut cpu, &[], &tables);
    assert_eq!(cpu.distances[0], [10, 21], "missing ones are filled");
    cpu.distances.clear();
    cpu.nodes[1].number = NodeId(7);
    fill(&mut cpu, &[], &tables);
    assert!(cpu.distances.is_empty(), "a node the table does not have");
}

#[test]
fn without_apic_ids_domains_are_numbered_as_they_appear_when_the_counts_fit() {
    let node = |number| Node {
        number: NodeId(number),
        cpus: CpuSet::single(number),
        ..Node::default()
    };
    let mut cpu = CpuTopology {
        nodes: vec![node(0), node(1)],
        ..CpuTopology::default()
    };
    let tables = [
        srat(&[(0, 1), (1, 2)]),
        slit(&[&[10, 20, 20], &[20, 10, 21], &[20, 21, 10]]),
    ];
    let (_, acpi) = joined(&mut cpu, &[], &tables);
    assert_eq!(cpu.distances, [[10, 21], [21, 10]]);
    assert!(acpi.domains.iter().all(|domain| domain.node_assumed));
    cpu.distances.clear();
    cpu.nodes[1].cpus = (1..3).collect();
    fill(&mut cpu, &[], &tables);
    assert!(cpu.distances.is_empty(), "a node with more CPUs than the domain");
}

/// A SRAT memory entry: domain, base and length in GiB, flags.
fn memory(domain: u8, base: u8, length: u8, flags: u8) -> Vec<u8> {
    let mut entry = vec![0; 40];
    entry[..3].copy_from_slice(&[1, 40, domain]);
    for (at, gib) in [(8, base), (16, length)] {
        entry[at..at + 8].copy_from_slice(&(u64::from(gib) << 30).to_le_bytes());
    }
    entry[28] = flags;
    entry
}

#[test]
fn domains_become_nodes_in_the_order_in_which_the_srat_names_them() {
    let mut cpu = CpuTopology::default();
    let mut body = srat(&[(0, 7), (1, 3)]).1.bytes.get(36..).unwrap().to_vec();
    // enabled; enabled and hot-pluggable; not in use; enabled and non-volatile
    body.extend(
        [
            memory(3, 0, 2, 1),
            memory(7, 4, 1, 1),
            memory(7, 8, 4, 3),
            memory(9, 16, 1, 0),
            memory(5, 32, 8, 5),
        ]
        .concat(),
    );
    let tables = [madt(&[(0, true), (1, true)]), table(b"SRAT", 3, &body)];
    let (_, acpi) = joined(&mut cpu, &[], &tables);
    let nodes: Vec<_> = cpu
        .nodes
        .iter()
        .map(|node| (node.number.0, node.cpus.to_string(), node.memory))
        .collect();
    let gib = |count: u64| Some(count << 30);
    assert_eq!(
        nodes,
        [
            (0, "0".to_owned(), gib(1)),
            (1, "1".to_owned(), gib(2)),
            (2, String::new(), gib(8))
        ]
    );
    let domains: Vec<_> = acpi
        .domains
        .iter()
        .map(|d| (d.number, d.node, d.hot_pluggable >> 30))
        .collect();
    assert_eq!(
        domains,
        [
            (3, Some(NodeId(1)), 0),
            (5, Some(NodeId(2)), 0),
            (7, Some(NodeId(0)), 4)
        ]
    );
    assert!(cpu.nodes_by_firmware);
}

#[test]
fn nodes_of_the_kernel_are_joined_with_domains_by_their_cpus() {
    let node = |number, cpu| Node {
        number: NodeId(number),
        cpus: CpuSet::single(cpu),
        ..Node::default()
    };
    let mut cpu = CpuTopology {
        cpus: (0..2)
            .map(|number| Cpu {
                number,
                online: true,
                apic_id: Some(number * 16),
                ..Cpu::default()
            })
            .collect(),
        nodes: vec![node(0, 1), node(1, 0)],
        ..CpuTopology::default()
    };
    let tables = [
        srat(&[(0, 1), (16, 2)]),
        slit(&[&[10, 20, 20], &[20, 10, 21], &[20, 24, 10]]),
    ];
    let (_, acpi) = joined(&mut cpu, &[], &tables);
    let of: Vec<_> = acpi
        .domains
        .iter()
        .map(|d| (d.number, d.node, d.node_assumed))
        .collect();
    assert_eq!(of, [(1, Some(NodeId(1)), false), (2, Some(NodeId(0)), false)]);
    assert_eq!(cpu.distances, [[10, 24], [21, 10]], "rows are of the kernel's nodes");
}

#[test]
fn an_unnamed_hypervisor_is_named_by_cpuid_or_not_at_all() {
    let unnamed = || CpuTopology {
        hypervisor: Some(UNNAMED.to_owned()),
        ..CpuTopology::default()
    };
    let kvm = [b"KVMK", b"VMKV", b"M\0\0\0"];
    let hyperv = [b"Micr", b"osof", b"t Hv"];
    for (cpuid, name) in [
        (guest(kvm, None), "KVM"),
        (guest(hyperv, None), "Hyper-V"),
        (guest(hyperv, Some(kvm)), "KVM"),
        (guest([b"Some", b"Body", b"Else"], None), "SomeBodyElse"),
    ] {
        let mut cpu = unnamed();
        fill(&mut cpu, &[cpuid], &[]);
        assert_eq!(cpu.hypervisor.as_deref(), Some(name));
    }
    let mut cpu = unnamed();
    fill(&mut cpu, &[], &[]);
    assert_eq!(cpu.hypervisor, None);
}
