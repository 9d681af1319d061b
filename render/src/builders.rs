//! Builders for [`Item`], [`Line`], [`Span`] and [`Scene`], so that a diagram reads as it looks.
//!
//! ```
//! use render::scene::{Body, Ink, Item, Line, Role, Span, Width};
//!
//! let slot = Item::leaf(Role::CardA)
//!     .id("slot-9")
//!     .title("Slot 9\nspeed 15.8 of 31.5 GB/s")
//!     .line(Line::bold(13.0, "Slot 9").center())
//!     .line(Line::text(10.5, "15.8 of").span(Span::new(10.5, "31.5 GB/s").ink(Ink::Bad)))
//!     .width(Width::Fixed(120.0));
//! let row = Item::row(vec![slot]).gap(8.0);
//! assert!(matches!(row.body, Body::Row(_)));
//! ```

use crate::scene::{Align, Badge, Body, Ink, Item, Line, Pipe, Role, Scene, Section, Severity, Span, Width};

impl Span {
    /// A run of ordinary text.
    #[must_use]
    pub fn new(size: f32, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            size,
            bold: false,
            ink: Ink::Normal,
        }
    }

    /// A run of bold text.
    #[must_use]
    pub fn bold(size: f32, text: impl Into<String>) -> Self {
        Self {
            bold: true,
            ..Self::new(size, text)
        }
    }

    /// A run of secondary text.
    #[must_use]
    pub fn muted(size: f32, text: impl Into<String>) -> Self {
        Self::new(size, text).ink(Ink::Muted)
    }

    /// The same run in another colour role.
    #[must_use]
    pub fn ink(mut self, ink: Ink) -> Self {
        self.ink = ink;
        self
    }
}

impl Line {
    /// A line of one span.
    #[must_use]
    pub fn of(span: Span) -> Self {
        Self {
            spans: vec![span],
            ..Self::default()
        }
    }

    /// A line of ordinary text.
    #[must_use]
    pub fn text(size: f32, text: impl Into<String>) -> Self {
        Self::of(Span::new(size, text))
    }

    /// A line of bold text.
    #[must_use]
    pub fn bold(size: f32, text: impl Into<String>) -> Self {
        Self::of(Span::bold(size, text))
    }

    /// A line of secondary text.
    #[must_use]
    pub fn muted(size: f32, text: impl Into<String>) -> Self {
        Self::of(Span::muted(size, text))
    }

    /// A line of very quiet text.
    #[must_use]
    pub fn faint(size: f32, text: impl Into<String>) -> Self {
        Self::of(Span::new(size, text).ink(Ink::Faint))
    }

    /// One more span at the end of the left part.
    #[must_use]
    pub fn span(mut self, span: Span) -> Self {
        self.spans.push(span);
        self
    }

    /// One more span at the right end of the line.
    #[must_use]
    pub fn right(mut self, span: Span) -> Self {
        self.right.push(span);
        self
    }

    /// All spans of the line in one colour role.
    #[must_use]
    pub fn ink(mut self, ink: Ink) -> Self {
        for span in self.spans.iter_mut().chain(&mut self.right) {
            span.ink = ink;
        }
        self
    }

    /// In the middle of its box.
    #[must_use]
    pub fn center(mut self) -> Self {
        self.align = Align::Middle;
        self
    }

    /// At the right of its box.
    #[must_use]
    pub fn end(mut self) -> Self {
        self.align = Align::End;
        self
    }

    /// Broken into several lines when too long.
    #[must_use]
    pub fn wrapped(mut self) -> Self {
        self.wrap = true;
        self
    }
}

impl Badge {
    /// A badge of something that costs speed.
    #[must_use]
    pub fn bad(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            severity: Severity::Bad,
        }
    }

    /// A badge of something worth knowing.
    #[must_use]
    pub fn warn(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            severity: Severity::Warn,
        }
    }
}

impl Pipe {
    /// A bar with a solid and a pale part; `extent` is its height (length when vertical).
    #[must_use]
    pub fn new(solid: f32, pale: f32, extent: f32) -> Self {
        Self {
            solid,
            pale,
            extent,
            bad: false,
            count: 1,
        }
    }

