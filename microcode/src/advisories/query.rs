//! What the releases say of a revision.

use schemars::JsonSchema;
use serde::Serialize;

use crate::advisories::{Release, Row, Section};
use crate::ids::{PlatformMask, Revision, Signature};

/// A revision, and the release whose advisories were released together with it.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Together<'a> {
    /// Revision.
    pub revision: Revision,
    /// Platforms it is for.
    pub platforms: PlatformMask,
    /// Release, with its advisories.
    pub release: &'a Release,
}

/// Releases in which a revision was new, the order as in the list. Without a platform any counts.
#[must_use]
pub fn appeared(
    releases: &[Release],
    signature: Signature,
    platform: Option<PlatformMask>,
    revision: Revision,
) -> Vec<&Release> {
    let has = |row: &Row| is_for(row, signature, platform) && row.new == Some(revision);
    releases.iter().filter(|release| release.rows.iter().any(has)).collect()
}

/// Revisions newer than this one with the releases that brought them, oldest revision first.
#[must_use]
pub fn newer(
    releases: &[Release],
    signature: Signature,
    platform: Option<PlatformMask>,
    revision: Revision,
) -> Vec<Together<'_>> {
    let mut found: Vec<Together<'_>> = Vec::new();
    for release in releases {
        for row in release.rows.iter().filter(|row| is_for(row, signature, platform)) {
            let together = row.new.filter(|new| *new > revision).map(|revision| Together {
                revision,
                platforms: row.platforms,
                release,
            });
            found.extend(together.filter(|together| !found.contains(together)));
        }
    }
    found.sort_by(|one, other| {
        let key = |together: &Together<'_>| (together.revision, together.release.date.clone());
        key(one).cmp(&key(other))
    });
    found
}

/// An update that the release ships for this CPU.
fn is_for(row: &Row, signature: Signature, platform: Option<PlatformMask>) -> bool {
    let shipped = matches!(row.section, Section::New | Section::Updated);
    let meets = |platform: PlatformMask| row.platforms.0 == 0 || row.platforms.0 & platform.0 != 0;
    shipped && row.signature == signature && platform.is_none_or(meets)
}
