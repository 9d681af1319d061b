//! Sockets: one identical grid for all, memory at the outer side, cores inside; how many stand
//! beside each other depends on how many there are.

use render::scene::{Item, Line, Role, Span};

use super::{Context, by_node, cores, interconnect, memory, pci, persistent, words};
use crate::findings::Place;
use crate::model::Socket;
use crate::sysfs::CpuSet;
use crate::sysfs::topology::Node;

/// From this number of sockets on a card is only a title and a few words.
const MOST_CARDS: usize = 8;

/// The sections of the sockets.
pub(super) fn sections(context: &Context<'_>, width: f32) -> Vec<(String, Item)> {
    let shown = context.sockets();
    let parts = context.options.parts;
    let inner = width - 48.0;
    let mut sections = Vec::new();
    let heading = words::cards_heading(context.machine).to_owned();
    let word = words::card_word(context.machine);
    match shown.as_slice() {
        [] => {}
        [only] => sections.push(("Socket".to_owned(), wide(context, *only, inner, false))),
        [first, second] => {
            let each = (inner - 52.0) / 2.0;
            let mut row = vec![wide(context, *first, each, false)];
            row.push(interconnect::gap(context));
            row.push(wide(context, *second, each, true));
            sections.push((heading.clone(), Item::row(row).gap(0.0)));
        }
        many if many.len() > MOST_CARDS => {
            sections.extend(common(context).map(|item| (format!("Each {word}"), item)));
            let items = many.iter().map(|index| small(context, *index)).collect();
            sections.push((heading.clone(), Item::grid(8, items).gap(8.0)));
            sections.extend(interconnect::band(context).map(|item| ("Interconnect".to_owned(), item)));
        }
        many => {
            sections.extend(common(context).map(|item| (format!("Each {word}"), item)));
            let per_row = if many.len() <= 4 { 2 } else { 4 };
            let rows: Vec<&[usize]> = many.chunks(per_row).collect();
            let half = rows.len().div_ceil(2);
            let grid = |part: &[&[usize]]| {
                let mut items: Vec<Item> = part
                    .iter()
                    .flat_map(|row| row.iter())
                    .map(|index| compact(context, *index, inner, per_row))
                    .collect();
                // a short row keeps the width of the others
                while items.len() < per_row {
                    items.push(Item::space());
                }
                Item::grid(per_row, items).gap(16.0)
            };
            sections.push((heading.clone(), grid(rows.get(..half).unwrap_or(&[]))));
            sections.extend(interconnect::band(context).map(|item| ("Interconnect".to_owned(), item)));
            if rows.len() > half {
                sections.push((format!("{heading}, continued"), grid(rows.get(half..).unwrap_or(&[]))));
            }
        }
    }
    sections.extend(nodes_elsewhere(context));
    if parts.memory && context.options.socket.is_none() {
        let loose = persistent::boxes(context, None);
        sections.extend(loose.map(|item| ("Persistent memory".to_owned(), item)));
    }
    sections.extend(offline(context).map(|item| ("Offline CPUs".to_owned(), item)));
    sections.extend(memory_elsewhere(context).map(|item| ("Memory, socket not known".to_owned(), item)));
    sections
}

fn frame(context: &Context<'_>, index: usize, socket: &Socket, body: Vec<Item>) -> Item {
    let role = if socket.populated { Role::Frame } else { Role::Empty };
    let mut summary = words::socket_summary(context.machine, socket);
    if context.sockets().len() > 2 {
        let shared = shared_words(context);
        summary.retain(|part| !shared.contains(part));
    }
    let mut head = Line::bold(15.0, socket.label.clone());
    let small = context.sockets().len() > MOST_CARDS;
    let said = summary.iter().filter(|part| !(small && part.starts_with("NUMA")));
    for (at, part) in said.enumerate() {
        let dot = if at == 0 { "" } else { "· " };
        head = head.span(Span::muted(11.0, format!("{dot}{part}")));
    }
    let mut title = vec![socket.label.clone()];
    title.extend(summary);
    title.extend(
        socket
            .processor
            .as_ref()
            .and_then(|p| p.upgrade.clone())
            .map(|text| format!("socket type {text}")),
    );
    title.extend(
        socket
            .pairing_assumed
            .then(|| "kernel package and SMBIOS socket paired by their order (assumed)".to_owned()),
    );
    Item::column(body)
        .role(role)
        .gap(8.0)
        .line(head)
        .id(format!("socket-{index}"))
        .title(title.join("\n"))
        .badges(context.badges(&[Place::Socket(index)]))
}

