//! Which advisories were released together with which revisions.
//!
//! Three texts are read: Intel's `releasenote.md`, its older `releasenote`, and the changelogs of
//! Debian's `intel-microcode` and `amd64-microcode`. All of them name the advisories of a release
//! and the updates of a release, and none says which update is about which advisory. So a revision
//! was released together with an advisory; that it changes anything about it is not said anywhere.
//!
//! [`table`] has the rows of Intel's release notes without any file.
//!
//! ```
//! use microcode::advisories::{newer, table};
//! use microcode::ids::{Revision, Signature};
//!
//! let since = newer(table(), Signature(0xb0671), None, Revision(0x12f));
//! assert!(since.iter().any(|row| row.revision == Revision(0x132) && row.release.name == "20251111"));
//! ```

mod debian;
mod notes;
mod query;
mod shipped;
mod words;

use schemars::JsonSchema;
use serde::Serialize;

use crate::damage::Damage;
use crate::ids::{PlatformMask, Revision, Signature};

pub use debian::read_debian;
pub use notes::read_notes;
pub use query::{Together, appeared, newer};
pub use shipped::{read_table, table, write_table};

/// What became of an update in a release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Section {
    /// The first for its platform.
    New,
    /// Newer than before, or an older one again.
    Updated,
    /// No longer there.
    Removed,
    /// Was in a release before; what it is about is made known with this one.
    Disclosed,
    /// Named and not shipped.
    Excluded,
}

impl Section {
    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Updated => "updated",
            Self::Removed => "removed",
            Self::Disclosed => "disclosed",
            Self::Excluded => "excluded",
        }
    }
}

/// An advisory of a release.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Advisory {
    /// `INTEL-SA-01249`, `AMD-SB-7033`.
    pub id: String,
    /// What the text calls it, where it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// An update of a release.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Row {
    /// What became of it.
    pub section: Section,
    /// Short name of the processor: `ADL`; empty where the text has none.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub processor: String,
    /// Its steppings: `C0`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub stepping: String,
    /// CPU signature.
    pub signature: Signature,
    /// Platforms; 0 for AMD.
    pub platforms: PlatformMask,
    /// Revision of the release before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Revision>,
    /// Revision of this release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Revision>,
    /// Products.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub products: String,
}

/// A release.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Release {
    /// As the text calls it: `20251111`, `3.20251111.1`.
    pub name: String,
    /// Date as `2025-11-11`, where the text or the name has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<String>,
    /// Advisories that it names, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub advisories: Vec<Advisory>,
    /// CVE ids that it names, in order.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cves: Vec<String>,
    /// Updates.
    pub rows: Vec<Row>,
}

impl Release {
    fn add_advisory(&mut self, id: String, title: Option<String>) {
        match self.advisories.iter_mut().find(|advisory| advisory.id == id) {
            Some(known) => known.title = known.title.take().or(title),
            None => self.advisories.push(Advisory { id, title }),
        }
    }

    fn add_cves(&mut self, line: &str) {
        for id in words::cves(line) {
            if !self.cves.contains(&id) {
                self.cves.push(id);
            }
        }
    }
}

/// Releases of a text, the order as there.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Releases {
    /// Releases.
    pub releases: Vec<Release>,
    /// Rows that could not be read; the offset is that in the text.
    pub damage: Vec<Damage>,
}

#[cfg(test)]
mod tests;
