//! What joins the sockets: the kind of link (assumed from the processor), SLIT distances as
//! matrix, as chips and as a ring of direct links.

use render::scene::{Ink, Item, Line, Pipe, Role, Span};

use super::{Context, words};
use crate::model::Machine;
use crate::sysfs::CpuSet;
use crate::sysfs::topology::NodeId;

/// Kind of socket link by processor. Nothing in sysfs, ACPI or SMBIOS tells it: an assumption.
pub(crate) fn link_kind(machine: &Machine) -> Option<&'static str> {
    if machine.is_guest() {
        return None;
    }
    let model = machine
        .cpu
        .model
        .as_deref()
        .or_else(|| machine.sockets.iter().find_map(|s| s.model.as_deref()))
        .unwrap_or("");
    let model = model.to_uppercase();
    match (machine.cpu.vendor.as_deref(), machine.cpu.family_model_stepping) {
        (
            Some("GenuineIntel"),
            Some((6, 0x1a | 0x1e | 0x1f | 0x25 | 0x2c | 0x2e | 0x2f | 0x2d | 0x3e | 0x3f | 0x4f, _)),
        ) => Some("QPI"),
        (Some("GenuineIntel"), Some((6, model, _))) if model >= 0x55 => Some("UPI"),
        (Some("AuthenticAMD"), Some((family, ..))) if family >= 0x17 => Some("xGMI"),
        (Some("AuthenticAMD"), Some(_)) => Some("HyperTransport"),
        (None, _) if model.contains("EPYC") => Some("xGMI"),
        (None, _) if model.contains("OPTERON") => Some("HyperTransport"),
        (None, _)
            if ["PLATINUM", "GOLD", "SILVER", "BRONZE", "XEON MAX", "XEON(R) 6"]
                .iter()
                .any(|word| model.contains(word)) =>
        {
            Some("UPI")
        }
        (None, _) if model.contains("XEON") && ["E5-", "E7-"].iter().any(|word| model.contains(word)) => Some("QPI"),
        _ => None,
    }
}

/// SLIT distance between two nodes.
pub(crate) fn distance(machine: &Machine, from: NodeId, to: NodeId) -> Option<u32> {
    let at = |id: NodeId| machine.cpu.nodes.iter().position(|node| node.number == id);
    machine.cpu.distances.get(at(from)?)?.get(at(to)?).copied()
}

/// Smallest distance between the nodes of two sockets.
fn socket_distance(machine: &Machine, from: usize, to: usize) -> Option<u32> {
    let (from, to) = (machine.sockets.get(from)?, machine.sockets.get(to)?);
    from.nodes
        .iter()
        .flat_map(|a| to.nodes.iter().filter_map(|b| distance(machine, *a, *b)))
        .min()
}

/// Distances in words: "10 own · 12 same socket · 32 other", when each level has one value.
pub(crate) fn levels(machine: &Machine) -> Option<Vec<(&'static str, Vec<u32>)>> {
    if machine.cpu.distances.is_empty() {
        return None;
    }
    let socket = |id: NodeId| machine.sockets.iter().position(|socket| socket.nodes.contains(&id));
    let mut found: [Vec<u32>; 3] = [Vec::new(), Vec::new(), Vec::new()];
    for (row, from) in machine.cpu.distances.iter().zip(&machine.cpu.nodes) {
        for (value, to) in row.iter().zip(&machine.cpu.nodes) {
            let level = if from.number == to.number {
                0
            } else if socket(from.number).is_some() && socket(from.number) == socket(to.number) {
                1
            } else {
                2
            };
            if let Some(values) = found.get_mut(level).filter(|values| !values.contains(value)) {
                values.push(*value);
            }
        }
    }
    let by_node = machine.sockets.iter().any(|socket| socket.by_node);
    if by_node || !words::spanning_nodes(machine).is_empty() {
        // nodes of several sockets, or no socket known: "same socket" says nothing
        let [own, mut near, far] = found;
        near.extend(far);
        near.sort_unstable();
        near.dedup();
        let levels = [("own", own), ("other node", near)];
        return Some(levels.into_iter().filter(|(_, values)| !values.is_empty()).collect());
    }
    let [own, same, other] = found.map(|mut values| {
        values.sort_unstable();
        values
    });
    Some(
        [("own", own), ("same socket", same), ("other socket", other)]
            .into_iter()
            .filter(|(_, values)| !values.is_empty())
            .collect(),
    )
}

/// One sentence for the levels.
pub(crate) fn sentence(machine: &Machine) -> String {
    match levels(machine) {
        None => "NUMA distance not known (no SLIT in the sources)".to_owned(),
        Some(levels) => {
            let join = |values: &[u32]| values.iter().map(u32::to_string).collect::<Vec<_>>().join("/");
            let words: Vec<String> = levels
                .iter()
                .map(|(name, values)| format!("{} {name}", join(values)))
                .collect();
            format!("SLIT distance {}", words.join(", "))
        }
    }
}

