//! PCI in the picture: strips of root buses, link bars to scale, port labels, switches, cards.

use render::scene::{Body, Ink, Item, Line, Pipe, Role, Span, Width};

use super::cards::{Card, LinkView, Root, Unit, oversubscription, roots};
use super::{Context, words};
use crate::findings::{Place, Severity};
use crate::model::PciFunction;
use crate::sysfs::CpuSet;

/// Least width of a card in px.
const CARD: f32 = 104.0;

/// Width in px beyond which a card says no more.
const WIDEST: f32 = 184.0;

/// Length of a horizontal bar: 1.2 px per GB/s.
#[expect(clippy::cast_possible_truncation, reason = "px of a page")]
pub(crate) fn length(gigabytes_per_second: f64) -> f32 {
    (gigabytes_per_second * 1.2).clamp(1.0, 400.0) as f32
}

/// The PCI sections below the sockets. With more than two sockets the sockets' own devices are
/// lines inside their cards, and only what belongs to no socket is drawn here.
pub(super) fn sections(context: &Context<'_>, width: f32) -> Vec<(String, Item)> {
    let all = roots(context.machine, context.options);
    let shown = context.sockets();
    let sockets = context.machine.sockets.len();
    let here = |root: &&Root<'_>| match (root.socket, context.options.socket) {
        (Some(socket), _) => shown.contains(&socket) && (shown.len() <= 2),
        (None, only) => only.is_none(),
    };
    let drawn: Vec<&Root<'_>> = all.iter().filter(here).collect();
    let mut sections = Vec::new();
    if sockets == 2 && shown.len() == 2 && drawn.iter().any(|root| root.socket.is_some()) {
        let half = |socket: usize| {
            let own: Vec<&Root<'_>> = drawn
                .iter()
                .copied()
                .filter(|root| root.socket == Some(socket))
                .collect();
            let mut rows = bus_rows(context, &own, (width - 100.0) / 2.0);
            if rows.is_empty() {
                let name = context
                    .machine
                    .sockets
                    .get(socket)
                    .map_or("this socket", |socket| socket.label.as_str());
                let loose = drawn.iter().any(|root| root.socket.is_none() && !root.units.is_empty());
                let what = if loose {
                    "none known to be here"
                } else {
                    "nothing plugged in"
                };
                rows.push(super::note(format!("PCI on {name}: {what}")));
            }
            rows.push(Item::space().grow());
            Item::column(rows).gap(8.0)
        };
        sections.push(("PCI".to_owned(), Item::row(vec![half(0), half(1)]).gap(52.0)));
        let loose: Vec<&Root<'_>> = drawn.iter().copied().filter(|root| root.socket.is_none()).collect();
        sections.extend(loose_section(context, &loose, width, "PCI, socket not known"));
    } else {
        let by_node = context.machine.sockets.iter().any(|socket| socket.by_node);
        let heading = match (sockets > 1, by_node) {
            (true, true) => "PCI, node not known",
            (true, false) => "PCI, socket not known",
            _ => "PCI",
        };
        sections.extend(loose_section(context, &drawn, width, heading));
    }
    sections.extend(folded_line(context, &all).map(|item| ("Folded".to_owned(), item)));
    sections
}

fn loose_section(context: &Context<'_>, roots: &[&Root<'_>], width: f32, heading: &str) -> Option<(String, Item)> {
    let rows = bus_rows(context, roots, width - 48.0);
    if rows.is_empty() {
        return None;
    }
    let column = Item::column(rows).gap(8.0);
    let column = if heading == "PCI" {
        column
    } else {
        column.line(Line::bold(12.0, heading.to_owned()))
    };
    Some((heading.to_owned(), column))
}

/// Rows of root buses: as many beside each other as their cards have room.
#[expect(clippy::cast_precision_loss, reason = "counts of a page")]
fn bus_rows(context: &Context<'_>, roots: &[&Root<'_>], width: f32) -> Vec<Item> {
    let mut rows: Vec<(Vec<Item>, f32)> = Vec::new();
    let mut used = f32::INFINITY;
    for root in roots.iter().filter(|root| !root.units.is_empty()) {
        let leaves = root.units.iter().map(Unit::leaves).sum::<usize>().max(1);
        let wanted = (leaves as f32).mul_add(CARD + 8.0, 8.0);
        let most = WIDEST.mul_add(leaves as f32, 8.0).max(WIDEST * 1.3);
        let item = bus(context, root, width)
            .share(leaves as f32)
            .min_width(wanted.min(width));
        if used + wanted > width {
            rows.push((Vec::new(), 0.0));
            used = 0.0;
        }
        used += wanted;
        if let Some((row, total)) = rows.last_mut() {
            row.push(item);
            *total += most + 8.0;
        }
    }
    rows.into_iter()
        .map(|(mut row, total)| {
            // few cards do not spread over the whole page
            if total < width {
                row.push(Item::space().fixed(width - total));
            }
            Item::row(row).gap(8.0)
        })
        .collect()
}

