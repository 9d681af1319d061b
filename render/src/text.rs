//! Pictures in a terminal: frames, columns, tables, bars and trees of characters.
//!
//! Nothing here knows a [`crate::scene`]; it works on [`Block`]s, rectangles of styled text. No
//! function returns a line wider than it was asked for.
//!
//! ```
//! use render::text::{Block, Style, beside, frame};
//! let style = Style { unicode: true, colour: false, width: 80 };
//! let block = Block::from_text("32 bins");
//! let both = beside(&[frame(&style, "A", &block, 14), frame(&style, "B", &block, 14)], 2);
//! assert_eq!(both.render(&style), "\
//! ┌─ A ────────┐  ┌─ B ────────┐
//! │ 32 bins    │  │ 32 bins    │
//! └────────────┘  └────────────┘
//! ");
//! ```

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::measure::columns;

/// How the terminal wants it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Box drawing and symbols; else ASCII.
    pub unicode: bool,
    /// ANSI colours.
    pub colour: bool,
    /// Columns of the terminal.
    pub width: usize,
}

impl Style {
    /// The text with its symbols in ASCII, unless the terminal takes Unicode.
    #[must_use]
    pub fn symbols<'t>(&self, text: &'t str) -> Cow<'t, str> {
        if self.unicode || text.is_ascii() {
            return Cow::Borrowed(text);
        }
        Cow::Owned(text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
            match ascii(c) {
                Some(other) => out.push_str(other),
                None => out.push(c),
            }
            out
        }))
    }
}

/// The ASCII stand-in of a symbol; names of other scripts stay as they are.
fn ascii(c: char) -> Option<&'static str> {
    Some(match c {
        '✗' | '×' => "x",
        '✓' => "+",
        '■' | '━' => "#",
        '·' | '–' | '—' | '╌' | '─' | '−' => "-",
        '…' => "...",
        '→' => "->",
        '←' => "<-",
        '│' | '├' => "|",
        '┌' | '┐' | '┘' | '┬' | '┴' | '┼' | '┤' => "+",
        '└' => "`",
        '≥' => ">=",
        '≤' => "<=",
        'µ' | 'μ' => "u",
        '°' => " deg",
        '†' => "+",
        _ => return None,
    })
}

/// Colour of a run of text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tone {
    /// Ordinary.
    #[default]
    Plain,
    /// Costs speed.
    Bad,
    /// Worth knowing.
    Warn,
    /// Checked, fine.
    Good,
    /// Emphasis.
    Bold,
    /// Secondary.
    Dim,
}

impl Tone {
    fn code(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Bad => "\u{1b}[31m",
            Self::Warn => "\u{1b}[33m",
            Self::Good => "\u{1b}[32m",
            Self::Bold => "\u{1b}[1m",
            Self::Dim => "\u{1b}[2m",
        }
    }
}

/// A run of text of one tone. Control characters never get into it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    text: String,
    tone: Tone,
}

impl Piece {
    /// A run of text; control characters are dropped, a tab or line break becomes a blank.
    #[must_use]
    pub fn new(tone: Tone, text: &str) -> Self {
        Self {
            text: visible(text),
            tone,
        }
    }
}

fn visible(text: &str) -> String {
    let keep = |c: char| match c {
        '\t' | '\n' => Some(' '),
        '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{2028}' | '\u{2029}' => None,
        c => (!c.is_control()).then_some(c),
    };
    text.chars().filter_map(keep).collect()
}

/// Columns a text takes.
#[must_use]
pub fn width(text: &str) -> usize {
    text.chars().map(columns).sum()
}

/// The longest beginning of a text that takes at most `most` columns.
fn head(text: &str, most: usize) -> &str {
    let mut used = 0;
    for (at, c) in text.char_indices() {
        used += columns(c);
        if used > most {
            return text.get(..at).unwrap_or("");
        }
    }
    text
}

