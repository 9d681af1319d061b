//! `delid topo cpu`: one line per CPU with socket, node, core and the number of every cache.

use std::collections::BTreeMap;

use render::text as sheet;

use super::Style;
use crate::diagram::words;
use crate::model::Machine;
use crate::sysfs::topology::{Cache, CacheKind, Group};

/// The table, then one line per kind of cache.
#[must_use]
pub fn cpu(machine: &Machine, style: Style) -> String {
    let cpu = &machine.cpu;
    if cpu.cpus.is_empty() {
        return "no source tells of single CPUs\n".to_owned();
    }
    let levels = levels(&cpu.caches);
    let mut head = vec!["CPU", "SOCKET", "NODE", "DIE", "CLUSTER", "CORE", "COREID", "APICID"];
    let names: Vec<String> = levels
        .keys()
        .map(|(level, kind)| format!("L{level}{}", suffix(*kind)))
        .collect();
    head.extend(names.iter().map(String::as_str));
    head.extend(["KIND", "MAXMHZ", "ONLINE", "ALLOWED"]);
    let index = |groups: &[Group], number: u32| {
        groups
            .iter()
            .position(|group| group.cpus.contains(number))
            .map(|at| at.to_string())
    };
    let some = |text: Option<String>| text.unwrap_or_default();
    let restricted = cpu.cpus.iter().any(|cpu| !cpu.allowed);
    let rows: Vec<Vec<String>> = cpu
        .cpus
        .iter()
        .map(|one| {
            let number = one.number;
            let socket = machine
                .sockets
                .iter()
                .position(|socket| !socket.by_node && socket.cpus.contains(number))
                .map(|at| at.to_string());
            let node = cpu
                .nodes
                .iter()
                .find(|node| node.cpus.contains(number))
                .map(|node| node.number.0.to_string());
            let mut row = vec![
                number.to_string(),
                some(socket),
                some(node),
                some(index(&cpu.dies, number)),
                some(index(&cpu.clusters, number)),
                some(index(&cpu.cores, number)),
                some(one.core_id.map(|id| id.to_string())),
                some(one.apic_id.map(|id| format!("0x{id:x}"))),
            ];
            row.extend(levels.values().map(|caches| {
                some(
                    caches
                        .iter()
                        .position(|c| c.cpus.contains(number))
                        .map(|at| at.to_string()),
                )
            }));
            row.push(some(
                one.kind
                    .and_then(|kind| cpu.kinds.get(kind))
                    .map(|kind| kind.name.clone().unwrap_or_default()),
            ));
            row.push(some(one.max_khz.map(|khz| (khz / 1000).to_string())));
            row.push(if one.online { "yes" } else { "no" }.to_owned());
            row.push(
                if restricted {
                    if one.allowed { "yes" } else { "no" }
                } else {
                    ""
                }
                .to_owned(),
            );
            row
        })
        .collect();
    let count = head.len();
    let caches: Vec<usize> = (8..count.saturating_sub(4)).rev().collect();
    let importance: Vec<usize> = [0, 1, 2, 5, count.saturating_sub(2)]
        .into_iter()
        .chain(caches)
        .chain([
            3,
            4,
            6,
            count.saturating_sub(4),
            count.saturating_sub(1),
            count.saturating_sub(3),
            7,
        ])
        .collect();
    let mut lines = sheet::table(&head, &rows, &importance, style.width);
    lines.push(String::new());
    lines.extend(levels.values().map(|caches| cache_line(caches)));
    lines.extend(words::core_words(machine));
    sheet::finish(&lines, style)
}

fn suffix(kind: CacheKind) -> &'static str {
    match kind {
        CacheKind::Data => "d",
        CacheKind::Instruction => "i",
        CacheKind::Unified => "",
    }
}

fn levels(caches: &[Cache]) -> BTreeMap<(u8, CacheKind), Vec<&Cache>> {
    let mut levels: BTreeMap<(u8, CacheKind), Vec<&Cache>> = BTreeMap::new();
    for cache in caches {
        levels.entry((cache.level, cache.kind)).or_default().push(cache);
    }
    levels
}

/// "L3: 2 × 16 MiB, 16-way, 64 B lines".
fn cache_line(caches: &[&Cache]) -> String {
    let mut kinds: BTreeMap<String, usize> = BTreeMap::new();
    for cache in caches {
        let ways = match cache.ways {
            Some(u32::MAX) => ", fully associative".to_owned(),
            Some(ways) if ways > 0 => format!(", {ways}-way"),
            _ => String::new(),
        };
        let line = cache.line.map(|line| format!(", {line} B lines")).unwrap_or_default();
        let count = kinds
            .entry(format!("{}{ways}{line}", words::cache_size(cache)))
            .or_default();
        *count = count.saturating_add(1);
    }
    let name = caches.first().map(|cache| words::cache_name(cache)).unwrap_or_default();
    let words: Vec<String> = kinds
        .into_iter()
        .map(|(text, count)| format!("{count} × {text}"))
        .collect();
    format!("{name}: {}", words.join("; "))
}
