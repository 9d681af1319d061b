//! Lines of terminal text: widths, wrapping, frames, columns, tables, ASCII spelling, colour.
//!
//! Lines are plain strings; colour stands in them as ANSI sequences, which have no width.

use crate::measure;

/// How text is printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Style {
    /// Unicode characters; otherwise ASCII only.
    pub unicode: bool,
    /// ANSI colours.
    pub colour: bool,
    /// Columns.
    pub width: usize,
}

/// Colour of a short text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// None.
    Plain,
    /// Bold.
    Bold,
    /// Costs speed: red.
    Bad,
    /// Worth knowing: yellow.
    Warn,
    /// Fine: green.
    Good,
}

/// The text in colour, where colour is wanted.
#[must_use]
pub fn paint(text: &str, paint: Paint, style: Style) -> String {
    let code = match paint {
        Paint::Plain => return text.to_owned(),
        Paint::Bold => "1",
        Paint::Bad => "1;31",
        Paint::Warn => "33",
        Paint::Good => "32",
    };
    if style.colour {
        format!("\u{1b}[{code}m{text}\u{1b}[0m")
    } else {
        text.to_owned()
    }
}

/// Columns a text takes in a terminal; ANSI sequences take none.
#[must_use]
pub fn width(text: &str) -> usize {
    let mut inside = false;
    text.chars()
        .filter(|c| {
            if *c == '\u{1b}' {
                inside = true;
                return false;
            }
            if inside {
                inside = !c.is_ascii_alphabetic();
                return false;
            }
            true
        })
        .map(measure::columns)
        .sum()
}

/// Filled up with blanks.
#[must_use]
pub fn pad(text: &str, columns: usize) -> String {
    let missing = columns.saturating_sub(width(text));
    format!("{text}{}", " ".repeat(missing))
}

/// At most `columns` wide: whole words are dropped from the right and "…" stands for them; only a
/// single word that is too long is cut.
#[must_use]
pub fn shorten(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    let mut kept = String::new();
    for word in text.split(' ') {
        let with = if kept.is_empty() {
            word.to_owned()
        } else {
            format!("{kept} {word}")
        };
        if width(&with).saturating_add(1) > columns {
            break;
        }
        kept = with;
    }
    if kept.is_empty() {
        kept = text.chars().take(columns.saturating_sub(1)).collect();
    }
    if columns == 0 {
        String::new()
    } else {
        format!("{kept}…")
    }
}