/// The gap between two sockets: lines, kind, distance.
pub(super) fn gap(context: &Context<'_>) -> Item {
    let small = |text: String| Line::of(Span::new(9.0, text).ink(Ink::Interconnect)).center();
    let kind = link_kind(context.machine);
    let mut lines = Vec::new();
    match kind {
        Some(kind) => {
            lines.push(Line::of(Span::bold(10.0, kind).ink(Ink::Interconnect)).center());
            lines.push(small("(assumed)".to_owned()));
        }
        None => lines.push(small("link".to_owned())),
    }
    let mut below = Item::leaf(Role::Plain);
    match levels(context.machine) {
        Some(levels) => {
            below = below.line(small("SLIT".to_owned()));
            for (name, values) in levels {
                let values: Vec<String> = values.iter().map(u32::to_string).collect();
                let values = match values.as_slice() {
                    [first, _, _, .., last] => vec![format!("{first}–{last}")],
                    _ => values,
                };
                let (values, name) = (values.join("/"), name.split(' ').next().unwrap_or_default());
                let together = format!("{values} {name}");
                if together.len() <= 8 {
                    below = below.line(small(together));
                } else {
                    below = below.line(small(values)).line(small(name.to_owned()));
                }
            }
        }
        None => below = below.line(small("SLIT".to_owned())).line(small("not known".to_owned())),
    }
    let title = format!(
        "Between the {}s: {}\n{}",
        words::card_word(context.machine),
        kind.map_or("kind of link not known", |kind| kind),
        sentence(context.machine)
    );
    Item::column(vec![
        Item::leaf(Role::Plain).lines(lines),
        Item::links(2, 7.0).min_height(20.0).title(title),
        below,
    ])
    .gap(4.0)
    .fixed(52.0)
    .padding(0.0)
}

/// Distinct remote distances between sockets, ascending: the first is one hop.
fn classes(machine: &Machine) -> Vec<u32> {
    let n = machine.sockets.len();
    let mut values: Vec<u32> = (0..n)
        .flat_map(|a| (0..n).filter(move |b| *b != a).map(move |b| (a, b)))
        .filter_map(|(a, b)| socket_distance(machine, a, b))
        .collect();
    values.sort_unstable();
    values.dedup();
    values
}

/// One chip per socket, always in order: solid for the nearest class, dashed beyond.
pub(super) fn chips(context: &Context<'_>, own: usize) -> Option<Item> {
    let machine = context.machine;
    let classes = classes(machine);
    let nearest = *classes.first()?;
    let word = words::card_word(machine);
    let chips = (0..machine.sockets.len()).map(|other| {
        let value = socket_distance(machine, own, other);
        let (role, text) = match value {
            _ if other == own => (Role::ChipSelf, "–".to_owned()),
            Some(value) if value == nearest => (Role::ChipSolid, other.to_string()),
            _ => (Role::ChipDashed, other.to_string()),
        };
        let title = match (other == own, value) {
            (true, _) => format!("this {word}"),
            (false, Some(value)) => format!("to {word} {other}: SLIT {value}"),
            (false, None) => format!("to {word} {other}: distance not known"),
        };
        Item::leaf(role)
            .padding(1.0)
            .line(Line::text(9.0, text).center())
            .title(title)
            .fixed(28.0)
    });
    let mut row = vec![Item::leaf(Role::Plain).line(Line::muted(9.0, "SLIT class")).fixed(58.0)];
    row.extend(chips);
    row.push(Item::space());
    Some(Item::row(row).gap(3.0))
}

/// The band between the rows of sockets: ring of the nearest class, matrix, how to read it.
pub(super) fn band(context: &Context<'_>) -> Option<Item> {
    let machine = context.machine;
    if machine.cpu.distances.is_empty() {
        return Some(super::note(format!("{} · {}", kind_words(machine), sentence(machine))));
    }
    let classes = classes(machine);
    let drawn = matrix(machine);
    if classes.len() < 2 && drawn.is_none() {
        // nothing to compare: one sentence
        return Some(super::note(format!("{} · {}", kind_words(machine), sentence(machine))));
    }
    let mut row = Vec::new();
    let n = machine.sockets.len();
    if n <= 16
        && classes.len() > 1
        && let Some(nearest) = classes.first()
    {
        let edges: Vec<(usize, usize)> = (0..n)
            .flat_map(|a| (a.saturating_add(1)..n).map(move |b| (a, b)))
            .filter(|(a, b)| socket_distance(machine, *a, *b) == Some(*nearest))
            .collect();
        let title = format!(
            "Pairs of {}s with the smallest remote SLIT distance ({nearest}): {}",
            words::card_word(machine),
            edges.len()
        );
        row.push(
            Item::ring((0..n).map(|at| at.to_string()).collect(), edges)
                .min_height(170.0)
                .fixed(230.0)
                .title(title),
        );
    }
    row.extend(drawn.map(|item| item.share(1.4)));
    row.push(reading(machine, &classes));
    row.extend(rates(context));
    Some(
        Item::row(row)
            .gap(20.0)
            .role(Role::Panel)
            .id("interconnect")
            .title(sentence(machine)),
    )
}