fn bus(context: &Context<'_>, root: &Root<'_>, width: f32) -> Item {
    let domain = if root.domain == 0 {
        String::new()
    } else {
        format!("{:04x}:", root.domain)
    };
    let range = if root.last_bus == root.bus {
        format!("{:02x}", root.bus)
    } else {
        format!("{:02x}–{:02x}", root.bus, root.last_bus)
    };
    let nodes = words::node_words(&root.nodes).map(|text| Span::muted(9.5, text));
    let mut line = Line::text(10.0, format!("bus {domain}{range}"));
    if let Some(nodes) = nodes {
        line = line.right(nodes);
    }
    let hidden: usize = root.hidden.values().sum();
    let named = context.machine.acpi.bridge_of(root.domain, root.bus);
    let named = named.map_or_else(String::new, |bridge| format!("\nACPI {} ({})", bridge.path, bridge.hid));
    let strip = Item::leaf(Role::Bus)
        .padding(4.0)
        .line(line)
        .id(format!("bus-{:04x}-{:02x}", root.domain, root.bus))
        .title(format!(
            "PCI segment {:04x}, buses {range}\n{hidden} functions below the drawing threshold{named}",
            root.domain
        ));
    Item::column(vec![strip, unit_rows(context, &root.units, width, 0)]).gap(0.0)
}

/// Units side by side, in several rows when the page is too narrow for one.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "px and counts of a page"
)]
fn unit_rows(context: &Context<'_>, units: &[Unit<'_>], width: f32, depth: usize) -> Item {
    let fit = (width / (CARD + 8.0)).floor().max(1.0) as usize;
    let mut rows: Vec<Vec<Item>> = vec![Vec::new()];
    let mut used = 0_usize;
    for unit in units {
        let leaves = unit.leaves().min(fit);
        if used > 0 && used.saturating_add(leaves) > fit {
            rows.push(Vec::new());
            used = 0;
        }
        used = used.saturating_add(leaves);
        let wide = leaves as f32 * CARD;
        let item = draw(context, unit, width.min(wide + 8.0 * leaves as f32), depth);
        let item = match unit {
            Unit::Switch { .. } => item,
            _ if units.iter().any(|unit| matches!(unit, Unit::Switch { .. })) => lengthened(item),
            _ => item,
        }
        .share(leaves as f32)
        .min_width(wide.min(width));
        if let Some(row) = rows.last_mut() {
            row.push(item);
        }
    }
    Item::column(rows.into_iter().map(|row| Item::row(row).gap(8.0)).collect()).gap(4.0)
}

fn draw(context: &Context<'_>, unit: &Unit<'_>, width: f32, depth: usize) -> Item {
    match unit {
        Unit::Card { port, link, card } => {
            let mut column = line_above(context, *port, *link, 1, card.main);
            column.push(draw_card(context, card, *link));
            Item::column(column).gap(0.0)
        }
        Unit::Folded { port, link, cards } => {
            let Some((_, first)) = cards.first() else {
                return Item::space();
            };
            let mut column = line_above(context, *port, *link, cards.len(), first.main);
            column.push(draw_folded(context, cards, *link));
            Item::column(column).gap(0.0)
        }
        Unit::Empty { port, name } => Item::column(vec![
            Item::pipe(Pipe::new(1.0, 1.0, context.scale.drop())),
            Item::leaf(Role::Empty)
                .min_height(64.0)
                .line(Line::of(Span::new(10.5, (*name).to_owned()).ink(Ink::Faint)).center())
                .line(Line::of(Span::new(9.5, "empty").ink(Ink::Faint)).center())
                .id(format!("pci-{}-empty", dashed(port)))
                .title(format!(
                    "{name}: nothing plugged in\nport {} {}",
                    port.bdf(),
                    port.short_name
                )),
        ])
        .gap(0.0),
        Unit::Switch {
            port,
            bridge,
            link,
            units,
        } => {
            let mut column = line_above(context, *port, *link, 1, bridge);
            column.push(switch_box(context, bridge, *link, units));
            if depth < 6 {
                column.push(unit_rows(context, units, width, depth.saturating_add(1)).grow());
            }
            Item::column(column).gap(0.0)
        }
    }
}

