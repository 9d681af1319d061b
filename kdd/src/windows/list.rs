//! Doubly linked lists of the kernel (LIST_ENTRY), walked so that damage in the middle does not hide the
//! rest.
//!
//! A list is followed by Flink from its head. Where an entry cannot be read, or its Blink does not point
//! to the one before, the walk goes on from the other end by Blink, up to the same place.

use std::collections::HashSet;

use super::Architecture;
use super::record::Record;
use crate::damage::{Damage, Place};
use crate::memory::{Gva, VirtualMemory};

/// A list that was walked.
pub(super) struct Listed {
    /// Addresses of the LIST_ENTRYs in the order of the list, without the head.
    pub entries: Vec<Gva>,
    /// What is wrong with it.
    pub damage: Vec<Damage>,
}

/// What is needed to walk a list.
pub(super) struct List<'a> {
    /// Memory.
    pub space: &'a dyn VirtualMemory,
    /// The head.
    pub head: Gva,
    /// Width of the pointers.
    pub architecture: Architecture,
    /// Name of the list, for damage.
    pub rule: &'static str,
    /// No list has more entries.
    pub limit: usize,
}

#[derive(Clone, Copy)]
enum Direction {
    Forward,
    Backward,
}

struct Links {
    flink: Gva,
    blink: Gva,
}

impl Links {
    /// The next entry, and the one this must come from.
    fn follow(&self, direction: Direction) -> (Gva, Gva) {
        match direction {
            Direction::Forward => (self.flink, self.blink),
            Direction::Backward => (self.blink, self.flink),
        }
    }
}

impl List<'_> {
    /// Walks it.
    pub fn walk(&self) -> Listed {
        let mut listed = Listed {
            entries: Vec::new(),
            damage: Vec::new(),
        };
        let head = self.architecture.address(self.head);
        let Some(links) = self.links(head) else {
            listed
                .damage
                .push(self.damage(head, "the head of a list", "no memory there"));
            return listed;
        };
        let mut seen = HashSet::new();
        let forward = self.side(head, links.flink, Direction::Forward, &mut seen, &mut listed.entries);
        if let Err(first) = forward {
            let broken = first.offset;
            listed.damage.push(first);
            let mut behind = Vec::new();
            let back = self.side(head, links.blink, Direction::Backward, &mut seen, &mut behind);
            listed
                .damage
                .extend(back.err().filter(|second| second.offset != broken));
            listed.entries.extend(behind.into_iter().rev());
        }
        listed
    }

    /// Follows the list from an end until it meets the head, what was seen before, or damage.
    fn side(
        &self,
        head: Gva,
        first: Gva,
        direction: Direction,
        seen: &mut HashSet<Gva>,
        entries: &mut Vec<Gva>,
    ) -> Result<(), Damage> {
        let (mut before, mut at) = (head, first);
        while at != head {
            if seen.len() >= self.limit {
                let expected = format!("a list of at most {} entries", self.limit);
                return Err(self.damage(at, expected, "one more"));
            }
            if seen.contains(&at) {
                return match direction {
                    Direction::Forward => Err(self.damage(before, "a list that ends at its head", "a cycle")),
                    // The part that was walked from the other end.
                    Direction::Backward => Ok(()),
                };
            }
            if !self.architecture.is_kernel(at) {
                return Err(self.damage(before, "a link into the kernel", at.to_string()));
            }
            let Some(links) = self.links(at) else {
                return Err(self.damage(at, "an entry of a list", "no memory there"));
            };
            let (next, from) = links.follow(direction);
            if from != before {
                return Err(self.damage(at, format!("a link back to {before}"), from.to_string()));
            }
            seen.insert(at);
            entries.push(at);
            (before, at) = (at, next);
        }
        Ok(())
    }

    fn links(&self, at: Gva) -> Option<Links> {
        let width = self.architecture.width() as usize;
        let record = Record::read(self.space, at, 2 * width, self.architecture);
        Some(Links {
            flink: record.pointer(0)?,
            blink: record.pointer(width)?,
        })
    }

    fn damage(&self, at: Gva, expected: impl Into<String>, seen: impl Into<String>) -> Damage {
        Damage::file(self.rule, at.0, expected, seen).at(Place::Virtual)
    }
}
