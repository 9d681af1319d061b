//! Tests of the PCI tree: parents, roots, locality, links.

use super::*;
use crate::pci::function::Buses;

fn bdf(text: &str) -> Bdf {
    text.parse().unwrap()
}

fn endpoint(address: &str) -> Function {
    Function {
        bdf: bdf(address),
        ..Function::default()
    }
}

fn bridge(address: &str, secondary: u8, subordinate: u8) -> Function {
    let buses = Buses {
        primary: bdf(address).bus,
        secondary,
        subordinate,
    };
    Function {
        buses: Some(buses),
        ..endpoint(address)
    }
}

fn at_node(function: Function, node: i32) -> Function {
    Function {
        numa_node: Some(node),
        ..function
    }
}

fn port(function: Function, port_type: PortType) -> Function {
    Function {
        port_type: Some(port_type),
        ..function
    }
}

/// Root port, a switch with two downstream ports, and another root bus.
fn machine() -> Vec<Function> {
    vec![
        endpoint("02:02.0"),
        at_node(endpoint("40:00.0"), 0),
        endpoint("04:00.1"),
        endpoint("04:00.0"),
        endpoint("03:00.0"),
        bridge("02:01.0", 4, 4),
        bridge("02:00.0", 3, 3),
        port(bridge("01:00.0", 2, 4), PortType::UpstreamPort),
        at_node(port(bridge("00:01.0", 1, 4), PortType::RootPort), 0),
        bridge("00:02.0", 8, 9),
        endpoint("08:00.0"),
        endpoint("09:00.0"),
        at_node(endpoint("80:00.0"), 1),
        endpoint("c0:00.0"),
    ]
}

#[test]
fn bridges_come_before_what_is_below_and_buses_in_order() {
    let tree = build(&machine());
    assert_eq!(tree.damage, []);
    let order: Vec<_> = tree.iter().map(|node| (node.bdf.to_string(), node.depth)).collect();
    let expected = [
        ("0000:00:01.0", 0),
        ("0000:01:00.0", 1),
        ("0000:02:00.0", 2),
        ("0000:03:00.0", 3),
        ("0000:02:01.0", 2),
        ("0000:04:00.0", 3),
        ("0000:04:00.1", 3),
        ("0000:02:02.0", 2),
        ("0000:00:02.0", 0),
        ("0000:08:00.0", 1),
        ("0000:09:00.0", 1),
        ("0000:40:00.0", 0),
        ("0000:80:00.0", 0),
        ("0000:c0:00.0", 0),
    ];
    assert_eq!(order, expected.map(|(name, depth)| (name.to_owned(), depth)));
    let roots: Vec<_> = tree.roots.iter().map(|root| root.bus).collect();
    assert_eq!(roots, [0, 0x40, 0x80, 0xc0]);
    let nodes: Vec<_> = tree.roots.iter().map(|root| root.numa_node).collect();
    assert_eq!(nodes, [Some(0), Some(0), Some(1), None]);
    let path: Vec<_> = tree.path_to_root(bdf("04:00.1")).map(|node| node.bdf.bus).collect();
    assert_eq!(path, [4, 2, 1, 0]);
    assert_eq!(tree.root_of(bdf("04:00.1")).unwrap().bus, 0);
}

#[test]
fn locality_has_the_meaning_of_nvidia_smi() {
    let tree = build(&machine());
    let between = |a: &str, b: &str| tree.locality(bdf(a), bdf(b), None);
    assert_eq!(between("03:00.0", "03:00.0"), Some(Locality::Same));
    assert_eq!(between("04:00.0", "04:00.1"), Some(Locality::Pix));
    assert_eq!(between("03:00.0", "04:00.0"), Some(Locality::Pix));
    assert_eq!(between("03:00.0", "00:01.0"), Some(Locality::Pxb));
    assert_eq!(between("03:00.0", "08:00.0"), Some(Locality::Phb));
    assert_eq!(between("03:00.0", "40:00.0"), Some(Locality::Node));
    assert_eq!(between("03:00.0", "80:00.0"), Some(Locality::Sys));
    assert_eq!(between("03:00.0", "c0:00.0"), None);
    assert_eq!(
        tree.locality(bdf("03:00.0"), bdf("c0:00.0"), Some(1)),
        Some(Locality::Node)
    );
    assert_eq!(between("03:00.0", "55:00.0"), None);
}

