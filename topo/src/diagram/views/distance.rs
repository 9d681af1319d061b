//! `delid topo distance`: how far two functions are from each other, in the six words of
//! `nvidia-smi topo -m`.

use render::text as sheet;

use super::Style;
use crate::diagram::{cards, interconnect, words};
use crate::model::{Machine, PciFunction};
use crate::pci::function::{Bdf, Function};
use crate::pci::tree::{self, Locality, Tree};
use crate::sysfs::CpuSet;

fn tree_of(machine: &Machine) -> Tree {
    let functions: Vec<Function> = machine
        .pci
        .functions
        .iter()
        .map(|f| {
            let node = f.node.and_then(|node| i32::try_from(node.0).ok());
            let parent = f
                .parent
                .and_then(|at| machine.pci.functions.get(at))
                .map(PciFunction::bdf);
            Function {
                config: None,
                numa_node: node,
                parent,
                ..f.function.clone()
            }
        })
        .collect();
    tree::build(&functions)
}

fn nodes(machine: &Machine) -> Option<usize> {
    match machine.cpu.nodes.len() {
        0 if machine.populated_sockets() == 1 => Some(1),
        0 => None,
        n => Some(n),
    }
}

fn word(locality: Option<Locality>) -> String {
    locality.map_or_else(|| "?".to_owned(), |locality| format!("{locality:?}").to_uppercase())
}

const MEANING: &[(&str, &str)] = &[
    ("PIX", "at most one PCIe switch between them"),
    ("PXB", "several PCIe switches, not the host bridge"),
    ("PHB", "the host bridge of one root complex"),
    ("NODE", "several host bridges of one NUMA node"),
    ("SYS", "the interconnect between NUMA nodes"),
];

/// One pair with the words and the SLIT distance of their nodes.
#[must_use]
pub fn distance(machine: &Machine, a: Bdf, b: Bdf) -> String {
    let word = word(tree_of(machine).locality(a, b, nodes(machine)));
    let node = |bdf| machine.function(bdf).and_then(|f| f.node);
    let meaning = match word.as_str() {
        "X" => "the same function".to_owned(),
        "?" => {
            let silent: Vec<String> = [a, b]
                .into_iter()
                .filter(|bdf| node(*bdf).is_none())
                .map(|bdf| bdf.to_string())
                .collect();
            format!(
                "not known: other host bridges, and firmware gave no NUMA node for {}, \
                 so NODE and SYS cannot be told apart",
                silent.join(" and ")
            )
        }
        word => MEANING
            .iter()
            .find(|(name, _)| *name == word)
            .map_or_else(String::new, |(_, text)| (*text).to_owned()),
    };
    let slit = node(a).zip(node(b)).and_then(|(a, b)| {
        Some(format!(
            "NUMA {} to {}: SLIT {}",
            a.0,
            b.0,
            interconnect::distance(machine, a, b)?
        ))
    });
    let slit = slit.map(|text| format!("\n{text}")).unwrap_or_default();
    format!("{word}  {meaning}{slit}\n")
}

/// Functions worth a row: what the picture draws, no bridges, no VFs.
fn rows(machine: &Machine) -> Vec<&PciFunction> {
    machine
        .pci
        .functions
        .iter()
        .filter(|f| cards::has_row(machine, f))
        .collect()
}

/// Why the table has a "?": whose node is not told, and what that leaves open. `nvidia-smi` answers
/// SYS there; that would claim a distance nobody told.
fn footnote(machine: &Machine, rows: &[&PciFunction]) -> String {
    let silent: CpuSet = (0_u32..)
        .zip(rows)
        .filter(|(_, f)| f.node.is_none())
        .map(|(at, _)| at)
        .collect();
    let whose = match silent.len() {
        0 => "one of the two".to_owned(),
        n if n == rows.len() => "these devices".to_owned(),
        _ => words::ranges(&silent),
    };
    let counted = match machine.cpu.nodes.len() {
        0 => " and the sources do not tell how many nodes there are",
        _ => "",
    };
    format!(
        "not known: other host bridges, and firmware gave no NUMA node for {whose}{counted}, \
         so NODE and SYS cannot be told apart"
    )
}

/// All pairs.
#[must_use]
pub fn distance_matrix(machine: &Machine, style: Style) -> String {
    let rows = rows(machine);
    if rows.is_empty() {
        return "no devices that move data in the sources\n".to_owned();
    }
    let tree = tree_of(machine);
    let known = nodes(machine);
    let numbers: Vec<String> = (0..rows.len()).map(|at| at.to_string()).collect();
    let head: Vec<&str> = ["", "ADDRESS", "NUMA", "DEVICE"]
        .into_iter()
        .chain(numbers.iter().map(String::as_str))
        .collect();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .enumerate()
        .map(|(at, a)| {
            let node = a.node.map_or_else(|| "?".to_owned(), |node| node.0.to_string());
            let mut row = vec![
                at.to_string(),
                a.bdf().to_string(),
                node,
                sheet::shorten(&a.short_name, 24),
            ];
            row.extend(rows.iter().map(|b| {
                if a.bdf() == b.bdf() {
                    "X".to_owned()
                } else {
                    word(tree.locality(a.bdf(), b.bdf(), known))
                }
            }));
            row
        })
        .collect();
    let importance: Vec<usize> = [0, 1].into_iter().chain(4..head.len()).chain([2, 3]).collect();
    let width = style.width.max(rows.len().saturating_mul(6).saturating_add(24));
    let mut lines = sheet::table(&head, &cells, &importance, width);
    lines.push(String::new());
    lines.extend(MEANING.iter().map(|(name, text)| format!("{name:4}  {text}")));
    if cells.iter().any(|row| row.iter().skip(4).any(|cell| cell == "?")) {
        let mut parts = sheet::wrap(&footnote(machine, &rows), style.width.saturating_sub(6)).into_iter();
        lines.extend(parts.next().map(|first| format!("?     {first}")));
        lines.extend(parts.map(|rest| format!("      {rest}")));
    }
    sheet::finish(&lines, style)
}
