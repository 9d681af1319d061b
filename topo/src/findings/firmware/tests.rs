//! Tests: each finding fires once, and does not where the facts agree.

use super::*;
use crate::acpi::{Acpi, CpuCount, EcamWindow, HostBridge};
use crate::model::SourceState;
use crate::pci::function::{Function, PortType};
use crate::sysfs::topology::{Cpu, Node};

/// Four CPUs in two nodes that are the domains 1 and 2, with all facts alike.
fn machine() -> Machine {
    let set = |cpus: [u32; 2]| cpus.into_iter().collect::<CpuSet>();
    let node = |number, cpus| Node {
        number: NodeId(number),
        cpus: set(cpus),
        access: Some(MemoryAccess {
            read_latency: Some(100),
            read_bandwidth: Some(40_960),
            initiators: vec![NodeId(number)],
            ..MemoryAccess::default()
        }),
        ..Node::default()
    };
    let domain = |number, node, cpus| Domain {
        number,
        node: Some(NodeId(node)),
        cpus: set(cpus),
        ..Domain::default()
    };
    let performance = |domain| Performance {
        initiator: domain,
        target: domain,
        read_latency: Some(100_000),
        read_bandwidth: Some(40_960),
        ..Performance::default()
    };
    let mut machine = Machine {
        acpi: Acpi {
            cpus: Some(CpuCount {
                enabled: 4,
                online_capable: 0,
                unusable: 2,
            }),
            domains: vec![domain(1, 0, [0, 1]), domain(2, 1, [2, 3])],
            distances: vec![vec![10, 20, 20], vec![20, 10, 21], vec![20, 21, 10]],
            performance: vec![performance(1), performance(2)],
            ecam: vec![EcamWindow {
                last_bus: 0x7f,
                ..EcamWindow::default()
            }],
            host_bridges: vec![HostBridge {
                path: "\\_SB.PCI0".to_owned(),
                segment: Some(0),
                bus: Some(0),
                node: Some(NodeId(0)),
                present: Some(true),
                ..HostBridge::default()
            }],
            ..Acpi::default()
        },
        sources: vec![SourceState {
            name: "CPU topology".to_owned(),
            present: true,
            note: None,
        }],
        ..Machine::default()
    };
    machine.cpu.cpus = (0..4)
        .map(|number| Cpu {
            number,
            ..Cpu::default()
        })
        .collect();
    machine.cpu.nodes = vec![node(0, [0, 1]), node(1, [2, 3])];
    machine.cpu.distances = vec![vec![10, 21], vec![21, 10]];
    machine.pci.functions = vec![function("00:00.0", 0)];
    machine.pci.roots = vec![0];
    machine
}

fn function(bdf: &str, node: i32) -> PciFunction {
    PciFunction {
        function: Function {
            bdf: bdf.parse().unwrap(),
            numa_node: Some(node),
            port_type: Some(PortType::Endpoint),
            ..Function::default()
        },
        ..PciFunction::default()
    }
}

fn found(machine: &Machine) -> Vec<&'static str> {
    let mut report = Report::default();
    judge(machine, &mut report);
    report.findings.iter().map(|finding| finding.id).collect()
}

#[test]
fn facts_that_agree_give_one_green_line() {
    let mut report = Report::default();
    judge(&machine(), &mut report);
    assert_eq!(report.findings, []);
    assert_eq!(
        report.fine,
        ["2 NUMA nodes and their distances are those of the ACPI tables"]
    );
}

#[test]
fn one_node_for_two_domains_is_found() {
    let mut machine = machine();
    machine.cpu.nodes.truncate(1);
    machine.cpu.nodes[0].cpus = (0..4).collect();
    for domain in &mut machine.acpi.domains {
        domain.node = Some(NodeId(0));
    }
    machine.cpu.distances = vec![vec![10]];
    machine.cpu.nodes[0].access = None;
    assert_eq!(found(&machine), ["acpi-nodes-differ"]);
}

#[test]
fn other_numbers_for_the_same_parts_are_fine() {
    let mut machine = machine();
    machine.acpi.domains.swap(0, 1);
    assert_eq!(found(&machine), [""; 0]);
}

#[test]
fn a_refused_slit_is_found() {
    let mut machine = machine();
    machine.cpu.distances = vec![vec![10, 20], vec![20, 10]];
    assert_eq!(found(&machine), ["acpi-distances-differ"]);
    machine.acpi.domains[1].node_assumed = true;
    assert_eq!(found(&machine), [""; 0], "an assumed node is not judged");
}

#[test]
fn missing_cpus_are_found_and_spare_entries_are_not() {
    let mut machine = machine();
    machine.cpu.cpus.pop();
    assert_eq!(found(&machine), ["acpi-cpus-differ"]);
    machine.identity.hypervisor = Some("Xen".to_owned());
    assert_eq!(found(&machine), [""; 0]);
    machine.identity.hypervisor = None;
    machine.cpu.cpus.resize(6, Cpu::default());
    assert_eq!(found(&machine), [""; 0], "CPUs that were plugged in later");
    machine.cpu.cpus.push(Cpu::default());
    assert_eq!(found(&machine), ["acpi-cpus-differ"]);
    machine.sources[0].note = Some("from CPUID".to_owned());
    assert_eq!(found(&machine), [""; 0], "not the kernel's count");
}

#[test]
fn other_performance_than_the_hmat_is_found() {
    let mut machine = machine();
    machine.acpi.performance[1].read_bandwidth = Some(20_480);
    assert_eq!(found(&machine), ["acpi-access-differs"]);
    machine.acpi.performance[1].read_bandwidth = None;
    machine.acpi.performance[1].read_latency = Some(100_400);
    assert_eq!(found(&machine), [""; 0], "the kernel rounds");
}

#[test]
fn a_root_bus_on_another_node_than_its_bridge_is_found() {
    let mut machine = machine();
    machine.pci.functions[0].function.numa_node = Some(1);
    assert_eq!(found(&machine), ["acpi-bridge-node-differs"]);
    machine.pci.functions[0].function.numa_node = Some(-1);
    assert_eq!(found(&machine), [""; 0], "the kernel does not say");
}

#[test]
fn an_express_function_outside_the_windows_is_found() {
    let mut machine = machine();
    machine.pci.functions.push(function("80:00.0", 1));
    assert_eq!(found(&machine), ["acpi-bus-outside-ecam"]);
    machine.pci.functions[1].function.config = Some(vec![0; 4096]);
    assert_eq!(found(&machine), [""; 0], "the kernel reached it");
    machine.pci.functions[1] = function("10000:80:00.0", 1);
    assert_eq!(found(&machine), [""; 0], "a segment that a driver made");
}
