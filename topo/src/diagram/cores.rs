//! Cores of a socket: tiles (the CPUs that share the outermost cache below the socket or node),
//! in them squares, strips or counts, by the room there is.

use render::scene::{Ink, Item, Line, Role, Span, Width};

use super::{Context, by_node, words};
use crate::model::Socket;
use crate::sysfs::CpuSet;
use crate::sysfs::topology::{Cache, CpuTopology, Group, Node};

/// CPUs drawn together, with the caches they share.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tile<'a> {
    /// Its CPUs.
    pub cpus: CpuSet,
    /// Caches shared by more than one core of it, innermost first.
    pub shared: Vec<&'a Cache>,
}

/// Tiles of a set of CPUs: the parts that share one cache of the outermost level, or one tile
/// where nothing is shared.
#[must_use]
pub fn tiles<'a>(context_cpu: &'a CpuTopology, cpus: &CpuSet) -> Vec<Tile<'a>> {
    let cores: Vec<&Group> = words::cores_in(context_cpu, cpus).collect();
    let spans = |cache: &Cache| {
        cores
            .iter()
            .filter(|core| core.cpus.intersects(&cache.cpus))
            .take(2)
            .count()
            > 1
    };
    let inside: Vec<&Cache> = context_cpu
        .caches
        .iter()
        .filter(|c| c.cpus.intersects(cpus) && spans(c))
        .collect();
    let mut left = cpus.clone();
    let mut tiles = Vec::new();
    while let Some(first) = left.first() {
        let outer = inside
            .iter()
            .filter(|cache| cache.cpus.contains(first))
            .max_by_key(|cache| (cache.level, cache.cpus.len()));
        let mut part = outer.map_or_else(|| uncovered(&left, &inside), |cache| cache.cpus.intersection(&left));
        part.insert(first);
        left = left.difference(&part);
        let mut shared: Vec<&Cache> = inside
            .iter()
            .copied()
            .filter(|cache| cache.cpus.intersects(&part))
            .collect();
        shared.sort_by_key(|cache| (cache.level, cache.kind, cache.cpus.first()));
        tiles.push(Tile { cpus: part, shared });
    }
    tiles
}

/// CPUs that no shared cache covers: they make one tile.
fn uncovered(left: &CpuSet, inside: &[&Cache]) -> CpuSet {
    left.iter()
        .filter(|cpu| !inside.iter().any(|cache| cache.cpus.contains(*cpu)))
        .collect()
}

/// How a core is drawn.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Mode {
    /// Square with the CPU number and its siblings; so many in a row over the whole width.
    Large(usize),
    /// Square with the CPU number.
    Small(usize),
    /// Cell of a strip without text.
    Strip,
    /// One bar with a count.
    Count,
}

/// Cells of a set of CPUs: one for each core, and one for each CPU whose core is not known.
fn cells(cpu: &CpuTopology, cpus: &CpuSet) -> usize {
    let cores = words::cores_in(cpu, cpus).count();
    cores.saturating_add(loose(cpu, cpus).len())
}

/// CPUs that are in no known core.
fn loose(cpu: &CpuTopology, cpus: &CpuSet) -> CpuSet {
    let mut left = cpus.clone();
    for core in words::cores_in(cpu, cpus) {
        left = left.difference(&core.cpus);
    }
    left
}

/// Width in px a tile spends on borders.
const TILE_FRAME: f32 = 14.0;

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "px and counts of a page"
)]
fn mode(width: f32, cores: usize, tiles: usize, rows_allowed: f32) -> Mode {
    let fit = |cell: f32| ((width - TILE_FRAME).max(cell) / cell).floor() as usize;
    let rows = |cell: f32| {
        (cores as f32 / fit(cell).max(1) as f32)
            .ceil()
            .max((tiles as f32 / fit(cell * 2.0).max(1) as f32).ceil())
    };
    if rows(50.0) <= rows_allowed {
        Mode::Large(fit(50.0))
    } else if rows(30.0) <= rows_allowed * 1.7 {
        Mode::Small(fit(30.0))
    } else if (cores as f32) * 7.0 / width <= rows_allowed * 1.2 {
        Mode::Strip
    } else {
        Mode::Count
    }
}

