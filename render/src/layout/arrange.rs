//! From the outside in: gives each box its width. From the inside out: finds its height.

use super::badges::{SIZE, Stand};
use super::fit::{self, Fitted};
use super::ring;
use super::tree::{Node, px, times};
use crate::scene::{Align, Body, Item, Line, Role, Width};

/// Gives a node this width and finds its height. `up` and `out` are the free px above it and at its
/// right, which its badges may use.
pub(super) fn arrange(node: &mut Node<'_>, w: f32, up: f32, out: f32) {
    node.w = w;
    node.slack = (up, out);
    node.pad = px(node.item.padding).min(w / 4.0);
    node.badges.settle(w, up, out);
    let head_h = head(node);
    let item = node.item;
    let avail = (node.inner()
        - if item.body == Body::Leaf {
            node.badges.inline_width()
        } else {
            0.0
        })
    .max(0.0);
    node.foot = item.footer.iter().flat_map(|line| fit::fit(line, avail)).collect();
    let has_body = item.body != Body::Leaf;
    let text_gap = node.text_gap();
    node.body_top = node.pad + head_h + if has_body && head_h > 0.0 { text_gap } else { 0.0 };
    node.body_top = node.body_top.max(node.badges.corner_bottom());
    let taken = if head_h > 0.0 { node.pad + head_h } else { 0.0 };
    let taken = taken.max(node.badges.corner_bottom());
    let open = item.role == Role::Plain && taken == 0.0;
    let above = (node.body_top - taken).max(0.0) + if open { up } else { 0.0 };
    node.body_h = body(node, above);
    let foot_h = height(&node.foot);
    let foot_gap = if foot_h > 0.0 && (has_body || head_h > 0.0) {
        text_gap
    } else {
        0.0
    };
    node.h = (node.body_top + node.body_h + foot_gap + foot_h + node.pad).max(px(item.min_height));
}

/// Height of a block of lines.
pub(super) fn height(lines: &[Fitted]) -> f32 {
    lines.iter().map(|l| l.height).sum()
}

/// Fits the lines above the body; those beside a badge are shorter.
fn head(node: &mut Node<'_>) -> f32 {
    let item = node.item;
    let mut y = node.pad;
    let inline = node.badges.inline_width();
    for (i, line) in item.lines.iter().enumerate() {
        let beside = if y < node.badges.corner_bottom() {
            node.badges.corner_width(node.pad)
        } else {
            0.0
        };
        let taken = match node.badges.stand {
            Stand::Right if i > 0 => 0.0,
            _ => inline,
        };
        let full = (node.inner() - taken).max(0.0);
        let mut fitted = fit::fit(line, (full - beside).max(0.0));
        if line.align == Align::Middle && beside > 0.0 {
            fitted = clear(line, fitted, full, beside);
        }
        if i == 0 && inline > 0.0 {
            for first in fitted.iter_mut().take(1) {
                first.height = first.height.max(SIZE + 2.0);
            }
        }
        y += height(&fitted);
        node.head.extend(fitted);
    }
    if inline > 0.0 && node.head.is_empty() {
        node.head.push(Fitted {
            height: SIZE + 2.0,
            ..Fitted::default()
        });
        y += SIZE + 2.0;
    }
    y - node.pad
}

/// A centred line keeps its middle where the badge leaves it the room.
fn clear(line: &Line, beside: Vec<Fitted>, full: f32, taken: f32) -> Vec<Fitted> {
    let whole = fit::fit(line, full);
    let right = whole
        .iter()
        .flat_map(|f| &f.runs)
        .map(|r| r.x + r.width)
        .fold(0.0, f32::max);
    if right <= full - taken { whole } else { beside }
}

fn body(node: &mut Node<'_>, above: f32) -> f32 {
    let item = node.item;
    match &item.body {
        Body::Leaf => 0.0,
        Body::Column(_) => column(node, above),
        Body::Row(_) => row(node, above),
        Body::Grid { columns, .. } => grid(node, *columns, above),
        Body::Pipe(pipe) => {
            if px(pipe.extent) == 0.0 {
                10.0
            } else {
                px(pipe.extent)
            }
        }
        Body::Bar(pipe) => {
            if px(pipe.extent) == 0.0 {
                6.0
            } else {
                px(pipe.extent)
            }
        }
        Body::Lines { count, thickness } => lines_height(*count, *thickness),
        Body::Ring { nodes, .. } => ring::height(nodes, node.inner(), px(item.min_height)),
    }
}

/// Height of the lines of an interconnect: each with a blank of 5/7 of its thickness.
pub(super) fn lines_height(count: usize, thickness: f32) -> f32 {
    let count = times(count.min(64));
    let thick = px(thickness).clamp(1.0, 40.0);
    thick * count + (count - 1.0).max(0.0) * thick * 0.7
}

fn column(node: &mut Node<'_>, above: f32) -> f32 {
    let (inner, gap, beyond) = (node.inner(), node.gap(), node.beyond());
    let mut total = 0.0;
    let mut free = above;
    for (i, child) in node.children.iter_mut().enumerate() {
        arrange(child, inner, free, beyond);
        total += child.h + if i == 0 { 0.0 } else { gap };
        free = gap + if bare_pipe(child.item) { child.h } else { 0.0 };
    }
    total
}

/// A link bar without text: a badge below it may stand beside the bar.
fn bare_pipe(item: &Item) -> bool {
    matches!(item.body, Body::Pipe(_)) && item.lines.is_empty() && item.footer.is_empty() && item.badges.is_empty()
}

