//! Tests: Xen's view in place of dom0's, a guest's view as it is.

use super::*;
use crate::xen::info;
use captures::LayerId;

fn origin(label: &str) -> Origin {
    Origin {
        layer: LayerId(0),
        label: label.into(),
        path: "".into(),
    }
}

/// What the kernel of a domain with two CPUs says.
fn kernel() -> CpuTopology {
    CpuTopology {
        model: Some("AMD EPYC 7543".to_owned()),
        hypervisor: Some("Xen".to_owned()),
        cpus: (0..2)
            .map(|number| Cpu {
                number,
                online: true,
                allowed: true,
                apic_id: Some(number * 2),
                microcode: Some(0xa00_11d5),
                ..Cpu::default()
            })
            .collect(),
        packages: vec![Group {
            os_id: Some(0),
            cpus: [0, 1].into_iter().collect(),
        }],
        nodes: vec![Node {
            memory: Some(1 << 30),
            cpus: [0, 1].into_iter().collect(),
            ..Node::default()
        }],
        distances: vec![vec![10]],
        ..CpuTopology::default()
    }
}

fn domain(control: Option<bool>) -> Option<Domain> {
    Some(Domain {
        control,
        guest_type: Some("PV".to_owned()),
        version: Some("4.20".to_owned()),
    })
}

/// Two sockets, each one node of four cores with two threads.
fn text() -> String {
    let mut text =
        "nr_cpus : 16\nthreads_per_core : 2\ntotal_memory : 65536\nfree_memory : 1024\ncpu_topology :\n".to_owned();
    for cpu in 0..16 {
        text += &format!("{cpu}: {} {} {}\n", cpu / 2 % 4, cpu / 8, cpu / 8);
    }
    text + "device topology :\n0000:81:00.0 1\n0000:99:00.0 1\n\
            numa_info :\n0: 34816 500 10,32\n1: 32768 524 32,10\nxen_version : 4.20.3\n"
}

fn info(text: &str) -> Option<(Origin, XlInfo)> {
    Some((origin("xl"), info::parse(text).value))
}

fn function(bdf: &str, node: i32) -> Function {
    Function {
        bdf: bdf.parse().unwrap(),
        numa_node: Some(node),
        local_cpus: Some("0-1".to_owned()),
        ..Function::default()
    }
}

fn applied(domain: Option<Domain>, info: Option<(Origin, XlInfo)>) -> (CpuTopology, Option<Xen>, Vec<Gap>, Listings) {
    let mut cpu = kernel();
    let mut listings = vec![(origin("live"), vec![function("81:00.0", 0), function("01:00.0", 0)])];
    let (xen, gaps) = apply(
        &mut cpu,
        &mut listings,
        Views {
            domain,
            info,
            ucode: None,
        },
        &mut Origins::default(),
    );
    (cpu, xen, gaps, listings)
}

#[test]
fn dom0_is_replaced_by_the_machine() {
    let (cpu, xen, _, _) = applied(domain(Some(true)), info(&text()));
    let xen = xen.unwrap();
    assert_eq!((xen.role, xen.version.as_deref()), (Some(Role::Dom0), Some("4.20.3")));
    assert_eq!(xen.cpus(), Some((2, 16)));
    assert_eq!(xen.memory(), Some((1 << 30, 64 << 30)));
    assert_eq!((cpu.cpus.len(), cpu.packages.len(), cpu.cores.len()), (16, 2, 8));
    assert_eq!(cpu.cores[1].cpus.to_string(), "2-3");
    assert_eq!(
        cpu.model.as_deref(),
        Some("AMD EPYC 7543"),
        "Xen passes the name through"
    );
    assert!(
        cpu.cpus
            .iter()
            .all(|cpu| cpu.apic_id.is_none() && cpu.microcode.is_none())
    );
    let nodes: Vec<(u32, String, Option<u64>)> = cpu
        .nodes
        .iter()
        .map(|node| (node.number.0, node.cpus.to_string(), node.memory))
        .collect();
    assert_eq!(
        nodes,
        [
            (0, "0-7".to_owned(), Some(34_816 << 20)),
            (1, "8-15".to_owned(), Some(32_768 << 20))
        ]
    );
    assert_eq!(cpu.distances, [[10, 32], [32, 10]]);
    assert_eq!(xen.machine.unwrap().microcode, Some(0xa00_11d5));
}