/// Memory modules that stand beside the cores of their node, and whether at the right.
#[derive(Clone, Copy)]
pub(super) struct Beside<'a> {
    /// Slots by node.
    pub slots: &'a by_node::ByNode,
    /// The socket is drawn mirrored: memory at the right.
    pub mirrored: bool,
}

/// The core area of a socket: one row per NUMA node when there are several.
pub(super) fn area(
    context: &Context<'_>,
    socket: &Socket,
    width: f32,
    rows_allowed: f32,
    dimms: Option<Beside<'_>>,
) -> Option<Item> {
    let cpu = &context.machine.cpu;
    if socket.cpus.is_empty() {
        return None;
    }
    let nodes: Vec<&Node> = words::own_nodes(context.machine, socket).collect();
    let with_cpus = nodes.iter().filter(|node| node.cpus.intersects(&socket.cpus)).count();
    let cores = cells(cpu, &socket.cpus).max(1);
    let all = tiles(cpu, &socket.cpus);
    let free = dimms.map_or(width, |_| width - by_node::BESIDE - 8.0);
    let mode = mode(free - 16.0, cores, all.len(), rows_allowed);
    let mut column = vec![];
    if with_cpus > 1 || nodes.len() > 1 {
        let mut left = socket.cpus.clone();
        for node in &nodes {
            let cpus = node.cpus.intersection(&left);
            left = left.difference(&cpus);
            column.push(node_row(context, node, &cpus, mode, width, dimms).id(format!("node-{}", node.number.0)));
        }
        if !left.is_empty() {
            column.extend(tile_rows(context, &tiles(cpu, &left), mode, width));
        }
    } else {
        column.extend(tile_rows(context, &all, mode, width - 16.0));
    }
    // a taller memory column beside it does not stretch the tiles
    column.push(Item::space().grow());
    let mut item = Item::column(column).role(Role::Area).gap(6.0).title(format!(
        "cores of {}\n{}",
        socket.label,
        caption(context, socket).join("\n")
    ));
    for text in caption(context, socket) {
        item = item.line(Line::of(Span::muted(9.5, text)).wrapped());
    }
    Some(item)
}

fn node_row(
    context: &Context<'_>,
    node: &Node,
    cpus: &CpuSet,
    mode: Mode,
    width: f32,
    dimms: Option<Beside<'_>>,
) -> Item {
    let memory = node.memory.map_or_else(
        || "memory not told".to_owned(),
        |bytes| match bytes {
            0 => "no memory".to_owned(),
            bytes => crate::findings::memory_size_words(bytes),
        },
    );
    let kind = node_kind(node);
    let head = Line::bold(11.0, format!("NUMA {}: {memory}{kind}", node.number.0));
    let head = match (cpus.is_empty(), node.cpus.is_empty()) {
        (true, true) => head.right(Span::muted(9.5, no_cpu(context, node))),
        (true, false) => head.right(Span::muted(9.5, elsewhere(context, node))),
        _ => head.right(Span::muted(9.5, format!("CPU {}", words::ranges(cpus)))),
    };
    let slots = dimms.and_then(|dimms| Some((dimms.slots.get(&node.number)?, dimms.mirrored)));
    let free = slots.map_or(width, |_| width - by_node::BESIDE - 8.0);
    let rows = tile_rows(context, &tiles(&context.machine.cpu, cpus), mode, free - 32.0);
    let body = match slots {
        Some((slots, mirrored)) => {
            let modules = by_node::beside(context, slots);
            let rows = rows.into_iter().chain([Item::space().grow()]).collect();
            let mut pair = vec![modules, Item::column(rows).gap(6.0)];
            if mirrored {
                pair.reverse();
            }
            vec![Item::row(pair).gap(8.0)]
        }
        None => rows,
    };
    let row = if body.is_empty() {
        Item::leaf(Role::Area)
    } else {
        Item::column(body).role(Role::Area)
    };
    row.gap(6.0)
        .line(head)
        .title(node_title(node))
        .badges(context.badges(&[crate::findings::Place::Node(node.number)]))
}

