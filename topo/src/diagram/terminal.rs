//! The picture as terminal text: findings, header, sockets, PCI, what is not shown.
//!
//! Fits the width it is given; what does not fit is dropped by priority, never cut inside a
//! number. With more than two sockets there is one block of lines per socket.

use render::scene::Severity as Colour;

use super::{Context, Options, Scale, cores, firmware, interconnect, memory, persistent as pmem, words};
use crate::findings::{Finding, Place, Report, Severity};
use crate::model::{Machine, Socket};
use crate::sysfs::CpuSet;
use crate::sysfs::topology::Node;
use render::text::{self as sheet, Paint, Style};

mod pci;

/// The picture in text.
#[must_use]
pub fn draw(machine: &Machine, report: &Report, options: &Options, style: Style) -> String {
    let context = Context {
        machine,
        report,
        options,
        scale: Scale::of(machine),
    };
    let mut lines = Vec::new();
    lines.extend(findings(report, style));
    lines.extend(header(&context, style));
    if options.parts.cpu || options.parts.memory {
        lines.extend(sockets(&context, style));
        if options.parts.memory && options.socket.is_none() {
            lines.extend(firmware::memory_lines(machine, style));
        }
    }
    if options.parts.pci {
        lines.extend(pci::all(&context, style));
        if options.socket.is_none() {
            lines.extend(firmware::device_lines(machine, style));
        }
    }
    lines.extend(gaps(machine, style));
    lines.extend(legend(&context));
    sheet::finish(&lines, style)
}

fn mark(finding: &Finding) -> (&'static str, Paint) {
    match finding.severity {
        Severity::Bad => ("✗", Paint::Bad),
        Severity::Warn => ("!", Paint::Warn),
        Severity::Note => ("·", Paint::Plain),
    }
}

