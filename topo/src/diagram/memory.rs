//! Memory of a socket: one row per channel with a box per slot, a grid when there are many, or
//! what is known without SMBIOS.

use std::collections::BTreeMap;

use render::scene::{Ink, Item, Line, Pipe, Role, Span};

use super::{Context, words};
use crate::findings::{Place, channel_gigabytes_per_second, channel_totals, memory_size_words};
use crate::model::{DimmSlot, Socket};

/// Up to so many slots get a box with text.
const MOST_BOXES: usize = 16;

/// Capacity and theoretical bandwidth, as the heading of a socket's memory.
fn heading(context: &Context<'_>, socket: &Socket, index: usize) -> Vec<Line> {
    let slots: Vec<&DimmSlot> = socket
        .slots
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at))
        .collect();
    let bytes = slots
        .iter()
        .filter_map(|slot| slot.module.size)
        .fold(0, u64::saturating_add);
    let used = slots.iter().filter(|slot| slot.populated()).count();
    let own: Vec<_> = words::own_nodes(context.machine, socket).collect();
    let node = match own.as_slice() {
        [only] => format!("NUMA {}: ", only.number.0),
        _ => String::new(),
    };
    let mut lines = vec![Line::bold(
        11.0,
        format!("{node}{} in {used} of {} slots", memory_size_words(bytes), slots.len()),
    )];
    if let Some((now, can)) = bandwidth(context, index) {
        let text = if now < can {
            format!("{now:.1} of {can:.1} GB/s")
        } else {
            format!("{now:.1} GB/s")
        };
        let ink = if now < can { Ink::Bad } else { Ink::Muted };
        lines.push(Line::of(Span::new(10.0, text).ink(ink)));
    }
    lines
}

/// Theoretical bandwidth of the populated channels and of all, in GB/s, at the configured speed.
pub(crate) fn bandwidth(context: &Context<'_>, socket: usize) -> Option<(f64, f64)> {
    let totals = channel_totals(context.machine, socket)?;
    let slots = context
        .machine
        .sockets
        .get(socket)?
        .slots
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at));
    let speed = slots
        .filter(|slot| slot.populated())
        .filter_map(|slot| slot.module.configured_speed.or(slot.module.speed))
        .min()
        .filter(|speed| *speed > 0)?;
    let rate = |n: usize| channel_gigabytes_per_second(speed) * u32::try_from(n).map_or(0.0, f64::from);
    Some((
        rate(totals.values().filter(|total| **total > 0).count()),
        rate(totals.len()),
    ))
}

/// The memory column of a socket, `width` px wide.
pub(super) fn column(context: &Context<'_>, index: usize, mirrored: bool, narrow: bool, width: f32) -> Item {
    let Some(socket) = context.machine.sockets.get(index) else {
        return Item::space();
    };
    if socket.slots.is_empty() {
        return without_modules(context, index, socket);
    }
    let mut body = Vec::new();
    body.extend(bandwidth_bar(context, index, width - 8.0));
    if words::own_nodes(context.machine, socket)
        .filter(|node| !node.cpus.is_empty())
        .count()
        > 1
    {
        body.push(super::note("the node of each module is not known"));
    }
    if socket.slots.len() <= MOST_BOXES && !narrow {
        body.extend(boxes(context, socket, index, mirrored));
    } else {
        body.extend(grid(context, socket, index));
    }
    body.extend(super::persistent::boxes(context, Some(index)));
    Item::column(body)
        .gap(4.0)
        .lines(heading(context, socket, index))
        .padding(4.0)
        .id(format!("memory-{index}"))
        .title(title(context, socket))
}

fn title(context: &Context<'_>, socket: &Socket) -> String {
    let slots = socket
        .slots
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at));
    let lines: Vec<String> = slots.map(slot_words).collect();
    format!("{} memory\n{}", socket.label, lines.join("\n"))
}

/// Slots with their indices by channel: whether the name is unknown, its length, the name.
pub(crate) type Channels<'a> = BTreeMap<(bool, usize, String), Vec<(usize, &'a DimmSlot)>>;

