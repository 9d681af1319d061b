//! A scene: nested boxes with text, bars and badges, and hints how to lay them out.
//!
//! The scene knows no pixels but its hints; [`crate::layout`] gives each box its place. Width
//! goes from the outside in, height from the inside out: a box is given a width by its parent
//! and answers with its height.

/// What a box stands for visually; each role has its light and dark colours and its second sign.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Nothing drawn: only groups its children.
    #[default]
    Plain,
    /// Quiet box of the page (legend, notes).
    Panel,
    /// Box of the findings.
    Alert,
    /// Big outer box (a socket).
    Frame,
    /// Box inside a frame (a NUMA node, a core area).
    Area,
    /// Box inside an area (a die, an L3 group).
    Group,
    /// White square with a number (a core).
    Cell,
    /// Cell of a second kind (an efficiency core).
    CellAlt,
    /// Cell that is switched off.
    CellOff,
    /// Cell that is there but not to be used here.
    CellBarred,
    /// Shaded bar-like box (a shared cache).
    Shade,
    /// Populated memory.
    Memory,
    /// Memory of another kind (persistent, HBM, CXL).
    MemoryAlt,
    /// Empty by plan: dashed, grey.
    Empty,
    /// Empty and should not be: dashed, red.
    Missing,
    /// Strip of a bus or a host bridge.
    Bus,
    /// Label on a link.
    Port,
    /// Card, first colour (compute).
    CardA,
    /// Card, second colour (network).
    CardB,
    /// Card, third colour (storage).
    CardC,
    /// Card without a colour of its own.
    Card,
    /// Card or box that costs speed.
    Bad,
    /// Card or box worth knowing.
    Warn,
    /// Solid chip (a direct hop).
    ChipSolid,
    /// Dashed chip (a further hop).
    ChipDashed,
    /// Quiet chip (oneself).
    ChipSelf,
    /// Heat shades, from weak to strong: 0 to 4.
    Heat(u8),
}

/// Role of a line of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Ink {
    /// Ordinary text.
    #[default]
    Normal,
    /// Secondary text.
    Muted,
    /// Very quiet (empty slots).
    Faint,
    /// Costs speed.
    Bad,
    /// Worth knowing.
    Warn,
    /// Checked, fine.
    Good,
    /// Interconnect.
    Interconnect,
}

/// Where text stands in its line.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Align {
    /// At the left.
    #[default]
    Start,
    /// In the middle.
    Middle,
    /// At the right.
    End,
}

/// A run of text with one look.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Span {
    /// The text; runs of blanks are not kept by SVG.
    pub text: String,
    /// Size in px (9 to 22).
    pub size: f32,
    /// Bold.
    pub bold: bool,
    /// Colour role.
    pub ink: Ink,
}

/// A line of text: spans from left to right with a blank between them. When the line is too
/// narrow, spans are dropped from the right; a span is never cut. The first is never dropped:
/// it shrinks to 9 px and then, at last, ends in "…" (the box's title keeps the whole).
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The spans, most important first.
    pub spans: Vec<Span>,
    /// Where they stand.
    pub align: Align,
    /// Spans that stand at the right end of the line (only with `Align::Start`); they are dropped
    /// after the left ones but the first.
    pub right: Vec<Span>,
    /// Break into several lines at blanks instead of dropping (spans of one look only).
    pub wrap: bool,
}

/// Severity colour of a badge.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// Costs speed.
    Bad,
    /// Worth knowing.
    Warn,
}

/// The number of a finding. It stands at the upper right corner of a box; in a [`Role::Plain`] leaf it
/// stands inside the first line instead: at its left end, or at its right end when the line has a
/// right part or is aligned to the right.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Badge {
    /// Text: the number of the finding.
    pub text: String,
    /// Colour.
    pub severity: Severity,
}

/// How wide a box is inside a row.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Width {
    /// Its share of what is left, by weight.
    #[default]
    Fill,
    /// Share of what is left, with this weight.
    Share(f32),
    /// Exactly so many px.
    Fixed(f32),
    /// As wide as its text and children need.
    Content,
}

/// What is inside a box.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// Nothing but the lines of the box.
    #[default]
    Leaf,
    /// Children below each other.
    Column(Vec<Item>),
    /// Children side by side, all as high as the highest.
    Row(Vec<Item>),
    /// Children in rows of `columns`, all equally wide; the last row may be short.
    Grid {
        /// Children of a row.
        columns: usize,
        /// The children.
        items: Vec<Item>,
    },
    /// A vertical link bar, centred: solid part over a pale wider part.
    Pipe(Pipe),
    /// A horizontal bar from the left: solid part over a pale longer part.
    Bar(Pipe),
    /// Horizontal lines between two neighbours of a row (an interconnect).
    Lines {
        /// Number of lines.
        count: usize,
        /// Thickness in px.
        thickness: f32,
    },
    /// Nodes on a circle joined by straight lines (a graph of direct links).
    Ring {
        /// Labels, clockwise.
        nodes: Vec<String>,
        /// Pairs of indices into `nodes`.
        edges: Vec<(usize, usize)>,
    },
}

/// A bar: thickness (vertical) or length (horizontal) in px.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Pipe {
    /// px of the solid part (trained).
    pub solid: f32,
    /// px of the pale part (possible); at least `solid`.
    pub pale: f32,
    /// Height of the whole bar in px (length for a vertical one); 0 fills what the row gives.
    pub extent: f32,
    /// Solid part in the colour of trouble.
    pub bad: bool,
    /// Number of equal thin bars side by side (folded siblings), at least 1.
    pub count: usize,
}

/// One box.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Item {
    /// Stable id, unique in the scene; made of letters, digits, `-`, `_`, `.`; empty for unnamed ones.
    pub id: String,
    /// Tooltip: all there is to say, one fact per line.
    pub title: String,
    /// Look.
    pub role: Role,
    /// Text above the body.
    pub lines: Vec<Line>,
    /// Contents.
    pub body: Body,
    /// Text below the body.
    pub footer: Vec<Line>,
    /// Badges at the upper right corner.
    pub badges: Vec<Badge>,
    /// Width inside a row.
    pub width: Width,
    /// Inner padding in px.
    pub padding: f32,
    /// Gap between children in px.
    pub gap: f32,
    /// Least height in px.
    pub min_height: f32,
    /// Least width in px (for `Content` and as a floor of `Fill`).
    pub min_width: f32,
    /// Search words that are not in the text (HTML).
    pub keywords: Vec<String>,
    /// Takes the spare height of its column (shared with others that grow).
    pub grow: bool,
}

/// A picture: sections below each other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Scene {
    /// Title of the document.
    pub title: String,
    /// Description for screen readers.
    pub description: String,
    /// Width of the page in px.
    pub width: f32,
    /// Outer margin in px.
    pub margin: f32,
    /// Gap between sections in px.
    pub gap: f32,
    /// Sections, from the top. In HTML a section with a heading can be collapsed.
    pub sections: Vec<Section>,
}

/// A section of the page.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Section {
    /// Heading for the outline of the HTML page ("Findings", "Sockets", "PCI").
    pub heading: String,
    /// The contents.
    pub item: Item,
}
