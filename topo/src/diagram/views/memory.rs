//! `delid topo memory`: nodes, then every slot by socket and channel.

use render::text as sheet;

use super::Style;
use crate::diagram::persistent::mode_words;
use crate::diagram::{firmware, hmat};
use crate::findings::{channel_gigabytes_per_second, memory_size_words};
use crate::model::{DimmSlot, Machine, is_told};

/// Nodes, arrays, slots.
#[must_use]
pub fn memory(machine: &Machine, style: Style) -> String {
    let mut lines = nodes(machine, style);
    lines.extend(hmat::lines(machine, style));
    lines.extend(firmware::memory_lines(machine, style));
    lines.extend(persistent(machine, style));
    if machine.memory.slots.is_empty() {
        lines.push("memory modules: not known, no SMBIOS in the sources".to_owned());
        return sheet::finish(&lines, style);
    }
    let head = [
        "SOCKET", "CHANNEL", "SLOT", "SIZE", "TYPE", "MT/S", "RATED", "RANKS", "LOCATOR", "MAKER", "PART", "BANK",
        "HANDLE", "SERIAL",
    ];
    let mut slots: Vec<&DimmSlot> = machine.memory.slots.iter().collect();
    slots.sort_by_key(|slot| {
        (
            slot.socket.unwrap_or(usize::MAX),
            slot.channel
                .as_ref()
                .map_or((usize::MAX, ""), |c| (c.len(), c.as_str())),
            slot.position,
        )
    });
    let rows: Vec<Vec<String>> = slots.into_iter().map(|slot| row(machine, slot)).collect();
    lines.extend(sheet::table(
        &head,
        &rows,
        &[8, 3, 0, 1, 5, 6, 4, 7, 2, 10, 9, 11, 12, 13],
        style.width,
    ));
    lines.push(String::new());
    lines.extend(totals(machine));
    if !machine.memory.not_memory.is_empty() {
        let names: Vec<&str> = machine
            .memory
            .not_memory
            .iter()
            .filter_map(|m| m.locator.as_deref())
            .collect();
        lines.extend(sheet::wrap(
            &format!("not counted, no main memory: {}", names.join(", ")),
            style.width,
        ));
    }
    sheet::finish(&lines, style)
}

/// Persistent memory, a line per piece.
fn persistent(machine: &Machine, style: Style) -> Vec<String> {
    if machine.cpu.persistent.is_empty() {
        return Vec::new();
    }
    let rows: Vec<Vec<String>> = machine
        .cpu
        .persistent
        .iter()
        .map(|piece| {
            vec![
                piece.name.clone(),
                piece.size.map_or_else(|| "not told".to_owned(), memory_size_words),
                mode_words(piece),
                piece.node.map_or_else(|| "?".to_owned(), |node| node.0.to_string()),
                piece.region.clone().unwrap_or_default(),
            ]
        })
        .collect();
    let head = ["PERSISTENT", "SIZE", "MODE", "NODE", "REGION"];
    let mut lines = sheet::table(&head, &rows, &[0, 1, 2, 3, 4], style.width);
    lines.push(String::new());
    lines
}

fn row(machine: &Machine, slot: &DimmSlot) -> Vec<String> {
    let module = &slot.module;
    let some = |text: Option<String>| text.unwrap_or_default();
    let told = |text: &Option<String>| {
        text.as_ref()
            .map(|t| t.trim().to_owned())
            .filter(|t| is_told(t) && slot.populated())
            .unwrap_or_default()
    };
    let socket = slot
        .socket
        .and_then(|at| machine.sockets.get(at))
        .map_or_else(|| "?".to_owned(), |socket| socket.label.clone());
    let full = slot.populated();
    vec![
        socket,
        slot.channel.clone().unwrap_or_else(|| "?".to_owned()),
        some(slot.position.map(|at| at.to_string())),
        if full {
            module.size.map_or_else(|| "not told".to_owned(), memory_size_words)
        } else {
            "empty".to_owned()
        },
        if full { told(&module.kind) } else { String::new() },
        some(module.configured_speed.filter(|_| full).map(|speed| speed.to_string())),
        some(module.speed.filter(|_| full).map(|speed| speed.to_string())),
        some(
            module
                .ranks
                .filter(|ranks| full && *ranks > 0)
                .map(|ranks| ranks.to_string()),
        ),
        slot.name().to_owned(),
        told(&module.manufacturer),
        told(&module.part),
        module
            .bank_locator
            .clone()
            .filter(|text| is_told(text))
            .unwrap_or_default(),
        format!("0x{:04X}", module.handle.0),
        told(&module.serial),
    ]
}

fn totals(machine: &Machine) -> Vec<String> {
    let slots = &machine.memory.slots;
    let used = slots.iter().filter(|slot| slot.populated()).count();
    let bytes = slots
        .iter()
        .filter_map(|slot| slot.module.size)
        .fold(0, u64::saturating_add);
    let mut lines = vec![format!(
        "{} in {used} of {} slots",
        memory_size_words(bytes),
        slots.len()
    )];
    let corrections: std::collections::BTreeSet<&str> = machine
        .memory
        .arrays
        .iter()
        .filter_map(|array| array.error_correction.as_deref())
        .collect();
    let words: Vec<&str> = corrections.into_iter().collect();
    if !words.is_empty() {
        lines.push(format!("error correction: {}", words.join(", ")));
    }
    let speed = slots
        .iter()
        .filter(|s| s.populated())
        .filter_map(|s| s.module.configured_speed.or(s.module.speed))
        .min();
    if let Some(speed) = speed.filter(|speed| *speed > 0) {
        lines.push(format!(
            "{:.1} GB/s per 64-bit channel at {speed} MT/s",
            channel_gigabytes_per_second(speed)
        ));
    }
    lines
}

fn nodes(machine: &Machine, style: Style) -> Vec<String> {
    if machine.cpu.nodes.is_empty() {
        return Vec::new();
    }
    let mut head = vec!["NODE", "MEMORY", "KIND", "CPUS", "SIDE CACHE", "READ MB/S", "READ NS"];
    let numbers: Vec<String> = machine
        .cpu
        .nodes
        .iter()
        .map(|node| format!("→{}", node.number.0))
        .collect();
    let show = machine.cpu.nodes.len() <= 16 && !machine.cpu.distances.is_empty();
    if show {
        head.extend(numbers.iter().map(String::as_str));
    }
    let rows: Vec<Vec<String>> = machine
        .cpu
        .nodes
        .iter()
        .enumerate()
        .map(|(at, node)| {
            let cache = node
                .side_caches
                .iter()
                .filter_map(|cache| cache.size)
                .map(memory_size_words)
                .next();
            let access = node.access.as_ref();
            let number = |value: Option<u64>| value.map(|value| value.to_string()).unwrap_or_default();
            let mut row = vec![
                node.number.0.to_string(),
                node.memory.map_or_else(|| "not told".to_owned(), memory_size_words),
                format!("{:?}", node.kind).to_lowercase(),
                if node.cpus.is_empty() {
                    "none".to_owned()
                } else {
                    node.cpus.to_string()
                },
                cache.unwrap_or_default(),
                number(access.and_then(|access| access.read_bandwidth)),
                number(access.and_then(|access| access.read_latency)),
            ];
            if show {
                row.extend(machine.cpu.distances.get(at).into_iter().flatten().map(u32::to_string));
            }
            row
        })
        .collect();
    let importance: Vec<usize> = [0, 1, 3].into_iter().chain(7..head.len()).chain([2, 5, 6, 4]).collect();
    let mut lines = sheet::table(&head, &rows, &importance, style.width);
    lines.push(String::new());
    lines
}
