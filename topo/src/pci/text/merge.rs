//! Two accounts of one function become one: hex rows win for registers, the first account for the rest.

use super::super::function::{Bdf, Class, Function, Link};
use super::super::{config, link};
use super::rows::Rows;
use super::{Facts, damage};
use crate::evidence::Damage;

/// Function from hex rows.
///
/// Where bytes are missing in the middle, two decodes with opposite fillings tell which fields do
/// not depend on them; the others stay unknown. The kept bytes end at the first missing one.
/// What is odd inside the configuration space is for whoever decodes the kept bytes to report.
pub(super) fn from_rows(rows: &Rows, bdf: Bdf, line: u64) -> (Function, Facts) {
    let decoded = |bytes: &[u8]| {
        let mut function = Function {
            bdf,
            ..Function::default()
        };
        link::fill(&mut function, &config::decode(bytes).value);
        function
    };
    let mut function = if rows.has_holes() {
        agreed(decoded(&rows.filled(0)), &decoded(&rows.filled(0xff)))
    } else {
        decoded(rows.intact())
    };
    let unanswered = !rows.intact().is_empty() && rows.intact().iter().all(|byte| *byte == 0xff);
    if unanswered {
        function = Function {
            bdf,
            ..Function::default()
        };
    } else if (function.vendor, function.device) == (Some(0xffff), Some(0xffff)) {
        // Virtual functions read so (SR-IOV 1.1, 3.4.1.1); the text has the kernel's word for them.
        (function.vendor, function.device) = (None, None);
    }
    function.config = Some(rows.intact().to_vec()).filter(|bytes| !bytes.is_empty());
    let facts = Facts {
        line,
        interface_told: function.class.is_some(),
        hex: true,
        unanswered,
        ..Facts::default()
    };
    (function, facts)
}

/// The fields in which both decodes agree.
fn agreed(mut one: Function, other: &Function) -> Function {
    macro_rules! keep {
        ($($field:ident),* $(,)?) => {$(
            if one.$field != other.$field {
                one.$field = None;
            }
        )*};
    }
    keep!(
        vendor,
        device,
        subsystem_vendor,
        subsystem_device,
        class,
        revision,
        header_type,
        buses,
        port_type,
        max_payload,
        max_payload_supported,
        max_read_request,
        slot_number,
        slot_occupied,
        vfs_total,
        vfs_enabled,
        vf_routing,
        serial,
    );
    if let (Some(link), Some(other)) = (&mut one.link, other.link) {
        let same = link.status == other.status && link.down == other.down;
        link.capability = link.capability.filter(|_| link.capability == other.capability);
        link.status = link.status.filter(|_| same);
        link.down &= same;
    } else {
        one.link = None;
    }
    one
}

/// Header type of a function that was printed with `-v` or more: bridges show their buses.
pub(super) fn header_type(function: &Function, facts: &Facts) -> Option<u8> {
    match (
        facts.unanswered,
        function.buses.is_some(),
        function.class.map(Class::kind),
    ) {
        (true, ..) => None,
        (_, true, Some(0x0607)) => Some(2),
        (_, true, _) => Some(1),
        _ => Some(0),
    }
}

