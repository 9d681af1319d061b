//! Writes the boxes, texts and shapes of an arranged tree to their places.

use super::arrange::{height, lines_height};
use super::badges::{Badges, SIZE, Stand};
use super::fit::Fitted;
use super::placed::{Placed, PlacedBox, PlacedText, Rect, Shape, ShapeKind, TextInk};
use super::ring;
use super::tree::{Node, px, times};
use crate::scene::{Align, Body, Ink, Pipe, Role};

/// Free px around a box that bars and lines inside may bridge to touch the neighbours.
#[derive(Clone, Copy, Default)]
pub(super) struct Reach {
    up: f32,
    down: f32,
    left: f32,
    right: f32,
}

struct Place<'p> {
    out: &'p mut Placed,
    owner: usize,
    role: Role,
}

/// Places a node and all below it; `rect.h` may be more than the node asked for.
pub(super) fn place(node: &Node<'_>, rect: Rect, parent: Option<usize>, depth: usize, reach: Reach, out: &mut Placed) {
    let owner = out.boxes.len();
    let item = node.item;
    out.boxes.push(PlacedBox {
        rect,
        depth,
        parent,
        id: item.id.clone(),
        role: item.role,
        title: item.title.clone(),
        keywords: item.keywords.clone(),
    });
    let mut at = Place {
        out,
        owner,
        role: item.role,
    };
    let foot_h = height(&node.foot);
    let x = rect.x + node.pad;
    let head_h = height(&node.head);
    let mut body = Rect {
        x,
        y: rect.y + node.body_top,
        w: node.inner(),
        h: 0.0,
    };
    let foot_room = if foot_h > 0.0 { foot_h + node.text_gap() } else { 0.0 };
    body.h = (rect.h - node.body_top - foot_room - node.pad).max(0.0);
    let mut head_y = rect.y + node.pad;
    let mut foot_y = rect.bottom() - node.pad - foot_h;
    if node.centred() {
        head_y = rect.y + ((rect.h - head_h) / 2.0).max(node.pad);
    } else if let Body::Lines { .. } = item.body {
        let spare = ((body.h - node.body_h) / 2.0).max(0.0);
        head_y += spare;
        body.y += spare;
        body.h = node.body_h;
        foot_y -= spare;
    }
    at.bodies(node, body, reach);
    at.lines(&node.head, text_x(node, x), head_y);
    at.lines(&node.foot, x, foot_y);
    at.badges(node, rect, head_y);
    children(node, body, owner, depth + 1, out);
}

fn text_x(node: &Node<'_>, x: f32) -> f32 {
    if node.badges.stand == Stand::Left {
        x + node.badges.inline_width()
    } else {
        x
    }
}

