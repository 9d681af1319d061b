//! Everything that is mapped in a range of addresses.
//!
//! Windows maps its page tables into the space themselves (the self map): an entry that leads back to a
//! table on the way down is left out, or the tables would be told again as pages. Tables of a broken
//! guest may form other loops; the number of tables that are read is bounded by the memory there is.

use super::entry::{Format, Level};
use super::{AddressSpace, Kind, Rights, Step};
use crate::memory::address::PAGE;
use crate::memory::{Gpa, Gva};

/// A piece of a space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A page table of any level.
    Table {
        /// Where it stands.
        at: Gpa,
    },
    /// A page.
    Page {
        /// Virtual address.
        at: Gva,
        /// Physical address.
        to: Gpa,
        /// Size in bytes.
        size: u64,
        /// All levels allow writing.
        writable: bool,
        /// No level forbids execution.
        executable: bool,
        /// Whether the processor would find it.
        kind: Kind,
    },
}

struct Table {
    at: Gpa,
    level: usize,
    first: Gva,
    index: u64,
    bytes: Vec<u8>,
    rights: Rights,
}

/// Iterator over the pieces of a range.
pub struct Walk<'a> {
    space: AddressSpace<'a>,
    from: Gva,
    to: Gva,
    stack: Vec<Table>,
    root: Option<Piece>,
    tables_left: u64,
}

impl<'a> Walk<'a> {
    pub(super) fn new(space: AddressSpace<'a>, from: Gva, to: Gva) -> Self {
        let pages = space
            .memory
            .runs()
            .iter()
            .fold(0u64, |sum, run| sum.saturating_add(run.length / PAGE));
        let mut walk = Self {
            space,
            from,
            to,
            stack: Vec::new(),
            root: None,
            tables_left: pages.saturating_add(1).saturating_mul(2),
        };
        walk.root = walk.push(space.root, 0, Gva(0), Rights::ALL);
        walk
    }

    fn push(&mut self, at: Gpa, level: usize, first: Gva, rights: Rights) -> Option<Piece> {
        let format = Format::of(self.space.mode);
        let name = *format.levels().get(level)?;
        if self.stack.iter().any(|table| table.at == at) {
            return None;
        }
        self.tables_left = self.tables_left.checked_sub(1)?;
        let width = u64::try_from(format.width()).unwrap_or(8);
        let mut bytes = vec![0; usize::try_from(format.entries(name) * width).unwrap_or_default()];
        let count = self.space.memory.read(at, &mut bytes);
        bytes.truncate(count);
        // Everything before the range is passed over at once.
        let ahead = self.from.0.saturating_sub(self.whole(first));
        let index = if ahead == 0 {
            0
        } else if level > 0 && ahead >> format.span(name).trailing_zeros() >= format.entries(name) {
            format.entries(name)
        } else {
            format.index(name, self.from)
        };
        self.stack.push(Table {
            at,
            level,
            first,
            index,
            bytes,
            rights,
        });
        Some(Piece::Table { at })
    }

    /// An address of a table's first entry as it is written: with the sign in the upper bits.
    fn whole(&self, at: Gva) -> u64 {
        match Format::of(self.space.mode) {
            Format::Four if at.0 >> 47 & 1 != 0 => at.0 | 0xffff_0000_0000_0000,
            Format::Five if at.0 >> 56 & 1 != 0 => at.0 | 0xff00_0000_0000_0000,
            _ => at.0,
        }
    }

    /// The next entry of the lowest table: its level, first address and value.
    fn entry(&mut self) -> Option<(Level, usize, Gva, u64, Rights)> {
        let format = Format::of(self.space.mode);
        let table = self.stack.last_mut()?;
        let level = *format.levels().get(table.level)?;
        if table.index >= format.entries(level) {
            return None;
        }
        let width = format.width();
        let start = usize::try_from(table.index).ok()?.checked_mul(width)?;
        let mut bytes = [0; 8];
        bytes
            .get_mut(..width)?
            .copy_from_slice(table.bytes.get(start..start.checked_add(width)?)?);
        let first = Gva(table.first.0 | table.index << format.span(level).trailing_zeros());
        table.index += 1;
        Some((level, table.level, first, u64::from_le_bytes(bytes), table.rights))
    }
}

impl Iterator for Walk<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some(root) = self.root.take() {
            return Some(root);
        }
        let format = Format::of(self.space.mode);
        while !self.stack.is_empty() {
            let Some((level, depth, first, entry, rights)) = self.entry() else {
                self.stack.pop();
                continue;
            };
            let (start, span) = (self.whole(first), format.span(level));
            if start >= self.to.0 {
                self.stack.clear();
                return None;
            }
            if entry == 0 || start.checked_add(span - 1).is_none_or(|last| last < self.from.0) {
                continue;
            }
            match self.space.step(level, entry) {
                Ok(Step::Table(next, kind)) => {
                    let rights = rights.through(format, level, entry, kind);
                    if let Some(piece) = self.push(next, depth + 1, first, rights) {
                        return Some(piece);
                    }
                }
                Ok(Step::Page(frame, kind)) => {
                    let rights = rights.through(format, level, entry, kind);
                    // Only the part of a large page that lies in the range.
                    let ahead = (self.from.0 & !(PAGE - 1)).saturating_sub(start);
                    let behind = (start | (span - 1)).saturating_sub(self.to.0.wrapping_sub(1) | (PAGE - 1));
                    return Some(Piece::Page {
                        at: Gva(start + ahead),
                        to: frame.plus(ahead),
                        size: span - ahead - behind,
                        writable: rights.writable,
                        executable: rights.executable,
                        kind: rights.kind,
                    });
                }
                Err(_) => {}
            }
        }
        None
    }
}
