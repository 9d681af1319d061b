//! The newest revisions known: a table that comes with the program, `data/known.tsv`, whose head says
//! how it was gathered and as of when.
//!
//! That a revision is the newest here says nothing about whether it is the newest there is, and nothing
//! about whether a CPU takes it.
//!
//! ```
//! use microcode::ids::{PlatformMask, Signature};
//! use microcode::{Vendor, known};
//!
//! // One platform: one answer. Platform unknown: one of seven.
//! let signature = Signature(0x6fb);
//! assert_eq!(known::newest(Vendor::Intel, signature, Some(PlatformMask(0x40))).len(), 1);
//! assert_eq!(known::newest(Vendor::Intel, signature, None).len(), 7);
//! ```

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::Vendor;
use crate::ids::{Date, PlatformMask, Revision, Sha256, Signature};

/// A revision that is the newest known for a signature and at least one of its platforms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Known {
    /// Vendor.
    pub vendor: Vendor,
    /// CPU signature.
    pub signature: Signature,
    /// Platforms; 0 for any, and for AMD.
    pub platforms: PlatformMask,
    /// Revision.
    pub revision: Revision,
    /// Date in its header.
    pub date: Date,
    /// Where it was found first: a release, a package or a collection.
    pub source: &'static str,
    /// Hashes of the updates of this revision: files of one revision may differ.
    pub sha256: &'static [Sha256],
}

include!(concat!(env!("OUT_DIR"), "/known.rs"));

/// All rows, sorted by vendor, signature and platforms.
#[must_use]
pub fn all() -> &'static [Known] {
    ROWS
}

/// The newest revisions known for a CPU. `platform` is its one platform bit; where it is not known
/// there may be several, and the CPU's is one of them. Empty for a CPU that the table does not have.
#[must_use]
pub fn newest(vendor: Vendor, signature: Signature, platform: Option<PlatformMask>) -> Vec<Known> {
    let key = (vendor, signature);
    let start = ROWS.partition_point(|row| (row.vendor, row.signature) < key);
    let rows = ROWS.get(start..).unwrap_or_default();
    let rows: Vec<Known> = rows
        .iter()
        .take_while(|row| (row.vendor, row.signature) == key)
        .copied()
        .collect();
    let asked = platform.filter(|platform| platform.0 != 0);
    let is_newest = |row: &&Known| {
        let bits = asked.map_or(row.platforms.0, |platform| platform.0);
        let mut platforms = (0..32).map(|bit| 1u32 << bit).filter(|bit| bits & bit != 0).peekable();
        if platforms.peek().is_none() {
            return true;
        }
        platforms.any(|bit| is_newest_on(row, bit, &rows))
    };
    rows.iter().filter(is_newest).copied().collect()
}

fn is_newest_on(row: &Known, bit: u32, rows: &[Known]) -> bool {
    let is_for = |row: &Known| row.platforms.0 == 0 || row.platforms.0 & bit != 0;
    is_for(row)
        && rows
            .iter()
            .all(|other| !is_for(other) || other.revision <= row.revision)
}

/// Rows whose update has this hash.
#[must_use]
pub fn by_hash(hash: Sha256) -> Vec<&'static Known> {
    ROWS.iter().filter(|row| row.sha256.contains(&hash)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_is_the_newest_of_one_of_its_platforms() {
        for row in all() {
            let newest = newest(row.vendor, row.signature, None);
            assert!(newest.contains(row), "{row:?}");
            assert!(!row.sha256.is_empty() && !row.source.is_empty());
        }
    }

    #[test]
    fn platform_chooses_among_the_masks_of_a_signature() {
        // Two masks of one signature, with revisions of their own.
        let both = newest(Vendor::Intel, Signature(0x806f8), None);
        assert_eq!(both.len(), 2);
        let one = newest(Vendor::Intel, Signature(0x806f8), Some(PlatformMask(0x10)));
        assert_eq!((one.len(), one[0].platforms), (1, PlatformMask(0x10)));
        assert!(newest(Vendor::Intel, Signature(0x806f8), Some(PlatformMask(0x20))).is_empty());
    }

    #[test]
    fn amd_has_no_platforms() {
        let rows = newest(Vendor::Amd, Signature(0xa20f10), Some(PlatformMask(4)));
        assert_eq!(rows, newest(Vendor::Amd, Signature(0xa20f10), None));
        assert_eq!(rows.len(), 1);
    }

    #[test]
    fn unknown_cpu_has_none() {
        assert!(newest(Vendor::Intel, Signature(0x1), None).is_empty());
        assert!(newest(Vendor::Hygon, Signature(0xa20f10), None).is_empty());
    }

    #[test]
    fn hash_leads_to_its_rows() {
        let row = all().first().unwrap();
        assert_eq!(by_hash(row.sha256[0])[0], row);
        assert!(by_hash(Sha256([0; 32])).is_empty());
        assert!(AS_OF.starts_with("20"));
    }
}