/// Slots by channel, in the order of the channels' names; slots without a channel come last.
pub(crate) fn by_channel<'a>(context: &Context<'a>, socket: &Socket) -> Channels<'a> {
    let mut channels: Channels<'a> = BTreeMap::new();
    for index in &socket.slots {
        let Some(slot) = context.machine.memory.slots.get(*index) else {
            continue;
        };
        let name = slot.channel.clone().unwrap_or_default();
        channels
            .entry((slot.channel.is_none(), name.len(), name))
            .or_default()
            .push((*index, slot));
    }
    for slots in channels.values_mut() {
        slots.sort_by_key(|(index, slot)| (slot.position, *index));
    }
    channels
}

fn boxes(context: &Context<'_>, socket: &Socket, index: usize, mirrored: bool) -> Vec<Item> {
    let channels = by_channel(context, socket);
    let deepest = channels
        .iter()
        .filter(|((unknown, ..), _)| !unknown)
        .map(|(_, slots)| slots.len())
        .max()
        .unwrap_or(1);
    let wide = deepest == 1;
    let longest = channels.keys().map(|(_, length, _)| *length).max().unwrap_or(1);
    let letter = if longest > 2 { 48.0 } else { 22.0 };
    channels
        .into_iter()
        .flat_map(|((unknown, _, name), mut slots)| {
            if unknown {
                let items: Vec<Item> = slots
                    .iter()
                    .map(|(at, slot)| slot_box(context, *at, slot, false, false))
                    .collect();
                return vec![Item::grid(2, items).gap(4.0)];
            }
            let partly = slots.iter().all(|(_, slot)| !slot.populated())
                && channel_totals(context.machine, index).is_some_and(|totals| {
                    totals.values().filter(|total| **total > 0).count().saturating_mul(2) > totals.len()
                });
            if mirrored {
                slots.reverse();
            }
            let mut row: Vec<Item> = slots
                .iter()
                .map(|(at, slot)| slot_box(context, *at, slot, wide, partly))
                .collect();
            while row.len() < deepest {
                row.push(Item::space());
            }
            let letter = Item::leaf(Role::Plain)
                .line(Line::bold(10.5, name).center())
                .fixed(letter);
            if mirrored {
                row.push(letter)
            } else {
                row.insert(0, letter)
            }
            vec![Item::row(row).gap(4.0)]
        })
        .collect()
}

/// "32 GiB 3200 2R", "empty".
pub(crate) fn module_words(slot: &DimmSlot) -> String {
    if !slot.populated() {
        return "empty".to_owned();
    }
    let module = &slot.module;
    let mut parts = vec![
        module
            .size
            .map_or_else(|| "size not told".to_owned(), memory_size_words),
    ];
    parts.extend(module.configured_speed.or(module.speed).map(|speed| speed.to_string()));
    parts.extend(module.ranks.filter(|ranks| *ranks > 0).map(|ranks| format!("{ranks}R")));
    parts.join(" ")
}

/// Everything about a slot in one line.
pub(crate) fn slot_words(slot: &DimmSlot) -> String {
    let module = &slot.module;
    let mut parts = vec![format!("{}: {}", slot.name(), module_words(slot))];
    if slot.populated() {
        let rated = module
            .speed
            .filter(|rated| module.configured_speed.is_some_and(|set| set != *rated));
        parts.extend(rated.map(|rated| format!("rated {rated} MT/s")));
        let told = [&module.kind, &module.manufacturer, &module.part].into_iter().flatten();
        parts.extend(told.filter(|text| crate::model::is_told(text)).cloned());
    }
    parts.extend(
        module
            .bank_locator
            .as_ref()
            .filter(|text| crate::model::is_told(text))
            .map(|bank| format!("bank {bank}")),
    );
    parts.push(match &slot.channel {
        Some(channel) => format!("channel {channel}"),
        None => "channel not known".to_owned(),
    });
    parts.join(" · ")
}

