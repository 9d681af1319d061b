//! `delid topo device BDF`: everything about one function.

use render::text as sheet;

use super::{Style, indented};
use crate::diagram::cards;
use crate::findings::{Place, Report};
use crate::model::{Machine, PciFunction};
use crate::pci::config;

/// Name, place, link, what the kernel says, findings, then configuration space decoded.
#[must_use]
pub fn device(machine: &Machine, report: &Report, function: &PciFunction, style: Style) -> String {
    let f = &function.function;
    let mut lines = vec![format!(
        "{} {}: {}",
        function.bdf(),
        function.class_text,
        function.full_name
    )];
    let ids = |a: Option<u16>, b: Option<u16>| a.zip(b).map(|(a, b)| format!("{a:04x}:{b:04x}"));
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value {
            lines.extend(indented(&format!("{name}: {value}"), 2, style.width));
        }
    };
    fact(
        "ids",
        ids(f.vendor, f.device).map(|ids| format!("{ids} rev {:02x}", f.revision.unwrap_or(0))),
    );
    fact(
        "subsystem",
        ids(f.subsystem_vendor, f.subsystem_device).map(|ids| {
            // "Red Hat, Inc. Device": a vendor's name, and no name for the device
            let name = f.subsystem_name.as_deref().unwrap_or_default();
            let name = name.strip_suffix(" Device").unwrap_or(name);
            format!("{ids} {name}").trim_end().to_owned()
        }),
    );
    fact(
        "place",
        function
            .place
            .as_ref()
            .map(|label| format!("{} ({})", label.name, label.source)),
    );
    fact(
        "socket",
        function
            .socket
            .and_then(|at| machine.sockets.get(at))
            .filter(|socket| !socket.by_node)
            .map(|socket| socket.label.clone()),
    );
    fact("NUMA node", node_words(machine, function));
    fact("local CPUs", f.local_cpus.clone());
    fact("IOMMU group", f.iommu_group.map(|group| group.to_string()));
    fact("driver", f.driver.clone());
    fact("OS devices", (!f.os_names.is_empty()).then(|| f.os_names.join(" ")));
    fact(
        "SR-IOV",
        f.vfs_total
            .map(|total| format!("{} of {total} VFs enabled", f.vfs_enabled.unwrap_or(0))),
    );
    fact("VF of", f.physical_function.map(|pf| pf.to_string()));
    fact("errors counted (AER)", f.errors.as_ref().map(|errors| errors.words()));
    fact("INTx", interrupt_words(machine, function));
    fact("serial", f.serial.map(|serial| format!("{serial:016x}")));
    let index = machine
        .pci
        .functions
        .iter()
        .position(|other| other.bdf() == function.bdf());
    let above = index.and_then(|index| cards::link_above(machine, index));
    fact(
        "link above",
        above.map(|link| {
            format!(
                "{} trained, {} possible: {} GB/s per direction",
                link.trained,
                link.possible,
                link.words()
            )
        }),
    );
    let path: Vec<String> = index
        .map(|index| machine.path_up(index).map(|f| f.bdf().to_string()).collect())
        .unwrap_or_default();
    fact("path up", (path.len() > 1).then(|| path.join(" → ")));
    for (number, _) in report.badges(Place::Function(function.bdf())) {
        if let Some(finding) = report.findings.get(number.saturating_sub(1)) {
            lines.extend(indented(
                &format!("finding {}: {}", finding.id, finding.text),
                2,
                style.width,
            ));
        }
    }
    let sources: std::collections::BTreeSet<usize> = function.provenance.iter().map(|(_, at)| *at).collect();
    for at in sources {
        let fields: Vec<&str> = function
            .provenance
            .iter()
            .filter(|(_, from)| *from == at)
            .map(|(name, _)| *name)
            .collect();
        let origin = machine.origins.get(at).map(ToString::to_string).unwrap_or_default();
        // a path stays whole: it is there to be copied
        lines.push(format!("  from {origin}"));
        lines.extend(indented(&fields.join(" "), 6, style.width));
    }
    lines.push(String::new());
    lines.extend(registers(function, style.width));
    sheet::finish(&lines, style)
}

/// Pin of a function on a root bus and where the `_PRT` of its host bridge leads it.
fn interrupt_words(machine: &Machine, function: &PciFunction) -> Option<String> {
    const INTERRUPT_PIN: usize = 0x3d;
    let pin = *function.function.config.as_ref()?.get(INTERRUPT_PIN)?;
    let bdf = function.bdf();
    let route = machine.acpi.interrupt_of(bdf.domain, bdf.bus, bdf.device, pin)?;
    Some(format!("INT{} to {} (ACPI _PRT)", route.pin, route.words()))
}