#[test]
fn nodes_of_functions_are_those_of_xen() {
    let (.., listings) = applied(domain(Some(true)), info(&text()));
    let all: Vec<(String, Option<i32>, bool)> = listings
        .iter()
        .flat_map(|(_, list)| list)
        .map(|f| (f.bdf.to_string(), f.numa_node, f.local_cpus.is_some()))
        .collect();
    let row = |bdf: &str, node| (bdf.to_owned(), node, false);
    // the function that only Xen knows is none of the picture
    assert_eq!(
        all,
        [
            row("0000:81:00.0", None),
            row("0000:01:00.0", None),
            row("0000:81:00.0", Some(1))
        ]
    );
}

#[test]
fn a_guest_keeps_its_view() {
    let (cpu, xen, gaps, _) = applied(domain(Some(false)), info(&text()));
    assert_eq!((cpu, gaps), (kernel(), Vec::new()));
    let xen = xen.unwrap();
    assert_eq!((xen.role, xen.machine), (Some(Role::Guest), None));
}

#[test]
fn dom0_without_xens_view_says_how_to_get_it() {
    let (cpu, xen, gaps, listings) = applied(domain(Some(true)), None);
    assert_eq!(cpu, kernel());
    assert_eq!(xen.unwrap().machine, None);
    assert!(gaps[0].how.as_deref().unwrap().contains("xl info -n"));
    assert_eq!(listings[0].1[0].numa_node, Some(0));
    let (cpu, ..) = applied(domain(Some(true)), info("host : lab1\nfree_memory : 12\n"));
    assert_eq!(cpu, kernel(), "a text that tells of no CPU replaces none");
}

#[test]
fn a_machine_without_xen_is_not_touched() {
    let (cpu, xen, gaps, _) = applied(None, None);
    assert_eq!((cpu, xen, gaps), (kernel(), None, Vec::new()));
}

#[test]
fn without_the_tables_the_cpus_have_no_place() {
    let (cpu, xen, gaps, _) = applied(domain(Some(true)), info("nr_cpus : 16\ntotal_memory : 65536\n"));
    assert_eq!((cpu.cpus.len(), cpu.packages.len(), cpu.nodes.len()), (16, 0, 0));
    assert_eq!(cpu.memory, Some(64 << 30));
    assert_eq!(xen.unwrap().cpus(), Some((2, 16)));
    assert!(gaps[0].what.contains("which core"));
    let (cpu, ..) = applied(None, info("nr_cpus : 4000000000\n"));
    assert_eq!(cpu.cpus.len(), 16_384, "bounded");
}

#[test]
fn offline_cpus_are_counted_where_xen_does_not_name_them() {
    let smt_off = text().replace("nr_cpus : 16", "nr_cpus : 8");
    let (cpu, xen, gaps, _) = applied(domain(Some(true)), info(&smt_off));
    assert_eq!(cpu.cpus.len(), 16);
    assert_eq!(xen.unwrap().cpus(), Some((2, 16)));
    assert!(
        gaps.iter()
            .any(|gap| gap.why.contains("16 CPUs, of which 8 are online"))
    );
}

#[test]
fn a_distance_that_is_missing_leaves_no_matrix() {
    let broken = text().replace("10,32", "10,-1");
    let (cpu, ..) = applied(domain(Some(true)), info(&broken));
    assert!(cpu.distances.is_empty() && cpu.nodes.len() == 2);
}

#[test]
fn the_memory_of_a_single_node_has_no_holes() {
    let one = "nr_cpus : 1\ntotal_memory : 2047\ncpu_topology :\n0: 0 0 0\nnuma_info :\n0: 3072 1 10\n";
    let (cpu, ..) = applied(domain(Some(true)), info(one));
    assert_eq!(cpu.nodes[0].memory, Some(2047 << 20));
}

#[test]
fn revisions_that_differ_are_of_unknown_cpus() {
    let mut cpu = kernel();
    cpu.cpus[1].microcode = Some(1);
    let (xen, _) = apply(
        &mut cpu,
        &mut Vec::new(),
        Views {
            domain: domain(Some(true)),
            info: info(&text()),
            ucode: None,
        },
        &mut Origins::default(),
    );
    assert_eq!(xen.unwrap().machine.unwrap().microcode, None);
}

#[test]
fn options_of_the_command_line_are_found() {
    let words = |text: &str| Physical {
        command_line: Some(text.to_owned()),
        ..Physical::default()
    };
    assert_eq!(words("a dom0_mem=1G b dom0_mem=2G").option("dom0_mem"), Some("2G"));
    assert!(words("dom0_vcpus_pin").pins_dom0());
    assert!(!words("dom0_vcpus_pin=no").pins_dom0() && !words("x").pins_dom0());
}
