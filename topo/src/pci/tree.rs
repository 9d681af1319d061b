//! The PCI hierarchy: segments, root buses, bridges, functions.
//!
//! Follows PCI-to-PCI Bridge Architecture 1.2, section 3.2.5: a bridge owns its secondary bus and
//! answers for all buses up to its subordinate one. Where a source gives the bridge above
//! ([`Function::parent`], as sysfs does), that is taken; else bus numbers decide. A bus that no
//! bridge has as secondary hangs below the innermost bridge that answers for it (virtual functions
//! with a bus number of their own, bridges missing in the source), or else is a root bus.
//!
//! ```
//! use topo::pci::{text, tree};
//! let listing = text::parse(b"00:1c.0 0604: 8086:9d10\n\tBus: primary=00, secondary=01, subordinate=01, sec-latency=0\n01:00.0 0108: 144d:a808\n");
//! let tree = tree::build(&listing.value.functions);
//! assert_eq!(tree.depth("01:00.0".parse().unwrap()), Some(1));
//! ```

mod links;
mod locality;

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::Serialize;

use super::function::{Bdf, Function, PortType};
use crate::evidence::{Damage, Place};
pub use locality::Locality;

/// The hierarchy of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tree {
    /// Buses that no bridge leads to, by segment and number: one per host bridge.
    pub roots: Vec<RootBus>,
    /// What does not fit together; the functions are all in the tree nevertheless.
    pub damage: Vec<Damage>,
    nodes: BTreeMap<Bdf, Node>,
}

/// A bus below the host bridge.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RootBus {
    /// PCI segment.
    pub domain: u32,
    /// Bus number.
    pub bus: u8,
    /// Functions on this bus, in bus order.
    pub children: Vec<Bdf>,
}

/// One function in the tree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Node {
    /// The function.
    pub bdf: Bdf,
    /// Its place in the slice the tree was built from.
    pub index: usize,
    /// The bridge above; `None` on a root bus.
    pub parent: Option<Bdf>,
    /// Functions below this bridge, in bus order.
    pub children: Vec<Bdf>,
    /// Number of bridges above.
    pub depth: usize,
    /// NUMA node, as far as told: a negative number counts as not told.
    pub numa_node: Option<i32>,
    /// PCI Express device/port type, as far as told.
    pub port_type: Option<PortType>,
}

/// Builds the hierarchy. Functions keep their order of bus numbers, not that of the slice.
#[must_use]
pub fn build(functions: &[Function]) -> Tree {
    let mut tree = Tree::default();
    for (index, function) in functions.iter().enumerate() {
        let node = Node {
            bdf: function.bdf,
            index,
            numa_node: function.numa_node.filter(|node| *node >= 0),
            port_type: function.port_type,
            ..Node::default()
        };
        match tree.nodes.entry(function.bdf) {
            Entry::Vacant(place) => drop(place.insert(node)),
            Entry::Occupied(_) => tree.complain(function.bdf, "one function per address", "another one"),
        }
    }
    links::connect(&mut tree, functions);
    tree
}

impl Tree {
    /// The node of a function.
    #[must_use]
    pub fn node(&self, bdf: Bdf) -> Option<&Node> {
        self.nodes.get(&bdf)
    }

    /// All functions of all segments, each bridge before what is below it, in bus order.
    pub fn iter(&self) -> impl Iterator<Item = &Node> {
        let mut waiting: Vec<Bdf> = self
            .roots
            .iter()
            .rev()
            .flat_map(|root| root.children.iter().rev())
            .copied()
            .collect();
        std::iter::from_fn(move || {
            let node = self.nodes.get(&waiting.pop()?)?;
            waiting.extend(node.children.iter().rev());
            Some(node)
        })
    }

    /// Number of functions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there is no function.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }

    /// Number of bridges above a function; `None` for a function that is not in the tree.
    #[must_use]
    pub fn depth(&self, bdf: Bdf) -> Option<usize> {
        Some(self.nodes.get(&bdf)?.depth)
    }

    /// The function, the bridge above it, and so on up to the one on the root bus.
    pub fn path_to_root(&self, bdf: Bdf) -> impl Iterator<Item = &Node> {
        std::iter::successors(self.nodes.get(&bdf), |node| self.nodes.get(&node.parent?))
    }

    /// The root bus a function hangs from.
    #[must_use]
    pub fn root_of(&self, bdf: Bdf) -> Option<&RootBus> {
        let top = self.path_to_root(bdf).last()?.bdf;
        self.roots
            .iter()
            .find(|root| (root.domain, root.bus) == (top.domain, top.bus))
    }

    fn complain(&mut self, bdf: Bdf, expected: impl Into<String>, seen: impl Into<String>) {
        self.damage.push(Damage {
            what: format!("place of {bdf} in the PCI hierarchy"),
            place: Place::Whole,
            expected: expected.into(),
            seen: seen.into(),
        });
    }
}

#[cfg(test)]
mod tests;