/// The node and who says so; the kernel's -1 in words.
fn node_words(machine: &Machine, function: &PciFunction) -> Option<String> {
    let only = machine.cpu.nodes.len() == 1;
    let at = machine
        .pci
        .functions
        .binary_search_by_key(&function.bdf(), PciFunction::bdf);
    let path = || at.ok().into_iter().flat_map(|at| machine.path_up(at));
    let kernel = path().any(|f| f.function.numa_node.is_some_and(|node| node >= 0));
    let root = path().last().map(PciFunction::bdf);
    let bridge = root.and_then(|root| machine.acpi.bridge_of(root.domain, root.bus));
    if let (Some(node), Some(bridge)) = (
        function.node,
        bridge.filter(|bridge| !kernel && bridge.node == function.node),
    ) {
        return Some(format!("{} (_PXM of {})", node.0, bridge.path));
    }
    Some(match (function.node, function.function.numa_node) {
        (Some(node), Some(told)) if i64::from(node.0) == i64::from(told) => told.to_string(),
        (Some(node), Some(_)) if only => format!("{} (the only one; firmware gave none)", node.0),
        (Some(node), Some(told)) if told < 0 => format!("{} (of the bridge above; firmware gave none)", node.0),
        (Some(node), Some(told)) => format!("{} (of the bridge above; the function itself says {told})", node.0),
        (Some(node), None) => node.0.to_string(),
        (None, Some(told)) if told >= 0 => format!("{told} (the sources have no such node)"),
        (None, Some(_)) => "not known (firmware gave none)".to_owned(),
        (None, None) => return None,
    })
}

/// Configuration space in the vocabulary of `lspci -vvv`.
fn registers(function: &PciFunction, width: usize) -> Vec<String> {
    let Some(bytes) = &function.function.config else {
        return vec!["  no configuration space in the sources".to_owned()];
    };
    let decoded = config::decode(bytes);
    let mut text = String::new();
    if config::describe(&decoded.value, &mut text).is_err() {
        text.push_str("printing failed\n");
    }
    if bytes.len() <= 64 {
        text.push_str("capabilities: not readable, only 64 bytes of configuration space (root only)\n");
    }
    let mut registers: Vec<Vec<String>> = Vec::new();
    for line in text.lines() {
        let line = format!("  {}", line.replace('\t', "    "));
        match registers.last_mut() {
            Some(above) if goes_on(above, &line) => above.push(line),
            _ => registers.push(vec![line]),
        }
    }
    registers
        .into_iter()
        .flat_map(|lines| {
            if lines.iter().all(|line| sheet::width(line) <= width) {
                return lines;
            }
            let rest: Vec<&str> = lines.iter().skip(1).map(|line| line.trim()).collect();
            let first = lines.first().map(String::as_str).unwrap_or_default();
            hanging(format!("{first} {}", rest.join(" ")).trim_end(), width)
        })
        .collect()
}

/// Whether a line is the rest of the register above it: one step further in than the line that names
/// the register, without a name of its own.
fn goes_on(above: &[String], line: &str) -> bool {
    let indent = |line: &str| line.len().saturating_sub(line.trim_start().len());
    let Some(first) = above.first() else { return false };
    let named = line.split_whitespace().take(2).any(|word| word.ends_with(':'));
    let heading = first.trim_start().starts_with("Capabilities");
    !named && !heading && indent(line) == indent(first).saturating_add(4)
}

/// A line that is too long goes on four columns further in.
fn hanging(line: &str, width: usize) -> Vec<String> {
    let text = line.trim_start_matches(' ');
    let by = line.len().saturating_sub(text.len());
    let mut parts = sheet::wrap(text, width.saturating_sub(by)).into_iter();
    let Some(first) = parts.next() else {
        return vec![line.to_owned()];
    };
    let rest: Vec<String> = parts.collect();
    let mut lines = vec![format!("{}{first}", " ".repeat(by))];
    lines.extend(indented(&rest.join(" "), by.saturating_add(4), width));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_a_register_goes_on_below_it_and_a_named_one_does_not() {
        let above = ["  DevCap2: Timeout- LTR-".to_owned()];
        assert!(goes_on(&above, "      OBFF Not Supported"));
        assert!(!goes_on(&above, "      Address: 00"));
        assert!(!goes_on(&above, "  DevCtl2: LTR-"));
        assert!(!goes_on(
            &["  Capabilities: [160 v1] SR-IOV".to_owned()],
            "      Initial VFs 8"
        ));
        assert!(!goes_on(&[], "      x"));
    }

    #[test]
    fn a_register_too_long_for_the_width_hangs_four_columns_in() {
        assert_eq!(hanging("    DevCap: a+ b+ c+", 16), ["    DevCap: a+", "        b+ c+"]);
        assert_eq!(hanging("    DevCap: a+", 80), ["    DevCap: a+"]);
    }
}
