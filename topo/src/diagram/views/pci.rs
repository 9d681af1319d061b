//! `delid topo pci`: the whole tree, one line per function, with slot, link, node, driver.

use render::text as sheet;

use super::Style;
use crate::diagram::firmware;
use crate::findings::{Place, Report, Severity, link_pair};
use crate::model::{Machine, PciFunction};

/// The tree of all functions.
#[must_use]
pub fn pci(machine: &Machine, report: &Report, style: Style) -> String {
    if machine.pci.functions.is_empty() {
        let mut lines = vec!["no source tells of PCI functions".to_owned()];
        lines.extend(firmware::device_lines(machine, style));
        return sheet::finish(&lines, style);
    }
    let mut lines = Vec::new();
    let mut bus = None;
    let mut order: Vec<(usize, String, String)> = Vec::new();
    walk(machine, &mut order);
    for (index, lead, _) in &order {
        let Some(function) = machine.pci.functions.get(*index) else {
            continue;
        };
        let here = (function.bdf().domain, function.bdf().bus);
        if function.parent.is_none() && bus != Some(here) {
            bus = Some(here);
            let node = function
                .node
                .map(|node| format!("  NUMA {}", node.0))
                .unwrap_or_default();
            lines.push(format!("{:04x}:{:02x}{node}", here.0, here.1));
        }
        lines.push(line(machine, report, *index, function, lead, style));
    }
    let units = firmware::device_lines(machine, style);
    if !units.is_empty() {
        lines.push(String::new());
        lines.extend(units);
    }
    sheet::finish(&lines, style)
}

/// Depth first over the tree without recursion: index, lead for the line, lead for what is below.
fn walk(machine: &Machine, order: &mut Vec<(usize, String, String)>) {
    let mut stack: Vec<(usize, String, bool)> = machine
        .pci
        .roots
        .iter()
        .rev()
        .map(|index| {
            let bus = |at: usize| machine.pci.functions.get(at).map(|f| (f.bdf().domain, f.bdf().bus));
            let later = machine.pci.roots.iter().skip_while(|at| *at != index).nth(1);
            (*index, String::new(), later.is_none_or(|at| bus(*at) != bus(*index)))
        })
        .collect();
    let mut left = machine.pci.functions.len();
    while let Some((index, indent, last)) = stack.pop() {
        let Some(fewer) = left.checked_sub(1) else { return };
        left = fewer;
        let lead = format!("{indent}{}", if last { "└ " } else { "├ " });
        let below = format!("{indent}{}", if last { "  " } else { "│ " });
        let children = machine
            .pci
            .functions
            .get(index)
            .map(|f| f.children.as_slice())
            .unwrap_or_default();
        for (at, child) in children.iter().enumerate().rev() {
            stack.push((*child, below.clone(), at.saturating_add(1) == children.len()));
        }
        order.push((index, lead, below));
    }
}

/// Address, name, then as much as fits: link, slot, node, driver, OS names, group.
fn line(machine: &Machine, report: &Report, index: usize, function: &PciFunction, lead: &str, style: Style) -> String {
    let f = &function.function;
    let badges: Vec<String> = report
        .badges(Place::Function(function.bdf()))
        .map(|(number, severity)| format!("{}{number}", if severity == Severity::Bad { "✗" } else { "!" }))
        .collect();
    let mut facts: Vec<String> = badges;
    facts.extend(
        function
            .place
            .as_ref()
            .filter(|_| !function.is_bridge() || function.children.is_empty())
            .map(|label| label.name.clone()),
    );
    facts.extend(link(machine, index, function));
    facts.extend(
        f.buses
            .filter(|buses| buses.secondary > 0)
            .map(|buses| match buses.secondary >= buses.subordinate {
                true => format!("→ bus {:02x}", buses.secondary),
                false => format!("→ bus {:02x}–{:02x}", buses.secondary, buses.subordinate),
            }),
    );
    if !f.os_names.is_empty() {
        facts.push(f.os_names.join(" "));
    }
    facts.extend(f.driver.as_ref().map(|driver| format!("[{driver}]")));
    facts.extend(f.physical_function.map(|pf| format!("VF of {pf}")));
    facts.extend(
        f.vfs_enabled
            .filter(|count| *count > 0)
            .map(|count| format!("{count} VFs")),
    );
    if machine.cpu.nodes.len() > 1 || machine.sockets.len() > 1 {
        facts.extend(function.node.map(|node| format!("NUMA {}", node.0)));
    }
    facts.extend(f.iommu_group.map(|group| format!("iommu {group}")));
    let head = format!(
        "{lead}{:02x}:{:02x}.{:x} ",
        function.bdf().bus,
        function.bdf().device,
        function.bdf().function
    );
    let said = function.short_name.starts_with(&function.class_text);
    let name = if matches!(function.kind() >> 8, 0x06) && !said {
        format!("{}: {}", function.class_text, function.short_name)
    } else {
        function.short_name.clone()
    };
    let mut text = format!(
        "{head}{}",
        sheet::shorten(&name, style.width.saturating_sub(sheet::width(&head)).max(8))
    );
    for fact in facts {
        if sheet::width(&text)
            .saturating_add(2)
            .saturating_add(sheet::width(&fact))
            <= style.width
        {
            text.push_str("  ");
            text.push_str(&fact);
        }
    }
    text
}

/// "16 GT/s ×16 (of 32 GT/s ×16)".
fn link(machine: &Machine, index: usize, function: &PciFunction) -> Option<String> {
    let link = function.function.link?;
    if function.is_bridge() && function.parent.is_none() {
        // a root port: its link is told at the device below
        return function
            .children
            .is_empty()
            .then(|| {
                link.capability
                    .map(|state| format!("up to {}", state.generation_words()))
            })
            .flatten();
    }
    let state = link.status?;
    let possible = link_pair(machine, index)
        .map(|pair| pair.possible)
        .or(link.capability)?;
    let less = state.speed < possible.speed || state.width < possible.width;
    Some(if less {
        format!("{} of {}", state.generation_words(), possible.generation_words())
    } else {
        state.generation_words()
    })
}
