//! Names of slots onto PCI functions: SMBIOS types 9 and 41, the kernel's slots, labels.

use crate::model::{Pci, PlaceLabel};
use crate::pci::function::Bdf;

/// Labels every function that a slot or an onboard structure names.
pub(super) fn label(pci: &mut Pci) {
    let mut labels: Vec<(usize, PlaceLabel)> = Vec::new();
    for (index, slot) in pci.slots.iter().enumerate() {
        let (Some(name), Some(bdf)) = (slot.name.as_deref(), slot.bdf) else {
            continue;
        };
        if slot.is_placeholder() || name.trim().is_empty() {
            continue;
        }
        let label = PlaceLabel {
            name: name.trim().to_owned(),
            source: "smbios-9",
            slot: Some(index),
        };
        labels.extend(targets(pci, bdf).into_iter().map(|at| (at, label.clone())));
    }
    for device in &pci.onboard {
        let (Some(name), Some(bdf)) = (device.name.as_deref(), device.bdf) else {
            continue;
        };
        if let Ok(at) = pci.functions.binary_search_by_key(&bdf, crate::model::PciFunction::bdf) {
            let placeholder = bdf.bus == 0 && bdf.device == 0 && bdf.function == 0;
            if !placeholder && !name.trim().is_empty() {
                labels.push((
                    at,
                    PlaceLabel {
                        name: name.trim().to_owned(),
                        source: "smbios-41",
                        slot: None,
                    },
                ));
            }
        }
    }
    for (at, label) in labels {
        if let Some(function) = pci.functions.get_mut(at).filter(|f| f.place.is_none()) {
            function.place = Some(label);
        }
    }
    kernel_names(pci);
}

/// Functions a slot's address stands for: the device at the address, and where the address is a
/// port, the port and the device below it; for an empty slot the port whose bus it is.
fn targets(pci: &Pci, bdf: Bdf) -> Vec<usize> {
    let same_device = |at: &usize| {
        pci.functions.get(*at).is_some_and(|f| {
            let here = f.bdf();
            (here.domain, here.bus, here.device) == (bdf.domain, bdf.bus, bdf.device)
        })
    };
    if let Ok(at) = pci.functions.binary_search_by_key(&bdf, crate::model::PciFunction::bdf) {
        let below = pci.functions.get(at).map(|f| f.children.clone()).unwrap_or_default();
        let mut found = vec![at];
        if below.is_empty() {
            found.extend(
                (0..pci.functions.len())
                    .filter(same_device)
                    .filter(|other| *other != at),
            );
        }
        found.extend(below);
        return found;
    }
    let port = pci.functions.iter().position(|f| {
        f.bdf().domain == bdf.domain
            && f.function
                .buses
                .is_some_and(|buses| buses.secondary == bdf.bus && buses.secondary > 0)
    });
    port.filter(|at| pci.functions.get(*at).is_some_and(|f| f.children.is_empty()))
        .into_iter()
        .collect()
}

/// Names the kernel gives: `/sys/bus/pci/slots`, firmware labels, the slot number of the port.
fn kernel_names(pci: &mut Pci) {
    for function in pci.functions.iter_mut().filter(|f| f.place.is_none()) {
        let label = |name: &str, source| {
            Some(PlaceLabel {
                name: name.to_owned(),
                source,
                slot: None,
            })
        };
        function.place = match (&function.function.label, &function.function.physical_slot) {
            (Some(name), _) if !name.is_empty() => label(name, "firmware-label"),
            (_, Some(name)) if !name.is_empty() => label(&format!("Slot {name}"), "sysfs-slot"),
            _ => None,
        };
    }
    let numbered: Vec<(usize, String)> = pci
        .functions
        .iter()
        .filter_map(|port| Some((port, port.function.slot_number.filter(|number| *number > 0)?)))
        .flat_map(|(port, number)| {
            port.children
                .iter()
                .map(move |child| (*child, format!("Slot #{number}")))
        })
        .collect();
    for (at, name) in numbered {
        if let Some(function) = pci
            .functions
            .get_mut(at)
            .filter(|f| f.place.is_none() && !f.is_bridge() && f.function.physical_function.is_none())
        {
            function.place = Some(PlaceLabel {
                name,
                source: "slot-number",
                slot: None,
            });
        }
    }
}
