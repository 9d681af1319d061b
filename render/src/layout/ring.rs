//! Places the nodes of a ring graph on an ellipse.

use super::placed::Rect;
use super::tree::{RING, times};
use crate::measure::{clean, width};

/// Size of the text in a node.
pub(super) const TEXT: f32 = 12.0;
const NODE: f32 = 24.0;
/// Widest ring, in parts of its height.
const ASPECT: f32 = 1.45;

/// A label, its width, and where its node stands.
pub(super) struct Spot {
    pub text: String,
    pub text_width: f32,
    pub rect: Rect,
}

fn node_width(labels: &[String]) -> f32 {
    let widest = labels.iter().map(|l| width(&clean(l), TEXT, true)).fold(0.0, f32::max);
    (widest + 10.0).max(NODE)
}

/// Diameter through the centres of the nodes at which neighbours do not touch.
fn diameter(labels: &[String]) -> f32 {
    let apart = node_width(labels).hypot(NODE) + 2.0;
    let sine = (std::f32::consts::PI / times(labels.len().max(2))).sin().max(0.001);
    (apart / sine).max(RING - NODE)
}

/// Height of a ring in a box this wide.
pub(super) fn height(labels: &[String], inner: f32, least: f32) -> f32 {
    if labels.is_empty() {
        return 0.0;
    }
    let natural = (diameter(labels) + NODE).max(least.min(600.0));
    if diameter(labels) + node_width(labels) > inner {
        inner.min(natural)
    } else {
        natural
    }
}

/// The nodes inside `area`; without text when they would touch each other.
pub(super) fn spots(labels: &[String], area: Rect) -> Vec<Spot> {
    let fits = diameter(labels) + node_width(labels) <= area.w + 0.01 && diameter(labels) + NODE <= area.h + 0.01;
    let (w, h) = if fits {
        (node_width(labels), NODE)
    } else {
        (6.0_f32.min(area.w), 6.0_f32.min(area.h))
    };
    let b = (area.h - h) / 2.0;
    let a = ((area.w - w) / 2.0).min(b * ASPECT);
    let (cx, cy) = (area.x + area.w / 2.0, area.y + area.h / 2.0);
    let step = std::f32::consts::TAU / times(labels.len().max(1));
    let first = -std::f32::consts::FRAC_PI_2 - step / 2.0;
    let spot = |(i, label): (usize, &String)| {
        let angle = first + step * times(i);
        let text = if fits { clean(label).into_owned() } else { String::new() };
        let (x, y) = (cx + a * angle.cos(), cy + b * angle.sin());
        Spot {
            text_width: width(&text, TEXT, true),
            text,
            rect: Rect {
                x: x - w / 2.0,
                y: y - h / 2.0,
                w,
                h,
            },
        }
    };
    labels.iter().enumerate().map(spot).collect()
}
