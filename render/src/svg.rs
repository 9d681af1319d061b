//! Prints a placed scene as SVG 1.1.
//!
//! The bytes depend on the scene alone. Each box is a group with its `<title>`, its rectangle, its
//! text and its children, so that a pointer anywhere in it shows the title; text is real text.
//!
//! ```
//! use render::scene::{Item, Line, Role, Scene};
//! let scene = Scene::new("A box", 400.0)
//!     .section("", Item::leaf(Role::Frame).id("box").title("a box").line(Line::bold(13.0, "box")));
//! let svg = render::svg::svg(&render::layout::layout(&scene));
//! assert!(svg.contains("<title>a box</title>"));
//! ```

use crate::layout::{Placed, PlacedBox, PlacedText, Shape, ShapeKind};
use crate::scene::{Align, Role};
use crate::style;

/// The picture as one SVG document.
#[must_use]
pub fn svg(placed: &Placed) -> String {
    let mut pen = Pen::with_capacity(8192 + 260 * placed.boxes.len() + 110 * placed.texts.len());
    pen.raw("<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 ");
    pen.number(placed.width);
    pen.raw(" ");
    pen.number(placed.height);
    pen.raw("\"");
    pen.attribute("width", placed.width);
    pen.attribute("height", placed.height);
    pen.raw(" font-family=\"");
    pen.raw(style::FONTS);
    pen.raw("\" role=\"img\">\n<title>");
    pen.text(&placed.title);
    pen.raw("</title>\n");
    if !placed.description.is_empty() {
        pen.raw("<desc>");
        pen.text(&placed.description);
        pen.raw("</desc>\n");
    }
    pen.raw("<style>");
    pen.raw(&style::picture_css());
    pen.raw("</style>\n<rect class=\"bg\"");
    pen.attribute("width", placed.width);
    pen.attribute("height", placed.height);
    pen.raw("/>\n");
    pen.boxes(placed, 0, placed.boxes.len());
    pen.raw("</svg>\n");
    pen.out
}

/// Writes SVG into a string.
pub(crate) struct Pen {
    pub out: String,
    /// Group every box that has text, so that a search can find it.
    pub group_texts: bool,
}

impl Pen {
    pub fn with_capacity(bytes: usize) -> Self {
        Self {
            out: String::with_capacity(bytes),
            group_texts: false,
        }
    }

    pub fn raw(&mut self, text: &str) {
        self.out.push_str(text);
    }