    /// The solid part in the colour of trouble, when `yes`.
    #[must_use]
    pub fn bad(mut self, yes: bool) -> Self {
        self.bad = yes;
        self
    }

    /// So many equal bars side by side.
    #[must_use]
    pub fn count(mut self, count: usize) -> Self {
        self.count = count;
        self
    }
}

impl Role {
    /// Inner padding a box of this role gets from the constructors of [`Item`].
    #[must_use]
    pub fn padding(self) -> f32 {
        match self {
            Self::Plain => 0.0,
            Self::Panel | Self::Alert | Self::Frame => 12.0,
            Self::Area => 8.0,
            Self::Card | Self::CardA | Self::CardB | Self::CardC | Self::Bad | Self::Warn => 8.0,
            Self::Group | Self::Bus | Self::Shade => 6.0,
            Self::Cell | Self::CellAlt | Self::CellOff | Self::CellBarred | Self::Heat(_) => 2.0,
            _ => 4.0,
        }
    }
}

impl Item {
    fn with_body(role: Role, body: Body) -> Self {
        Self {
            role,
            body,
            padding: role.padding(),
            gap: 6.0,
            ..Self::default()
        }
    }

    /// A box with nothing but text.
    #[must_use]
    pub fn leaf(role: Role) -> Self {
        Self::with_body(role, Body::Leaf)
    }

    /// Children below each other (no border until `.role(…)`).
    #[must_use]
    pub fn column(children: Vec<Item>) -> Self {
        Self::with_body(Role::Plain, Body::Column(children))
    }

    /// Children side by side (no border until `.role(…)`).
    #[must_use]
    pub fn row(children: Vec<Item>) -> Self {
        Self::with_body(Role::Plain, Body::Row(children))
    }

    /// Children in rows of `columns` (no border until `.role(…)`).
    #[must_use]
    pub fn grid(columns: usize, items: Vec<Item>) -> Self {
        Self::with_body(Role::Plain, Body::Grid { columns, items })
    }

    /// A vertical link bar.
    #[must_use]
    pub fn pipe(pipe: Pipe) -> Self {
        Self::with_body(Role::Plain, Body::Pipe(pipe))
    }

    /// A horizontal bar.
    #[must_use]
    pub fn bar(pipe: Pipe) -> Self {
        Self::with_body(Role::Plain, Body::Bar(pipe))
    }

    /// Horizontal lines of an interconnect.
    #[must_use]
    pub fn links(count: usize, thickness: f32) -> Self {
        Self::with_body(Role::Plain, Body::Lines { count, thickness })
    }

    /// A ring graph.
    #[must_use]
    pub fn ring(nodes: Vec<String>, edges: Vec<(usize, usize)>) -> Self {
        Self::with_body(Role::Plain, Body::Ring { nodes, edges })
    }

    /// An empty, invisible box that takes its share of a row.
    #[must_use]
    pub fn space() -> Self {
        Self::default()
    }

    /// Stable id.
    #[must_use]
    pub fn id(mut self, id: impl Into<String>) -> Self {
        self.id = id.into();
        self
    }

