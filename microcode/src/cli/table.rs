//! Columns of text that are as wide as their widest cell.

use std::io::{self, Write};

/// Rows under a head.
pub(super) struct Table {
    head: Vec<&'static str>,
    right: Vec<bool>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these heads; those that begin with `>` are of columns set to the right.
    pub(super) fn new(head: &[&'static str]) -> Self {
        Self {
            head: head.iter().map(|name| name.trim_start_matches('>')).collect(),
            right: head.iter().map(|name| name.starts_with('>')).collect(),
            rows: Vec::new(),
        }
    }

    /// Adds a row; missing cells are empty.
    pub(super) fn push(&mut self, row: Vec<String>) {
        self.rows.push(row);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints head and rows behind `indent` spaces.
    pub(super) fn print(&self, indent: usize, out: &mut dyn Write) -> io::Result<()> {
        let head: Vec<String> = self.head.iter().map(|name| name.to_uppercase()).collect();
        let all = || std::iter::once(&head).chain(&self.rows);
        let width = |column: usize| {
            let cells = all().filter_map(|row| row.get(column));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        };
        let widths: Vec<usize> = (0..self.head.len()).map(width).collect();
        for row in all() {
            let mut line = " ".repeat(indent);
            for (column, width) in widths.iter().enumerate() {
                let cell = row.get(column).map_or("", String::as_str);
                if column > 0 {
                    line.push_str("  ");
                }
                if self.right.get(column).copied().unwrap_or(false) {
                    line.push_str(&format!("{cell:>width$}"));
                } else {
                    line.push_str(&format!("{cell:<width$}"));
                }
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
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