fn kind_words(machine: &Machine) -> String {
    link_kind(machine).map_or_else(
        || format!("kind of link between the {}s not known", words::card_word(machine)),
        |kind| format!("socket links: {kind} (assumed)"),
    )
}

fn reading(machine: &Machine, classes: &[u32]) -> Item {
    let mut lines = vec![Line::bold(10.5, "How to read it")];
    lines.push(Line::text(10.0, kind_words(machine)));
    let own = machine.cpu.distances.first().and_then(|row| row.first()).copied();
    let own = own.unwrap_or(10);
    for (at, value) in classes.iter().enumerate().take(4) {
        let n = machine.sockets.len();
        let pairs = (0..n)
            .flat_map(|a| (a.saturating_add(1)..n).map(move |b| (a, b)))
            .filter(|(a, b)| socket_distance(machine, *a, *b) == Some(*value))
            .count();
        lines.push(Line::text(
            10.0,
            format!(
                "SLIT class {}: {value}, {pairs} pairs of {}s{}",
                at.saturating_add(1),
                words::card_word(machine),
                if *value == own { " in one node" } else { "" }
            ),
        ));
    }
    lines.extend(cut_words(machine, classes).map(|text| Line::of(Span::new(10.0, text)).wrapped()));
    let how = if classes.is_empty() || machine.sockets.len() > 8 {
        "SLIT is what the firmware claims"
    } else {
        "solid chip = nearest class, dashed = further; SLIT is what the firmware claims"
    };
    lines.push(Line::of(Span::muted(9.5, how)).wrapped());
    Item::leaf(Role::Plain).lines(lines)
}

/// The halves of the sockets with the fewest direct links between them: a transfer from one half to
/// the other has to pass these. Links are the pairs of the nearest SLIT class; how fast one is,
/// nobody tells.
fn narrowest_cut(n: u32, direct: &dyn Fn(u32, u32) -> bool) -> Option<(u32, Vec<u32>)> {
    if !(4..=16).contains(&n) || !n.is_multiple_of(2) {
        return None;
    }
    let members = |mask: u32| (0..n).filter(move |at| mask & (1 << at) != 0);
    let peers: Vec<u32> = (0..n)
        .map(|a| {
            (0..n)
                .filter(|b| *b != a && direct(a, *b))
                .fold(0, |mask, b| mask | 1 << b)
        })
        .collect();
    // socket 0 is always in the first half: each cut is looked at once
    let halves = (1..1_u32 << n).step_by(2).filter(|mask| mask.count_ones() == n / 2);
    let crossing = |mask: u32| {
        let rows = peers.iter().zip(0..n).filter(|(_, at)| mask & (1 << at) != 0);
        rows.map(|(peers, _)| (peers & !mask).count_ones()).sum::<u32>()
    };
    let (links, mask) = halves.map(|mask| (crossing(mask), mask)).min()?;
    Some((links, members(mask).collect()))
}

fn cut_words(machine: &Machine, classes: &[u32]) -> Option<String> {
    let nearest = *classes.first().filter(|_| classes.len() > 1)?;
    let n = u32::try_from(machine.sockets.len()).ok()?;
    let direct = |a: u32, b: u32| {
        let at = |number: u32| usize::try_from(number).ok();
        at(a)
            .zip(at(b))
            .is_some_and(|(a, b)| socket_distance(machine, a, b) == Some(nearest))
    };
    let (crossing, half) = narrowest_cut(n, &direct)?;
    let set = |inside: bool| -> CpuSet { (0..n).filter(|at| half.contains(at) == inside).collect() };
    let of = (0..n)
        .flat_map(|a| (a.saturating_add(1)..n).map(move |b| (a, b)))
        .filter(|(a, b)| direct(*a, *b))
        .count();
    Some(format!(
        "narrowest cut into halves: {crossing} of the {of} nearest pairs, between {} and {}; GB/s per link not known",
        words::ranges(&set(true)),
        words::ranges(&set(false))
    ))
}

