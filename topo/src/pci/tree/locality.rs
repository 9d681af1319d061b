//! How far apart two functions are, in the words of `nvidia-smi topo`.

use serde::Serialize;

use super::super::function::{Bdf, PortType};
use super::{Node, Tree};

/// The part of the machine a transfer between two functions has to cross, nearest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Locality {
    /// One and the same function.
    #[serde(rename = "X")]
    Same,
    /// At most one PCIe bridge or switch.
    Pix,
    /// Several bridges, but no host bridge.
    Pxb,
    /// A host bridge.
    Phb,
    /// Several host bridges within one NUMA node.
    Node,
    /// The interconnect between NUMA nodes.
    Sys,
}

impl Tree {
    /// How far apart two functions are; `None` when one is not in the tree, or when they hang from
    /// different host bridges and the NUMA node of one is not known.
    ///
    /// `numa_nodes` is the number of NUMA nodes of the machine, where the caller knows it: with a
    /// single node nothing is in doubt.
    #[must_use]
    pub fn locality(&self, a: Bdf, b: Bdf, numa_nodes: Option<usize>) -> Option<Locality> {
        let (first, second) = (self.node(a)?, self.node(b)?);
        if a == b {
            return Some(Locality::Same);
        }
        if let Some(common) = self.common(first, second) {
            return Some(below(common, first, second));
        }
        let root = |node: &Node| self.root_of(node.bdf).map(|root| (root.domain, root.bus));
        if root(first) == root(second) {
            return Some(Locality::Phb);
        }
        match (self.numa_node(first), self.numa_node(second)) {
            _ if numa_nodes == Some(1) => Some(Locality::Node),
            (Some(one), Some(other)) if one == other => Some(Locality::Node),
            (Some(_), Some(_)) => Some(Locality::Sys),
            _ => None,
        }
    }

    /// The lowest function that is above both, or is one of them and above the other.
    fn common<'a>(&'a self, a: &'a Node, b: &'a Node) -> Option<&'a Node> {
        let (mut a, mut b) = (a, b);
        while a.bdf != b.bdf {
            let up = |node: &Node| node.parent.and_then(|parent| self.node(parent));
            if a.depth >= b.depth {
                a = up(a)?;
            } else {
                b = up(b)?;
            }
        }
        Some(a)
    }

    /// NUMA node of a function, else of the nearest bridge above that tells one.
    fn numa_node(&self, node: &Node) -> Option<i32> {
        self.path_to_root(node.bdf).find_map(|node| node.numa_node)
    }
}

/// Two functions below a common bridge. Below the upstream port of a switch each side may pass one
/// downstream port and still cross a single switch; below another bridge only one more may be passed.
fn below(common: &Node, a: &Node, b: &Node) -> Locality {
    let bridges = |node: &Node| node.depth.saturating_sub(common.depth).saturating_sub(1);
    let (a, b) = (bridges(a), bridges(b));
    let single = match common.port_type {
        Some(PortType::UpstreamPort) | None => a <= 1 && b <= 1,
        Some(_) => a.saturating_add(b) <= 1,
    };
    if single { Locality::Pix } else { Locality::Pxb }
}
