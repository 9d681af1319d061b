//! Finds the bridge above each function and hangs the functions there.

use std::collections::{BTreeMap, BTreeSet};

use super::super::function::{Bdf, Buses, Function};
use super::{RootBus, Tree};

/// Which bridge leads to a bus, per segment.
#[derive(Default)]
struct Owners {
    secondary: BTreeMap<(u32, u8), Bdf>,
    ranges: BTreeMap<u32, Vec<(Bdf, Buses)>>,
}

/// Sets parents, children, depths and roots of all nodes of `tree`.
pub(super) fn connect(tree: &mut Tree, functions: &[Function]) {
    let owners = owners(tree, functions);
    let mut told = BTreeMap::new();
    for function in functions {
        if let Some(parent) = function.parent {
            told.entry(function.bdf).or_insert(parent);
        }
    }
    let all: Vec<Bdf> = tree.nodes.keys().copied().collect();
    let mut parents = BTreeMap::new();
    for bdf in &all {
        let parent = match told.get(bdf) {
            Some(parent) if tree.nodes.contains_key(parent) => Some(*parent),
            _ => owners.above(*bdf),
        };
        parents.extend(parent.map(|parent| (*bdf, parent)));
    }
    cut_loops(tree, &mut parents, &all);
    hang(tree, &parents, &all);
}

/// Collects the bridges whose bus numbers can be true.
fn owners(tree: &mut Tree, functions: &[Function]) -> Owners {
    let mut owners = Owners::default();
    let mut sorted: Vec<(Bdf, Buses)> = functions
        .iter()
        .filter_map(|function| Some((function.bdf, function.buses?)))
        .collect();
    sorted.sort_by_key(|(bdf, _)| *bdf);
    sorted.dedup_by_key(|(bdf, _)| *bdf);
    for (bdf, buses) in sorted {
        if buses.secondary == 0 && buses.subordinate == 0 {
            // a bridge that nobody configured leads nowhere; that is no damage
            continue;
        }
        if let Some(expected) = impossible(bdf, buses) {
            let seen = format!(
                "secondary {:02x}, subordinate {:02x}",
                buses.secondary, buses.subordinate
            );
            tree.complain(bdf, expected, seen);
            continue;
        }
        if let Some(first) = owners.secondary.get(&(bdf.domain, buses.secondary)) {
            let expected = format!("a secondary bus of its own; {:02x} is behind {first}", buses.secondary);
            tree.complain(bdf, expected, format!("secondary {:02x}", buses.secondary));
            continue;
        }
        owners.secondary.insert((bdf.domain, buses.secondary), bdf);
        owners.ranges.entry(bdf.domain).or_default().push((bdf, buses));
    }
    overlaps(tree, &owners);
    owners
}

/// Why a bridge cannot lead anywhere with these bus numbers.
fn impossible(bdf: Bdf, buses: Buses) -> Option<String> {
    if buses.secondary == 0 {
        return Some("a secondary bus number".to_owned());
    }
    if buses.secondary <= bdf.bus {
        return Some(format!("a secondary bus above its own bus {:02x}", bdf.bus));
    }
    (buses.subordinate < buses.secondary).then(|| "a subordinate bus not below the secondary".to_owned())
}

/// Reports bridges whose ranges cross: each pair must be nested or apart, and a bridge must stand
/// inside the range that holds its own.
fn overlaps(tree: &mut Tree, owners: &Owners) {
    for ranges in owners.ranges.values() {
        let mut sorted: Vec<&(Bdf, Buses)> = ranges.iter().collect();
        sorted.sort_by_key(|(_, buses)| (buses.secondary, u8::MAX.saturating_sub(buses.subordinate)));
        let mut open: Vec<(Bdf, Buses)> = Vec::new();
        for (bdf, buses) in sorted {
            open.retain(|(_, range)| range.subordinate >= buses.secondary);
            if let Some((other, range)) = open.last() {
                let nested = buses.subordinate <= range.subordinate && bdf.bus >= range.secondary;
                if !nested {
                    let expected = format!(
                        "buses apart from {:02x}-{:02x} of {other}, or inside and on one of them",
                        range.secondary, range.subordinate
                    );
                    let seen = format!("{:02x}-{:02x}", buses.secondary, buses.subordinate);
                    tree.complain(*bdf, expected, seen);
                }
            }
            open.push((*bdf, *buses));
        }
    }
}

impl Owners {
    /// The bridge whose secondary bus this is, else the innermost one that answers for it.
    fn above(&self, bdf: Bdf) -> Option<Bdf> {
        if let Some(bridge) = self.secondary.get(&(bdf.domain, bdf.bus)) {
            return Some(*bridge);
        }
        self.ranges
            .get(&bdf.domain)?
            .iter()
            .filter(|(_, buses)| (buses.secondary..=buses.subordinate).contains(&bdf.bus))
            .min_by_key(|(bridge, buses)| (buses.subordinate.saturating_sub(buses.secondary), *bridge))
            .map(|(bridge, _)| *bridge)
    }
}

/// Parents told by a source may lead in a circle; the first function of the circle loses its parent.
fn cut_loops(tree: &mut Tree, parents: &mut BTreeMap<Bdf, Bdf>, all: &[Bdf]) {
    let mut sound = BTreeSet::new();
    for start in all {
        let mut walked = BTreeSet::new();
        let mut here = *start;
        while !sound.contains(&here) {
            if !walked.insert(here) {
                tree.complain(here, "a path up to a root bus", "a path that comes back");
                parents.remove(&here);
                break;
            }
            match parents.get(&here) {
                Some(parent) => here = *parent,
                None => break,
            }
        }
        sound.extend(walked);
    }
}

/// Writes parents, children, depths and roots; `all` is in bus order, so children are too.
fn hang(tree: &mut Tree, parents: &BTreeMap<Bdf, Bdf>, all: &[Bdf]) {
    let mut roots: BTreeMap<(u32, u8), Vec<Bdf>> = BTreeMap::new();
    for bdf in all {
        let parent = parents.get(bdf).copied();
        if let Some(node) = tree.nodes.get_mut(bdf) {
            node.parent = parent;
        }
        match parent.and_then(|parent| tree.nodes.get_mut(&parent)) {
            Some(above) => above.children.push(*bdf),
            None => roots.entry((bdf.domain, bdf.bus)).or_default().push(*bdf),
        }
    }
    tree.roots = roots
        .into_iter()
        .map(|((domain, bus), children)| RootBus {
            domain,
            bus,
            children,
            ..RootBus::default()
        })
        .collect();
    let mut waiting: Vec<(Bdf, usize)> = tree
        .roots
        .iter()
        .flat_map(|root| &root.children)
        .map(|bdf| (*bdf, 0))
        .collect();
    while let Some((bdf, depth)) = waiting.pop() {
        if let Some(node) = tree.nodes.get_mut(&bdf) {
            node.depth = depth;
            waiting.extend(node.children.iter().map(|child| (*child, depth.saturating_add(1))));
        }
    }
}
