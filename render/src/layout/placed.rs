//! A scene whose boxes, texts and shapes have their places.

use crate::scene::{Align, Ink, Role, Severity};

/// An upright rectangle in px; `y` grows downwards.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rect {
    /// Left edge.
    pub x: f32,
    /// Upper edge.
    pub y: f32,
    /// Width.
    pub w: f32,
    /// Height.
    pub h: f32,
}

impl Rect {
    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f32 {
        self.x + self.w
    }

    /// Lower edge.
    #[must_use]
    pub fn bottom(&self) -> f32 {
        self.y + self.h
    }
}

/// A box in its place.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct PlacedBox {
    /// Where.
    pub rect: Rect,
    /// Nesting depth; the item of a section has 0.
    pub depth: usize,
    /// Index of the enclosing box.
    pub parent: Option<usize>,
    /// Stable id, or empty.
    pub id: String,
    /// Look.
    pub role: Role,
    /// Tooltip.
    pub title: String,
    /// Search words that are not in the text.
    pub keywords: Vec<String>,
}

/// Colour of a placed text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextInk {
    /// As the scene said.
    Scene(Ink),
    /// Colour of the page, on a dark ground.
    Inverse,
}

/// A run of text in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedText {
    /// Index of the box it belongs to.
    pub owner: usize,
    /// Left end.
    pub x: f32,
    /// Baseline.
    pub y: f32,
    /// Width, with the allowance for other fonts.
    pub width: f32,
    /// Font size.
    pub size: f32,
    /// Bold.
    pub bold: bool,
    /// Colour.
    pub ink: TextInk,
    /// Which end stays put when the real font is narrower than measured.
    pub anchor: Align,
    /// The text, fit to be drawn (see [`crate::measure::clean`]).
    pub text: String,
}

/// What a shape is.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ShapeKind {
    /// Possible part of a bar.
    Pale,
    /// Real part of a bar.
    Solid,
    /// Possible part of a bar in trouble.
    PaleBad,
    /// Real part of a bar in trouble.
    SolidBad,
    /// Line of an interconnect.
    Interconnect,
    /// Straight line of a graph, from the upper left to the lower right corner of the rectangle, or
    /// from the lower left to the upper right one when `rising`.
    Edge {
        /// Which diagonal.
        rising: bool,
    },
    /// Node of a graph.
    Node,
    /// Number of a finding.
    Badge(Severity),
}

/// A shape in its place.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Shape {
    /// Index of the box it belongs to.
    pub owner: usize,
    /// Where.
    pub rect: Rect,
    /// What.
    pub kind: ShapeKind,
}

/// A section in its place.
#[derive(Clone, Debug, PartialEq)]
pub struct PlacedSection {
    /// Heading for the outline.
    pub heading: String,
    /// Where.
    pub rect: Rect,
    /// Index of its first box; it ends where the next section begins.
    pub first_box: usize,
}

/// The whole page. Boxes stand in drawing order (a parent before its children); texts and shapes are
/// sorted by owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// Title of the document.
    pub title: String,
    /// Description for screen readers.
    pub description: String,
    /// Width of the page.
    pub width: f32,
    /// Height of the page.
    pub height: f32,
    /// Outer margin.
    pub margin: f32,
    /// All boxes.
    pub boxes: Vec<PlacedBox>,
    /// All texts.
    pub texts: Vec<PlacedText>,
    /// All shapes.
    pub shapes: Vec<Shape>,
    /// The sections, from the top.
    pub sections: Vec<PlacedSection>,
}