/// Beside a switch the link takes the spare height, not the card: the cards stand in one line with
/// those below the switch.
fn lengthened(mut item: Item) -> Item {
    if let Body::Column(parts) = &mut item.body {
        let last = parts.iter_mut().rev().find(|part| matches!(part.body, Body::Pipe(_)));
        if let Some(pipe) = last {
            pipe.grow = true;
        }
    }
    item
}

fn dashed(function: &PciFunction) -> String {
    function.bdf().to_string().replace([':', '.'], "-")
}

/// Bar, label of the port, bar; a thin line where there is no link.
fn line_above(
    context: &Context<'_>,
    port: Option<&PciFunction>,
    link: Option<LinkView>,
    count: usize,
    below: &PciFunction,
) -> Vec<Item> {
    let Some(link) = link else {
        return vec![
            Item::pipe(Pipe::new(1.5, 1.5, context.scale.drop())).title(format!("{}: no PCIe link", below.bdf())),
        ];
    };
    let slow = link.is_slow();
    let bars = count.clamp(1, 16);
    let (solid, pale) = (context.scale.px(link.now()), context.scale.px(link.can()));
    let pipe = || {
        let title = format!(
            "{}: {} trained of {} possible\n{} GB/s per direction",
            below.bdf(),
            link.trained,
            link.possible,
            link.words()
        );
        Item::pipe(Pipe::new(solid, pale, 18.0).bad(slow).count(bars)).title(title)
    };
    let head = match (count, port) {
        (1, Some(port)) => port_name(port),
        (1, None) => below.bdf().to_string(),
        (n, _) => format!("{n} ports"),
    };
    let rate = if count > 1 {
        format!("{count} × {} GB/s", link.words())
    } else {
        format!("{} GB/s", link.words())
    };
    let label = Item::leaf(Role::Port)
        .padding(2.0)
        .line(Line::bold(10.0, head).center())
        .line(Line::of(Span::new(9.5, rate).ink(if slow { Ink::Bad } else { Ink::Normal })).center())
        .width(if count > 1 { Width::Fill } else { Width::Fixed(94.0) })
        .id(port
            .filter(|_| count == 1)
            .map(|port| format!("port-{}", dashed(port)))
            .unwrap_or_default())
        .title(port.map_or_else(
            || below.full_name.clone(),
            |port| format!("{} {}\n{}", port.bdf(), port.full_name, facts(port)),
        ));
    let centred = if count > 1 {
        Item::row(vec![label])
    } else {
        Item::row(vec![Item::space(), label, Item::space()])
    }
    .gap(0.0);
    vec![pipe(), centred, pipe()]
}

/// "00:01.1", with the segment only when it is not 0.
pub(crate) fn port_name(function: &PciFunction) -> String {
    let text = function.bdf().to_string();
    text.strip_prefix("0000:").map(str::to_owned).unwrap_or(text)
}

/// All facts of a function, one per line, for tooltips.
pub(crate) fn facts(function: &PciFunction) -> String {
    let f = &function.function;
    let mut lines = vec![function.class_text.clone()];
    lines.extend(f.vendor.zip(f.device).map(|(v, d)| format!("id {v:04x}:{d:04x}")));
    if let Some(link) = f.link {
        lines.extend(link.capability.map(|state| format!("LnkCap {state}")));
        lines.extend(link.status.map(|state| format!("LnkSta {state}")));
    }
    lines.extend(f.max_payload.map(|bytes| {
        let can = f
            .max_payload_supported
            .map(|can| format!(" of {can}"))
            .unwrap_or_default();
        format!("MaxPayload {bytes}{can} bytes")
    }));
    lines.extend(f.numa_node.map(|node| format!("NUMA node {node}")));
    lines.extend(f.iommu_group.map(|group| format!("IOMMU group {group}")));
    lines.extend(f.driver.as_ref().map(|driver| format!("driver {driver}")));
    lines.extend((!f.os_names.is_empty()).then(|| f.os_names.join(" ")));
    lines.extend(
        f.vfs_total
            .map(|total| format!("SR-IOV {} of {total} VFs", f.vfs_enabled.unwrap_or(0))),
    );
    lines.join("\n")
}