fn findings(report: &Report, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for (index, finding) in report.findings.iter().enumerate() {
        let (mark, paint) = mark(finding);
        let number = index.saturating_add(1);
        for (at, text) in sheet::wrap(&finding.text, style.width.saturating_sub(5))
            .into_iter()
            .enumerate()
        {
            let head = if at == 0 {
                format!("{number:>2} {} ", sheet::paint(mark, paint, style))
            } else {
                "     ".to_owned()
            };
            lines.push(format!("{head}{text}"));
        }
    }
    for text in &report.fine {
        let mut wrapped = sheet::wrap(text, style.width.saturating_sub(5)).into_iter();
        lines.extend(
            wrapped
                .next()
                .map(|first| format!("   {} {first}", sheet::paint("✓", Paint::Good, style))),
        );
        lines.extend(wrapped.map(|rest| format!("     {rest}")));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

fn header(context: &Context<'_>, style: Style) -> Vec<String> {
    let machine = context.machine;
    let mut first = vec![sheet::paint(&words::machine_name(machine), Paint::Bold, style)];
    let told = |text: Option<&String>| text.map(|t| t.trim().to_owned()).filter(|t| crate::model::is_told(t));
    first.extend(machine.board_name().map(str::to_owned));
    if let Some(bios) = &machine.identity.bios {
        let date = bios
            .date
            .as_deref()
            .map(|date| format!(" ({date})"))
            .unwrap_or_default();
        first.extend(told(bios.version.as_ref()).map(|version| format!("BIOS {version}{date}")));
    }
    let mut lines = sheet::flow(&first, style.width);
    let totals: Vec<String> = words::totals(machine).split(" · ").map(str::to_owned).collect();
    lines.extend(sheet::flow(&totals, style.width));
    if let Some(text) = words::xen_words(machine) {
        let parts: Vec<String> = text.split(" · ").map(str::to_owned).collect();
        let wide = parts.iter().any(|part| part.chars().count() > style.width);
        lines.extend(if wide {
            sheet::wrap(&text, style.width)
        } else {
            sheet::flow(&parts, style.width)
        });
    }
    let sources: Vec<String> = machine
        .sources
        .iter()
        .map(|source| {
            let mark = if source.present { "✓" } else { "✗" };
            let note = source
                .note
                .as_deref()
                .map(|note| format!(" ({note})"))
                .unwrap_or_default();
            format!("{} {mark}{note}", source.name)
        })
        .collect();
    let sources: Vec<String> = std::iter::once("sources:".to_owned()).chain(sources).collect();
    lines.extend(sheet::flow(&sources, style.width));
    lines.push(String::new());
    lines
}

fn sockets(context: &Context<'_>, style: Style) -> Vec<String> {
    let shown = context.sockets();
    let mut lines = Vec::new();
    let wide = style.width >= 72;
    match shown.as_slice() {
        [first, second] if wide => {
            let gap = if style.width >= 120 { 6 } else { 2 };
            let each = style.width.saturating_sub(gap) / 2;
            let blocks = [socket(context, *first, each), socket(context, *second, each)];
            let highest = blocks.iter().map(Vec::len).max().unwrap_or(0);
            let framed: Vec<Vec<String>> = [first, second]
                .into_iter()
                .zip(blocks)
                .map(|(index, mut block)| {
                    block.resize(highest, String::new());
                    sheet::frame(&label(context, *index), &block, each)
                })
                .collect();
            lines.extend(sheet::beside(&framed, gap));
        }
        many if many.len() > 8 => lines.extend(socket_table(context, many, style.width)),
        many => {
            for index in many {
                let block = socket(context, *index, style.width);
                lines.extend(sheet::frame(&label(context, *index), &block, style.width));
            }
        }
    }
    if shown.len() > 1 {
        let kind = interconnect::link_kind(context.machine).map_or_else(
            || format!("{} link kind not known", words::card_word(context.machine)),
            |k| format!("{k} (assumed)"),
        );
        let between = sheet::flow(
            &[kind, interconnect::sentence(context.machine)],
            style.width.saturating_sub(2),
        );
        lines.extend(between.into_iter().map(|line| format!("  {line}")));
    }
    lines.extend(nodes_elsewhere(context, style.width));
    let off: CpuSet = context
        .machine
        .cpu
        .cpus
        .iter()
        .filter(|cpu| !cpu.online)
        .map(|cpu| cpu.number)
        .collect();
    if !off.is_empty() && context.options.parts.cpu {
        lines.extend(sheet::wrap(
            &format!("CPUs offline: {}", words::ranges(&off)),
            style.width,
        ));
    }
    let loose: Vec<_> = context
        .machine
        .memory
        .slots
        .iter()
        .filter(|slot| slot.socket.is_none())
        .collect();
    if !loose.is_empty() && context.options.parts.memory {
        let used = loose.iter().filter(|slot| slot.populated()).count();
        let text = format!(
            "memory slots whose socket is not known: {} ({used} populated); delid topo memory lists them",
            loose.len()
        );
        lines.extend(sheet::wrap(&text, style.width));
    }
    if !lines.is_empty() {
        lines.push(String::new());
    }
    lines
}

/// Nodes that stand in no socket's box, and persistent memory near none.
fn nodes_elsewhere(context: &Context<'_>, width: usize) -> Vec<String> {
    let machine = context.machine;
    if context.options.socket.is_some() {
        return Vec::new();
    }
    let line = |node: &Node| {
        let memory = node
            .memory
            .map_or_else(|| "memory not told".to_owned(), crate::findings::memory_size_words);
        let kind = cores::node_kind(node);
        match node.cpus.is_empty() {
            true => format!("NUMA {} {memory}{kind}, no CPU known", node.number.0),
            false => format!(
                "NUMA {} {memory}{kind}, CPU {}",
                node.number.0,
                words::ranges(&node.cpus)
            ),
        }
    };
    let spanning = words::spanning_nodes(machine);
    let none = |node: &&Node| !machine.sockets.iter().any(|socket| socket.nodes.contains(&node.number));
    let loose: Vec<&Node> = machine.cpu.nodes.iter().filter(none).collect();
    let mut lines = Vec::new();
    let mut part = |heading: String, nodes: &[&Node]| {
        if nodes.is_empty() {
            return;
        }
        lines.extend(sheet::wrap(&heading, width));
        let texts: Vec<String> = nodes.iter().map(|node| line(node)).collect();
        let rows = sheet::columns(&texts, width.saturating_sub(2));
        lines.extend(rows.into_iter().map(|line| format!("  {line}")));
    };
    part(words::spanning_words(&spanning), &spanning);
    part("NUMA nodes of no socket".to_owned(), &loose);
    if context.options.parts.memory {
        lines.extend(persistent(context, None, width));
    }
    lines
}

/// "persistent  pmem0 100 GiB fsdax", in columns.
fn persistent(context: &Context<'_>, socket: Option<usize>, width: usize) -> Vec<String> {
    let texts: Vec<String> = pmem::pieces(context.machine, socket)
        .into_iter()
        .map(|piece| {
            let size = piece
                .size
                .map_or_else(|| "size not told".to_owned(), crate::findings::memory_size_words);
            format!("{} {size} {}", piece.name, pmem::mode_words(piece))
        })
        .collect();
    if texts.is_empty() {
        return Vec::new();
    }
    let rows = sheet::columns(&texts, width.saturating_sub(2));
    std::iter::once("persistent memory".to_owned())
        .chain(rows.into_iter().map(|line| format!("  {line}")))
        .collect()
}

/// One line per socket, for machines with more than eight.
fn socket_table(context: &Context<'_>, shown: &[usize], width: usize) -> Vec<String> {
    let machine = context.machine;
    let rows: Vec<Vec<String>> = shown
        .iter()
        .filter_map(|index| machine.sockets.get(*index).map(|socket| (*index, socket)))
        .map(|(index, socket)| {
            let slots = || socket.slots.iter().filter_map(|at| machine.memory.slots.get(*at));
            let used = slots().filter(|slot| slot.populated()).count();
            let bytes = slots().filter_map(|slot| slot.module.size).fold(0, u64::saturating_add);
            let memory = if socket.slots.is_empty() {
                String::new()
            } else {
                format!(
                    "{} in {used} of {}",
                    crate::findings::memory_size_words(bytes),
                    socket.slots.len()
                )
            };
            let nodes: CpuSet = socket.nodes.iter().map(|node| node.0).collect();
            let cores = words::cores_in(&machine.cpu, &socket.cpus).count();
            let cores = if cores > 0 {
                format!("{cores}c/{}t", socket.cpus.len())
            } else {
                String::new()
            };
            vec![
                label(context, index),
                nodes.to_string(),
                socket.cpus.to_string(),
                cores,
                memory,
            ]
        })
        .collect();
    sheet::table(
        &["SOCKET", "NODE", "CPUS", "CORES", "MEMORY"],
        &rows,
        &[0, 1, 2, 3, 4],
        width,
    )
}

fn label(context: &Context<'_>, index: usize) -> String {
    let label = context
        .machine
        .sockets
        .get(index)
        .map_or_else(String::new, |socket| socket.label.clone());
    let numbers: Vec<String> = context
        .badges(&[Place::Socket(index)])
        .into_iter()
        .map(|badge| {
            format!(
                "{}{}",
                if badge.severity == Colour::Bad { "✗" } else { "!" },
                badge.text
            )
        })
        .collect();
    if numbers.is_empty() {
        label
    } else {
        format!("{label} {}", numbers.join(" "))
    }
}

/// Lines inside the frame of one socket.
fn socket(context: &Context<'_>, index: usize, width: usize) -> Vec<String> {
    let Some(socket) = context.machine.sockets.get(index) else {
        return Vec::new();
    };
    let inner = width.saturating_sub(4);
    let mut lines = sheet::flow(&words::socket_summary(context.machine, socket), inner);
    if context.sockets().len() > 2 {
        lines.extend(
            interconnect::row_words(context.machine, index)
                .map(|text| format!("SLIT {text}"))
                .into_iter()
                .flat_map(|t| sheet::wrap(&t, inner)),
        );
    }
    if context.options.parts.cpu && !socket.cpus.is_empty() {
        lines.extend(core_lines(context, socket, inner));
    }
    if context.options.parts.memory {
        lines.extend(memory_lines(context, index, socket, inner));
        lines.extend(persistent(context, Some(index), inner));
    }
    lines
}

fn core_lines(context: &Context<'_>, socket: &Socket, width: usize) -> Vec<String> {
    let nodes: Vec<_> = words::own_nodes(context.machine, socket).collect();
    let mut lines = Vec::new();
    if nodes.len() > 1 {
        let mut left = socket.cpus.clone();
        for node in nodes {
            let cpus = node.cpus.intersection(&left);
            left = left.difference(&cpus);
            let memory = node
                .memory
                .map_or_else(|| "memory not told".to_owned(), crate::findings::memory_size_words);
            let memory = format!("{memory}{}", cores::node_kind(node));
            let none = if node.cpus.is_empty() {
                vec!["no CPU".to_owned()]
            } else {
                Vec::new()
            };
            let parts: Vec<String> = [format!("NUMA {}", node.number.0), memory]
                .into_iter()
                .chain(none)
                .collect();
            lines.extend(sheet::flow(&parts, width));
            lines.extend(
                tile_lines(context, &cpus, width.saturating_sub(2))
                    .into_iter()
                    .map(|line| format!("  {line}")),
            );
        }
        lines.extend(tile_lines(context, &left, width));
    } else {
        lines.extend(tile_lines(context, &socket.cpus, width));
    }
    for text in cores::caption(context, socket) {
        let parts: Vec<String> = text
            .split(" · ")
            .filter(|part| !part.starts_with("number ="))
            .map(str::to_owned)
            .collect();
        lines.extend(sheet::flow(&parts, width));
    }
    lines.push(String::new());
    lines
}

/// Tiles as "0-3 L3 16M", several per line in columns.
fn tile_lines(context: &Context<'_>, cpus: &CpuSet, width: usize) -> Vec<String> {
    let cpu = &context.machine.cpu;
    let texts: Vec<String> = cores::tiles(cpu, cpus)
        .iter()
        .map(|tile| {
            let range = words::tile_numbers(cpu, &tile.cpus);
            let outer = tile.shared.iter().max_by_key(|cache| cache.level);
            let cache = outer.and_then(|cache| {
                Some(format!(
                    " {} {}",
                    words::cache_name(cache),
                    words::short_size(cache.size?)
                ))
            });
            format!("{range}{}", cache.unwrap_or_default())
        })
        .collect();
    sheet::columns(&texts, width)
}

fn memory_lines(context: &Context<'_>, index: usize, socket: &Socket, width: usize) -> Vec<String> {
    let machine = context.machine;
    let slots: Vec<_> = socket
        .slots
        .iter()
        .filter_map(|at| machine.memory.slots.get(*at))
        .collect();
    if slots.is_empty() {
        let bytes: u64 = words::own_nodes(machine, socket)
            .filter_map(|n| n.memory)
            .fold(0, u64::saturating_add);
        let bytes = if bytes == 0 && machine.sockets.len() == 1 {
            machine.cpu.memory.unwrap_or(0)
        } else {
            bytes
        };
        if bytes == 0 {
            return Vec::new();
        }
        let parts = [
            format!(
                "{} {}",
                crate::findings::memory_size_words(bytes),
                words::memory_teller(machine)
            ),
            if machine.memory.slots.is_empty() {
                "modules, channels: not known".to_owned()
            } else {
                "which modules: not known".to_owned()
            },
        ];
        return sheet::flow(&parts, width);
    }
    let bytes = slots
        .iter()
        .filter_map(|slot| slot.module.size)
        .fold(0, u64::saturating_add);
    let used = slots.iter().filter(|slot| slot.populated()).count();
    let mut head = vec![format!(
        "{} in {used} of {} slots",
        crate::findings::memory_size_words(bytes),
        slots.len()
    )];
    if let Some((now, can)) = memory::bandwidth(context, index) {
        head.push(if now < can {
            format!("{now:.1} of {can:.1} GB/s")
        } else {
            format!("{now:.1} GB/s")
        });
    }
    let mut lines = sheet::flow(&head, width);
    lines.extend(grid(context, socket, width));
    for text in memory::kinds(context, socket) {
        lines.extend(sheet::wrap(&text, width));
    }
    lines
}

/// Channels as columns, slots as rows: ■ populated, · empty.
fn grid(context: &Context<'_>, socket: &Socket, width: usize) -> Vec<String> {
    let channels = memory::by_channel(context, socket);
    let known: Vec<_> = channels.iter().filter(|((unknown, ..), _)| !unknown).collect();
    let widest = known
        .iter()
        .map(|((_, _, name), _)| name.chars().count())
        .max()
        .unwrap_or(0);
    let column = widest.max(1).saturating_add(1);
    if known.is_empty() || known.len().saturating_mul(column).saturating_add(6) > width {
        return Vec::new();
    }
    let deepest = known.iter().map(|(_, slots)| slots.len()).max().unwrap_or(0);
    let head: String = known
        .iter()
        .map(|((_, _, name), _)| format!("{name:<column$}"))
        .collect();
    let mut lines = vec![format!("DIMM  {}", head.trim_end())];
    for row in 0..deepest {
        let cells: String = known
            .iter()
            .map(|(_, slots)| {
                let cell = slots
                    .get(row)
                    .map_or(" ", |(_, slot)| if slot.populated() { "■" } else { "·" });
                format!("{cell:<column$}")
            })
            .collect();
        lines.push(format!("{:>4}  {}", row.saturating_add(1), cells.trim_end()));
    }
    lines
}

fn gaps(machine: &Machine, style: Style) -> Vec<String> {
    if machine.gaps.is_empty() {
        return Vec::new();
    }
    let mut lines = vec!["Not shown, and how to get it".to_owned()];
    for gap in &machine.gaps {
        let how = gap.how.as_ref().map(|how| format!("→ {how}"));
        let parts: Vec<String> = [format!("{}:", gap.what), gap.why.clone()]
            .into_iter()
            .chain(how)
            .collect();
        lines.extend(
            sheet::wrap(&parts.join(" "), style.width.saturating_sub(2))
                .into_iter()
                .enumerate()
                .map(|(at, line)| {
                    if at == 0 {
                        format!("  {line}")
                    } else {
                        format!("    {line}")
                    }
                }),
        );
    }
    lines.push(String::new());
    lines
}

fn legend(context: &Context<'_>) -> Vec<String> {
    let links = context
        .machine
        .pci
        .functions
        .iter()
        .any(|f| f.function.link.is_some_and(|link| link.status.is_some()));
    let mut parts = Vec::new();
    if links && context.options.parts.pci {
        parts.push("━ trained  ╌ possible, not trained (GB/s per direction)");
    }
    if !context.machine.memory.slots.is_empty() && context.options.parts.memory {
        parts.push("■ module  · empty slot");
    }
    if parts.is_empty() {
        Vec::new()
    } else {
        vec![parts.join("  ")]
    }
}