/// Lines no wider than `columns`, broken at blanks; a longer word is broken where it must.
#[must_use]
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(8);
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for word in text.split_whitespace() {
        let mut word = word.to_owned();
        while width(&word) > columns {
            let head: String = word.chars().take(columns / 2).collect();
            word = word.chars().skip(columns / 2).collect();
            push_word(&mut lines, &mut line, &head, columns);
        }
        push_word(&mut lines, &mut line, &word, columns);
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

fn push_word(lines: &mut Vec<String>, line: &mut String, word: &str, columns: usize) {
    if line.is_empty() {
        line.push_str(word);
    } else if width(line).saturating_add(1).saturating_add(width(word)) <= columns {
        line.push(' ');
        line.push_str(word);
    } else {
        lines.push(std::mem::replace(line, word.to_owned()));
    }
}

/// Facts side by side with two blanks between, in as many lines as needed.
#[must_use]
pub fn flow(parts: &[String], columns: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    let mut line = String::new();
    for part in parts {
        for piece in if width(part) > columns {
            wrap(part, columns)
        } else {
            vec![part.clone()]
        } {
            if line.is_empty() {
                line = piece;
            } else if width(&line).saturating_add(2).saturating_add(width(&piece)) <= columns {
                line.push_str("  ");
                line.push_str(&piece);
            } else {
                lines.push(std::mem::replace(&mut line, piece));
            }
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// Texts in as many equal columns as fit, row by row.
#[must_use]
pub fn columns(texts: &[String], columns: usize) -> Vec<String> {
    let widest = texts.iter().map(|text| width(text)).max().unwrap_or(0);
    let each = widest.saturating_add(3);
    let fit = (columns.saturating_add(3) / each.max(1)).max(1);
    texts
        .chunks(fit)
        .flat_map(|row| {
            let line: String = row.iter().map(|text| pad(text, each)).collect();
            let line = line.trim_end().to_owned();
            if width(&line) <= columns {
                vec![line]
            } else {
                wrap(&line, columns)
            }
        })
        .collect()
}

/// A box with a title in its upper edge; lines that are too long are shortened.
#[must_use]
pub fn frame(title: &str, lines: &[String], columns: usize) -> Vec<String> {
    let inner = columns.saturating_sub(4);
    let title = shorten(title, inner.saturating_sub(2));
    let rule = "─".repeat(inner.saturating_sub(width(&title)).saturating_sub(1));
    let mut framed = vec![format!("┌─ {title} {rule}┐")];
    framed.extend(
        lines
            .iter()
            .map(|line| format!("│ {} │", pad(&shorten(line, inner), inner))),
    );
    framed.push(format!("└{}┘", "─".repeat(inner.saturating_add(2))));
    framed
}

/// Blocks beside each other.
#[must_use]
pub fn beside(blocks: &[Vec<String>], gap: usize) -> Vec<String> {
    let widths: Vec<usize> = blocks
        .iter()
        .map(|block| block.iter().map(|line| width(line)).max().unwrap_or(0))
        .collect();
    let rows = blocks.iter().map(Vec::len).max().unwrap_or(0);
    (0..rows)
        .map(|row| {
            let cells: Vec<String> = blocks
                .iter()
                .zip(&widths)
                .map(|(block, width)| pad(block.get(row).map_or("", String::as_str), *width))
                .collect();
            cells.join(&" ".repeat(gap)).trim_end().to_owned()
        })
        .collect()
}

/// A table: head, rows, the columns in order of their importance; what does not fit is dropped
/// from the least important on. Numbers stand at the right.
#[must_use]
pub fn table(head: &[&str], rows: &[Vec<String>], importance: &[usize], columns: usize) -> Vec<String> {
    let widths: Vec<usize> = head
        .iter()
        .enumerate()
        .map(|(at, name)| {
            rows.iter()
                .filter_map(|row| row.get(at))
                .map(|cell| width(cell))
                .chain([width(name)])
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut kept: Vec<usize> = Vec::new();
    let mut used = 0_usize;
    for at in importance {
        let empty = rows.iter().all(|row| row.get(*at).is_none_or(|cell| cell.is_empty()));
        let wanted = widths.get(*at).copied().unwrap_or(0).saturating_add(2);
        if !empty && (kept.is_empty() || used.saturating_add(wanted) <= columns.saturating_add(2)) {
            used = used.saturating_add(wanted);
            kept.push(*at);
        }
    }
    kept.sort_unstable();
    let numeric = |at: usize| {
        rows.iter()
            .filter_map(|row| row.get(at))
            .all(|cell| cell.chars().all(|c| c.is_ascii_digit() || c == '.' || c == '-'))
    };
    let print = |cells: &dyn Fn(usize) -> String| {
        let texts: Vec<String> = kept
            .iter()
            .map(|at| {
                let wide = widths.get(*at).copied().unwrap_or(0);
                let cell = cells(*at);
                if numeric(*at) {
                    format!("{}{cell}", " ".repeat(wide.saturating_sub(width(&cell))))
                } else {
                    pad(&cell, wide)
                }
            })
            .collect();
        shorten(texts.join("  ").trim_end(), columns)
    };
    let mut lines = vec![print(&|at| {
        head.get(at).map(|name| (*name).to_owned()).unwrap_or_default()
    })];
    lines.extend(
        rows.iter()
            .map(|row| print(&|at| row.get(at).cloned().unwrap_or_default())),
    );
    lines
}

/// The lines as one text, in ASCII where that is wanted, without blanks at the ends of lines.
#[must_use]
pub fn finish(lines: &[String], style: Style) -> String {
    let mut text = String::new();
    for line in lines {
        let line = line.trim_end();
        if style.unicode {
            text.push_str(line)
        } else {
            // the corner of a frame, not the last branch of a tree
            text.extend(line.replace("└─", "+-").chars().map(ascii))
        }
        text.push('\n');
    }
    while text.ends_with("\n\n") {
        text.pop();
    }
    text
}

/// One ASCII character for each, so that widths stay.
const fn ascii(c: char) -> char {
    match c {
        '✗' => 'X',
        '×' => 'x',
        '✓' | '┌' | '┐' | '┘' | '┼' => '+',
        '├' => '|',
        '└' => '`',
        '─' | '–' | '—' | '╌' => '-',
        '━' | '■' => '#',
        '│' => '|',
        '·' => '.',
        '→' => '>',
        '…' => '~',
        c if c.is_ascii() => c,
        _ => '?',
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_has_no_width() {
        let style = Style {
            unicode: true,
            colour: true,
            width: 80,
        };
        assert_eq!(width(&paint("✗", Paint::Bad, style)), 1);
        assert_eq!(width("CPU 0 内存"), 10);
    }

    #[test]
    fn nothing_is_wider_than_asked() {
        let text = "one two three 0000:3b:00.0 averyveryverylongwordwithoutblanks four";
        for columns in 8..40 {
            assert!(
                wrap(text, columns).iter().all(|line| width(line) <= columns),
                "wrap {columns}"
            );
            assert!(width(&shorten(text, columns)) <= columns, "shorten {columns}");
            let framed = frame("CPU1 with a long title", &[text.to_owned()], columns);
            assert!(
                framed.iter().all(|line| width(line) <= columns.max(8)),
                "frame {columns}: {framed:?}"
            );
        }
    }

    #[test]
    fn a_table_drops_the_least_important_column_and_empty_ones() {
        let rows = vec![vec![
            "0".to_owned(),
            String::new(),
            "long text here".to_owned(),
            "x".to_owned(),
        ]];
        let lines = table(&["CPU", "EMPTY", "TEXT", "Y"], &rows, &[0, 3, 1, 2], 12);
        assert_eq!(lines, ["CPU  Y", "  0  x"]);
    }

    #[test]
    fn ascii_spelling_keeps_the_width() {
        let style = Style {
            unicode: false,
            colour: false,
            width: 80,
        };
        assert_eq!(finish(&["┌─ 2 × 8–15 ✗ ┐".to_owned()], style), "+- 2 x 8-15 X +\n");
    }
}