/// A node without CPUs, and the node whose CPUs are nearest.
fn no_cpu(context: &Context<'_>, node: &Node) -> String {
    let mut nodes = context.machine.cpu.nodes.iter();
    let near = nodes.find(|other| !other.cpus.is_empty() && other.cpus == node.local_cpus);
    near.map_or_else(
        || "no CPU".to_owned(),
        |near| format!("no CPU, nearest to NUMA {}", near.number.0),
    )
}

/// Why a node has no CPUs here though it claims some.
fn elsewhere(context: &Context<'_>, node: &Node) -> String {
    let twin = context.machine.cpu.nodes.iter().find(|other| other.cpus == node.cpus);
    match twin.filter(|twin| twin.number != node.number) {
        Some(twin) => format!("the same CPUs as NUMA {}", twin.number.0),
        None => format!("CPU {} (elsewhere)", words::ranges(&node.cpus)),
    }
}

pub(super) fn node_kind(node: &Node) -> &'static str {
    use crate::sysfs::topology::MemoryKind;
    match node.kind {
        MemoryKind::Dram => "",
        MemoryKind::Hbm => " HBM",
        MemoryKind::Cxl => " CXL",
        MemoryKind::Persistent => " persistent memory",
        MemoryKind::Gpu => " GPU memory",
    }
}

pub(super) fn node_title(node: &Node) -> String {
    let mut lines = vec![format!("NUMA node {}{}", node.number.0, node_kind(node))];
    lines.extend(
        node.memory
            .map(|bytes| format!("memory {} ({bytes} bytes)", crate::findings::memory_size_words(bytes))),
    );
    lines.push(if node.cpus.is_empty() {
        "no CPU".to_owned()
    } else {
        format!("CPUs {}", node.cpus)
    });
    for cache in &node.side_caches {
        let size = cache
            .size
            .map_or_else(|| "size not told".to_owned(), crate::findings::memory_size_words);
        lines.push(format!("memory-side cache L{} {size}", cache.level));
    }
    if let Some(access) = &node.access {
        let pair = |read: Option<u64>, write: Option<u64>, unit: &str| {
            read.map(|read| {
                format!(
                    "read {read} {unit}{}",
                    write.map(|write| format!(", write {write} {unit}")).unwrap_or_default()
                )
            })
        };
        lines.extend(
            pair(access.read_bandwidth, access.write_bandwidth, "MB/s").map(|text| format!("HMAT bandwidth {text}")),
        );
        lines.extend(pair(access.read_latency, access.write_latency, "ns").map(|text| format!("HMAT latency {text}")));
    }
    lines.join("\n")
}

/// Rows of tiles over a width.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "px and counts of a page"
)]
fn tile_rows(context: &Context<'_>, tiles: &[Tile<'_>], mode: Mode, width: f32) -> Vec<Item> {
    if tiles.is_empty() {
        return Vec::new();
    }
    let cpu = &context.machine.cpu;
    let most = tiles
        .iter()
        .map(|tile| cells(cpu, &tile.cpus))
        .max()
        .unwrap_or(1)
        .max(1);
    let cell = match mode {
        Mode::Large(_) => 50.0,
        Mode::Small(_) => 30.0,
        Mode::Strip => 8.0,
        Mode::Count => 1.0,
    };
    let least = match mode {
        Mode::Large(_) => 2.0_f32.min(most as f32) * cell + TILE_FRAME,
        Mode::Small(_) => 4.0_f32.min(most as f32) * cell + TILE_FRAME,
        Mode::Strip => 90.0,
        Mode::Count => 90.0,
    };
    // as many tiles beside each other as leave the cells of the largest one in at most four rows
    let whole = (width / least).floor().max(1.0) as usize;
    let per_row = (1..=whole.min(tiles.len()))
        .rev()
        .find(|n| {
            let columns = ((width / *n as f32 - TILE_FRAME) / cell).floor().max(1.0);
            let even = (most as f32 / columns).fract() == 0.0 || most as f32 <= columns;
            (most as f32 / columns <= 2.5 && even) || matches!(mode, Mode::Count)
        })
        .unwrap_or(1);
    let per_row = if tiles.len() > per_row {
        even(tiles.len(), per_row)
    } else {
        per_row
    };
    let tile_width = width / per_row as f32;
    let columns = (((tile_width - TILE_FRAME) / cell).floor() as usize).clamp(1, most);
    let columns = if most > columns { even(most, columns) } else { columns };
    vec![
        Item::grid(
            per_row,
            tiles.iter().map(|tile| draw(context, tile, mode, columns)).collect(),
        )
        .gap(6.0),
    ]
}

