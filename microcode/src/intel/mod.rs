//! Intel microcode updates: Intel SDM volume 3, "Microcode Update Facilities".
//!
//! A file is updates one after the other: a header of 48 bytes, data, and in some an extended
//! signature table that names further CPUs. All 32-bit words of header and data sum to zero; so do
//! those of the extended table; each of its entries has a checksum that would make the sum of the
//! update zero again if it stood in the header in the place of the header's own three words.

pub mod rules;

pub mod list;

mod header;
mod metadata;
mod sums;
mod table;
mod walk;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::ids::{Date, PlatformMask, Revision, Signature};

pub use header::HEADER;
pub use metadata::{Block, Scan};

/// Whom an update is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Target {
    /// CPU signature.
    pub signature: Signature,
    /// Platforms.
    pub platforms: PlatformMask,
}

impl Target {
    /// A CPU on any platform.
    #[must_use]
    pub fn any(signature: Signature) -> Self {
        Self {
            signature,
            platforms: PlatformMask(0),
        }
    }
}

/// One update.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Update {
    /// Offset in the file.
    pub offset: usize,
    /// Length in bytes, header and extended table included; less when the file is cut.
    pub size: usize,
    /// Header version: 1 is microcode, 2 an In-Field-Scan image.
    pub header_version: u32,
    /// Loader version; 1.
    pub loader_version: u32,
    /// Revision.
    pub revision: Revision,
    /// Date.
    pub date: Date,
    /// CPU and platforms in the header.
    pub target: Target,
    /// CPUs and platforms in the extended signature table, which usually repeats the header's first.
    pub extended: Vec<Target>,
    /// Lowest revision from which it may be loaded at run time; `None` when the header says 0.
    pub minimum_revision: Option<Revision>,
    /// Bytes of data; 2000 when the header says 0.
    pub data_size: usize,
    /// Blocks of metadata at the end of the data.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub metadata: Vec<Block>,
    /// What the metadata of an In-Field-Scan image says.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scan: Option<Scan>,
    /// Rules it breaks; empty when it is whole.
    pub damage: Vec<Damage>,
    /// What is odd about it and no damage: a date that is none, reserved words that are used.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub remarks: Vec<Damage>,
}

/// A file of updates.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct File {
    /// Updates in file order.
    pub updates: Vec<Update>,
    /// Damage between and behind the updates.
    pub damage: Vec<Damage>,
}

impl File {
    /// Whether any rule is broken.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        !self.damage.is_empty() || self.updates.iter().any(|update| !update.damage.is_empty())
    }
}

/// Whether an update's header could begin here: known versions, a signature, a plausible year.
#[must_use]
pub fn looks_like(bytes: &[u8]) -> bool {
    header::Header::read(bytes).is_some_and(|header| header.looks_like_one())
}

/// Whether a file of updates could begin here, its first header perhaps damaged in a word or two.
#[must_use]
pub fn resembles(bytes: &[u8]) -> bool {
    header::Header::read(bytes).is_some_and(|header| header.looks_like_one() || header.resembles_one(bytes.len()))
}

/// The same of a header of which the update itself is not there.
pub(crate) fn resembles_any_size(bytes: &[u8]) -> bool {
    header::Header::read(bytes).is_some_and(|header| header.looks_like_one() || header.resembles_one(usize::MAX))
}

/// The one update at `offset`, as long as its header says, whatever its header is; `None` when the
/// bytes end before the header does. For those who search headers themselves.
#[must_use]
pub fn read_at(bytes: &[u8], offset: usize) -> Option<Update> {
    walk::one(bytes, offset)
}

/// Read a file. Behind a broken update the next one that can be found is read again; what lies
/// between is damage.
#[must_use]
pub fn read(bytes: &[u8]) -> File {
    walk::Walk::new(bytes).run()
}

#[cfg(test)]
pub(crate) mod sample;
#[cfg(test)]
mod tests;
