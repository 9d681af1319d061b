//! Check 20: I/O remapping of Arm machines. Arm DEN0049, issue E.f.

use std::collections::BTreeMap;

use super::catalogue::platform as checks;
use super::hit::Report;
use super::subject::{Subject, View, place};
use crate::layout::Section;

/// Kinds of nodes and the newest revision of each that the document defines.
const REVISIONS: &[(&str, u64)] = &[
    ("ITS group", 1),
    ("Named component", 4),
    ("Root complex", 4),
    ("SMMUv1 or SMMUv2", 3),
    ("SMMUv3", 5),
    ("Performance monitor counter group", 2),
    ("Reserved memory range", 3),
    ("Interrupt wire bridge", 0),
];

/// Length of an ID mapping.
const MAPPING: usize = 20;

pub(super) fn run(subject: &Subject<'_>, report: &mut Report) {
    for view in subject.all(b"IORT") {
        let nodes: BTreeMap<usize, &Section> = view
            .section
            .sections
            .iter()
            .filter(|section| section.row("Number of ID mappings").is_some())
            .map(|section| (section.offset, section))
            .collect();
        for node in nodes.values() {
            revision(view, node, report);
            mappings(view, node, &nodes, report);
            values(view, node, report);
        }
    }
}

fn revision(view: View<'_>, node: &Section, report: &mut Report) {
    let newest = REVISIONS.iter().find(|(title, _)| node.title == *title);
    let seen = node.number("Revision");
    if let (Some((title, newest)), Some(seen)) = (newest, seen)
        && seen > *newest
    {
        let expected = format!("{title} of revision 0 to {newest}");
        report.at(
            checks::IORT_REVISION,
            view.named,
            place(node, "Revision"),
            expected,
            seen.to_string(),
        );
    }
}

fn mappings(view: View<'_>, node: &Section, nodes: &BTreeMap<usize, &Section>, report: &mut Report) {
    let size = |name| node.number(name).and_then(|number| usize::try_from(number).ok());
    let (Some(count), Some(offset)) = (size("Number of ID mappings"), size("Offset of the ID mappings")) else {
        return;
    };
    let at = place(node, "Number of ID mappings");
    if node.title == "ITS group" {
        if count != 0 || offset != 0 {
            let seen = format!("{count} of them at offset {offset:#x}");
            report.at(
                checks::IORT_NO_MAPPINGS,
                view.named,
                at,
                "no ID mappings in an ITS group",
                seen,
            );
        }
        let fits = node.length.saturating_sub(20) / 4;
        if let Some(services) = size("Number of ITSs").filter(|services| *services > fits) {
            let expected = format!("at most {fits} ITSs in a node of {} bytes", node.length);
            let at = place(node, "Number of ITSs");
            report.at(checks::IORT_OUTSIDE, view.named, at, expected, services.to_string());
        }
        return;
    }
    let end = count.saturating_mul(MAPPING).saturating_add(offset);
    if count > 0 && end > node.length {
        let expected = format!("ID mappings inside the node of {} bytes", node.length);
        report.at(
            checks::IORT_OUTSIDE,
            view.named,
            at,
            expected,
            format!("{count} from offset {offset:#x} on"),
        );
    }
    for mapping in node.sections.iter().filter(|section| section.title == "ID mapping") {
        let name = "Output reference";
        let target = mapping.number(name).and_then(|offset| usize::try_from(offset).ok());
        let Some(target) = target else { continue };
        let good = nodes.get(&target).is_some_and(|node| {
            matches!(node.title.as_str(), "ITS group" | "Interrupt wire bridge") || node.title.starts_with("SMMU")
        });
        if !good {
            let seen = match nodes.get(&target) {
                Some(node) => format!("{target:#x}, {}", node.title),
                None => format!("{target:#x}, where no node begins"),
            };
            let expected = "offset of an SMMU or ITS node";
            report.at(checks::IORT_REFERENCE, view.named, place(mapping, name), expected, seen);
        }
    }
}

fn values(view: View<'_>, node: &Section, report: &mut Report) {
    let coherency = node.number("Cache coherency");
    if let Some(seen) = coherency.filter(|value| *value > 1) {
        let at = place(node, "Cache coherency");
        report.at(checks::IORT_COHERENCY, view.named, at, "0 or 1", format!("{seen:#x}"));
    }
    // CPM and DACS without CCA: DEN0049, 3.1.1.3.
    let memory = node.number("Memory access flags").unwrap_or(0);
    if coherency.is_some_and(|coherency| coherency != 1) && memory & 3 == 3 {
        let expected = "a coherent device, as its path to memory is coherent and its attributes are cacheable";
        report.at(
            checks::IORT_COHERENCY,
            view.named,
            place(node, "Memory access flags"),
            expected,
            "not coherent",
        );
    }
    let model = node.row("Model").filter(|row| row.words.is_none());
    if let Some(row) = model.filter(|row| row.value.number().is_some()) {
        let expected = format!("a model of {} that the document defines", node.title);
        report.at(
            checks::IORT_MODEL,
            view.named,
            row.offset,
            expected,
            row.value.to_string(),
        );
    }
}