/// One or two sockets: memory column and core area side by side.
fn wide(context: &Context<'_>, index: usize, width: f32, mirrored: bool) -> Item {
    let Some(socket) = context.machine.sockets.get(index) else {
        return Item::space();
    };
    let parts = context.options.parts;
    let memory_width = if socket.slots.len() > 16 {
        width * 0.42
    } else {
        (width * 0.36).clamp(190.0, 300.0)
    };
    let core_width = if parts.memory {
        width - memory_width - 32.0
    } else {
        width - 24.0
    };
    let rows = if width > 900.0 { 9.0 } else { 10.0 };
    let mut row = Vec::new();
    let by_node = by_node::by_node(context.machine, socket).filter(|_| parts.cpu && parts.memory);
    let said = (says_memory(context, socket) && parts.cpu) || by_node.is_some();
    let core_width = if said { width - 24.0 } else { core_width };
    if parts.memory && !said && (context.machine.memory_bytes().is_some() || !socket.slots.is_empty()) {
        row.push(memory::column(context, index, mirrored, false, memory_width).fixed(memory_width));
    }
    if parts.cpu {
        let dimms = by_node.as_ref().map(|slots| cores::Beside { slots, mirrored });
        let area = cores::area(context, socket, core_width, rows, dimms).unwrap_or_else(|| unknown_cores(socket));
        if mirrored { row.insert(0, area) } else { row.push(area) }
    }
    if row.len() == 2 && context.sockets().len() == 1 {
        // one socket: memory stands at the right
        row.swap(0, 1);
    }
    let mut body = vec![Item::row(row).gap(8.0)];
    if by_node.is_some() {
        body.insert(0, memory::summary(context, index, socket, width - 24.0));
    }
    if said && parts.memory {
        body.extend(persistent::boxes(context, Some(index)));
    }
    frame(context, index, socket, body)
}

/// Whether the rows of the NUMA nodes say all that is known of the socket's memory.
fn says_memory(context: &Context<'_>, socket: &Socket) -> bool {
    let own = words::own_nodes(context.machine, socket).count();
    let elsewhere = own == 0 && !socket.nodes.is_empty();
    socket.slots.is_empty() && (own > 1 || elsewhere) && !socket.cpus.is_empty()
}

/// Cores that only SMBIOS counts.
fn unknown_cores(socket: &Socket) -> Item {
    let processor = socket.processor.as_ref();
    let text = match (processor.and_then(|p| p.cores), processor.and_then(|p| p.threads)) {
        (Some(cores), Some(threads)) => format!("{cores} cores, {threads} threads by SMBIOS"),
        (Some(cores), None) => format!("{cores} cores by SMBIOS"),
        _ => "cores not known".to_owned(),
    };
    Item::leaf(Role::Empty)
        .line(Line::text(11.0, text).center())
        .line(
            Line::of(Span::muted(
                10.0,
                "caches and Linux numbers: not known, no sysfs or CPUID in the sources",
            ))
            .center()
            .wrapped(),
        )
        .title("No source tells of single cores")
}