impl Place<'_> {
    fn lines(&mut self, lines: &[Fitted], x: f32, mut y: f32) {
        for line in lines {
            let baseline = y + line.height / 2.0 + 0.36 * line.size;
            for run in &line.runs {
                self.out.texts.push(PlacedText {
                    owner: self.owner,
                    x: x + run.x,
                    y: baseline,
                    width: run.width,
                    size: run.size,
                    bold: run.bold,
                    ink: ink_on(self.role, run.ink),
                    anchor: run.anchor,
                    text: run.text.clone(),
                });
            }
            y += line.height;
        }
    }

    fn shape(&mut self, kind: ShapeKind, rect: Rect) {
        self.out.shapes.push(Shape {
            owner: self.owner,
            rect,
            kind,
        });
    }

    fn badges(&mut self, node: &Node<'_>, rect: Rect, head_y: f32) {
        let badges = &node.badges;
        if badges.all.is_empty() {
            return;
        }
        let first = node.head.first().map_or(SIZE, |l| l.height);
        let y = match badges.stand {
            Stand::Corner => rect.y - badges.up,
            Stand::Left | Stand::Right => head_y + (first - SIZE) / 2.0,
        };
        let x = match badges.stand {
            Stand::Left => rect.x + node.pad,
            Stand::Corner => rect.right() + badges.out - badges.total(),
            Stand::Right => rect.right() - node.pad - badges.total(),
        };
        for (one, dx) in badges.places() {
            let spot = Rect {
                x: x + dx,
                y,
                w: one.width,
                h: SIZE,
            };
            self.shape(ShapeKind::Badge(one.severity), spot);
            self.label(&one.text, one.text_width, Badges::text_size(), spot);
        }
    }

    /// A bold inverse text in the middle of a shape.
    fn label(&mut self, text: &str, width: f32, size: f32, on: Rect) {
        if !text.is_empty() {
            self.out.texts.push(PlacedText {
                owner: self.owner,
                x: on.x + (on.w - width) / 2.0,
                y: on.y + on.h / 2.0 + 0.36 * size,
                width,
                size,
                bold: true,
                ink: TextInk::Inverse,
                anchor: Align::Middle,
                text: text.to_owned(),
            });
        }
    }

    fn bodies(&mut self, node: &Node<'_>, area: Rect, reach: Reach) {
        match &node.item.body {
            Body::Pipe(pipe) => self.pipe(pipe, area, reach),
            Body::Bar(pipe) => self.bar(pipe, area),
            Body::Lines { count, thickness } => self.interconnect(*count, *thickness, area, reach),
            Body::Ring { nodes, edges } => self.ring(nodes, edges, area),
            _ => {}
        }
    }

    fn pipe(&mut self, pipe: &Pipe, area: Rect, reach: Reach) {
        let (pale, solid) = kinds(pipe);
        let count = pipe.count.clamp(1, 64);
        let wide = px(pipe.solid).max(px(pipe.pale)).max(1.0).min(area.w / times(count));
        let thin = px(pipe.solid).clamp(0.0, wide);
        let pitch = (area.w / times(count)).min((wide * 3.0).max(12.0));
        let y = area.y - reach.up;
        let h = area.h + reach.up + reach.down;
        let first = area.x + area.w / 2.0 - pitch * (times(count) - 1.0) / 2.0;
        for n in 0..count {
            let middle = first + pitch * times(n);
            if wide > thin {
                self.shape(
                    pale,
                    Rect {
                        x: middle - wide / 2.0,
                        y,
                        w: wide,
                        h,
                    },
                );
            }
            if thin > 0.0 {
                self.shape(
                    solid,
                    Rect {
                        x: middle - thin / 2.0,
                        y,
                        w: thin,
                        h,
                    },
                );
            }
        }
    }

    fn bar(&mut self, pipe: &Pipe, area: Rect) {
        let (pale, solid) = kinds(pipe);
        let long = px(pipe.solid).max(px(pipe.pale));
        let scale = if long > area.w { area.w / long } else { 1.0 };
        let h = if px(pipe.extent) == 0.0 {
            area.h
        } else {
            px(pipe.extent).min(area.h)
        };
        let top = area.y + (area.h - h) / 2.0;
        let count = pipe.count.clamp(1, 64);
        let each = h / times(count);
        let (count, each) = if each < 2.0 { (1, h) } else { (count, each) };
        let thick = if count > 1 { (each * 0.6).max(1.0) } else { each };
        for n in 0..count {
            let y = top + each * times(n) + (each - thick) / 2.0;
            let line = |length: f32| Rect {
                x: area.x,
                y,
                w: (length * scale).max(1.0).min(area.w),
                h: thick,
            };
            if px(pipe.pale) > px(pipe.solid) {
                self.shape(pale, line(long));
            }
            if px(pipe.solid) > 0.0 {
                self.shape(solid, line(px(pipe.solid)));
            }
        }
    }

    fn interconnect(&mut self, count: usize, thickness: f32, area: Rect, reach: Reach) {
        let thick = lines_height(1, thickness);
        for n in 0..count.min(64) {
            let y = area.y + thick * 1.7 * times(n);
            let w = area.w + reach.left + reach.right;
            self.shape(
                ShapeKind::Interconnect,
                Rect {
                    x: area.x - reach.left,
                    y,
                    w,
                    h: thick,
                },
            );
        }
    }

    fn ring(&mut self, labels: &[String], edges: &[(usize, usize)], area: Rect) {
        let spots = ring::spots(labels, area);
        let middle = |r: &Rect| (r.x + r.w / 2.0, r.y + r.h / 2.0);
        for &(from, to) in edges {
            let (Some(a), Some(b)) = (spots.get(from), spots.get(to)) else {
                continue;
            };
            let ((ax, ay), (bx, by)) = (middle(&a.rect), middle(&b.rect));
            let rect = Rect {
                x: ax.min(bx),
                y: ay.min(by),
                w: (ax - bx).abs(),
                h: (ay - by).abs(),
            };
            self.shape(
                ShapeKind::Edge {
                    rising: (ax < bx) != (ay < by),
                },
                rect,
            );
        }
        for spot in &spots {
            self.shape(ShapeKind::Node, spot.rect);
            self.label(&spot.text, spot.text_width, ring::TEXT, spot.rect);
        }
    }
}