/// The largest number of columns up to `most` that divides `n` evenly, when it is not too small.
fn even(n: usize, most: usize) -> usize {
    (1..=most)
        .rev()
        .find(|columns| n.is_multiple_of(*columns))
        .filter(|columns| columns.saturating_mul(2) > most)
        .unwrap_or(most)
}

fn draw(context: &Context<'_>, tile: &Tile<'_>, mode: Mode, columns: usize) -> Item {
    let cpu = &context.machine.cpu;
    let cores: Vec<&Group> = words::cores_in(cpu, &tile.cpus).collect();
    let first = tile.cpus.first().unwrap_or(0);
    let mut children = Vec::new();
    match mode {
        Mode::Large(_) | Mode::Small(_) => {
            let large = matches!(mode, Mode::Large(_));
            let loose = loose(cpu, &tile.cpus);
            let cells = cores.iter().map(|core| square(context, core, large));
            let cells: Vec<Item> = cells
                .chain(loose.iter().map(|number| loose_square(context, number)))
                .collect();
            children.push(Item::grid(columns, cells).gap(3.0));
        }
        Mode::Strip => {
            let cells = cores.iter().map(|core| strip_cell(context, core));
            let loose = loose(cpu, &tile.cpus);
            let cells = cells.chain(loose.iter().map(|number| {
                let alone = Group {
                    os_id: None,
                    cpus: CpuSet::single(number),
                };
                strip_cell(context, &alone)
            }));
            children.push(Item::grid(columns.max(1), cells.collect()).gap(1.0));
        }
        Mode::Count => children.push(
            Item::leaf(Role::Cell)
                .line(Line::text(10.0, count_words(cores.len(), &tile.cpus)).center())
                .title(format!("CPUs {}", tile.cpus)),
        ),
    }
    for cache in merged_shared(tile) {
        children.push(cache);
    }
    let mut item = Item::column(children)
        .role(Role::Group)
        .gap(4.0)
        .padding(5.0)
        .id(format!("tile-{first}"));
    if matches!(mode, Mode::Strip | Mode::Count) {
        let exceptions = exceptions(context, &tile.cpus);
        let text = format!("{}{exceptions}", words::tile_numbers(cpu, &tile.cpus));
        let ink = if exceptions.is_empty() { Ink::Muted } else { Ink::Warn };
        item = item.line(Line::of(Span::new(9.5, text).ink(ink)));
    }
    item.title(format!("CPUs {}\n{}", tile.cpus, count_words(cores.len(), &tile.cpus)))
}

fn count_words(cores: usize, cpus: &CpuSet) -> String {
    match cores {
        0 => format!("{} CPUs, cores not known", cpus.len()),
        1 => "1 core".to_owned(),
        _ => format!("{cores} cores"),
    }
}

/// One bar per shared cache level; several alike caches of a tile are one bar with a count.
fn merged_shared(tile: &Tile<'_>) -> Vec<Item> {
    let mut bars: Vec<(String, Vec<&Cache>)> = Vec::new();
    for cache in &tile.shared {
        let text = format!("{} {}", words::cache_name(cache), words::cache_size(cache));
        match bars.iter_mut().find(|(known, _)| *known == text) {
            Some((_, caches)) => caches.push(cache),
            None => bars.push((text, vec![cache])),
        }
    }
    bars.into_iter()
        .map(|(text, caches)| {
            let title: Vec<String> = caches
                .iter()
                .map(|cache| format!("{text} shared by CPUs {}", cache.cpus))
                .collect();
            let text = if caches.len() > 1 {
                format!("{} × {text}", caches.len())
            } else {
                text
            };
            Item::leaf(Role::Shade)
                .padding(3.0)
                .line(Line::text(9.5, text).center())
                .title(title.join("\n"))
        })
        .collect()
}