/// Three sockets and more: a card with chips, cores, memory and devices as lines.
#[expect(clippy::cast_precision_loss, reason = "px of a page")]
fn compact(context: &Context<'_>, index: usize, inner: f32, per_row: usize) -> Item {
    let Some(socket) = context.machine.sockets.get(index) else {
        return Item::space();
    };
    let width = (inner - 16.0 * (per_row as f32 - 1.0)) / per_row as f32 - 24.0;
    let parts = context.options.parts;
    let mut body = Vec::new();
    body.extend(interconnect::chips(context, index));
    if parts.cpu {
        body.push(
            cores::area(context, socket, width, if per_row == 2 { 6.0 } else { 4.0 }, None)
                .unwrap_or_else(|| unknown_cores(socket)),
        );
    }
    if parts.memory && !(says_memory(context, socket) && parts.cpu) {
        body.push(memory::column(context, index, false, per_row > 2, width));
    } else if parts.memory {
        body.extend(persistent::boxes(context, Some(index)));
    }
    if parts.pci {
        let strip = Item::leaf(Role::Bus)
            .padding(3.0)
            .line(Line::text(9.5, format!("PCI of {}", socket.label)));
        let lines = pci::lines(context, index, if per_row == 2 { 10 } else { 5 });
        if !lines.is_empty() {
            body.push(
                Item::column(
                    std::iter::once(strip.title("devices of this socket"))
                        .chain(lines)
                        .collect(),
                )
                .gap(3.0),
            );
        }
    }
    frame(context, index, socket, body)
}

/// One of many sockets: label, node, CPUs; the rest by `--socket N`.
fn small(context: &Context<'_>, index: usize) -> Item {
    let Some(socket) = context.machine.sockets.get(index) else {
        return Item::space();
    };
    let mut item = frame(context, index, socket, Vec::new());
    item.padding = 8.0;
    if !socket.cpus.is_empty() {
        let nodes: CpuSet = socket.nodes.iter().map(|node| node.0).collect();
        let line = Line::text(9.5, format!("CPU {}", words::ranges(&socket.cpus)));
        item = item.footer_line(if nodes.is_empty() {
            line
        } else {
            line.right(Span::muted(9.5, format!("NUMA {}", words::ranges(&nodes))))
        });
    }
    let slots: Vec<_> = socket
        .slots
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at))
        .collect();
    if !slots.is_empty() {
        let used = slots.iter().filter(|slot| slot.populated()).count();
        let bytes = slots
            .iter()
            .filter_map(|slot| slot.module.size)
            .fold(0, u64::saturating_add);
        let size = crate::findings::memory_size_words(bytes);
        item = item.footer_line(Line::muted(9.5, format!("{size} in {used} of {} slots", slots.len())));
    }
    item
}

/// What all sockets share.
fn shared_words(context: &Context<'_>) -> Vec<String> {
    let mut sockets = context.machine.sockets.iter().filter(|socket| socket.populated);
    let mut shared = sockets
        .next()
        .map(|first| words::socket_summary(context.machine, first))
        .unwrap_or_default();
    for socket in sockets {
        let own = words::socket_summary(context.machine, socket);
        shared.retain(|part| own.contains(part));
    }
    shared
}

/// What all sockets share, said once.
fn common(context: &Context<'_>) -> Option<Item> {
    let shared = shared_words(context);
    let line = Line::bold(11.0, format!("Each {}:", words::card_word(context.machine)))
        .span(Span::muted(11.0, shared.join(" · ")));
    (!shared.is_empty()).then(|| Item::leaf(Role::Plain).line(line))
}

/// Nodes that stand in no socket's box: those of several sockets, and those of none.
fn nodes_elsewhere(context: &Context<'_>) -> Vec<(String, Item)> {
    let machine = context.machine;
    if context.options.socket.is_some() {
        return Vec::new();
    }
    let mut sections = Vec::new();
    let spanning = words::spanning_nodes(machine);
    if !spanning.is_empty() && (spanning.len() > 1 || context.options.parts.memory) {
        let heading = words::spanning_words(&spanning);
        sections.push(("NUMA nodes that span sockets".to_owned(), node_grid(heading, &spanning)));
    }
    let loose: Vec<&Node> = machine
        .cpu
        .nodes
        .iter()
        .filter(|node| !machine.sockets.iter().any(|socket| socket.nodes.contains(&node.number)))
        .collect();
    if loose.is_empty() {
        return sections;
    }
    let heading = if machine.sockets.iter().any(|socket| socket.by_node) {
        "NUMA nodes without CPUs"
    } else {
        "NUMA nodes of no socket"
    };
    let silent = loose.iter().all(|node| node.cpus.is_empty() && node.memory.is_none());
    let item = if silent {
        super::note(format!(
            "{} NUMA nodes of no socket; which CPUs and how much memory they have is not known",
            loose.len()
        ))
    } else if machine.cpu.cpus.is_empty() {
        node_grid("NUMA nodes; which CPUs they have is not known".to_owned(), &loose)
    } else {
        node_grid(heading.to_owned(), &loose)
    };
    sections.push((heading.to_owned(), item));
    sections
}

