//! Where the numbered badges of a box stand, and the room its text leaves for them.

use crate::measure::{clean, width};
use crate::scene::{Align, Body, Item, Role, Severity};

/// Height of a badge, and its least width.
pub(super) const SIZE: f32 = 20.0;
const TEXT: f32 = 12.0;
const BETWEEN: f32 = 2.0;
/// How far a badge stands out of its box, when there is room.
const UP: f32 = 6.0;
const OUT: f32 = 4.0;
/// Blank between an inline badge and the text.
const BESIDE: f32 = 8.0;

/// Side of the text an inline badge stands on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stand {
    Corner,
    Left,
    Right,
}

/// One badge with its width.
#[derive(Clone, Debug)]
pub(super) struct One {
    pub text: String,
    pub text_width: f32,
    pub severity: Severity,
    pub width: f32,
}

/// All badges of a box.
#[derive(Clone, Debug)]
pub(super) struct Badges {
    pub stand: Stand,
    pub all: Vec<One>,
    /// How far they stand out upwards and to the right.
    pub up: f32,
    pub out: f32,
}

impl Badges {
    pub fn new(item: &Item) -> Self {
        let inline = item.role == Role::Plain && item.body == Body::Leaf;
        let right = item
            .lines
            .first()
            .is_some_and(|l| !l.right.is_empty() || l.align == Align::End);
        let stand = match (inline, right) {
            (false, _) => Stand::Corner,
            (true, false) => Stand::Left,
            (true, true) => Stand::Right,
        };
        let one = |badge: &crate::scene::Badge| {
            let text: String = clean(&badge.text).chars().take(6).collect();
            let text_width = width(&text, TEXT, true);
            One {
                text_width,
                text,
                severity: badge.severity,
                width: (text_width + 9.0).max(SIZE),
            }
        };
        Self {
            stand,
            all: item.badges.iter().map(one).collect(),
            up: 0.0,
            out: 0.0,
        }
    }

    /// Width of the group.
    pub fn total(&self) -> f32 {
        let gaps = self.all.iter().skip(1).map(|_| BETWEEN).sum::<f32>();
        self.all.iter().map(|b| b.width).sum::<f32>() + gaps
    }

    /// Width an inline group takes from the text, with the blank beside it.
    pub fn inline_width(&self) -> f32 {
        if self.stand == Stand::Corner || self.all.is_empty() {
            0.0
        } else {
            self.total() + BESIDE
        }
    }

    /// Least width of a box that has badges.
    pub fn least_box(&self) -> f32 {
        if self.all.is_empty() {
            0.0
        } else {
            self.total().min(64.0)
        }
    }

    /// Drops the last badges that a box of this width cannot hold, and settles how far they stand out.
    pub fn settle(&mut self, box_width: f32, slack_up: f32, slack_out: f32) {
        if self.stand == Stand::Corner {
            self.up = slack_up.min(UP);
            self.out = slack_out.min(OUT);
        }
        while self.total() > box_width + self.out && self.all.pop().is_some() {}
    }

    /// Lower end of the corner group, from the upper edge of the box.
    pub fn corner_bottom(&self) -> f32 {
        if self.stand != Stand::Corner || self.all.is_empty() {
            0.0
        } else {
            SIZE - self.up + 1.0
        }
    }

    /// Width the corner group takes from the inner width of the box.
    pub fn corner_width(&self, pad: f32) -> f32 {
        if self.corner_bottom() == 0.0 {
            0.0
        } else {
            (self.total() - self.out - pad + 3.0).max(0.0)
        }
    }

    /// Each badge with the distance of its left edge from the left edge of the group.
    pub fn places(&self) -> impl Iterator<Item = (&One, f32)> {
        self.all.iter().scan(0.0, |x, one| {
            let at = *x;
            *x += one.width + BETWEEN;
            Some((one, at))
        })
    }

    /// Size of the text of a badge.
    pub fn text_size() -> f32 {
        TEXT
    }
}