fn role(function: &PciFunction) -> Role {
    match function.kind() >> 8 {
        0x03 | 0x12 | 0x0b => Role::CardA,
        0x02 | 0x0d => Role::CardB,
        0x01 | 0x05 => Role::CardC,
        _ if function.kind() == 0x0c06 || function.kind() == 0x0207 => Role::CardB,
        _ => Role::Card,
    }
}

fn places(card: &Card<'_>) -> Vec<Place> {
    card.functions
        .iter()
        .map(|function| Place::Function(function.bdf()))
        .collect()
}

fn card_role(context: &Context<'_>, places: &[Place], plain: Role) -> Role {
    if context.severity(places) == Some(Severity::Bad) {
        Role::Bad
    } else {
        plain
    }
}

fn os_names(functions: &[&PciFunction]) -> Option<String> {
    let names: Vec<&str> = functions
        .iter()
        .flat_map(|f| &f.function.os_names)
        .map(String::as_str)
        .collect();
    match names.as_slice() {
        [] => None,
        [first, .., last] if names.len() > 3 => Some(format!("{first} … {last}")),
        _ => Some(names.join(" ")),
    }
}

fn link_words(link: Option<LinkView>) -> Option<(String, bool)> {
    let link = link?;
    let slow = link.is_slow();
    Some(if slow {
        (
            format!(
                "{} of {}",
                link.trained.generation_words(),
                link.possible.generation_words()
            ),
            true,
        )
    } else {
        (link.trained.generation_words(), false)
    })
}

fn draw_card(context: &Context<'_>, card: &Card<'_>, link: Option<LinkView>) -> Item {
    let main = card.main;
    let places = places(card);
    let alike = card
        .functions
        .iter()
        .filter(|f| f.function.device == main.function.device)
        .count();
    let model = if alike > 1 {
        format!("{alike} × {}", main.short_name)
    } else {
        main.short_name.clone()
    };
    let mut item = Item::leaf(card_role(context, &places, role(main)))
        .padding(6.0)
        .id(format!("pci-{}", dashed(main)));
    if let Some(label) = card.functions.iter().find_map(|f| f.place.as_ref()) {
        item = item
            .line(Line::bold(11.5, label.name.clone()).center())
            .line(Line::text(10.0, model).center().wrapped());
    } else {
        item = item.line(Line::bold(10.5, model).center().wrapped());
    }
    if let Some(names) = os_names(&card.functions) {
        item = item.line(Line::text(9.5, names).center());
    }
    if let Some((text, slow)) = link_words(link) {
        item = item.line(Line::of(Span::new(9.5, text).ink(if slow { Ink::Bad } else { Ink::Muted })).center());
    }
    if card.virtual_functions > 0 {
        item = item.line(Line::bold(9.5, format!("+{} VFs", card.virtual_functions)).center());
    }
    let mut foot = Line::of(Span::muted(9.0, port_name(main))).center();
    foot = foot_spans(context, foot, main);
    let title: Vec<String> = card
        .functions
        .iter()
        .map(|f| format!("{} {}\n{}", f.bdf(), f.full_name, facts(f)))
        .collect();
    item.footer_line(foot)
        .title(title.join("\n"))
        .badges(context.badges(&places))
        .min_height(64.0)
}

/// Node and IOMMU group behind the address, where they say something.
fn foot_spans(context: &Context<'_>, mut foot: Line, main: &PciFunction) -> Line {
    if context.machine.cpu.nodes.len() > 1 {
        let text = main
            .node
            .map_or_else(|| "NUMA ?".to_owned(), |node| format!("NUMA {}", node.0));
        foot = foot.span(Span::muted(9.0, format!("· {text}")));
    }
    match main.function.iommu_group {
        Some(group) => foot.span(Span::muted(9.0, format!("· iommu {group}"))),
        None => foot,
    }
}

