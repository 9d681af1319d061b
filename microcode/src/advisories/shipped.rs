//! The table that comes with the program: `data/advisories.tsv`, made by [`write_table`] from Intel's
//! release notes.

use std::fmt::Write as _;
use std::sync::LazyLock;

use crate::advisories::{Advisory, Release, Row, Section, words};

static TABLE: LazyLock<Vec<Release>> = LazyLock::new(|| read_table(include_str!("../../data/advisories.tsv")));

/// Releases of Intel's microcode, newest first.
#[must_use]
pub fn table() -> &'static [Release] {
    &TABLE
}

/// Releases as lines of release, date, what became of it, F-M-S, platforms, old and new revision and
/// advisories; one line for a release without rows.
#[must_use]
pub fn write_table(releases: &[Release]) -> String {
    let mut text = String::new();
    for release in releases {
        let date = release.date.as_deref().unwrap_or_default();
        let ids: Vec<&str> = release.advisories.iter().map(|advisory| advisory.id.as_str()).collect();
        let ids = ids.join(",");
        if release.rows.is_empty() {
            let _ = writeln!(text, "{}\t{date}\t\t\t\t\t\t{ids}", release.name);
        }
        for row in &release.rows {
            let revision = |revision: Option<crate::Revision>| {
                revision.map_or_else(String::new, |revision| format!("{:x}", revision.0))
            };
            let (family, model, stepping) = row.signature.family_model_stepping();
            let _ = writeln!(
                text,
                "{}\t{date}\t{}\t{family:02x}-{model:02x}-{stepping:02x}\t{:02x}\t{}\t{}\t{ids}",
                release.name,
                row.section.name(),
                row.platforms.0,
                revision(row.old),
                revision(row.new),
            );
        }
    }
    text
}

/// The releases of such a table; lines that are none are left out.
#[must_use]
pub fn read_table(text: &str) -> Vec<Release> {
    let mut releases: Vec<Release> = Vec::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('\t');
        let mut cell = || cells.next().unwrap_or_default();
        let (name, date, section, id) = (cell(), cell(), cell(), cell());
        let (platforms, old, new, ids) = (cell(), cell(), cell(), cell());
        if name.is_empty() || name == "release" {
            continue;
        }
        let first = releases.last().is_none_or(|release| release.name != name);
        if first {
            releases.push(Release {
                name: name.to_owned(),
                date: (!date.is_empty()).then(|| date.to_owned()),
                advisories: advisories(ids),
                ..Release::default()
            });
        }
        let target = words::identifier(&format!("{id}/{platforms}"));
        if let (Some((signature, platforms)), Some(release)) = (target, releases.last_mut()) {
            let section = match section {
                "new" => Section::New,
                "updated" => Section::Updated,
                "removed" => Section::Removed,
                "disclosed" => Section::Disclosed,
                _ => Section::Excluded,
            };
            release.rows.push(Row {
                section,
                processor: String::new(),
                stepping: String::new(),
                signature,
                platforms,
                old: words::revision(old),
                new: words::revision(new),
                products: String::new(),
            });
        }
    }
    releases
}

fn advisories(ids: &str) -> Vec<Advisory> {
    let ids = ids.split(',').filter(|id| !id.is_empty());
    let advisory = |id: &str| Advisory {
        id: id.to_owned(),
        title: None,
    };
    ids.map(advisory).collect()
}
