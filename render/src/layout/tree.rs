//! The scene as a tree of nodes that carry what the passes of the layout find out.

use super::badges::Badges;
use super::fit::{self, Fitted};
use crate::scene::{Body, Item, Pipe, Role, Width};

/// Widest a `Content` child may insist on, in px.
const CONTENT_CLAIM: f32 = 240.0;
/// Side of a ring that has no least height, in px.
pub(super) const RING: f32 = 130.0;

/// A length as the layout can use it: finite, not negative, not absurd.
pub(super) fn px(value: f32) -> f32 {
    if value.is_finite() {
        value.clamp(0.0, 100_000.0)
    } else {
        0.0
    }
}

/// A count as a factor.
#[allow(clippy::cast_precision_loss)]
pub(super) fn times(count: usize) -> f32 {
    count.min(1 << 20) as f32
}

/// One box on its way to its place.
pub(super) struct Node<'a> {
    pub item: &'a Item,
    pub children: Vec<Node<'a>>,
    /// Width it can live with, without wrapping its rows.
    pub min: f32,
    /// Width it likes to have.
    pub pref: f32,
    /// How much it welcomes spare height: 0 not at all, 1 as a container, 2 has a link to lengthen,
    /// 3 grows.
    pub elastic: u8,
    /// Width it was given.
    pub w: f32,
    /// Height it answered with.
    pub h: f32,
    /// Padding, no more than fits.
    pub pad: f32,
    pub head: Vec<Fitted>,
    pub foot: Vec<Fitted>,
    /// Distance of the body from the upper edge.
    pub body_top: f32,
    pub body_h: f32,
    /// Rows of the body: first child, end, height.
    pub rows: Vec<(usize, usize, f32)>,
    pub badges: Badges,
    /// Free px above and at the right, which badges may use.
    pub slack: (f32, f32),
}

impl<'a> Node<'a> {
    pub fn new(item: &'a Item) -> Self {
        let children: Vec<Node<'a>> = item.children().iter().map(Node::new).collect();
        let badges = Badges::new(item);
        let (body_min, body_pref) = body_widths(item, &children);
        let lines = || item.lines.iter().chain(&item.footer);
        let beside = badges.inline_width();
        let least = lines().map(fit::least).fold(0.0, f32::max) + beside;
        let wanted = lines().map(fit::wanted).fold(0.0, f32::max) + beside;
        let pads = 2.0 * px(item.padding);
        let floor = px(item.min_width).max(badges.least_box());
        let min = (least.max(body_min) + pads).max(floor);
        // half a pixel, so that rounding does not make a text too wide for the box it was made for
        let pref = (wanted.max(body_pref) + pads + 0.5).max(min);
        Self {
            item,
            elastic: elastic(item, &children),
            children,
            min,
            pref,
            w: 0.0,
            h: 0.0,
            pad: 0.0,
            head: Vec::new(),
            foot: Vec::new(),
            body_top: 0.0,
            body_h: 0.0,
            rows: Vec::new(),
            badges,
            slack: (0.0, 0.0),
        }
    }

    /// Free px at the right of the children.
    pub fn beyond(&self) -> f32 {
        self.pad
            + if self.item.role == Role::Plain {
                self.slack.1
            } else {
                0.0
            }
    }

    /// Gap between children.
    pub fn gap(&self) -> f32 {
        px(self.item.gap)
    }

    /// Gap between lines and body.
    pub fn text_gap(&self) -> f32 {
        self.gap().clamp(3.0, 12.0)
    }

    pub fn inner(&self) -> f32 {
        (self.w - 2.0 * self.pad).max(0.0)
    }

    /// Width it insists on inside a row.
    pub fn need(&self) -> f32 {
        match self.item.width {
            Width::Fixed(w) => px(w).max(self.min),
            Width::Content => self.pref.min(CONTENT_CLAIM).max(self.min),
            Width::Fill | Width::Share(_) => self.min,
        }
    }

    /// Width it likes to have inside a row.
    fn like(&self) -> f32 {
        match self.item.width {
            Width::Fixed(_) => self.need(),
            _ => self.pref,
        }
    }

    /// True when the text stands in the middle of the height.
    pub fn centred(&self) -> bool {
        use Role::{Cell, CellAlt, CellBarred, CellOff, ChipDashed, ChipSelf, ChipSolid, Heat};
        use Role::{Empty, Memory, MemoryAlt, Missing, Plain};
        let short = match self.item.role {
            Cell | CellAlt | CellBarred | CellOff | ChipDashed | ChipSelf | ChipSolid | Heat(_) => true,
            Role::Shade | Role::Bus | Role::Port | Memory | MemoryAlt | Empty | Missing => true,
            Plain => self.head.len() == 1,
            _ => self.item.lines.len() == 1,
        };
        short && self.item.footer.is_empty() && self.item.body == Body::Leaf
    }
}

/// Width of a vertical bar with all its folded siblings.
pub(super) fn pipe_width(pipe: &Pipe) -> f32 {
    let one = px(pipe.solid).max(px(pipe.pale)).max(1.0);
    let count = times(pipe.count.max(1));
    one * count + (count - 1.0) * 2.0
}

fn body_widths(item: &Item, children: &[Node<'_>]) -> (f32, f32) {
    let gap = px(item.gap);
    let gaps = gap * times(children.len().saturating_sub(1));
    let widest = |of: fn(&Node<'_>) -> f32| children.iter().map(of).fold(0.0, f32::max);
    match &item.body {
        Body::Leaf => (0.0, 0.0),
        Body::Column(_) => (widest(|c| c.min), widest(|c| c.pref)),
        Body::Row(_) => (
            children.iter().map(Node::need).sum::<f32>() + gaps,
            children.iter().map(Node::like).sum::<f32>() + gaps,
        ),
        Body::Grid { columns, items } => {
            let n = times((*columns).clamp(1, items.len().max(1)));
            let of = |one: f32| one * n + gap * (n - 1.0);
            (of(widest(|c| c.min)), of(widest(|c| c.pref)))
        }
        Body::Pipe(pipe) => (pipe_width(pipe).min(400.0), pipe_width(pipe)),
        Body::Bar(pipe) => (px(pipe.pale).min(400.0), px(pipe.pale).max(px(pipe.solid))),
        Body::Lines { .. } => (24.0, 52.0),
        Body::Ring { .. } => (RING, RING * 1.4),
    }
}

fn elastic(item: &Item, children: &[Node<'_>]) -> u8 {
    use Role::{Alert, Area, Bad, Card, CardA, CardB, CardC, Frame, Group, Panel, Warn};
    let own = match (&item.body, item.role) {
        _ if item.grow => 3,
        (Body::Pipe(pipe), _) if px(pipe.extent) == 0.0 => 2,
        (_, Alert | Area | Bad | Card | CardA | CardB | CardC | Frame | Group | Panel | Warn) => 1,
        _ => 0,
    };
    children.iter().map(|c| c.elastic).max().unwrap_or(0).max(own)
}