fn draw_folded(context: &Context<'_>, cards: &[(Option<&PciFunction>, Card<'_>)], link: Option<LinkView>) -> Item {
    let Some((_, first)) = cards.first() else {
        return Item::space();
    };
    let main = first.main;
    let places: Vec<Place> = cards.iter().flat_map(|(_, card)| places(card)).collect();
    let functions: Vec<&PciFunction> = cards
        .iter()
        .flat_map(|(_, card)| card.functions.iter().copied())
        .collect();
    let mut item = Item::leaf(card_role(context, &places, role(main)))
        .padding(6.0)
        .id(format!("pci-{}-folded", dashed(main)))
        .line(
            Line::bold(11.5, format!("{} × {}", cards.len(), main.short_name))
                .center()
                .wrapped(),
        );
    if let Some((text, slow)) = link_words(link) {
        let text = if slow { text } else { format!("all {text}, as capable") };
        item = item.line(Line::of(Span::new(9.5, text).ink(if slow { Ink::Bad } else { Ink::Muted })).center());
    }
    let slots: Vec<&str> = functions
        .iter()
        .filter_map(|f| f.place.as_ref())
        .map(|label| label.name.as_str())
        .collect();
    if let (Some(first), Some(last)) = (slots.first(), slots.last()) {
        let text = if slots.len() > 3 {
            format!("{first} … {last}")
        } else {
            slots.join(", ")
        };
        item = item.line(Line::text(9.5, text).center());
    }
    if let Some(names) = os_names(&functions) {
        item = item.line(Line::text(9.5, names).center());
    }
    let virtual_functions: usize = cards.iter().map(|(_, card)| card.virtual_functions).sum();
    if virtual_functions > 0 {
        item = item.line(Line::bold(9.5, format!("+{virtual_functions} VFs")).center());
    }
    let nodes: CpuSet = functions.iter().filter_map(|f| f.node).map(|node| node.0).collect();
    let last = cards.last().map_or(main, |(_, card)| card.main);
    let mut foot = Line::of(Span::muted(9.0, format!("{} … {}", port_name(main), port_name(last)))).center();
    if context.machine.cpu.nodes.len() > 1 && !nodes.is_empty() {
        foot = foot.span(Span::muted(9.0, format!("· NUMA {}", words::ranges(&nodes))));
    }
    let title: Vec<String> = functions
        .iter()
        .map(|f| format!("{} {}", f.bdf(), f.full_name))
        .collect();
    item.footer_line(foot)
        .title(title.join("\n"))
        .badges(context.badges(&places))
        .min_height(64.0)
}

fn switch_box(context: &Context<'_>, bridge: &PciFunction, link: Option<LinkView>, units: &[Unit<'_>]) -> Item {
    let ratio = oversubscription(link, units);
    let place = [Place::Function(bridge.bdf())];
    let role = match (context.severity(&place), ratio) {
        (Some(Severity::Bad), _) => Role::Bad,
        (_, Some(_)) => Role::Warn,
        _ => Role::Card,
    };
    let kind = if link.is_some() || bridge.function.port_type.is_some() {
        "switch"
    } else {
        "bridge"
    };
    let ratio = ratio.map(|ratio| format!(" {ratio:.0}:1")).unwrap_or_default();
    let name = words::model_words(&bridge.short_name, 28);
    Item::leaf(role)
        .padding(4.0)
        .line(Line::bold(10.5, format!("{kind}{ratio} · {name}")).center())
        .id(format!("pci-{}", dashed(bridge)))
        .title(format!("{} {}\n{}", bridge.bdf(), bridge.full_name, facts(bridge)))
        .badges(context.badges(&place))
}

/// What was folded away or is below the threshold, in one box.
fn folded_line(context: &Context<'_>, roots: &[Root<'_>]) -> Option<Item> {
    let mut classes: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
    for (class, count) in roots.iter().flat_map(|root| &root.hidden) {
        let sum = classes.entry(class).or_default();
        *sum = sum.saturating_add(*count);
    }
    let functions = &context.machine.pci.functions;
    let bridges = functions.iter().filter(|f| f.is_bridge()).count();
    let vfs: Vec<&PciFunction> = functions
        .iter()
        .filter(|f| f.function.physical_function.is_some())
        .collect();
    let mut lines = Vec::new();
    if !vfs.is_empty() {
        let mut drivers: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
        for vf in &vfs {
            let sum = drivers
                .entry(vf.function.driver.as_deref().unwrap_or("no driver"))
                .or_default();
            *sum = sum.saturating_add(1);
        }
        let words: Vec<String> = drivers
            .iter()
            .map(|(driver, count)| format!("{count} {driver}"))
            .collect();
        lines.push(format!("Folded: {} SR-IOV VFs ({})", vfs.len(), words.join(", ")));
    }
    let words: Vec<String> = classes
        .iter()
        .map(|(class, count)| format!("{count} × {class}"))
        .collect();
    if !words.is_empty() || bridges > 0 {
        let ports = (bridges > 0).then(|| format!("{bridges} bridges and ports"));
        let parts: Vec<String> = ports.into_iter().chain(words).collect();
        lines.push(format!(
            "Below the drawing threshold: {}; delid topo --all draws them",
            parts.join(" · ")
        ));
    }
    let item = Item::leaf(Role::Panel)
        .padding(8.0)
        .id("folded")
        .title("PCI functions that are not drawn one by one");
    (!lines.is_empty()).then(|| {
        item.lines(
            lines
                .into_iter()
                .map(|text| Line::of(Span::muted(10.0, text)).wrapped()),
        )
    })
}

