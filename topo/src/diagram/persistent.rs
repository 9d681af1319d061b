//! Persistent memory as boxes and words: pmem devices, device-DAX, namespaces, near their socket.

use render::scene::{Item, Line, Role, Span};

use super::Context;
use crate::findings::memory_size_words;
use crate::model::Machine;
use crate::sysfs::topology::{NodeId, Persistent, PersistentMode};

/// How a piece of persistent memory is used, in words.
pub(crate) fn mode_words(piece: &Persistent) -> String {
    match piece.mode {
        PersistentMode::Fsdax => "fsdax".to_owned(),
        PersistentMode::Sector => "sector".to_owned(),
        PersistentMode::Raw => "raw".to_owned(),
        PersistentMode::Devdax => "devdax".to_owned(),
        PersistentMode::SystemRam { node: Some(node) } => format!("memory of NUMA {}", node.0),
        PersistentMode::SystemRam { node: None } => "used as memory".to_owned(),
        PersistentMode::Disabled => "not enabled".to_owned(),
        PersistentMode::Unallocated => "in no namespace".to_owned(),
    }
}

/// Persistent memory near a socket, or near none.
pub(crate) fn pieces(machine: &Machine, socket: Option<usize>) -> Vec<&Persistent> {
    let near = |piece: &Persistent| {
        let of = |node: NodeId| {
            let mut sockets = machine.sockets.iter();
            sockets.position(|socket| socket.nodes.contains(&node))
        };
        let target = match piece.mode {
            PersistentMode::SystemRam { node } => node,
            _ => None,
        };
        target.and_then(of).or_else(|| piece.node.and_then(of))
    };
    machine
        .cpu
        .persistent
        .iter()
        .filter(|piece| near(piece) == socket)
        .collect()
}

/// Boxes of the persistent memory near a socket, or near none.
pub(super) fn boxes(context: &Context<'_>, socket: Option<usize>) -> Option<Item> {
    let boxes: Vec<Item> = pieces(context.machine, socket)
        .into_iter()
        .map(|piece| {
            let size = piece.size.map_or_else(|| "size not told".to_owned(), memory_size_words);
            let role = match piece.mode {
                PersistentMode::Disabled | PersistentMode::Unallocated => Role::Empty,
                _ => Role::MemoryAlt,
            };
            let region = piece.region.as_deref().unwrap_or("region not told");
            let bytes = piece.size.map(|bytes| format!("\n{bytes} bytes")).unwrap_or_default();
            Item::leaf(role)
                .padding(3.0)
                .line(
                    Line::bold(9.5, piece.name.clone())
                        .span(Span::new(9.5, size.clone()))
                        .right(Span::muted(9.0, mode_words(piece))),
                )
                .id(format!("persistent-{}", piece.name))
                .title(format!(
                    "persistent memory {}: {size}, {}\n{region}{bytes}",
                    piece.name,
                    mode_words(piece)
                ))
        })
        .collect();
    let columns = if socket.is_none() { 6 } else { 1 };
    (!boxes.is_empty()).then(|| {
        Item::grid(columns, boxes)
            .gap(3.0)
            .line(Line::bold(10.0, "persistent memory"))
    })
}
