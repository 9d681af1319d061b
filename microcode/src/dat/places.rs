//! Where in a text the decoded bytes stand.

/// Offsets of units (words or bytes) in the text, and of its lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// Bytes of one unit.
    pub unit: usize,
    /// Where in the text each unit begins.
    pub units: Vec<usize>,
    /// Where each line of the text begins.
    lines: Vec<usize>,
}

impl Places {
    pub(super) fn new(text: &[u8]) -> Self {
        let breaks = text.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
        let starts = breaks.map(|(at, _)| at.saturating_add(1));
        Self {
            unit: 4,
            units: Vec::new(),
            lines: std::iter::once(0).chain(starts).collect(),
        }
    }

    /// Line and column of the unit that holds a decoded byte.
    pub(super) fn of(&self, offset: usize) -> Option<(usize, usize)> {
        let unit = offset.checked_div(self.unit)?;
        Some(self.in_text(*self.units.get(unit)?))
    }

    /// Line and column of an offset in the text.
    pub(super) fn in_text(&self, at: usize) -> (usize, usize) {
        let line = self.lines.partition_point(|start| *start <= at);
        let start = line.checked_sub(1).and_then(|index| self.lines.get(index));
        let column = at.saturating_sub(start.copied().unwrap_or(0));
        (line, column.saturating_add(1))
    }
}