/// Adds what `new` tells to `old`; contradictions go to `log`.
pub(super) fn merge(old: (&mut Function, &mut Facts), new: (Function, Facts), log: &mut Vec<Damage>) {
    let (old, old_facts) = old;
    let (mut new, new_facts) = new;
    let hex_wins = new_facts.hex && !old_facts.hex;
    let bdf = old.bdf;
    let mut conflict = |field: &str, kept: String, dropped: String| {
        let what = format!("{field} of {bdf}");
        log.push(damage(
            new_facts.line,
            what,
            format!("{kept} as elsewhere in the text"),
            dropped,
        ));
    };
    macro_rules! registers {
        ($($field:ident $name:literal),* $(,)?) => {$(
            if let (Some(a), Some(b)) = (&old.$field, &new.$field) && a != b {
                let (kept, dropped) = if hex_wins { (b, a) } else { (a, b) };
                conflict($name, format!("{kept:x?}"), format!("{dropped:x?}"));
            }
            if old.$field.is_none() || (hex_wins && new.$field.is_some()) {
                old.$field = new.$field.take();
            }
        )*};
    }
    macro_rules! kernel {
        ($($field:ident $name:literal),* $(,)?) => {$(
            match (&old.$field, &new.$field) {
                (Some(a), Some(b)) if a != b => conflict($name, format!("{a:?}"), format!("{b:?}")),
                (None, Some(_)) => old.$field = new.$field.take(),
                _ => {}
            }
        )*};
    }
    merge_class(old, old_facts, &mut new, &new_facts);
    if let Some((a, b)) = merge_link(old, &new, hex_wins) {
        conflict("link", a, b);
    }
    registers!(vendor "vendor ID", device "device ID", subsystem_vendor "subsystem vendor ID",
        subsystem_device "subsystem ID", class "class", revision "revision", header_type "header type",
        buses "bus numbers", port_type "port type", max_payload "max payload size",
        max_payload_supported "supported max payload size", max_read_request "max read request size",
        slot_number "slot number", slot_occupied "presence detect state", vfs_total "total VFs",
        vfs_enabled "number of VFs", vf_routing "VF offset and stride", serial "device serial number");
    kernel!(physical_slot "physical slot", label "device name", numa_node "NUMA node",
        iommu_group "IOMMU group", driver "kernel driver", parent "bridge above");
    old.class_name = old.class_name.take().or(new.class_name);
    old.name = old.name.take().or(new.name);
    old.subsystem_name = old.subsystem_name.take().or(new.subsystem_name);
    let length = |config: &Option<Vec<u8>>| config.as_ref().map_or(0, Vec::len);
    if length(&new.config) > length(&old.config) {
        old.config = new.config;
    }
    merge_facts(old_facts, new_facts);
}

/// A class without its programming interface agrees with any class of the same kind.
fn merge_class(old: &mut Function, old_facts: &Facts, new: &mut Function, new_facts: &Facts) {
    let (Some(a), Some(b)) = (old.class, new.class) else {
        return;
    };
    if a.kind() == b.kind() && old_facts.interface_told != new_facts.interface_told {
        let told = if new_facts.interface_told { b } else { a };
        (old.class, new.class) = (Some(told), Some(told));
    }
}

/// Joins both ends of the account; returns kept and dropped state when they contradict.
fn merge_link(old: &mut Function, new: &Function, hex_wins: bool) -> Option<(String, String)> {
    let new = new.link?;
    let Some(have) = old.link else {
        old.link = Some(new);
        return None;
    };
    let (first, second) = if hex_wins { (new, have) } else { (have, new) };
    let differs = |a: Option<_>, b: Option<_>| a.is_some() && b.is_some() && a != b;
    let contradicts = differs(first.capability, second.capability)
        || differs(first.status, second.status)
        || first.down && second.status.is_some()
        || second.down && first.status.is_some();
    let told = |link: Link| link.status.is_some() || link.down;
    let status_from = if told(first) { first } else { second };
    old.link = Some(Link {
        capability: first.capability.or(second.capability),
        status: status_from.status,
        down: status_from.down,
    });
    contradicts.then(|| (format!("{first:?}"), format!("{second:?}")))
}

fn merge_facts(old: &mut Facts, new: Facts) {
    if old.regions.is_empty() {
        old.regions = new.regions;
    }
    if old.modules.is_empty() {
        old.modules = new.modules;
    }
    old.access_denied |= new.access_denied;
    old.unanswered |= new.unanswered;
    old.interface_told |= new.interface_told;
    old.verbose |= new.verbose;
    old.hex |= new.hex;
}