    /// Text or attribute value: escaped, without the control characters that XML forbids.
    pub fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.out.push_str("&amp;"),
                '<' => self.out.push_str("&lt;"),
                '>' => self.out.push_str("&gt;"),
                '"' => self.out.push_str("&quot;"),
                '\'' => self.out.push_str("&#39;"),
                '\n' | '\t' => self.out.push(c),
                '\r' | '\u{fffe}' | '\u{ffff}' => {}
                '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {}
                c if c.is_control() => {}
                c => self.out.push(c),
            }
        }
    }

    /// A length with at most two decimals; nothing is allocated.
    #[allow(clippy::cast_possible_truncation)]
    pub fn number(&mut self, value: f32) {
        let hundredths = if value.is_finite() {
            (f64::from(value) * 100.0).round() as i64
        } else {
            0
        };
        if hundredths < 0 {
            self.out.push('-');
        }
        let (whole, part) = (hundredths.unsigned_abs() / 100, hundredths.unsigned_abs() % 100);
        self.digits(whole);
        if part > 0 {
            self.out.push('.');
            self.digit(part / 10);
            if part % 10 > 0 {
                self.digit(part % 10);
            }
        }
    }

    fn digits(&mut self, value: u64) {
        if value >= 10 {
            self.digits(value / 10);
        }
        self.digit(value % 10);
    }

    fn digit(&mut self, value: u64) {
        self.out.push(
            u32::try_from(value)
                .ok()
                .and_then(|v| char::from_digit(v, 10))
                .unwrap_or('0'),
        );
    }

    pub fn attribute(&mut self, name: &str, value: f32) {
        self.raw(" ");
        self.raw(name);
        self.raw("=\"");
        self.number(value);
        self.raw("\"");
    }

    /// The boxes `first..end` with their texts and shapes, nested as groups.
    pub fn boxes(&mut self, placed: &Placed, first: usize, end: usize) {
        let mut texts = placed
            .texts
            .iter()
            .skip(placed.texts.partition_point(|t| t.owner < first))
            .peekable();
        let mut shapes = placed
            .shapes
            .iter()
            .skip(placed.shapes.partition_point(|s| s.owner < first))
            .peekable();
        let mut open: Vec<usize> = Vec::new();
        for (i, b) in placed.boxes.iter().enumerate().take(end).skip(first) {
            while open.last().is_some_and(|depth| *depth >= b.depth) {
                open.pop();
                self.raw("</g>\n");
            }
            if b.role != Role::Plain || !b.title.is_empty() || !b.id.is_empty() || !b.keywords.is_empty() {
                self.open_box(b);
                open.push(b.depth);
            } else if self.group_texts && texts.peek().is_some_and(|t| t.owner == i) {
                self.raw("<g>");
                open.push(b.depth);
            }
            while let Some(shape) = shapes.next_if(|s| s.owner == i) {
                self.shape(shape);
            }
            while let Some(text) = texts.next_if(|t| t.owner == i) {
                self.line(text);
            }
        }
        for _ in open {
            self.raw("</g>\n");
        }
    }

    fn open_box(&mut self, b: &PlacedBox) {
        self.raw("<g");
        if !b.id.is_empty() {
            self.raw(" id=\"");
            let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
            self.out.extend(b.id.chars().filter(plain));
            self.raw("\"");
        }
        if !b.keywords.is_empty() {
            self.raw(" data-k=\"");
            for (i, word) in b.keywords.iter().enumerate() {
                self.raw(if i == 0 { "" } else { " " });
                self.text(word);
            }
            self.raw("\"");
        }
        self.raw(">");
        if !b.title.is_empty() {
            self.raw("<title>");
            self.text(&b.title);
            self.raw("</title>");
        }
        self.raw("<rect class=\"");
        self.raw(style::role_class(b.role));
        self.raw("\"");
        self.rectangle(b.rect.x, b.rect.y, b.rect.w, b.rect.h);
        if b.role != Role::Plain {
            self.radius(style::radius(b.role).min(b.rect.w / 2.0));
        }
        self.raw("/>\n");
    }

    fn rectangle(&mut self, x: f32, y: f32, w: f32, h: f32) {
        self.attribute("x", x);
        self.attribute("y", y);
        self.attribute("width", w);
        self.attribute("height", h);
    }

    fn radius(&mut self, r: f32) {
        if r > 0.0 {
            self.attribute("rx", r);
        }
    }

    fn shape(&mut self, shape: &Shape) {
        let r = shape.rect;
        if let ShapeKind::Edge { rising } = shape.kind {
            self.raw("<line class=\"edge\"");
            let (y1, y2) = if rising { (r.bottom(), r.y) } else { (r.y, r.bottom()) };
            for (name, value) in [("x1", r.x), ("y1", y1), ("x2", r.right()), ("y2", y2)] {
                self.attribute(name, value);
            }
            self.raw("/>\n");
            return;
        }
        self.raw("<rect class=\"");
        self.raw(style::shape_class(shape.kind));
        self.raw("\"");
        self.rectangle(r.x, r.y, r.w, r.h);
        if matches!(shape.kind, ShapeKind::Badge(_) | ShapeKind::Node) {
            self.radius(r.h.min(r.w) / 2.0);
        }
        self.raw("/>\n");
    }

    fn line(&mut self, text: &PlacedText) {
        self.raw("<text class=\"");
        self.raw(style::ink_class(text.ink));
        self.raw(if text.bold { " b\"" } else { "\"" });
        let (x, anchor) = match text.anchor {
            Align::Start => (text.x, ""),
            Align::Middle => (text.x + text.width / 2.0, " text-anchor=\"middle\""),
            Align::End => (text.x + text.width, " text-anchor=\"end\""),
        };
        self.attribute("x", x);
        self.attribute("y", text.y);
        self.attribute("font-size", text.size);
        self.raw(anchor);
        self.raw(">");
        self.text(&text.text);
        self.raw("</text>\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(value: f32) -> String {
        let mut pen = Pen::with_capacity(16);
        pen.number(value);
        pen.out
    }

    #[test]
    fn numbers_have_at_most_two_decimals() {
        let all = [0.0, 5.0, 1.5, 12.346, -0.25, -0.001, 1680.0, 0.05, f32::NAN].map(printed);
        assert_eq!(all, ["0", "5", "1.5", "12.35", "-0.25", "0", "1680", "0.05", "0"]);
    }

    #[test]
    fn markup_and_control_characters_cannot_get_through() {
        let mut pen = Pen::with_capacity(16);
        pen.text("<a & \"b\" 'c'>\u{0}\u{1b}\u{ffff}\u{202e}\n");
        assert_eq!(pen.out, "&lt;a &amp; &quot;b&quot; &#39;c&#39;&gt;\n");
    }
}
