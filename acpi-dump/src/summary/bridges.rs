//! PCI and CXL host bridges of the namespace.

use super::Lines;
use crate::aml::evaluate::Evaluator;
use crate::aml::evaluate::device::{Device, Fact};
use crate::aml::namespace::{Namespace, ObjectKind};
use crate::set::Named;

/// Ids of host bridges: PCI, PCI Express, CXL.
const IDS: [&str; 3] = ["PNP0A03", "PNP0A08", "ACPI0016"];

pub(super) fn bridges(lines: &mut Lines<'_>) {
    let blocks: Vec<&Named> = lines.set.definition_blocks().collect();
    let bytes: Vec<&[u8]> = blocks.iter().map(|named| named.table.bytes.as_slice()).collect();
    let namespace = Namespace::build(&bytes);
    let evaluator = Evaluator::new(&namespace);
    for (id, object) in namespace.iter() {
        let Some(named) = object.place.and_then(|place| blocks.get(place.table)) else {
            continue;
        };
        if !matches!(object.kind, ObjectKind::Device) {
            continue;
        }
        let (hid, cid) = (evaluator.hid(id), evaluator.cid(id));
        let mut ids = hid.values().into_iter().chain(cid.values().into_iter().flatten());
        if ids.any(|known| IDS.contains(&known.id.as_str())) {
            let node = object.place.and_then(|place| namespace.node(place));
            let offset = node.and_then(|node| usize::try_from(node.start).ok());
            lines.say(named, offset, bridge(&evaluator.device(id)));
        }
    }
}

fn bridge(device: &Device) -> String {
    let what = match device.hid.known() {
        Some(id) if id.id == "ACPI0016" => "CXL host bridge",
        _ => "host bridge",
    };
    let mut parts = vec![format!("{what} {}", device.path)];
    parts.extend(number("segment", &device.seg, |value| format!("{value:04x}")));
    parts.extend(number("bus", &device.bbn, |value| format!("{value:02x}")));
    parts.extend(number("domain", &device.pxm, ToString::to_string));
    match &device.sta {
        Fact::Known { value, .. } if !value.is_present() => parts.push("not present".to_owned()),
        Fact::Dynamic { .. } => parts.push("may be absent".to_owned()),
        _ => {}
    }
    if device.conditional {
        parts.push("conditional".to_owned());
    }
    parts.join(", ")
}

fn number(name: &str, fact: &Fact<u64>, words: fn(&u64) -> String) -> Option<String> {
    match fact {
        Fact::Known { value, .. } => Some(format!("{name} {}", words(value))),
        Fact::Dynamic { .. } => Some(format!("{name} dynamic")),
        Fact::Absent | Fact::Failed { .. } => None,
    }
}