/// One box per node, below a heading.
fn node_grid(heading: String, nodes: &[&Node]) -> Item {
    let mut items: Vec<Item> = nodes
        .iter()
        .map(|node| {
            let memory = node
                .memory
                .map_or_else(|| "memory not told".to_owned(), crate::findings::memory_size_words);
            let cpus = if node.cpus.is_empty() {
                "no CPU".to_owned()
            } else {
                format!("CPU {}", words::ranges(&node.cpus))
            };
            Item::leaf(Role::MemoryAlt)
                .line(
                    Line::bold(10.5, format!("NUMA {}", node.number.0))
                        .span(Span::new(10.5, format!("{memory}{}", cores::node_kind(node))))
                        .span(Span::muted(9.5, cpus)),
                )
                .title(cores::node_title(node))
                .id(format!("node-{}", node.number.0))
        })
        .collect();
    while items.len() < 4 {
        items.push(Item::space());
    }
    let columns = if items.len() > 6 { 8 } else { 4 };
    Item::grid(columns, items).gap(8.0).line(Line::bold(11.0, heading))
}

/// Offline CPUs whose socket is not known: the kernel tells nothing of them.
fn offline(context: &Context<'_>) -> Option<Item> {
    let machine = context.machine;
    let off: CpuSet = machine
        .cpu
        .cpus
        .iter()
        .filter(|cpu| !cpu.online && !machine.sockets.iter().any(|socket| socket.cpus.contains(cpu.number)))
        .map(|cpu| cpu.number)
        .collect();
    let text = format!("{} CPUs offline: {}", off.len(), words::ranges(&off));
    (!off.is_empty() && context.options.parts.cpu && context.options.socket.is_none()).then(|| {
        Item::leaf(Role::CellOff)
            .padding(6.0)
            .line(Line::text(10.5, text).wrapped())
            .title("The kernel keeps no topology of offline CPUs: their socket and core are not known")
            .id("offline")
    })
}

/// Memory slots of no known socket.
fn memory_elsewhere(context: &Context<'_>) -> Option<Item> {
    let loose: Vec<usize> = context
        .machine
        .memory
        .slots
        .iter()
        .enumerate()
        .filter(|(_, s)| s.socket.is_none())
        .map(|(at, _)| at)
        .collect();
    if loose.is_empty() || !context.options.parts.memory || context.options.socket.is_some() {
        return None;
    }
    let items: Vec<Item> = loose
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at))
        .map(|slot| {
            let role = if slot.populated() { Role::Memory } else { Role::Empty };
            Item::leaf(role)
                .padding(3.0)
                .line(Line::text(9.0, slot.name().to_owned()).center())
                .line(Line::text(9.5, memory::module_words(slot)).center())
                .title(memory::slot_words(slot))
                .id(format!("slot-{:04x}", slot.module.handle.0))
        })
        .collect();
    let head = format!("Memory slots whose socket is not known ({})", loose.len());
    let mut items = items;
    while items.len() < 10 {
        items.push(Item::space());
    }
    Some(
        Item::grid(10, items)
            .gap(4.0)
            .role(Role::Panel)
            .line(Line::bold(11.0, head))
            .title("The locators do not tell the socket")
            .id("memory-loose"),
    )
}
