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
        ids(f.subsystem_vendor, f.subsystem_device)
            .map(|ids| format!("{ids} {}", f.subsystem_name.as_deref().unwrap_or(""))),
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
            .map(|socket| socket.label.clone()),
    );
    let node = |told: i32| match function.node {
        Some(node) if i64::from(node.0) == i64::from(told) => format!("{told}"),
        Some(node) => format!("{} (from the bridge above; the function itself says {told})", node.0),
        None => format!("{told}"),
    };
    fact(
        "NUMA node",
        f.numa_node
            .map(node)
            .or_else(|| function.node.map(|node| node.0.to_string())),
    );
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
        lines.extend(indented(
            &format!("from {origin}: {}", fields.join(" ")),
            2,
            style.width,
        ));
    }
    lines.push(String::new());
    lines.extend(registers(function));
    sheet::finish(&lines, style)
}

/// Configuration space in the vocabulary of `lspci -vvv`.
fn registers(function: &PciFunction) -> Vec<String> {
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
    text.lines()
        .map(|line| format!("  {}", line.replace('\t', "    ")))
        .collect()
}
