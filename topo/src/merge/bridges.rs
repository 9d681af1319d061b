//! Host bridges, IOMMUs and slots of the ACPI tables onto the PCI functions.
//!
//! PCI Firmware specification 3.3, section 4.1 (`_SEG`, `_BBN`, MCFG); Intel VT-d specification
//! 4.1, chapter 8 (DMAR); AMD IOMMU specification 3.08, section 5.2 (IVRS).

use acpi_dump::aml::evaluate::device::Route;
use acpi_dump::tables::dmar::{self, ScopeKind};

use crate::acpi::namespace::{self, Value};
use crate::acpi::{Acpi, HostBridge, Iommu, IommuScope, KernelUnit, NamedSlot, PinRoute, Tables};
use crate::model::{Machine, Pci, PlaceLabel};
use crate::pci::function::Bdf;

/// Host bridges and IOMMUs, as far as the tables alone tell.
pub(super) fn join(acpi: &mut Acpi, tables: &Tables) {
    let bridges: &[namespace::Bridge] = tables.namespace.as_ref().map_or(&[], |(_, facts)| &facts.bridges);
    let silent = bridges
        .iter()
        .filter(|bridge| bridge.bus == Value::Absent && bridge.buses.is_none());
    let several = silent.count() > 1;
    acpi.host_bridges = bridges
        .iter()
        .map(|bridge| host_bridge(acpi, bridge, several))
        .collect();
    doubtful_buses(&mut acpi.host_bridges);
    acpi.iommus = intel(acpi, tables).chain(amd(tables)).collect();
    if let Some((_, facts)) = &tables.namespace {
        acpi.slots = facts
            .slots
            .iter()
            .map(|slot| NamedSlot {
                path: slot.path.clone(),
                number: slot.number,
                bridge: Some(slot.bridge),
                steps: slot.steps.clone(),
                conditional: slot.conditional,
                ..NamedSlot::default()
            })
            .collect();
    }
}

/// Without `_BBN` the root bus is the first of a constant `_CRS`, else 0: but of two silent bridges
/// both cannot be it.
fn host_bridge(acpi: &Acpi, told: &namespace::Bridge, several: bool) -> HostBridge {
    let default = || match told.buses {
        Some((first, _)) => Some(first),
        None => (!several).then_some(0),
    };
    let bus = match told.bus {
        Value::Absent => default(),
        Value::Known(bus) => u8::try_from(bus).ok(),
        Value::Dynamic(_) => None,
    };
    let segment = match told.segment {
        Value::Absent => Some(0),
        Value::Known(segment) => u16::try_from(segment).ok(),
        Value::Dynamic(_) => only_segment(acpi),
    };
    let domain = told.domain.known().and_then(|domain| u32::try_from(domain).ok());
    let dynamic = [
        computed("_UID", &told.uid),
        computed("_SEG", &told.segment),
        computed("_BBN", &told.bus),
        computed("_PXM", &told.domain),
        computed("_STA", &told.status),
    ];
    HostBridge {
        path: told.path.clone(),
        hid: told.hid.clone(),
        uid: told.uid.known(),
        segment,
        bus,
        domain,
        node: domain.and_then(|domain| acpi.node_of(domain)),
        conditional: told.conditional,
        present: match told.status {
            Value::Absent => Some(true),
            Value::Known(bits) => Some(bits & 1 == 1),
            Value::Dynamic(_) => None,
        },
        dynamic: dynamic.into_iter().flatten().collect(),
        last_bus: told.buses.map(|(_, last)| last),
        named_functions: told.functions,
        interrupts: told.routes.iter().filter_map(pin_route).collect(),
    }
}

fn pin_route(route: &Route) -> Option<PinRoute> {
    let hard_wired = route.source.is_none();
    Some(PinRoute {
        device: u8::try_from(route.device).ok()?,
        pin: char::from(b'A'.checked_add(route.pin).filter(|pin| *pin <= b'D')?),
        interrupt: u32::try_from(route.index).ok().filter(|_| hard_wired),
        link: route.source.clone(),
    })
}

/// The segment when the MCFG has but one.
fn only_segment(acpi: &Acpi) -> Option<u16> {
    let first = acpi.ecam.first()?.segment;
    acpi.ecam.iter().all(|window| window.segment == first).then_some(first)
}

/// Two bridges cannot have one root bus: of one that may be absent, the number is a value from before
/// the firmware fills it in.
fn doubtful_buses(bridges: &mut [HostBridge]) {
    let places: Vec<_> = bridges.iter().map(|bridge| (bridge.segment, bridge.bus)).collect();
    for (at, bridge) in bridges.iter_mut().enumerate() {
        let place = (bridge.segment, bridge.bus);
        let others = places.iter().enumerate().filter(|(other, _)| *other != at);
        let twice = others.into_iter().any(|(_, other)| *other == place);
        if bridge.bus.is_some() && bridge.present.is_none() && twice {
            bridge.bus = None;
            bridge.last_bus = None;
            bridge.dynamic.push("_BBN".to_owned());
        }
    }
}

/// "_BBN: 0x40 or 0x80", "_STA", for what the firmware computes at run time.
fn computed<T: Clone>(name: &str, value: &Value<T>) -> Option<String> {
    let Value::Dynamic(candidates) = value else { return None };
    let numbers: Option<Vec<String>> = candidates
        .iter()
        .map(|value| value.integer().map(|number| format!("{number:#x}")))
        .collect();
    let numbers = numbers.filter(|numbers| (2..=4).contains(&numbers.len()));
    Some(numbers.map_or_else(
        || name.to_owned(),
        |numbers| format!("{name}: {}", numbers.join(" or ")),
    ))
}

