//! Memory modules beside the NUMA node they belong to, where firmware and kernel agree on it.

use std::collections::BTreeMap;

use render::scene::Item;

use super::memory::slot_box;
use super::{Context, words};
use crate::model::{Machine, Socket};
use crate::sysfs::topology::{MemoryKind, Node, NodeId};

/// px of the modules that stand beside the cores of their node.
pub(super) const BESIDE: f32 = 184.0;

/// Slots by the node they belong to: indices into `memory.slots`.
pub(crate) type ByNode = BTreeMap<NodeId, Vec<usize>>;

/// Slots of a socket by node, where the firmware's locators count as many nodes in the socket as the
/// kernel, and the modules of each add up to the memory of that node. Else nobody tells.
pub(crate) fn by_node(machine: &Machine, socket: &Socket) -> Option<ByNode> {
    let nodes: Vec<&Node> = words::own_nodes(machine, socket)
        .filter(|node| node.kind == MemoryKind::Dram && node.memory.is_some_and(|bytes| bytes > 0))
        .collect();
    let mut counted: BTreeMap<u32, Vec<usize>> = BTreeMap::new();
    for index in &socket.slots {
        let module = &machine.memory.slots.get(*index)?.module;
        let texts = [&module.bank_locator, &module.locator];
        let number = texts.into_iter().flatten().find_map(|text| node_number(text))?;
        counted.entry(number).or_default().push(*index);
    }
    if nodes.len() < 2 || counted.len() != nodes.len() {
        return None;
    }
    let fits = |node: &Node, slots: &[usize]| {
        let sizes = slots.iter().filter_map(|at| machine.memory.slots.get(*at)?.module.size);
        let modules = sizes.fold(0, u64::saturating_add);
        let usable = node.memory.unwrap_or(0);
        usable <= modules && usable >= modules / 5 * 4
    };
    let pairs: Vec<(&Node, Vec<usize>)> = nodes.into_iter().zip(counted.into_values()).collect();
    let sound = pairs.iter().all(|(node, slots)| fits(node, slots));
    sound.then(|| pairs.into_iter().map(|(node, slots)| (node.number, slots)).collect())
}

/// "P0_Node1_Channel0_Dimm0", "NODE 3": the number after the word.
fn node_number(text: &str) -> Option<u32> {
    let lower = text.to_ascii_lowercase();
    let (_, rest) = lower.split_once("node")?;
    let rest = rest.trim_start_matches([' ', '_']);
    let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

/// The modules of one node, one line each.
pub(super) fn beside(context: &Context<'_>, slots: &[usize]) -> Item {
    let boxes = slots.iter().filter_map(|at| {
        let slot = context.machine.memory.slots.get(*at)?;
        Some(slot_box(context, *at, slot, true, false))
    });
    Item::column(boxes.collect()).gap(3.0).fixed(BESIDE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::DimmSlot;

    const GIB: u64 = 1 << 30;

    /// A socket with two nodes of 30 GiB and four modules of 16 GiB in the given banks.
    fn machine(banks: [&str; 4]) -> Machine {
        let mut machine = Machine::default();
        for (at, bank) in banks.iter().enumerate() {
            let mut slot = DimmSlot::default();
            slot.module.bank_locator = Some((*bank).to_owned());
            slot.module.size = Some(16 * GIB);
            slot.socket = Some(0);
            machine.memory.slots.push(slot);
            machine.sockets.resize(1, Socket::default());
            machine.sockets[0].slots.push(at);
        }
        for number in 0..2 {
            machine.cpu.nodes.push(Node {
                number: NodeId(number),
                memory: Some(30 * GIB),
                ..Node::default()
            });
            machine.sockets[0].nodes.push(NodeId(number));
        }
        machine
    }

    #[test]
    fn modules_stand_beside_the_node_the_bank_names() {
        let machine = machine([
            "P0_Node0_Channel0",
            "P0_Node0_Channel1",
            "P0_Node1_Channel0",
            "P0_Node1_Channel1",
        ]);
        let by_node = by_node(&machine, &machine.sockets[0]).unwrap();
        assert_eq!(by_node[&NodeId(0)], [0, 1]);
        assert_eq!(by_node[&NodeId(1)], [2, 3]);
    }

    #[test]
    fn modules_of_a_node_that_do_not_add_up_to_its_memory_are_of_no_known_node() {
        let uneven = machine(["NODE 0", "NODE 0", "NODE 0", "NODE 1"]);
        assert_eq!(by_node(&uneven, &uneven.sockets[0]), None);
        let one = machine(["NODE 0", "NODE 0", "NODE 0", "NODE 0"]);
        assert_eq!(by_node(&one, &one.sockets[0]), None, "one count of two nodes");
        let unnamed = machine(["NODE 0", "NODE 0", "BANK 2", "NODE 1"]);
        assert_eq!(by_node(&unnamed, &unnamed.sockets[0]), None, "a module without");
    }

    #[test]
    fn the_number_behind_the_word_node_is_taken_and_no_other() {
        assert_eq!(node_number("P1_Node3_Channel0_Dimm1"), Some(3));
        assert_eq!(node_number("NODE 12 CHANNEL 0"), Some(12));
        assert_eq!(node_number("_Node1_Channel0"), Some(1));
        for text in ["BANK 0", "NODE", "NODE A1", "NODE 99999999999"] {
            assert_eq!(node_number(text), None, "{text}");
        }
    }
}