/// The text in at most `most` columns; a longer one ends in "…" (or "..." in ASCII).
#[must_use]
pub fn shorten(style: &Style, text: &str, most: usize) -> String {
    let text = style.symbols(text);
    if width(&text) <= most {
        return text.into_owned();
    }
    let dots = if style.unicode { "…" } else { "..." };
    if width(dots) > most {
        return head(&text, most).to_owned();
    }
    head(&text, most - width(dots)).trim_end().to_owned() + dots
}

/// A line of pieces.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    pieces: Vec<Piece>,
}

impl Row {
    /// A line of one ordinary piece.
    #[must_use]
    pub fn new(text: &str) -> Self {
        Self::default().with(Tone::Plain, text)
    }

    /// One more piece at the end.
    #[must_use]
    pub fn with(mut self, tone: Tone, text: &str) -> Self {
        self.push(tone, text);
        self
    }

    /// One more piece at the end.
    pub fn push(&mut self, tone: Tone, text: &str) {
        if !text.is_empty() {
            self.pieces.push(Piece::new(tone, text));
        }
    }

    /// Columns it takes.
    #[must_use]
    pub fn width(&self) -> usize {
        self.pieces.iter().map(|p| width(&p.text)).sum()
    }

    /// Makes it exactly `columns` wide: blanks at the end, or cut.
    #[must_use]
    pub fn fit(mut self, columns: usize) -> Self {
        let mut left = columns;
        for piece in &mut self.pieces {
            if width(&piece.text) > left {
                piece.text = head(&piece.text, left).to_owned();
            }
            left -= width(&piece.text).min(left);
        }
        self.pieces.retain(|p| !p.text.is_empty());
        self.push(Tone::Plain, &" ".repeat(left));
        self
    }

    fn extend(&mut self, other: Self) {
        self.pieces.extend(other.pieces);
    }

    fn symbols(self, style: &Style) -> Self {
        let ascii = |p: Piece| Piece {
            text: style.symbols(&p.text).into_owned(),
            tone: p.tone,
        };
        Self {
            pieces: self.pieces.into_iter().map(ascii).collect(),
        }
    }

    fn write(&self, style: &Style, out: &mut String) {
        let mut line = String::new();
        for piece in &self.pieces {
            let text = style.symbols(&piece.text);
            if style.colour && piece.tone != Tone::Plain && !text.trim().is_empty() {
                let _ = write!(line, "{}{text}\u{1b}[0m", piece.tone.code());
            } else {
                line.push_str(&text);
            }
        }
        out.push_str(line.trim_end_matches(' '));
        out.push('\n');
    }
}

/// Lines below each other.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Block {
    /// The lines, from the top.
    pub rows: Vec<Row>,
}

impl Block {
    /// Lines of ordinary text.
    #[must_use]
    pub fn from_text(text: &str) -> Self {
        Self {
            rows: text.lines().map(Row::new).collect(),
        }
    }

    /// Columns of the widest line.
    #[must_use]
    pub fn width(&self) -> usize {
        self.rows.iter().map(Row::width).max().unwrap_or(0)
    }

    /// One more line.
    pub fn push(&mut self, row: Row) {
        self.rows.push(row);
    }

    /// The lines of another block below.
    pub fn append(&mut self, other: Self) {
        self.rows.extend(other.rows);
    }

    /// The block with its symbols in ASCII, unless the terminal takes Unicode. Do this before
    /// [`beside`]: a stand-in may be wider than its symbol.
    #[must_use]
    pub fn symbols(self, style: &Style) -> Self {
        Self {
            rows: self.rows.into_iter().map(|row| row.symbols(style)).collect(),
        }
    }

    /// The text for the terminal, each line at most `style.width` columns, without blanks at the end.
    #[must_use]
    pub fn render(&self, style: &Style) -> String {
        let mut out = String::new();
        for row in &self.rows {
            row.clone().symbols(style).fit(style.width).write(style, &mut out);
        }
        out
    }
}