/// GB/s of the trained links below each socket, as bars of the page's scale.
fn rates(context: &Context<'_>) -> Option<Item> {
    let roots = super::cards::roots(context.machine, context.options);
    let sum = |socket: usize| -> f64 {
        let own = roots.iter().filter(|root| root.socket == Some(socket));
        own.flat_map(|root| &root.units).map(super::cards::Unit::rate).sum()
    };
    let sums: Vec<f64> = (0..context.machine.sockets.len()).map(sum).collect();
    if sums.len() > 8 || sums.iter().all(|rate| *rate == 0.0) {
        return None;
    }
    let most = sums.iter().copied().fold(1.0, f64::max);
    let scale = f64::min(1.2, 150.0 / most);
    let rows = sums.iter().zip(&context.machine.sockets).map(|(rate, socket)| {
        let label = Item::leaf(Role::Plain)
            .padding(1.0)
            .line(Line::text(9.5, socket.label.clone()));
        let number = Item::leaf(Role::Plain)
            .padding(1.0)
            .line(Line::muted(9.5, crate::findings::rate_words(*rate)));
        #[expect(clippy::cast_possible_truncation, reason = "px of a page")]
        let px = (*rate * scale) as f32;
        let bar = Item::bar(Pipe::new(px, px, 8.0)).title(format!("{}: {rate:.1} GB/s", socket.label));
        Item::row(vec![label.fixed(70.0), bar.fixed(154.0), number.fixed(50.0)]).gap(4.0)
    });
    Some(
        Item::column(rows.collect())
            .gap(2.0)
            .line(Line::bold(10.5, "PCI, GB/s trained"))
            .fixed(290.0),
    )
}

/// The SLIT matrix, when it is small enough to be read and says more than its levels.
pub(crate) fn matrix(machine: &Machine) -> Option<Item> {
    let n = machine.cpu.nodes.len();
    if n > 32 || !levels(machine)?.iter().any(|(_, values)| values.len() > 1) {
        return None;
    }
    let least = machine.cpu.distances.iter().flatten().copied().min().unwrap_or(10);
    let most = machine.cpu.distances.iter().flatten().copied().max().unwrap_or(10);
    let mut cells = vec![Item::leaf(Role::Plain)];
    let head = |id: NodeId| {
        Item::leaf(Role::Plain)
            .padding(1.0)
            .line(Line::bold(9.0, id.0.to_string()).center())
    };
    cells.extend(machine.cpu.nodes.iter().map(|node| head(node.number)));
    for (row, from) in machine.cpu.distances.iter().zip(&machine.cpu.nodes) {
        cells.push(head(from.number));
        for (value, to) in row.iter().zip(&machine.cpu.nodes) {
            let shade = value.saturating_sub(least).saturating_mul(4) / most.saturating_sub(least).max(1);
            cells.push(
                Item::leaf(Role::Heat(u8::try_from(shade.min(4)).unwrap_or(4)))
                    .padding(1.0)
                    .line(Line::text(9.0, value.to_string()).center())
                    .title(format!("from node {} to node {}: {value}", from.number.0, to.number.0)),
            );
        }
    }
    Some(
        Item::grid(n.saturating_add(1), cells)
            .gap(1.0)
            .line(Line::bold(10.5, "NUMA distance (SLIT)")),
    )
}

/// Words for one socket, for the terminal: "10 own, 21 to 1, 2, 3; 31 to 4".
pub(crate) fn row_words(machine: &Machine, own: usize) -> Option<String> {
    let mut classes: std::collections::BTreeMap<u32, Vec<u32>> = std::collections::BTreeMap::new();
    for other in 0..machine.sockets.len() {
        if other != own {
            classes
                .entry(socket_distance(machine, own, other)?)
                .or_default()
                .push(u32::try_from(other).ok()?);
        }
    }
    let words: Vec<String> = classes
        .into_iter()
        .map(|(value, sockets)| format!("{value} to {}", words::ranges(&sockets.into_iter().collect())))
        .collect();
    (!words.is_empty()).then(|| words.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_narrowest_cut_of_two_full_meshes_is_between_them() {
        // 0-3 and 4-7 fully linked, one link from n to n + 4
        let direct = |a: u32, b: u32| (a < 4) == (b < 4) || a.abs_diff(b) == 4;
        assert_eq!(narrowest_cut(8, &direct), Some((4, vec![0, 1, 2, 3])));
    }

    #[test]
    fn a_ring_of_four_is_cut_in_two_places() {
        let direct = |a: u32, b: u32| a.abs_diff(b) == 1 || a.abs_diff(b) == 3;
        assert_eq!(narrowest_cut(4, &direct).map(|(links, _)| links), Some(2));
        assert_eq!(narrowest_cut(3, &direct), None);
    }
}