fn grid(node: &mut Node<'_>, columns: usize, above: f32) -> f32 {
    let widest = node.children.iter().map(|c| c.min).fold(0.0, f32::max);
    even(node, columns, widest, above)
}

/// Rows of equally wide children, at most `columns` each, fewer when they would be too narrow.
fn even(node: &mut Node<'_>, columns: usize, least: f32, above: f32) -> f32 {
    let (inner, gap) = (node.inner(), node.gap());
    let count = node.children.len();
    let mut columns = columns.clamp(1, count.max(1));
    let wide = |n: usize| (inner - gap * (times(n) - 1.0)) / times(n);
    while columns > 1 && wide(columns) + 0.01 < least.max(1.0) {
        columns -= 1;
    }
    let width = wide(columns);
    let mut start = 0;
    let mut rows = Vec::new();
    while start < count {
        let end = (start + columns).min(count);
        rows.push((start, end));
        start = end;
    }
    settle_rows(node, rows, above, |_, _| vec![width; columns])
}

fn row(node: &mut Node<'_>, above: f32) -> f32 {
    let (inner, gap) = (node.inner(), node.gap());
    let alike = node.children.iter().all(|c| c.item.width == Width::Fill);
    let need: f32 = node.children.iter().map(|c| c.need() + gap).sum();
    if alike && need - gap > inner + 0.01 {
        let widest = node.children.iter().map(|c| c.min).fold(0.0, f32::max);
        let fitting = node
            .children
            .len()
            .min(((inner + gap) / (widest + gap).max(1.0)).clamp(1.0, 1e6) as usize);
        let lines = node.children.len().div_ceil(fitting.max(1));
        return even(node, node.children.len().div_ceil(lines.max(1)), widest, above);
    }
    let mut rows = Vec::new();
    let (mut start, mut used) = (0, 0.0);
    for (i, child) in node.children.iter().enumerate() {
        let need = child.need().min(inner);
        if i > start && used + gap + need > inner + 0.01 {
            rows.push((start, i));
            (start, used) = (i, 0.0);
        }
        used += need + if i > start { gap } else { 0.0 };
    }
    if start < node.children.len() {
        rows.push((start, node.children.len()));
    }
    settle_rows(node, rows, above, |children, gap| {
        distribute(children, inner - gap * (times(children.len()) - 1.0))
    })
}

fn settle_rows(
    node: &mut Node<'_>,
    rows: Vec<(usize, usize)>,
    above: f32,
    widths: impl Fn(&[Node<'_>], f32) -> Vec<f32>,
) -> f32 {
    let (gap, beyond) = (node.gap(), node.beyond());
    let mut total = 0.0;
    for (n, (start, end)) in rows.into_iter().enumerate() {
        let Some(children) = node.children.get_mut(start..end) else {
            continue;
        };
        let given = widths(children, gap);
        let last = children.len().saturating_sub(1);
        let mut tallest = 0.0_f32;
        for (i, (child, w)) in children.iter_mut().zip(given).enumerate() {
            arrange(
                child,
                w,
                if n == 0 { above } else { gap },
                if i == last { beyond } else { gap },
            );
            tallest = tallest.max(child.h);
        }
        total += tallest + if n == 0 { 0.0 } else { gap };
        node.rows.push((start, end, tallest));
    }
    total
}

/// Shares `avail` px among the children of one row.
fn distribute(children: &[Node<'_>], avail: f32) -> Vec<f32> {
    let weight = |c: &Node<'_>| match c.item.width {
        Width::Fill => Some(1.0),
        Width::Share(w) => Some(px(w)),
        Width::Fixed(_) | Width::Content => None,
    };
    let mut given: Vec<f32> = children
        .iter()
        .map(|c| match c.item.width {
            Width::Content => c.pref,
            _ => c.need(),
        })
        .collect();
    shrink(children, &mut given, avail);
    let mut open: Vec<bool> = children.iter().map(|c| weight(c).is_some_and(|w| w > 0.0)).collect();
    loop {
        let taken: f32 = given.iter().zip(&open).filter(|(_, o)| !**o).map(|(g, _)| g).sum();
        let weights: f32 = children
            .iter()
            .zip(&open)
            .filter(|(_, o)| **o)
            .filter_map(|(c, _)| weight(c))
            .sum();
        let unit = ((avail - taken) / weights.max(f32::MIN_POSITIVE)).max(0.0);
        let mut again = false;
        for ((child, g), o) in children.iter().zip(&mut given).zip(&mut open).filter(|(_, o)| **o) {
            let share = unit * weight(child).unwrap_or(0.0);
            if share < child.min {
                (*g, *o, again) = (child.min, false, true);
            } else {
                *g = share;
            }
        }
        if !again {
            break;
        }
    }
    // A lone child wider than the row gets the row.
    given.iter().map(|g| g.clamp(0.0, avail.max(0.0))).collect()
}

/// Takes what is too much from the `Content` children, each down to what it needs.
fn shrink(children: &[Node<'_>], given: &mut [f32], avail: f32) {
    let spare = |c: &Node<'_>, g: f32| (g - c.need()).max(0.0);
    let excess = given.iter().sum::<f32>() - avail;
    let total: f32 = children.iter().zip(given.iter()).map(|(c, g)| spare(c, *g)).sum();
    if excess > 0.0 && total > 0.0 {
        let part = (excess / total).min(1.0);
        for (child, g) in children.iter().zip(given) {
            *g -= spare(child, *g) * part;
        }
    }
}