    /// Tooltip, one fact per line.
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = title.into();
        self
    }

    /// Look. Sets the padding of the role too, unless one was set by hand.
    #[must_use]
    pub fn role(mut self, role: Role) -> Self {
        if self.padding == self.role.padding() {
            self.padding = role.padding();
        }
        self.role = role;
        self
    }

    /// One more line above the body.
    #[must_use]
    pub fn line(mut self, line: Line) -> Self {
        self.lines.push(line);
        self
    }

    /// More lines above the body.
    #[must_use]
    pub fn lines(mut self, lines: impl IntoIterator<Item = Line>) -> Self {
        self.lines.extend(lines);
        self
    }

    /// One more line below the body.
    #[must_use]
    pub fn footer_line(mut self, line: Line) -> Self {
        self.footer.push(line);
        self
    }

    /// One more badge.
    #[must_use]
    pub fn badge(mut self, badge: Badge) -> Self {
        self.badges.push(badge);
        self
    }

    /// More badges.
    #[must_use]
    pub fn badges(mut self, badges: impl IntoIterator<Item = Badge>) -> Self {
        self.badges.extend(badges);
        self
    }

    /// Width inside a row.
    #[must_use]
    pub fn width(mut self, width: Width) -> Self {
        self.width = width;
        self
    }

    /// Exactly so many px wide inside a row.
    #[must_use]
    pub fn fixed(self, px: f32) -> Self {
        self.width(Width::Fixed(px))
    }

    /// As wide as its content inside a row.
    #[must_use]
    pub fn content(self) -> Self {
        self.width(Width::Content)
    }

    /// A share of a row, with this weight.
    #[must_use]
    pub fn share(self, weight: f32) -> Self {
        self.width(Width::Share(weight))
    }

    /// Inner padding in px.
    #[must_use]
    pub fn padding(mut self, px: f32) -> Self {
        self.padding = px;
        self
    }

    /// Gap between children in px.
    #[must_use]
    pub fn gap(mut self, px: f32) -> Self {
        self.gap = px;
        self
    }

    /// Least height in px.
    #[must_use]
    pub fn min_height(mut self, px: f32) -> Self {
        self.min_height = px;
        self
    }

    /// Least width in px.
    #[must_use]
    pub fn min_width(mut self, px: f32) -> Self {
        self.min_width = px;
        self
    }

    /// Takes the spare height of its column.
    #[must_use]
    pub fn grow(mut self) -> Self {
        self.grow = true;
        self
    }

    /// One more search word.
    #[must_use]
    pub fn keyword(mut self, word: impl Into<String>) -> Self {
        self.keywords.push(word.into());
        self
    }

    /// The children, in order; empty for bodies without children.
    #[must_use]
    pub fn children(&self) -> &[Item] {
        match &self.body {
            Body::Column(items) | Body::Row(items) | Body::Grid { items, .. } => items,
            _ => &[],
        }
    }
}

impl Scene {
    /// An empty page of this width with the usual margin (24) and gap (14).
    #[must_use]
    pub fn new(title: impl Into<String>, width: f32) -> Self {
        Self {
            title: title.into(),
            width,
            margin: 24.0,
            gap: 14.0,
            ..Self::default()
        }
    }

    /// Description for screen readers.
    #[must_use]
    pub fn description(mut self, text: impl Into<String>) -> Self {
        self.description = text.into();
        self
    }

    /// One more section; an empty heading keeps it out of the outline of the HTML page.
    #[must_use]
    pub fn section(mut self, heading: impl Into<String>, item: Item) -> Self {
        self.sections.push(Section {
            heading: heading.into(),
            item,
        });
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn builders_fill_the_fields_they_are_named_for() {
        let item = Item::column(vec![Item::leaf(Role::Cell)])
            .role(Role::Frame)
            .id("a")
            .title("t")
            .line(
                Line::bold(13.0, "x")
                    .span(Span::muted(10.0, "y"))
                    .right(Span::new(9.0, "z")),
            )
            .footer_line(Line::faint(9.0, "f").end())
            .badge(Badge::bad("1"))
            .badges([Badge::warn("2")])
            .fixed(90.0)
            .gap(3.0)
            .min_height(5.0)
            .min_width(6.0)
            .keyword("k");
        assert_eq!(item.padding, 12.0);
        assert_eq!((item.id.as_str(), item.title.as_str()), ("a", "t"));
        assert_eq!((item.lines[0].spans.len(), item.lines[0].right.len()), (2, 1));
        assert_eq!(item.footer[0].align, Align::End);
        assert_eq!(item.badges[1].severity, Severity::Warn);
        assert_eq!((item.width, item.gap), (Width::Fixed(90.0), 3.0));
        assert_eq!((item.min_height, item.min_width), (5.0, 6.0));
        assert_eq!((item.children().len(), item.keywords.len()), (1, 1));
    }

    #[test]
    fn a_padding_set_by_hand_survives_a_later_role() {
        assert_eq!(Item::row(vec![]).padding(3.0).role(Role::Frame).padding, 3.0);
    }

    #[test]
    fn ink_of_a_line_colours_both_ends() {
        let line = Line::text(10.0, "a").right(Span::new(10.0, "b")).ink(Ink::Bad);
        assert_eq!((line.spans[0].ink, line.right[0].ink), (Ink::Bad, Ink::Bad));
    }
}