/// Devices of a socket as lines: bar, slot, model, address (from three sockets on).
pub(super) fn lines(context: &Context<'_>, socket: usize, most: usize) -> Vec<Item> {
    let all = roots(context.machine, context.options);
    let mut rows = Vec::new();
    let mut free = Vec::new();
    let units: Vec<&Unit<'_>> = all
        .iter()
        .filter(|root| root.socket == Some(socket))
        .flat_map(|root| &root.units)
        .collect();
    flatten(&units, 0, &mut |unit| match unit {
        Unit::Empty { name, .. } => free.push((*name).to_owned()),
        _ => rows.push(device_line(context, unit)),
    });
    let more = rows.len().saturating_sub(most);
    rows.truncate(most);
    if more > 0 {
        rows.push(super::note(format!("+ {more} more: --socket {socket}")));
    }
    if rows.is_empty() && !context.machine.pci.functions.is_empty() {
        let loose = all.iter().any(|root| root.socket.is_none() && !root.units.is_empty());
        rows.push(super::note(if loose {
            "none known to be here"
        } else {
            "nothing plugged in"
        }));
    }
    if !free.is_empty() {
        rows.push(super::note(format!("free: {}", free.join(", "))));
    }
    rows
}

fn flatten<'u, 'a>(units: &[&'u Unit<'a>], depth: usize, each: &mut dyn FnMut(&'u Unit<'a>)) {
    for unit in units {
        match unit {
            Unit::Switch { units, .. } if depth < 8 => {
                flatten(&units.iter().collect::<Vec<_>>(), depth.saturating_add(1), each)
            }
            unit => each(unit),
        }
    }
}

fn device_line(context: &Context<'_>, unit: &Unit<'_>) -> Item {
    let (main, count, places) = match unit {
        Unit::Card { card, .. } => (card.main, 1, places(card)),
        Unit::Folded { cards, .. } => {
            let Some((_, first)) = cards.first() else {
                return Item::space();
            };
            (
                first.main,
                cards.len(),
                cards.iter().flat_map(|(_, card)| places(card)).collect(),
            )
        }
        Unit::Switch { bridge, .. } => (*bridge, 1, Vec::new()),
        Unit::Empty { .. } => return Item::space(),
    };
    let link = unit.link();
    let slow = link.is_some_and(|link| link.is_slow());
    let bar = match link {
        Some(link) => Item::bar(
            Pipe {
                extent: 8.0,
                ..Pipe::new(length(link.now()), length(link.can()), 8.0)
            }
            .bad(slow),
        ),
        None => Item {
            body: Body::Leaf,
            ..Item::space()
        },
    };
    let name = if count > 1 {
        format!("{count} × {}", main.short_name)
    } else {
        main.short_name.clone()
    };
    let label = main.place.as_ref().map(|label| label.name.clone());
    let first = label.clone().unwrap_or_else(|| name.clone());
    let mut line = Line::of(Span::bold(9.5, first).ink(if slow { Ink::Bad } else { Ink::Normal }));
    if label.is_some() {
        line = line.span(Span::new(9.5, name));
    }
    let line = line.right(Span::muted(9.0, port_name(main)));
    Item::row(vec![
        bar.fixed(80.0),
        Item::leaf(Role::Plain).line(line).badges(context.badges(&places)),
    ])
    .gap(6.0)
    .id(format!("pci-{}", dashed(main)))
    .title(format!("{} {}\n{}", main.bdf(), main.full_name, facts(main)))
}