#[test]
fn two_switches_in_a_row_are_several_bridges() {
    let tree = build(&[
        port(bridge("00:01.0", 1, 7), PortType::RootPort),
        port(bridge("01:00.0", 2, 7), PortType::UpstreamPort),
        bridge("02:00.0", 3, 3),
        bridge("02:01.0", 4, 7),
        port(bridge("04:00.0", 5, 7), PortType::UpstreamPort),
        bridge("05:00.0", 6, 6),
        endpoint("03:00.0"),
        endpoint("06:00.0"),
    ]);
    assert_eq!(tree.locality(bdf("03:00.0"), bdf("06:00.0"), None), Some(Locality::Pxb));
}

#[test]
fn impossible_bus_numbers_are_damage_and_lose_no_function() {
    for (functions, complaints) in [
        // not configured: leads nowhere, and that is no damage
        (vec![bridge("00:01.0", 0, 0), endpoint("05:00.0")], 0),
        (vec![bridge("00:01.0", 0, 5), endpoint("05:00.0")], 1),
        (vec![bridge("05:01.0", 5, 5), endpoint("05:00.0")], 1),
        (
            vec![bridge("05:01.0", 6, 6), bridge("06:00.0", 5, 5), endpoint("05:00.0")],
            1,
        ),
        (vec![bridge("00:01.0", 5, 4), endpoint("05:00.0")], 1),
        (
            vec![bridge("00:01.0", 5, 5), bridge("00:02.0", 5, 6), endpoint("05:00.0")],
            1,
        ),
        (
            vec![bridge("00:01.0", 5, 8), bridge("00:02.0", 7, 9), endpoint("08:00.0")],
            1,
        ),
        (
            vec![bridge("00:01.0", 5, 8), bridge("00:02.0", 7, 8), endpoint("08:00.0")],
            1,
        ),
        (vec![endpoint("00:01.0"), endpoint("00:01.0")], 1),
    ] {
        let tree = build(&functions);
        assert_eq!(tree.damage.len(), complaints, "{:?}", tree.damage);
        assert_eq!(tree.iter().count(), tree.len());
    }
}

#[test]
fn told_parents_win_and_circles_are_cut() {
    let child = |address: &str, parent: &str| Function {
        parent: Some(bdf(parent)),
        ..endpoint(address)
    };
    let tree = build(&[
        bridge("00:01.0", 5, 5),
        endpoint("00:02.0"),
        child("05:00.0", "00:02.0"),
        child("06:00.0", "77:00.0"),
    ]);
    assert_eq!(tree.node(bdf("05:00.0")).unwrap().parent, Some(bdf("00:02.0")));
    assert_eq!(tree.node(bdf("06:00.0")).unwrap().parent, None);
    let tree = build(&[
        child("01:00.0", "02:00.0"),
        child("02:00.0", "03:00.0"),
        child("03:00.0", "01:00.0"),
        child("04:00.0", "04:00.0"),
    ]);
    assert_eq!(tree.damage.len(), 2);
    assert_eq!(tree.iter().count(), 4);
}

#[test]
fn segments_do_not_mix() {
    let tree = build(&[
        bridge("0001:00:01.0", 5, 5),
        endpoint("0002:05:00.0"),
        endpoint("0001:05:00.0"),
    ]);
    assert_eq!(tree.depth(bdf("0002:05:00.0")), Some(0));
    assert_eq!(tree.depth(bdf("0001:05:00.0")), Some(1));
}

#[test]
fn a_root_bus_knows_its_host_bridge_and_not_a_disputed_node() {
    let class = |function: Function, class| Function {
        class: Some(crate::pci::function::Class(class)),
        ..function
    };
    let tree = build(&[
        at_node(class(endpoint("00:00.0"), 0x08_0700), 0),
        at_node(class(endpoint("00:00.1"), 0x06_0000), 1),
    ]);
    assert_eq!(
        (tree.roots[0].host_bridge, tree.roots[0].numa_node),
        (Some(bdf("00:00.1")), None)
    );
}
