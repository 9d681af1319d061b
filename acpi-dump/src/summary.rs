//! What the tables of a machine say together, on one screen and in words: nodes and distances,
//! CPUs, ECAM windows, IOMMUs, CXL, error sources, consoles, power and boot.
//!
//! Every line names the table it comes from. What no table says is not in the list.

mod bridges;
mod memory;
mod platform;

use schemars::JsonSchema;
use serde::Serialize;

use crate::layout::{self, Section};
use crate::set::{Named, TableSet};
use crate::tables::dmar::{Dmar, Scope, ScopeKind};
use crate::tables::ivrs::Ivrs;
use crate::tables::madt::{CpuKind, Madt};
use crate::tables::mcfg::Mcfg;
use crate::words::count;

/// One statement.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Line {
    /// The statement.
    pub text: String,
    /// Name of the table that says so.
    pub table: String,
    /// Offset in the table, where it is one structure's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<usize>,
}

/// Statements of one subject.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// The subject: `NUMA`, `CPUs`.
    pub title: &'static str,
    /// What is said, in table order.
    pub lines: Vec<Line>,
}

/// All that the tables of `set` say.
#[must_use]
pub fn summary(set: &TableSet) -> Vec<Part> {
    let parts = [
        part("CPUs", set, cpus),
        part("NUMA", set, memory::nodes),
        part("Memory performance", set, memory::performance),
        part("PCI", set, pci),
        part("IOMMU", set, iommu),
        part("CXL", set, memory::cxl),
        part("Errors", set, platform::errors),
        part("Consoles", set, platform::consoles),
        part("Power and boot", set, platform::power),
    ];
    parts.into_iter().filter(|part| !part.lines.is_empty()).collect()
}

/// Statements on the way.
struct Lines<'a> {
    set: &'a TableSet,
    list: Vec<Line>,
}

impl Lines<'_> {
    fn say(&mut self, named: &Named, offset: Option<usize>, text: impl Into<String>) {
        self.list.push(Line {
            text: text.into(),
            table: named.name.clone(),
            offset,
        });
    }
}

fn part(title: &'static str, set: &TableSet, fill: fn(&mut Lines<'_>)) -> Part {
    let mut lines = Lines { set, list: Vec::new() };
    fill(&mut lines);
    Part {
        title,
        lines: lines.list,
    }
}

/// Every table of a signature with its decoded rows.
fn decoded<'a>(set: &'a TableSet, signature: &'static [u8; 4]) -> impl Iterator<Item = (&'a Named, Section)> {
    let wanted = set
        .tables
        .iter()
        .filter(move |named| named.table.signature.0 == *signature);
    wanted.map(|named| (named, layout::decode(&named.table).value))
}

/// What a row's value means, else the value.
fn words(section: &Section, name: &str) -> Option<String> {
    let row = section.row(name)?;
    Some(row.words.clone().unwrap_or_else(|| row.value.to_string()))
}

fn cpus(lines: &mut Lines<'_>) {
    let set = lines.set;
    for (named, madt) in set
        .tables
        .iter()
        .filter_map(|named| Some((named, Madt::decode(&named.table)?.value)))
    {
        let mut text = format!("{} enabled", count(madt.enabled().count(), "CPU"));
        let later = madt.online_capable().count();
        if later > 0 {
            text += &format!(", {later} more can be brought online");
        }
        let disabled = madt
            .cpus
            .len()
            .saturating_sub(madt.enabled().count())
            .saturating_sub(later);
        if disabled > 0 {
            text += &format!(", {disabled} disabled entries");
        }
        let ids: Vec<u64> = madt
            .enabled()
            .filter_map(|cpu| cpu.apic_id)
            .map(|id| id.0.into())
            .collect();
        if let (Some(first), Some(last)) = (ids.iter().min(), ids.iter().max()) {
            let kind = if madt.enabled().any(|cpu| cpu.kind == CpuKind::LocalX2Apic) {
                "x2APIC"
            } else {
                "APIC"
            };
            text += &format!(", {kind} ids {first:#x} to {last:#x}");
        }
        lines.say(named, None, text);
        for chip in &madt.io_apics {
            let text = format!(
                "I/O APIC {} at {}, interrupts from {}",
                chip.id, chip.address, chip.interrupt_base
            );
            lines.say(named, Some(chip.offset), text);
        }
    }
}

