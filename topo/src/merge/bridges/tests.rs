//! Tests: host bridges, IOMMUs and slots of the tables onto functions.

use std::sync::Arc;

use acpi_dump::Table;
use captures::{LayerId, Origin};

use super::*;
use crate::acpi::namespace::{Bridge, Facts, Slot};
use crate::acpi::{Domain, EcamWindow};
use crate::model::PciFunction;
use crate::pci::function::{Buses, Function};
use crate::sysfs::topology::NodeId;

fn origin() -> Origin {
    Origin {
        layer: LayerId(0),
        label: Arc::from("test"),
        path: Arc::from(""),
    }
}

fn bridge(path: &str, bus: Value<u64>, status: Value<u64>) -> Bridge {
    Bridge {
        path: path.to_owned(),
        hid: "PNP0A08".to_owned(),
        bus,
        status,
        ..Bridge::default()
    }
}

fn joined(bridges: Vec<Bridge>, slots: Vec<Slot>) -> Acpi {
    let tables = Tables {
        namespace: Some((
            origin(),
            Facts {
                bridges,
                slots,
                ..Facts::default()
            },
        )),
        ..Tables::default()
    };
    let mut acpi = Acpi::default();
    join(&mut acpi, &tables);
    acpi
}

#[test]
fn a_bridge_without_bbn_is_bus_0_when_it_is_the_only_one() {
    let one = joined(vec![bridge("A", Value::Absent, Value::Absent)], Vec::new());
    assert_eq!(
        (one.host_bridges[0].segment, one.host_bridges[0].bus),
        (Some(0), Some(0))
    );
    let two = joined(
        vec![
            bridge("A", Value::Absent, Value::Absent),
            bridge("B", Value::Absent, Value::Absent),
        ],
        Vec::new(),
    );
    assert!(two.host_bridges.iter().all(|bridge| bridge.bus.is_none()));
}

#[test]
fn a_bridge_that_may_be_absent_does_not_take_the_bus_of_another() {
    let acpi = joined(
        vec![
            bridge("A", Value::Known(0), Value::Absent),
            bridge("B", Value::Known(0), Value::Dynamic(Vec::new())),
            bridge("C", Value::Known(0x80), Value::Dynamic(Vec::new())),
        ],
        Vec::new(),
    );
    let buses: Vec<_> = acpi.host_bridges.iter().map(|bridge| bridge.bus).collect();
    assert_eq!(buses, [Some(0), None, Some(0x80)]);
    assert_eq!(acpi.host_bridges[1].dynamic, ["_STA", "_BBN"]);
}

fn function(text: &str, secondary: Option<u8>) -> PciFunction {
    PciFunction {
        function: Function {
            bdf: text.parse().unwrap(),
            buses: secondary.map(|bus| Buses {
                primary: 0,
                secondary: bus,
                subordinate: bus,
            }),
            header_type: Some(u8::from(secondary.is_some())),
            ..Function::default()
        },
        ..PciFunction::default()
    }
}

fn slot(steps: &[(u8, u8)], number: u64) -> Slot {
    Slot {
        path: "\\_SB.PCI0.RP01.PXSX".to_owned(),
        number,
        bridge: 0,
        steps: steps.to_vec(),
        conditional: false,
    }
}

#[test]
fn a_slot_below_a_port_is_found_through_the_bus_of_the_port() {
    let slots = vec![slot(&[(0x1c, 0), (0, 0)], 5), slot(&[(0x1d, 0), (0, 0)], 6)];
    let mut machine = Machine {
        acpi: joined(vec![bridge("A", Value::Known(0), Value::Absent)], slots),
        ..Machine::default()
    };
    machine.pci.functions = vec![
        function("00:1c.0", Some(3)),
        function("03:00.0", None),
        function("03:00.1", None),
    ];
    place(&mut machine);
    label(&mut machine);
    let words = |bdf: Option<Bdf>| bdf.map(|bdf| bdf.to_string());
    let found: Vec<_> = machine
        .acpi
        .slots
        .iter()
        .map(|slot| (words(slot.port), words(slot.bdf)))
        .collect();
    let text = |text: &str| Some(text.to_owned());
    assert_eq!(
        found,
        [
            (text("0000:00:1c.0"), text("0000:03:00.0")),
            (text("0000:00:1d.0"), None)
        ]
    );
    let names: Vec<_> = machine
        .pci
        .functions
        .iter()
        .map(|f| f.place.as_ref().map(|p| (p.name.as_str(), p.source)))
        .collect();
    assert_eq!(
        names,
        [None, Some(("Slot 5", "acpi-sun")), Some(("Slot 5", "acpi-sun"))]
    );
}