pub(super) fn slot_box(context: &Context<'_>, index: usize, slot: &DimmSlot, wide: bool, missing: bool) -> Item {
    let technology = slot.module.technology.as_deref().unwrap_or("DRAM");
    let role = match (slot.populated(), missing) {
        (false, true) => Role::Missing,
        (false, false) => Role::Empty,
        (true, _) if technology == "DRAM" || technology.contains("nknown") => Role::Memory,
        (true, _) => Role::MemoryAlt,
    };
    let ink = if slot.populated() { Ink::Normal } else { Ink::Faint };
    let name = Span::new(9.0, slot.name().to_owned()).ink(ink);
    let what = Span::new(9.5, module_words(slot)).ink(ink);
    let item = Item::leaf(role)
        .padding(3.0)
        .id(format!("slot-{:04x}", slot.module.handle.0))
        .title(slot_words(slot));
    let item = if wide {
        item.line(Line::of(name).right(what))
    } else {
        item.line(Line::of(name).center()).line(Line::of(what).center())
    };
    item.badges(context.badges(&[Place::MemorySlot(index)]))
        .keyword(slot.module.serial.clone().unwrap_or_default())
}

/// Channels × slots as small cells with the sizes, then one line per kind of module.
fn grid(context: &Context<'_>, socket: &Socket, index: usize) -> Vec<Item> {
    let channels = by_channel(context, socket);
    let known: Vec<_> = channels.iter().filter(|((unknown, ..), _)| !unknown).collect();
    let mut items = Vec::new();
    if known.is_empty() {
        let all = channels
            .values()
            .flatten()
            .map(|(at, slot)| cell(context, *at, slot))
            .collect();
        items.push(Item::grid(8, all).gap(2.0));
    } else {
        for (many, part) in known.chunks(8).enumerate() {
            let columns: Vec<Item> = part
                .iter()
                .map(|((_, _, name), slots)| {
                    let cells = slots.iter().map(|(at, slot)| cell(context, *at, slot));
                    let letter = Item::leaf(Role::Plain).line(Line::bold(9.0, name.clone()).center());
                    Item::column(std::iter::once(letter).chain(cells).collect()).gap(2.0)
                })
                .collect();
            items.push(
                Item::row(columns)
                    .gap(2.0)
                    .id(format!("channels-{index}-{many}"))
                    .title("memory channels, slots from the top"),
            );
        }
        let loose: Vec<Item> = channels
            .iter()
            .filter(|((unknown, ..), _)| *unknown)
            .flat_map(|(_, s)| s)
            .map(|(at, slot)| cell(context, *at, slot))
            .collect();
        if !loose.is_empty() {
            items.push(Item::grid(8, loose).gap(2.0));
        }
    }
    items.extend(kinds(context, socket).into_iter().map(super::note));
    items
}

fn cell(context: &Context<'_>, index: usize, slot: &DimmSlot) -> Item {
    let role = if slot.populated() { Role::Memory } else { Role::Empty };
    let size = slot
        .module
        .size
        .filter(|size| *size > 0)
        .map(words::short_size)
        .unwrap_or_default();
    Item::leaf(role)
        .padding(1.0)
        .min_height(14.0)
        .id(format!("slot-{:04x}", slot.module.handle.0))
        .title(slot_words(slot))
        .line(Line::text(9.0, size).center())
        .badges(context.badges(&[Place::MemorySlot(index)]))
}

/// One line per kind of module, at most three: "8 × 64 GiB 4800 2R: A1 … H1".
pub(crate) fn kinds(context: &Context<'_>, socket: &Socket) -> Vec<String> {
    let mut kinds: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for slot in socket
        .slots
        .iter()
        .filter_map(|at| context.machine.memory.slots.get(*at))
        .filter(|slot| slot.populated())
    {
        kinds.entry(module_words(slot)).or_default().push(slot.name());
    }
    let more = kinds.len().saturating_sub(3);
    let mut lines: Vec<String> = kinds
        .into_iter()
        .take(3)
        .map(|(kind, names)| match names.as_slice() {
            [only] => format!("{only}: {kind}"),
            [first, .., last] if names.len() > 4 => format!("{} × {kind}: {first} … {last}", names.len()),
            _ => format!("{} × {kind}: {}", names.len(), names.join(", ")),
        })
        .collect();
    if more > 0 {
        lines.push(format!("+ {more} more kinds"));
    }
    lines
}

