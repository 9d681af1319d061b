//! What can be said of a root bus as a whole: its host bridge and its NUMA node.

use std::collections::BTreeSet;

use super::super::function::{Bdf, Function};
use super::{RootBus, Tree};

/// Base class and subclass of a host bridge.
const HOST_BRIDGE: u32 = 0x0600;

/// The root buses of `tree` with host bridge and node filled in.
pub(super) fn described(tree: &Tree, functions: &[Function]) -> Vec<RootBus> {
    let describe = |root: &RootBus| RootBus {
        host_bridge: root
            .children
            .iter()
            .copied()
            .find(|bdf| is_host_bridge(tree, functions, *bdf)),
        numa_node: only_node(tree, &root.children),
        ..root.clone()
    };
    tree.roots.iter().map(describe).collect()
}

fn is_host_bridge(tree: &Tree, functions: &[Function], bdf: Bdf) -> bool {
    let function = tree.node(bdf).and_then(|node| functions.get(node.index));
    function.is_some_and(|function| {
        let by_name = function.class.is_none() && function.class_name.as_deref() == Some("Host bridge");
        by_name || function.class.is_some_and(|class| class.kind() == HOST_BRIDGE)
    })
}

/// The node that all functions at and below `tops` agree on.
fn only_node(tree: &Tree, tops: &[Bdf]) -> Option<i32> {
    let mut nodes = BTreeSet::new();
    let mut waiting = tops.to_vec();
    while let Some(node) = waiting.pop().and_then(|bdf| tree.node(bdf)) {
        nodes.extend(node.numa_node);
        waiting.extend(&node.children);
    }
    if nodes.len() == 1 { nodes.pop_first() } else { None }
}
