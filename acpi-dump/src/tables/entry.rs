//! Walk over the entries that follow a table's fixed part, each with a type and a length.

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::finding::Finding;
use crate::table::Table;

/// How an entry states its type and length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layout {
    /// Type u8, length u8: MADT, SRAT.
    Bytes,
    /// Type u16, length u16: DMAR.
    Words,
    /// Type u8, flags u8, length u16: IVRS, CEDT.
    FlaggedWord,
    /// Type u16, reserved u16, length u32: HMAT.
    WordLong,
}

impl Layout {
    fn head(self) -> usize {
        match self {
            Self::Bytes => 2,
            Self::Words | Self::FlaggedWord => 4,
            Self::WordLong => 8,
        }
    }

    fn read(self, bytes: &[u8], at: usize) -> Option<(u16, u32)> {
        let next = at.checked_add(1)?;
        let third = at.checked_add(2)?;
        match self {
            Self::Bytes => Some((u8_at(bytes, at)?.into(), u8_at(bytes, next)?.into())),
            Self::Words => Some((u16_at(bytes, at)?, u16_at(bytes, third)?.into())),
            Self::FlaggedWord => Some((u8_at(bytes, at)?.into(), u16_at(bytes, third)?.into())),
            Self::WordLong => Some((u16_at(bytes, at)?, u32_at(bytes, at.checked_add(4)?)?)),
        }
    }
}

/// One entry with its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entry<'a> {
    /// Offset in the table.
    pub offset: usize,
    /// Type number.
    pub kind: u16,
    /// All its bytes, type and length included.
    pub bytes: &'a [u8],
}

impl Entry<'_> {
    /// Whether it has the bytes that its type needs; a finding when not.
    pub fn has(&self, length: usize, name: &str, findings: &mut Vec<Finding>) -> bool {
        let enough = self.bytes.len() >= length;
        if !enough {
            let expected = format!("{name} entry of at least {length} bytes");
            findings.push(Finding::new(
                self.offset,
                expected,
                format!("{} bytes", self.bytes.len()),
            ));
        }
        enough
    }
}

/// The entries from `start` on. One that overlaps missing bytes is skipped; one whose length
/// cannot be trusted ends the walk. Both are findings.
pub(crate) fn entries<'a>(
    table: &'a Table,
    start: usize,
    layout: Layout,
    findings: &mut Vec<Finding>,
) -> Vec<Entry<'a>> {
    let mut list = Vec::new();
    let mut at = start;
    if table.bytes.len() < start {
        findings.push(Finding::new(
            table.bytes.len(),
            format!("fixed part of {start} bytes"),
            format!("{} bytes", table.bytes.len()),
        ));
    }
    while at < table.bytes.len() {
        let head = at..at.saturating_add(layout.head());
        let Some((kind, length)) = layout.read(&table.bytes, at).filter(|_| !table.is_missing(&head)) else {
            findings.push(Finding::new(at, "type and length of an entry", "bytes missing"));
            break;
        };
        let size = usize::try_from(length).unwrap_or(usize::MAX);
        let end = at.saturating_add(size);
        let bytes = table.bytes.get(at..end).filter(|_| size >= layout.head());
        let Some(bytes) = bytes else {
            let left = table.bytes.len().saturating_sub(at);
            let expected = format!("entry length from {} to {left}", layout.head());
            findings.push(Finding::new(at, expected, format!("type {kind}, length {length}")));
            break;
        };
        if table.is_missing(&(at..end)) {
            findings.push(Finding::new(at, format!("entry of type {kind}"), "bytes missing in it"));
        } else {
            list.push(Entry {
                offset: at,
                kind,
                bytes,
            });
        }
        at = end;
    }
    list
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tables::testing::sdt;

    #[test]
    fn entry_of_length_zero_ends_the_walk_with_a_finding() {
        let table = Table::parse(&sdt(b"TEST", 1, &[1, 3, 9, 2, 0, 0, 0])).unwrap();
        let mut findings = Vec::new();
        let list = entries(&table, 36, Layout::Bytes, &mut findings);
        assert_eq!((list.len(), list[0].offset, list[0].kind), (1, 36, 1));
        assert_eq!((findings.len(), findings[0].offset), (1, 39));
    }

    #[test]
    fn entry_past_the_end_is_reported_at_its_offset() {
        let table = Table::parse(&sdt(b"TEST", 1, &[1, 0, 9, 0])).unwrap();
        let mut findings = Vec::new();
        assert!(entries(&table, 36, Layout::Words, &mut findings).is_empty());
        assert_eq!(findings[0].offset, 36);
    }

    #[test]
    fn entry_with_missing_bytes_is_skipped_and_the_next_is_read() {
        let bytes = sdt(b"TEST", 1, &[1, 4, 0, 0, 2, 4, 7, 7]);
        let hole = 38..39;
        let table = Table::with_missing(&bytes, vec![hole]).unwrap();
        let mut findings = Vec::new();
        let list = entries(&table, 36, Layout::Bytes, &mut findings);
        assert_eq!((list.len(), list[0].kind, findings.len()), (1, 2, 1));
    }
}