fn exceptions(context: &Context<'_>, cpus: &CpuSet) -> String {
    let list = |what: &str, set: CpuSet| {
        if set.is_empty() {
            String::new()
        } else {
            format!(" · {} {what}", words::ranges(&set))
        }
    };
    let here = || context.machine.cpu.cpus.iter().filter(|cpu| cpus.contains(cpu.number));
    let off: CpuSet = here().filter(|cpu| !cpu.online).map(|cpu| cpu.number).collect();
    let barred: CpuSet = here()
        .filter(|cpu| cpu.online && !cpu.allowed)
        .map(|cpu| cpu.number)
        .collect();
    format!("{}{}", list("off", off), list("not allowed", barred))
}

fn role(context: &Context<'_>, cpus: &CpuSet) -> Role {
    let here = || context.machine.cpu.cpus.iter().filter(|cpu| cpus.contains(cpu.number));
    if here().any(|cpu| !cpu.online) {
        Role::CellOff
    } else if here().next().is_some() && here().all(|cpu| !cpu.allowed) {
        Role::CellBarred
    } else if words::kinds(&context.machine.cpu).len() > 1
        && here().any(|cpu| words::is_weak(&context.machine.cpu, cpu.kind))
    {
        Role::CellAlt
    } else {
        Role::Cell
    }
}

fn square(context: &Context<'_>, core: &Group, large: bool) -> Item {
    let mut numbers = core.cpus.iter();
    let first = numbers.next().unwrap_or(0);
    let label = if context.options.physical {
        core.os_id.unwrap_or_else(|| i64::from(first)).to_string()
    } else {
        first.to_string()
    };
    let item = Item::leaf(role(context, &core.cpus))
        .padding(2.0)
        .id(format!("core-{first}"))
        .title(core_title(context, core));
    if !large {
        return item.line(Line::text(9.0, label).center());
    }
    let siblings: CpuSet = numbers.collect();
    let text = match siblings.len() {
        0 => None,
        1 | 2 => Some(format!("+{}", siblings.to_string().replace(',', " +"))),
        n => Some(format!("+{n} SMT")),
    };
    let item = item.line(Line::bold(13.0, label).center());
    match text {
        Some(text) => item.line(Line::of(Span::muted(9.0, text)).center()),
        None => item.min_height(30.0),
    }
}

/// A CPU that belongs to no known core.
fn loose_square(context: &Context<'_>, number: u32) -> Item {
    let set: CpuSet = [number].into_iter().collect();
    let off = context
        .machine
        .cpu
        .cpus
        .iter()
        .any(|cpu| cpu.number == number && !cpu.online);
    Item::leaf(role(context, &set))
        .padding(2.0)
        .id(format!("cpu-{number}"))
        .title(if off {
            format!("CPU {number}, offline")
        } else {
            format!("CPU {number}; its core is not known")
        })
        .line(Line::text(9.0, number.to_string()).center())
}

fn strip_cell(context: &Context<'_>, core: &Group) -> Item {
    let first = core.cpus.first().unwrap_or(0);
    Item::leaf(role(context, &core.cpus))
        .padding(0.0)
        .min_height(18.0)
        .width(Width::Fill)
        .id(format!("core-{first}"))
        .title(core_title(context, core))
}

fn core_title(context: &Context<'_>, core: &Group) -> String {
    let cpu = &context.machine.cpu;
    let id = core.os_id.map(|id| format!(" (core id {id})")).unwrap_or_default();
    let mut lines = vec![format!("CPUs {}{id}", core.cpus)];
    for cache in cpu.caches.iter().filter(|cache| cache.cpus.intersects(&core.cpus)) {
        lines.push(format!(
            "{} {} shared by CPUs {}",
            words::cache_name(cache),
            words::cache_size(cache),
            cache.cpus
        ));
    }
    let first = core
        .cpus
        .first()
        .and_then(|number| cpu.cpus.iter().find(|cpu| cpu.number == number));
    if let Some(first) = first {
        lines.extend(first.max_khz.map(|khz| format!("up to {} MHz", khz / 1000)));
        lines.extend(
            first
                .kind
                .and_then(|at| cpu.kinds.get(at))
                .and_then(|kind| kind.name.clone()),
        );
        lines.extend((!first.online).then(|| "offline".to_owned()));
        lines.extend((!first.allowed).then(|| "not allowed by the cpuset".to_owned()));
    }
    lines.join("\n")
}