/// A frame with a title in its upper border, exactly `columns` wide (at least 6).
#[must_use]
pub fn frame(style: &Style, title: &str, block: &Block, columns: usize) -> Block {
    let columns = columns.max(6);
    let [h, v, nw, ne, sw, se] = if style.unicode {
        ["─", "│", "┌", "┐", "└", "┘"]
    } else {
        ["-", "|", "+", "+", "+", "+"]
    };
    let title = shorten(style, &visible(title), columns - 6);
    let top = if title.is_empty() {
        String::new()
    } else {
        format!("{h} {title} ")
    };
    let fill = columns - 2 - width(&top);
    let mut out = Block::default();
    out.push(Row::new(&format!("{nw}{top}{}{ne}", h.repeat(fill))));
    for row in &block.rows {
        let mut line = Row::new(&format!("{v} "));
        line.extend(row.clone().symbols(style).fit(columns - 4));
        line.push(Tone::Plain, &format!(" {v}"));
        out.push(line);
    }
    out.push(Row::new(&format!("{sw}{}{se}", h.repeat(columns - 2))));
    out
}

/// Blocks side by side with `gap` blanks between; as wide as all of them.
#[must_use]
pub fn beside(blocks: &[Block], gap: usize) -> Block {
    let height = blocks.iter().map(|b| b.rows.len()).max().unwrap_or(0);
    let widths: Vec<usize> = blocks.iter().map(Block::width).collect();
    let line = |y: usize| {
        let mut row = Row::default();
        for (i, (block, wide)) in blocks.iter().zip(&widths).enumerate() {
            row.push(Tone::Plain, &" ".repeat(if i == 0 { 0 } else { gap }));
            row.extend(block.rows.get(y).cloned().unwrap_or_default().fit(*wide));
        }
        row
    };
    Block {
        rows: (0..height).map(line).collect(),
    }
}

/// Breaks a text at blanks into lines of at most `columns`; all but the first begin with `indent`
/// blanks. A word longer than a line is broken.
#[must_use]
pub fn wrap(text: &str, columns: usize, indent: usize) -> Vec<String> {
    let columns = columns.max(1);
    let indent = indent.min(columns / 2);
    let text = visible(text);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    let mut bare = true;
    for mut word in text.split(' ').filter(|w| !w.is_empty()) {
        if !bare && width(&line) + 1 + width(word) > columns {
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
            bare = true;
        }
        if !bare {
            line.push(' ');
        }
        while width(&line) + width(word) > columns {
            let part = head(word, columns - width(&line));
            if part.is_empty() && bare {
                break; // one character wider than the line
            }
            line.push_str(part);
            word = word.get(part.len()..).unwrap_or("");
            lines.push(std::mem::replace(&mut line, " ".repeat(indent)));
        }
        if width(&line) + width(word) <= columns {
            line.push_str(word);
        }
        bare = false;
    }
    if !line.trim().is_empty() || lines.is_empty() {
        lines.push(line);
    }
    lines
}

/// A column of a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    /// At the right end of its width.
    pub right: bool,
    /// Columns of higher numbers are dropped first; 0 is kept as long as anything is.
    pub priority: u8,
    /// May end in "…" when too long; else it is shown whole or not at all.
    pub cut: bool,
}

impl Column {
    /// A column of words.
    #[must_use]
    pub fn left(priority: u8) -> Self {
        Self {
            right: false,
            priority,
            cut: false,
        }
    }

    /// A column of numbers.
    #[must_use]
    pub fn right(priority: u8) -> Self {
        Self {
            right: true,
            priority,
            cut: false,
        }
    }

    /// The same, but long entries may be cut.
    #[must_use]
    pub fn cuttable(mut self) -> Self {
        self.cut = true;
        self
    }
}