/// Name of a unit: that of the kernel for its registers, else by the order of the table.
fn unit_name(units: &[KernelUnit], prefix: &str, index: usize, base: u64) -> (String, bool) {
    let mut known = units.iter().filter(|unit| unit.name.starts_with(prefix));
    let by_base = known.clone().find(|unit| unit.base == Some(base));
    let plain = format!("{prefix}{index}");
    let by_order = || known.find(|unit| unit.base.is_none() && unit.name == plain);
    match by_base.or_else(by_order) {
        Some(unit) => (unit.name.clone(), true),
        None => (plain.clone(), false),
    }
}

fn intel<'a>(acpi: &'a Acpi, tables: &'a Tables) -> impl Iterator<Item = Iommu> + 'a {
    tables.dmar.iter().flat_map(move |(_, dmar)| {
        dmar.units.iter().enumerate().map(move |(index, unit)| {
            let (name, seen) = unit_name(&tables.units, "dmar", index, unit.base.0);
            let affinity = dmar.affinities.iter().find(|affinity| affinity.base == unit.base);
            let domain = affinity.map(|affinity| affinity.domain.0);
            Iommu {
                name,
                seen,
                table: "DMAR",
                segment: unit.segment.0,
                base: unit.base.0,
                include_all: unit.include_all,
                domain,
                node: domain.and_then(|domain| acpi.node_of(domain)),
                scopes: unit.scopes.iter().map(|scope| dmar_scope(unit, scope)).collect(),
                ..Iommu::default()
            }
        })
    })
}

fn dmar_scope(unit: &dmar::Unit, scope: &dmar::Scope) -> IommuScope {
    let kind = match scope.kind {
        ScopeKind::PciEndpoint => "endpoint",
        ScopeKind::PciSubHierarchy => "bridge",
        ScopeKind::IoApic => "I/O APIC",
        ScopeKind::Hpet => "HPET",
        ScopeKind::Acpi => "ACPI device",
        ScopeKind::Other(_) => "other",
    };
    let steps: Vec<String> = scope
        .path
        .iter()
        .map(|(device, function)| format!("{device:02x}.{function:x}"))
        .collect();
    let place = format!("{:04x}:{:02x}:{}", unit.segment.0, scope.start_bus, steps.join("/"));
    let counted = matches!(scope.kind, ScopeKind::IoApic | ScopeKind::Hpet | ScopeKind::Acpi);
    IommuScope {
        kind,
        place,
        number: Some(scope.enumeration_id).filter(|_| counted),
    }
}

fn amd(tables: &Tables) -> impl Iterator<Item = Iommu> + '_ {
    tables.ivrs.iter().flat_map(move |(_, ivrs)| {
        ivrs.units().into_iter().enumerate().map(|(index, block)| {
            let (name, seen) = unit_name(&tables.units, "ivhd", index, block.base.0);
            let at = block.address;
            Iommu {
                name,
                seen,
                table: "IVRS",
                segment: at.segment.0,
                base: block.base.0,
                address: Some(Bdf {
                    domain: at.segment.0.into(),
                    bus: at.bus,
                    device: at.device,
                    function: at.function,
                }),
                scopes: crate::acpi::ivhd::scopes(tables.ivrs_table.as_deref().unwrap_or_default(), block),
                ..Iommu::default()
            }
        })
    })
}

/// Addresses of the slots, as far as the functions above them are known.
pub(super) fn place(machine: &mut Machine) {
    let mut slots = std::mem::take(&mut machine.acpi.slots);
    for slot in &mut slots {
        let bridge = slot.bridge.and_then(|at| machine.acpi.host_bridges.get(at));
        let start = bridge.and_then(|bridge| Some((bridge.segment?, bridge.bus?)));
        if let Some((segment, bus)) = start {
            (slot.port, slot.bdf) = walk(&machine.pci, segment.into(), bus, &slot.steps);
        }
    }
    machine.acpi.slots = slots;
}

/// The last port whose address is known, and the address of the device where every bus above is.
fn walk(pci: &Pci, domain: u32, root: u8, steps: &[(u8, u8)]) -> (Option<Bdf>, Option<Bdf>) {
    let mut port = None;
    let mut bus = root;
    for (at, (device, function)) in steps.iter().enumerate() {
        let bdf = Bdf {
            domain,
            bus,
            device: *device,
            function: *function,
        };
        if at.saturating_add(1) == steps.len() {
            return (port, Some(bdf));
        }
        port = Some(bdf);
        let known = pci
            .functions
            .binary_search_by_key(&bdf, crate::model::PciFunction::bdf)
            .ok();
        let buses = known.and_then(|at| pci.functions.get(at)?.function.buses);
        let Some(buses) = buses.filter(|buses| buses.secondary > 0) else {
            return (port, None);
        };
        bus = buses.secondary;
    }
    (port, None)
}

/// Slot numbers of the namespace for functions that nothing else names.
pub(super) fn label(machine: &mut Machine) {
    for slot in &machine.acpi.slots {
        let Some(bdf) = slot.bdf else { continue };
        let same = |here: Bdf| (here.domain, here.bus, here.device) == (bdf.domain, bdf.bus, bdf.device);
        let unnamed = machine.pci.functions.iter_mut().filter(|function| {
            same(function.bdf())
                && function.place.is_none()
                && !function.is_bridge()
                && function.function.physical_function.is_none()
        });
        for function in unnamed {
            function.place = Some(PlaceLabel {
                name: format!("Slot {}", slot.number),
                source: "acpi-sun",
                slot: None,
            });
        }
    }
}

#[cfg(test)]
mod tests;
