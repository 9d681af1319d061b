//! Lists of updates in the words and the order of iucode_tool 2.3.1.
//!
//! `-L` prints every update as it comes: a line for the header, one for each extended signature.
//! `-l` selects: for every signature the newest revision of each platform mask, where a mask that
//! lies within another one counts for the same platforms. It is sorted by signature, then by mask
//! from the highest down. Revisions are signed numbers there, as the SDM has them.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::{Date, Revision};
use crate::intel::{File, Target, Update};

/// A signature of an update in a list.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Entry {
    /// Which file, from 1 on.
    pub file: usize,
    /// Which update in the file, from 1 on.
    pub number: usize,
    /// Whom it is for.
    pub target: Target,
    /// Date.
    pub date: Date,
    /// Revision.
    pub revision: Revision,
    /// Bytes in all.
    pub size: usize,
    /// From the extended signature table, not the header.
    pub extended: bool,
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { file, number, size, .. } = self;
        write!(f, "  {file:03}/{number:03}: {}, size {size}", self.facts())
    }
}

impl Entry {
    /// The line of `-L`, which has neither number nor size for an extended signature.
    #[must_use]
    pub fn line_of_all(&self) -> String {
        if self.extended {
            format!("           {}", self.facts())
        } else {
            self.to_string()
        }
    }

    fn facts(&self) -> String {
        let (target, date) = (self.target, self.date);
        let (platforms, revision) = (target.platforms.0, self.revision.0);
        format!(
            "sig {}, pf_mask {platforms:#04x}, {date}, rev {revision:#06x}",
            target.signature
        )
    }

    fn signed(&self) -> i32 {
        self.revision.0.cast_signed()
    }
}

/// Every signature of every update of a file, which is number `file` of the list (from 1 on).
#[must_use]
pub fn all(file: usize, content: &File) -> Vec<Entry> {
    let numbered = content.updates.iter().zip(1..);
    numbered
        .flat_map(|(update, number)| entries(file, number, update))
        .collect()
}

fn entries(file: usize, number: usize, update: &Update) -> impl Iterator<Item = Entry> {
    let header = std::iter::once((update.target, false));
    let extended = update.extended.iter().map(|target| (*target, true));
    header.chain(extended).map(move |(target, extended)| Entry {
        file,
        number,
        target,
        date: update.date,
        revision: update.revision,
        size: update.size,
        extended,
    })
}

/// The list of `-l`: what is left of these entries when older ones for the same platforms are gone.
#[must_use]
pub fn select(all: impl IntoIterator<Item = Entry>) -> Vec<Entry> {
    let mut sorted: std::collections::BTreeMap<_, Vec<Entry>> = std::collections::BTreeMap::new();
    for entry in all {
        merge(sorted.entry(entry.target.signature).or_default(), entry);
    }
    sorted.into_values().flatten().collect()
}

/// Add an entry to those of its signature.
fn merge(list: &mut Vec<Entry>, new: Entry) {
    let mask = new.target.platforms.0;
    let newest = new.signed();
    let covers = |old: &Entry| old.target.platforms.0 & mask == mask;
    if list.iter().any(|old| covers(old) && old.signed() >= newest) {
        return;
    }
    let within = |old: &Entry| old.target.platforms.0 & mask == old.target.platforms.0;
    list.retain(|old| !(within(old) && newest >= old.signed()));
    let place = list.partition_point(|old| old.target.platforms.0 > mask);
    list.insert(place, new);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::{PlatformMask, Signature};

    fn entry(signature: u32, platforms: u32, revision: u32) -> Entry {
        Entry {
            file: 1,
            number: 1,
            target: Target {
                signature: Signature(signature),
                platforms: PlatformMask(platforms),
            },
            date: Date::from_field(0x0102_2024),
            revision: Revision(revision),
            size: 2048,
            extended: false,
        }
    }

    fn selected(all: &[(u32, u32, u32)]) -> Vec<(u32, u32, u32)> {
        let all = all
            .iter()
            .map(|(signature, mask, revision)| entry(*signature, *mask, *revision));
        let list = select(all);
        let tuple = |entry: &Entry| (entry.target.signature.0, entry.target.platforms.0, entry.revision.0);
        list.iter().map(tuple).collect()
    }

    #[test]
    fn order_is_signature_up_and_platforms_down() {
        let sorted = selected(&[(0x6f6, 1, 1), (0x6f6, 0x20, 1), (0x6f2, 4, 1), (0x6f6, 4, 1)]);
        assert_eq!(sorted, [(0x6f2, 4, 1), (0x6f6, 0x20, 1), (0x6f6, 4, 1), (0x6f6, 1, 1)]);
    }

    #[test]
    fn newest_of_the_same_platforms_stays_whatever_the_order() {
        assert_eq!(selected(&[(1, 2, 7), (1, 2, 9), (1, 2, 8)]), [(1, 2, 9)]);
        assert_eq!(selected(&[(1, 7, 9), (1, 2, 8)]), [(1, 7, 9)]);
        assert_eq!(selected(&[(1, 2, 8), (1, 4, 3), (1, 7, 9)]), [(1, 7, 9)]);
    }

    #[test]
    fn older_one_for_more_platforms_stays_beside_the_newer_one() {
        assert_eq!(selected(&[(1, 7, 3), (1, 2, 8)]), [(1, 7, 3), (1, 2, 8)]);
        assert_eq!(selected(&[(1, 5, 3), (1, 6, 8)]), [(1, 6, 8), (1, 5, 3)]);
    }

    #[test]
    fn revisions_are_signed() {
        assert_eq!(selected(&[(1, 2, 0x8000_0001), (1, 2, 3)]), [(1, 2, 3)]);
    }

    #[test]
    fn lines_have_the_form_of_iucode_tool() {
        let mut entry = entry(0x806f8, 7, 0x2b);
        assert_eq!(
            entry.to_string(),
            "  001/001: sig 0x000806f8, pf_mask 0x07, 2024-01-02, rev 0x002b, size 2048"
        );
        entry.extended = true;
        assert_eq!(
            entry.line_of_all(),
            "           sig 0x000806f8, pf_mask 0x07, 2024-01-02, rev 0x002b"
        );
    }
}
