//! Columns of text that are as wide as their widest cell.

use std::io::{self, Write};

/// Rows under a head.
pub(crate) struct Table {
    head: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads; those that begin with `>` are of columns set to the right.
    pub(crate) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.iter().map(|name| name.trim_start_matches('>')).collect(),
            right: head.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty.
    pub(crate) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Head and rows.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        let head: Vec<String> = self.head.iter().map(|name| name.to_uppercase()).collect();
        let width = |column: usize| {
            let cells = std::iter::once(&head)
                .chain(&self.rows)
                .filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        let first = self.line(&head, &widths);
        std::iter::once(first).chain(self.rows.iter().map(move |row| self.line(row, &widths)))
    }

    fn line(&self, row: &[String], widths: &[usize]) -> String {
        let mut line = String::new();
        for (column, width) in widths.iter().enumerate() {
            let cell = row.get(column).map_or("", String::as_str);
            if column > 0 {
                line.push_str("  ");
            }
            let blanks = " ".repeat(width.saturating_sub(cell.chars().count()));
            if self.right.get(column).copied().unwrap_or(false) {
                line.push_str(&blanks);
                line.push_str(cell);
            } else {
                line.push_str(cell);
                line.push_str(&blanks);
            }
        }
        line.truncate(line.trim_end().len());
        line
    }

    /// Prints head and rows behind `indent` spaces.
    pub(crate) fn print(&self, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        let blanks = " ".repeat(indent);
        self.lines().try_for_each(|line| writeln!(out, "{blanks}{line}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_lines_end_without_blanks() {
        let mut table = Table::new(&["name", ">size", "note"]);
        table.push(vec!["a".into(), "1024".into(), String::new()]);
        table.push(vec!["longer".into(), "7".into(), "x".into()]);
        let mut out = Vec::new();
        table.print(2, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert_eq!(text, "  NAME    SIZE  NOTE\n  a       1024\n  longer     7  x\n");
    }
}