/// What all cores of the socket have, said once: private caches, SMT.
pub(super) fn caption(context: &Context<'_>, socket: &Socket) -> Vec<String> {
    let cpu = &context.machine.cpu;
    let kinds: Vec<(Option<&str>, CpuSet)> = words::kinds(cpu);
    let kinds = if kinds.len() > 1 {
        kinds
            .into_iter()
            .rev()
            .map(|(name, cpus)| (name, cpus.intersection(&socket.cpus)))
            .filter(|(_, set)| !set.is_empty())
            .collect()
    } else {
        vec![(None, socket.cpus.clone())]
    };
    kinds
        .into_iter()
        .filter_map(|(name, cpus)| kind_caption(context, name, &cpus))
        .collect()
}

fn kind_caption(context: &Context<'_>, name: Option<&str>, cpus: &CpuSet) -> Option<String> {
    let cpu = &context.machine.cpu;
    let cores: Vec<&Group> = words::cores_in(cpu, cpus).collect();
    let first = cores.first()?;
    let private: Vec<&Cache> = cpu
        .caches
        .iter()
        .filter(|cache| cache.cpus.intersects(&first.cpus) && cache.cpus.is_subset(&first.cpus))
        .collect();
    let size = |level: u8, data: bool| {
        use crate::sysfs::topology::CacheKind;
        let found = private
            .iter()
            .find(|c| c.level == level && (c.kind != CacheKind::Instruction) == data);
        found.and_then(|cache| cache.size).map(words::short_size)
    };
    let mut parts = Vec::new();
    match (size(1, false), size(1, true)) {
        (Some(code), Some(data)) => parts.push(format!("L1 {data} data + {code} code")),
        (None, Some(data)) => parts.push(format!("L1 {data}")),
        _ => {}
    }
    parts.extend(size(2, true).map(|size| format!("L2 {size}")));
    parts.extend(size(3, true).map(|size| format!("L3 {size}")));
    let smt = cores.iter().map(|core| core.cpus.len()).max().unwrap_or(1);
    let per_core = if parts.is_empty() {
        None
    } else {
        Some(format!("each core: {}", parts.join(", ")))
    };
    let sibling = sibling_rule(&cores).map(|offset| format!("SMT sibling = n + {offset}"));
    let smt = if smt > 1 {
        Some(sibling.unwrap_or_else(|| format!("{smt} threads per core")))
    } else {
        None
    };
    let number = if context.options.physical {
        "number = core id"
    } else if context.machine.by_xen().is_some() {
        "number = CPU of Xen"
    } else {
        "number = Linux CPU"
    };
    let name = name.map(|name| {
        let kind = cpu.kinds.iter().find(|kind| kind.name.as_deref() == Some(name));
        let core = kind.and_then(|kind| kind.facts.get("microarchitecture"));
        let core = core.map_or(String::new(), |core| format!(" ({core})"));
        format!("{} × {name}{core}", cores.len())
    });
    let all: Vec<String> = name
        .into_iter()
        .chain(per_core)
        .chain([number.to_owned()])
        .chain(smt)
        .collect();
    Some(all.join(" · "))
}

/// The one distance between the two threads of each core, when it is the same everywhere.
fn sibling_rule(cores: &[&Group]) -> Option<u32> {
    let mut offsets = cores.iter().filter(|core| core.cpus.len() == 2).map(|core| {
        let mut numbers = core.cpus.iter();
        numbers.next().zip(numbers.next()).map(|(a, b)| b.saturating_sub(a))
    });
    let first = offsets.next()??;
    offsets.all(|offset| offset == Some(first)).then_some(first)
}
