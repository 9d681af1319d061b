//! Gives every box of a [`Scene`] its place on the page.
//!
//! Widths go from the outside in, heights from the inside out, then all is written to a flat list:
//! [`Placed`]. Nothing is ever clipped and nothing overlaps: a row that is too narrow for its
//! children wraps, a line that is too narrow for its text drops the least important spans.
//! [`check`] looks at the result with its own arithmetic and names every breach of that promise.
//!
//! ```
//! use render::scene::{Item, Line, Role, Scene};
//! let scene = Scene::new("A box", 400.0)
//!     .section("", Item::leaf(Role::Frame).title("a box").line(Line::bold(13.0, "box")));
//! let placed = render::layout::layout(&scene);
//! assert_eq!(placed.boxes.len(), 1);
//! assert!(render::layout::check(&placed).is_empty());
//! ```

mod arrange;
mod badges;
mod check;
mod fit;
mod place;
mod placed;
mod ring;
mod tree;

pub use check::{Fault, check};
pub use placed::{Placed, PlacedBox, PlacedSection, PlacedText, Rect, Shape, ShapeKind, TextInk};

use crate::scene::Scene;

/// Places all boxes of a scene.
#[must_use]
pub fn layout(scene: &Scene) -> Placed {
    let width = if scene.width.is_finite() {
        scene.width.clamp(160.0, 20_000.0)
    } else {
        1180.0
    };
    let margin = tree::px(scene.margin).min(width / 8.0);
    let gap = tree::px(scene.gap);
    let mut out = Placed {
        title: scene.title.clone(),
        description: scene.description.clone(),
        width,
        margin,
        ..Placed::default()
    };
    let mut y = margin;
    for (i, section) in scene.sections.iter().enumerate() {
        y += if i == 0 { 0.0 } else { gap };
        let mut node = tree::Node::new(&section.item);
        arrange::arrange(
            &mut node,
            width - 2.0 * margin,
            if i == 0 { margin } else { gap },
            margin,
        );
        let rect = Rect {
            x: margin,
            y,
            w: node.w,
            h: node.h,
        };
        out.sections.push(PlacedSection {
            heading: section.heading.clone(),
            rect,
            first_box: out.boxes.len(),
        });
        place::place(&node, rect, None, 0, place::Reach::default(), &mut out);
        y += node.h;
    }
    out.height = y + margin;
    out
}