fn pci(lines: &mut Lines<'_>) {
    let set = lines.set;
    bridges::bridges(lines);
    for (named, mcfg) in set
        .tables
        .iter()
        .filter_map(|named| Some((named, Mcfg::decode(&named.table)?.value)))
    {
        for window in &mcfg.windows {
            let text = format!(
                "segment {:04x} buses {:02x}-{:02x}: ECAM at {}",
                window.segment.0, window.first_bus, window.last_bus, window.base
            );
            lines.say(named, Some(window.offset), text);
        }
    }
}

fn iommu(lines: &mut Lines<'_>) {
    let set = lines.set;
    for named in &set.tables {
        if let Some(dmar) = Dmar::decode(&named.table) {
            vt_d(lines, named, &dmar.value);
        }
        if let Some(ivrs) = Ivrs::decode(&named.table) {
            for unit in ivrs.value.units() {
                let text = format!("AMD IOMMU {} registers at {}", unit.address, unit.base);
                lines.say(named, Some(unit.offset), text);
            }
            for range in &ivrs.value.memory {
                let text = format!(
                    "reserved memory at {}, {}",
                    range.base,
                    crate::words::size(range.length)
                );
                lines.say(named, Some(range.offset), text);
            }
        }
    }
}

fn vt_d(lines: &mut Lines<'_>, named: &Named, dmar: &Dmar) {
    let mut flags = Vec::new();
    if dmar.interrupt_remapping {
        flags.push("interrupt remapping");
    }
    if dmar.x2apic_opt_out {
        flags.push("asks not to enable x2APIC");
    }
    if !flags.is_empty() {
        lines.say(named, None, flags.join(", "));
    }
    for unit in &dmar.units {
        let scope = if unit.include_all {
            "every device of the segment that no other names".to_owned()
        } else {
            scopes(&unit.scopes)
        };
        let text = format!("VT-d unit at {}, segment {:04x}: {scope}", unit.base, unit.segment.0);
        lines.say(named, Some(unit.offset), text);
    }
    for range in &dmar.reserved {
        let text = format!(
            "reserved memory {}-{} for {}",
            range.base,
            range.limit,
            scopes(&range.scopes)
        );
        lines.say(named, Some(range.offset), text);
    }
}

/// Most scopes that a line names.
const SCOPES: usize = 6;

/// Devices of a scope: bus and path, as the firmware numbers them.
fn scopes(list: &[Scope]) -> String {
    let named = list.iter().take(SCOPES).map(|scope| {
        let path: Vec<String> = scope
            .path
            .iter()
            .map(|(device, function)| format!("{device:02x}.{function:x}"))
            .collect();
        let place = format!("{:02x}:{}", scope.start_bus, path.join("/"));
        match scope.kind {
            ScopeKind::PciEndpoint => place,
            ScopeKind::PciSubHierarchy => format!("all below {place}"),
            ScopeKind::IoApic => format!("I/O APIC {} ({place})", scope.enumeration_id),
            ScopeKind::Hpet => format!("HPET {} ({place})", scope.enumeration_id),
            ScopeKind::Acpi => format!("ACPI device {} ({place})", scope.enumeration_id),
            ScopeKind::Other(kind) => format!("type {kind} ({place})"),
        }
    });
    let mut text = named.collect::<Vec<_>>().join(", ");
    match list.len().checked_sub(SCOPES) {
        Some(more) if more > 0 => text += &format!(" and {more} more"),
        _ if list.is_empty() => text += "no device",
        _ => {}
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::{hex, sdt};

    #[test]
    fn each_line_names_its_table_and_place() {
        let mut set = TableSet::default();
        let window = "0000000000000000 000000e000000000 0100 00 3f 00000000";
        set.add_binary("test", &sdt(b"MCFG", 1, &hex(window)));
        let parts = summary(&set);
        let line = &parts[0].lines[0];
        assert_eq!((parts.len(), parts[0].title), (1, "PCI"));
        assert_eq!(line.text, "segment 0001 buses 00-3f: ECAM at 0xe0000000");
        assert_eq!((line.table.as_str(), line.offset), ("MCFG", Some(44)));
    }

    #[test]
    fn a_set_that_says_nothing_of_a_subject_has_no_part_for_it() {
        assert!(summary(&TableSet::default()).is_empty());
    }
}