/// Memory where no SMBIOS tells of modules: what Linux sees of the socket's nodes.
fn without_modules(context: &Context<'_>, index: usize, socket: &Socket) -> Item {
    let nodes: Vec<_> = words::own_nodes(context.machine, socket).collect();
    let teller = words::memory_teller(context.machine);
    let mut items = Vec::new();
    for node in &nodes {
        let Some(bytes) = node.memory else { continue };
        let (role, text) = if bytes == 0 {
            (Role::Empty, "no memory".to_owned())
        } else {
            (Role::Memory, memory_size_words(bytes))
        };
        items.push(
            Item::leaf(role)
                .padding(5.0)
                .line(
                    Line::bold(10.5, format!("NUMA {}", node.number.0))
                        .span(Span::new(10.5, format!("{text}{}", super::cores::node_kind(node)))),
                )
                .title(format!(
                    "NUMA node {}: {bytes} bytes {}",
                    node.number.0,
                    if context.machine.cpu.nodes_by_firmware {
                        "in ranges of the SRAT"
                    } else {
                        teller
                    }
                )),
        );
    }
    let from = if context.machine.by_xen().is_some() {
        "by Xen"
    } else {
        "from /proc/meminfo"
    };
    if socket.nodes.is_empty()
        && let Some(bytes) = context
            .machine
            .cpu
            .memory
            .filter(|_| context.machine.sockets.len() <= 1)
    {
        items.push(
            Item::leaf(Role::Memory)
                .padding(5.0)
                .line(Line::text(10.5, format!("{} {teller}", memory_size_words(bytes))))
                .title(format!("{bytes} bytes, {from}")),
        );
    }
    items.extend(super::persistent::boxes(context, Some(index)));
    let (text, title) = if context.machine.memory.slots.is_empty() {
        (
            "modules, channels, speed: not known",
            "No SMBIOS: see \"Not shown, and how to get it\"",
        )
    } else {
        (
            "which modules are here is not known",
            "The locators of the modules do not tell the socket",
        )
    };
    items.push(
        Item::leaf(Role::Empty)
            .padding(5.0)
            .line(Line::of(Span::muted(10.0, text)).wrapped())
            .title(title),
    );
    Item::column(items).gap(6.0).padding(4.0)
}

/// A bar of theoretical bandwidth: pale for all channels, solid for the populated ones. 1.2 px per
/// GB/s as links have it, less where the fastest socket would not fit in `room` px.
#[expect(clippy::cast_possible_truncation, reason = "px of a page")]
pub(super) fn bandwidth_bar(context: &Context<'_>, socket: usize, room: f32) -> Option<Item> {
    let (now, can) = bandwidth(context, socket)?;
    let most = (0..context.machine.sockets.len())
        .filter_map(|other| bandwidth(context, other))
        .map(|(_, can)| can)
        .fold(can, f64::max);
    let scale = f64::min(1.2, f64::from(room.max(1.0)) / most.max(1.0));
    let px = |rate: f64| (rate * scale) as f32;
    Some(
        Item::bar(Pipe::new(px(now), px(can), 6.0).bad(now < can)).title(format!(
            "theoretical memory bandwidth {now:.1} of {can:.1} GB/s\n1 px = {:.2} GB/s",
            1.0 / scale
        )),
    )
}

/// Heading and bar of a socket whose modules stand beside their nodes.
pub(super) fn summary(context: &Context<'_>, index: usize, socket: &Socket, width: f32) -> Item {
    Item::column(bandwidth_bar(context, index, width).into_iter().collect())
        .gap(4.0)
        .lines(heading(context, socket, index))
        .id(format!("memory-{index}"))
        .title(title(context, socket))
}
