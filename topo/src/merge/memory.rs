//! Memory modules onto sockets and channels.

use std::collections::BTreeMap;

use crate::model::{DimmSlot, Memory, OriginIndex, Socket};
use crate::smbios::locator::{self, Placement};
use crate::smbios::{Handle, Smbios};

/// Places every module; what is no memory of the machine (flash) is set apart.
pub(super) fn place(smbios: &Smbios, origin: Option<OriginIndex>, sockets: &mut [Socket]) -> Memory {
    let mut memory = Memory {
        arrays: smbios.arrays.clone(),
        origin,
        ..Memory::default()
    };
    let placements = locator::place_all(smbios);
    let nodes = nodes(&placements);
    for (module, placement) in smbios.modules.iter().zip(placements) {
        if !placement.is_memory {
            memory.not_memory.push(module.clone());
            continue;
        }
        let index = memory.slots.len();
        let socket = socket(smbios, &placement, sockets);
        if let Some(socket) = socket.and_then(|at| sockets.get_mut(at)) {
            socket.slots.push(index);
        }
        let several = placement.channel.as_ref().is_some_and(|channel| {
            nodes
                .get(&(placement.socket, channel.clone()))
                .is_some_and(|nodes| nodes.len() > 1)
        });
        let channel = match (&placement.node, placement.channel) {
            (Some(node), Some(channel)) if several => Some(format!("{node}/{channel}")),
            (_, channel) => channel,
        };
        let style = Some(placement.style).filter(|style| !style.is_empty());
        memory.slots.push(DimmSlot {
            module: module.clone(),
            socket,
            channel,
            position: placement.slot,
            style,
        });
    }
    memory
}

/// Memory controllers that use the same channel name in one socket.
fn nodes(placements: &[Placement]) -> BTreeMap<(Option<u32>, String), Vec<Option<u32>>> {
    let mut nodes: BTreeMap<(Option<u32>, String), Vec<Option<u32>>> = BTreeMap::new();
    for placement in placements {
        let Some(channel) = &placement.channel else { continue };
        let known = nodes.entry((placement.socket, channel.clone())).or_default();
        if !known.contains(&placement.node) {
            known.push(placement.node);
        }
    }
    nodes
}

/// Index of the socket: the one with the processor structure the placement names, or the only one.
fn socket(smbios: &Smbios, placement: &Placement, sockets: &[Socket]) -> Option<usize> {
    if sockets.len() == 1 {
        return Some(0);
    }
    let number = usize::try_from(placement.socket?).ok()?;
    let handle: Handle = smbios.processors.get(number)?.handle;
    sockets
        .iter()
        .position(|socket| socket.processor.as_ref().is_some_and(|p| p.handle == handle))
}