#[test]
fn a_name_that_another_source_gives_stays() {
    let mut machine = Machine {
        acpi: joined(
            vec![bridge("A", Value::Known(0), Value::Absent)],
            vec![slot(&[(2, 0)], 7)],
        ),
        ..Machine::default()
    };
    let mut card = function("00:02.0", None);
    let known = PlaceLabel {
        name: "PCIE3".to_owned(),
        source: "smbios-9",
        slot: Some(0),
    };
    card.place = Some(known.clone());
    machine.pci.functions = vec![card];
    place(&mut machine);
    label(&mut machine);
    assert_eq!(machine.pci.functions[0].place, Some(known));
}

/// A DMAR: one unit with an I/O APIC and one device behind a bridge, then the domain of the unit.
fn dmar() -> Table {
    let mut body = vec![0x2d, 1];
    body.resize(12, 0);
    body.extend([0, 0, 34, 0, 0, 0, 0, 0]);
    body.extend(0xfed9_0000_u64.to_le_bytes());
    body.extend([3, 8, 0, 0, 4, 0xf0, 0x1f, 7]);
    body.extend([1, 10, 0, 0, 0, 0x80, 3, 0, 0, 1]);
    body.extend([3, 0, 20, 0, 0, 0, 0, 0]);
    body.extend(0xfed9_0000_u64.to_le_bytes());
    body.extend(2_u32.to_le_bytes());
    let mut bytes = b"DMAR".to_vec();
    bytes.extend(u32::try_from(36 + body.len()).unwrap().to_le_bytes());
    bytes.resize(36, 0);
    bytes.extend(body);
    Table::parse(&bytes).unwrap()
}

#[test]
fn a_unit_has_the_kernels_name_by_its_registers_and_its_node_by_rhsa() {
    let mut tables = Tables::default();
    let findings = tables.take(&origin(), &dmar());
    assert_eq!(findings, []);
    let unit = |name: &str, base| KernelUnit {
        name: name.to_owned(),
        base: Some(base),
        origin: None,
    };
    tables.units = vec![unit("dmar0", 0xfed9_1000), unit("dmar1", 0xfed9_0000)];
    let mut acpi = Acpi {
        domains: vec![Domain {
            number: 2,
            node: Some(NodeId(1)),
            ..Domain::default()
        }],
        ..Acpi::default()
    };
    join(&mut acpi, &tables);
    let unit = &acpi.iommus[0];
    assert_eq!(
        (unit.name.as_str(), unit.seen, unit.node),
        ("dmar1", true, Some(NodeId(1)))
    );
    let scopes: Vec<_> = unit
        .scopes
        .iter()
        .map(|s| (s.kind, s.place.as_str(), s.number))
        .collect();
    assert_eq!(
        scopes,
        [
            ("I/O APIC", "0000:f0:1f.7", Some(4)),
            ("endpoint", "0000:80:03.0/00.1", None)
        ]
    );
    tables.units.clear();
    join(&mut acpi, &tables);
    assert_eq!((acpi.iommus[0].name.as_str(), acpi.iommus[0].seen), ("dmar0", false));
}

#[test]
fn a_segment_that_is_computed_is_the_only_one_of_the_mcfg() {
    let told = Bridge {
        segment: Value::Dynamic(Vec::new()),
        ..bridge("A", Value::Known(0x16), Value::Absent)
    };
    let mut acpi = Acpi::default();
    assert_eq!(host_bridge(&acpi, &told, false).segment, None);
    acpi.ecam.push(EcamWindow {
        segment: 1,
        ..EcamWindow::default()
    });
    assert_eq!(host_bridge(&acpi, &told, false).segment, Some(1));
}

#[test]
fn pin_of_a_device_on_a_root_bus_leads_where_the_prt_says() {
    let bridge = HostBridge {
        segment: Some(0),
        bus: Some(0x40),
        present: Some(true),
        interrupts: [(0, 16, None), (1, 0, Some("\\_SB.LNKB".to_owned()))]
            .into_iter()
            .filter_map(|(pin, index, source)| {
                pin_route(&Route {
                    device: 0x1f,
                    function: None,
                    pin,
                    source,
                    index,
                })
            })
            .collect(),
        ..HostBridge::default()
    };
    let acpi = Acpi {
        host_bridges: vec![bridge],
        ..Acpi::default()
    };
    let words = |bus, pin| acpi.interrupt_of(0, bus, 0x1f, pin).map(PinRoute::words);
    assert_eq!(words(0x40, 1).as_deref(), Some("GSI 16"));
    assert_eq!(words(0x40, 2).as_deref(), Some("\\_SB.LNKB"));
    assert_eq!((words(0x40, 3), words(0x40, 0), words(0x41, 1)), (None, None, None));
}