/// A table of rows in at most `columns` columns, two blanks between. Too wide: first the cuttable
/// columns give (down to 8), then whole columns go, of the highest priority number first. When even
/// the last one is too wide, its entries are cut at the end.
#[must_use]
pub fn table(style: &Style, rows: &[Vec<(Tone, String)>], spec: &[Column], columns: usize) -> Block {
    const GAP: usize = 2;
    const LEAST: usize = 8;
    let cell = |row: &[(Tone, String)], i: usize| row.get(i).map_or(0, |(_, t)| width(&style.symbols(&visible(t))));
    let natural: Vec<usize> = (0..spec.len())
        .map(|i| rows.iter().map(|r| cell(r, i)).max().unwrap_or(0))
        .collect();
    let mut kept: Vec<(usize, Column, usize)> = spec
        .iter()
        .zip(&natural)
        .enumerate()
        .map(|(i, (c, w))| (i, *c, *w))
        .filter(|(_, _, w)| *w > 0)
        .collect();
    let total = |kept: &[(usize, Column, usize)]| {
        kept.iter().map(|(_, _, w)| w).sum::<usize>() + GAP * kept.len().saturating_sub(1)
    };
    loop {
        for column in kept.iter_mut().rev() {
            column.2 = natural.get(column.0).copied().unwrap_or(0);
        }
        let mut excess = total(&kept).saturating_sub(columns);
        for (_, _, w) in kept.iter_mut().rev().filter(|(_, c, _)| c.cut) {
            let give = excess.min(w.saturating_sub(LEAST));
            *w -= give;
            excess -= give;
        }
        if excess == 0 || kept.len() <= 1 {
            break;
        }
        let worst = kept
            .iter()
            .enumerate()
            .max_by_key(|(i, (_, c, _))| (c.priority, *i))
            .map(|(i, _)| i);
        worst.map(|i| kept.remove(i));
    }
    if let [(_, _, only)] = kept.as_mut_slice() {
        *only = (*only).min(columns);
    }
    let line = |row: &Vec<(Tone, String)>| {
        let mut out = Row::default();
        for (n, (i, column, w)) in kept.iter().enumerate() {
            let (tone, text) = row
                .get(*i)
                .map_or((Tone::Plain, ""), |(tone, text)| (*tone, text.as_str()));
            let text = shorten(style, &visible(text), *w);
            let blanks = " ".repeat(w.saturating_sub(width(&text)));
            out.push(Tone::Plain, if n == 0 { "" } else { "  " });
            let (before, after) = if column.right {
                (blanks.as_str(), "")
            } else {
                ("", blanks.as_str())
            };
            out.push(Tone::Plain, before);
            out.push(tone, &text);
            out.push(Tone::Plain, after);
        }
        out
    };
    Block {
        rows: rows.iter().map(line).collect(),
    }
}

/// A bar of at most `cells` cells: `solid` real ones, then possible ones up to `pale`.
#[must_use]
pub fn bar(style: &Style, solid: usize, pale: usize, cells: usize) -> String {
    let [real, possible] = if style.unicode { ["━", "╌"] } else { ["#", "-"] };
    let solid = solid.min(cells);
    let pale = pale.min(cells).saturating_sub(solid);
    real.repeat(solid) + &possible.repeat(pale)
}

/// Cells of a bar for `value`, when `full` fills `cells`: rounded, at least 1 for anything above 0.
#[must_use]
#[allow(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss
)]
pub fn cells(value: f64, full: f64, cells: usize) -> usize {
    if !(value > 0.0 && full > 0.0) {
        return 0;
    }
    ((value / full * cells as f64).round().clamp(1.0, cells.max(1) as f64)) as usize
}

/// The prefix of a tree line: one entry per level, true where that branch is the last of its parent.
#[must_use]
pub fn branch(style: &Style, last: &[bool]) -> String {
    let [through, blank, fork, end] = if style.unicode {
        ["│ ", "  ", "├ ", "└ "]
    } else {
        ["| ", "  ", "|- ", "`- "]
    };
    let (Some(own), above) = (last.last(), last.get(..last.len().saturating_sub(1)).unwrap_or(&[])) else {
        return String::new();
    };
    let mut out: String = above.iter().map(|ended| if *ended { blank } else { through }).collect();
    out.push_str(if *own { end } else { fork });
    out
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
