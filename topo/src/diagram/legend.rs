//! Bottom of the page: what is not shown and how to get it, the legend, where the facts come from.

use render::scene::{Item, Line, Pipe, Role, Span};

use super::{Context, words};
use crate::pci::function::LinkState;

pub(super) fn gaps(context: &Context<'_>) -> Option<Item> {
    let gaps = &context.machine.gaps;
    let rows: Vec<Item> = gaps
        .iter()
        .map(|gap| {
            let what = Item::leaf(Role::Plain)
                .line(Line::of(Span::bold(10.5, gap.what.clone())).wrapped())
                .share(1.2);
            let why = Item::leaf(Role::Plain)
                .line(Line::of(Span::muted(10.5, gap.why.clone())).wrapped())
                .share(1.0);
            let how = gap.how.as_ref().map(|how| format!("→ {how}")).unwrap_or_default();
            let how = Item::leaf(Role::Plain)
                .line(Line::of(Span::new(10.5, how).ink(render::scene::Ink::Interconnect)).wrapped())
                .share(1.0);
            Item::row(vec![what, why, how]).gap(12.0)
        })
        .collect();
    (!rows.is_empty()).then(|| {
        Item::column(rows)
            .gap(3.0)
            .role(Role::Panel)
            .line(Line::bold(12.0, "Not shown, and how to get it"))
            .id("gaps")
            .title("Sources that could not be read")
    })
}

pub(super) fn legend(context: &Context<'_>) -> Item {
    let machine = context.machine;
    let mut items = Vec::new();
    let swatch = |role: Role, text: &str, label: &str| {
        Item::row(vec![
            Item::leaf(role)
                .padding(2.0)
                .line(Line::text(9.0, text.to_owned()).center())
                .title(label.to_owned())
                .fixed(46.0),
            Item::leaf(Role::Plain)
                .padding(2.0)
                .line(Line::muted(9.5, label.to_owned())),
        ])
        .gap(4.0)
    };
    let mut states: Vec<LinkState> = machine
        .pci
        .functions
        .iter()
        .filter_map(|f| f.function.link?.status)
        .collect();
    states.sort_by(|a, b| b.gigabytes_per_second().total_cmp(&a.gigabytes_per_second()));
    states.dedup();
    for state in states.into_iter().take(4) {
        let px = context.scale.px(state.gigabytes_per_second());
        items.push(
            Item::row(vec![
                Item::pipe(Pipe::new(px, px, 16.0)).fixed(26.0).title(state.to_string()),
                Item::leaf(Role::Plain).padding(2.0).line(Line::muted(
                    9.5,
                    format!(
                        "{} {}",
                        state.generation_words(),
                        crate::findings::rate_words(state.gigabytes_per_second())
                    ),
                )),
            ])
            .gap(4.0),
        );
    }
    let slow = |index| super::cards::link_above(machine, index).is_some_and(super::cards::LinkView::is_slow);
    if !items.is_empty() && (0..machine.pci.functions.len()).any(slow) {
        items.push(
            Item::row(vec![
                Item::pipe(Pipe::new(5.0, 12.0, 16.0).bad(true))
                    .fixed(26.0)
                    .title("pale: possible, solid: trained"),
                Item::leaf(Role::Plain)
                    .padding(2.0)
                    .line(Line::muted(9.5, "trained of possible")),
            ])
            .gap(4.0),
        );
    }
    if !machine.cpu.cores.is_empty() {
        items.push(swatch(Role::Cell, "0", "core"));
    }
    if words::kinds(&machine.cpu).len() > 1 {
        let names = words::weak_names(&machine.cpu);
        let name = if names.is_empty() {
            "weaker core".to_owned()
        } else {
            names.join(", ")
        };
        items.push(swatch(Role::CellAlt, "0", &name));
    }
    if machine.cpu.cpus.iter().any(|cpu| !cpu.online) {
        items.push(swatch(Role::CellOff, "0", "offline"));
    }
    if machine.cpu.cpus.iter().any(|cpu| !cpu.allowed) {
        items.push(swatch(Role::CellBarred, "0", "not allowed"));
    }
    if !machine.memory.slots.is_empty() {
        items.push(swatch(Role::Memory, "32 GiB", "memory module"));
        if machine.memory.slots.iter().any(|slot| !slot.populated()) {
            items.push(swatch(Role::Empty, "", "empty"));
        }
    }
    if !machine.cpu.persistent.is_empty() {
        items.push(swatch(Role::MemoryAlt, "", "persistent memory"));
    }
    if (0..machine.sockets.len()).any(|socket| super::memory::bandwidth(context, socket).is_some()) {
        items.push(
            Item::row(vec![
                Item::bar(Pipe::new(28.0, 40.0, 6.0))
                    .fixed(46.0)
                    .title("memory bandwidth"),
                Item::leaf(Role::Plain)
                    .padding(2.0)
                    .line(Line::muted(9.5, "memory GB/s, pale = all channels")),
            ])
            .gap(4.0),
        );
    }
    let mut layers: Vec<(&str, usize)> = Vec::new();
    for origin in &machine.origins {
        match layers.iter_mut().find(|(label, _)| *label == &*origin.label) {
            Some((_, count)) => *count = count.saturating_add(1),
            None => layers.push((&origin.label, 1)),
        }
    }
    let provenance: Vec<String> = layers
        .into_iter()
        .map(|(label, count)| {
            if count > 1 {
                format!("{label} ({count} sources)")
            } else {
                label.to_owned()
            }
        })
        .take(8)
        .collect();
    let names = if machine.pci.functions.is_empty() {
        String::new()
    } else {
        format!(" · PCI ID list {}", machine.pci.names_version)
    };
    let foot = format!("from {}{names}", provenance.join(", "));
    let mut panel = Item::column(if items.is_empty() {
        Vec::new()
    } else {
        vec![Item::grid(if items.len() > 6 { 8 } else { 6 }, items).gap(8.0)]
    })
    .role(Role::Panel)
    .gap(4.0)
    .id("legend")
    .title("Legend and sources");
    if machine
        .pci
        .functions
        .iter()
        .any(|f| f.function.link.is_some_and(|link| link.status.is_some()))
    {
        panel = panel.line(Line::bold(10.5, "Link width is drawn to scale (GB/s each way)"));
    }
    panel.footer_line(Line::of(Span::muted(9.0, foot)).wrapped())
}