fn kinds(pipe: &Pipe) -> (ShapeKind, ShapeKind) {
    if pipe.bad {
        (ShapeKind::PaleBad, ShapeKind::SolidBad)
    } else {
        (ShapeKind::Pale, ShapeKind::Solid)
    }
}

/// Ordinary text turns light on the dark grounds and takes the colour of dashed chips.
fn ink_on(role: Role, ink: Ink) -> TextInk {
    match (role, ink) {
        (Role::ChipSolid | Role::CellOff, _) | (Role::Heat(4..), Ink::Normal) => TextInk::Inverse,
        (Role::ChipDashed, Ink::Normal) => TextInk::Scene(Ink::Interconnect),
        _ => TextInk::Scene(ink),
    }
}

fn children(node: &Node<'_>, area: Rect, owner: usize, depth: usize, out: &mut Placed) {
    if matches!(node.item.body, Body::Column(_)) {
        column(node, area, owner, depth, out);
    } else {
        rows(node, area, owner, depth, out);
    }
}

fn column(node: &Node<'_>, area: Rect, owner: usize, depth: usize, out: &mut Placed) {
    let gap = node.gap();
    let most = node.children.iter().map(|c| c.elastic).max().unwrap_or(0);
    let takers = times(node.children.iter().filter(|c| c.elastic == most).count()).max(1.0);
    let extra = if most == 0 {
        0.0
    } else {
        (area.h - node.body_h).max(0.0) / takers
    };
    let last = node.children.len().saturating_sub(1);
    let mut y = area.y;
    for (i, child) in node.children.iter().enumerate() {
        let h = child.h + if child.elastic == most { extra } else { 0.0 };
        let reach = Reach {
            up: if i == 0 { 0.0 } else { gap },
            down: if i == last { 0.0 } else { gap },
            ..Reach::default()
        };
        place(
            child,
            Rect {
                x: area.x,
                y,
                w: child.w,
                h,
            },
            Some(owner),
            depth,
            reach,
            out,
        );
        y += h + gap;
    }
}

/// Chips and invisible rows stand in the middle of a higher row; all else is stretched.
fn keeps_height(child: &Node<'_>) -> bool {
    match child.item.role {
        Role::ChipSolid | Role::ChipDashed | Role::ChipSelf => true,
        Role::Plain => child.elastic == 0 && matches!(child.item.body, Body::Row(_)),
        _ => false,
    }
}

fn rows(node: &Node<'_>, area: Rect, owner: usize, depth: usize, out: &mut Placed) {
    let gap = node.gap();
    let welcome = node.children.iter().any(|c| c.elastic > 0);
    let spare = (area.h - node.body_h).max(0.0);
    let extra = if welcome {
        spare / times(node.rows.len().max(1))
    } else {
        0.0
    };
    let mut y = area.y;
    for &(start, end, tallest) in &node.rows {
        let h = tallest + extra;
        let mut x = area.x;
        for (i, child) in node.children.iter().enumerate().take(end).skip(start) {
            let reach = Reach {
                left: if i == start { 0.0 } else { gap },
                right: if i + 1 == end { 0.0 } else { gap },
                ..Reach::default()
            };
            let (y, h) = if keeps_height(child) {
                (y + (h - child.h) / 2.0, child.h)
            } else {
                (y, h)
            };
            place(child, Rect { x, y, w: child.w, h }, Some(owner), depth, reach, out);
            x += child.w + gap;
        }
        y += h + gap;
    }
}
