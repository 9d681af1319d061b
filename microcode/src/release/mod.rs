//! Two sets of updates compared: what a release adds, removes and replaces.
//!
//! Compared is what a CPU would get: for each signature and platform mask the newest revision of
//! either set. Where a mask was changed, the two that have a platform in common are one change.
//! Revisions do not identify an update, so the same revision with other bytes is a change too.

mod text;

use std::collections::{BTreeMap, BTreeSet};

use schemars::JsonSchema;
use serde::Serialize;

use crate::found::Found;
use crate::gather::{Gathered, Kind};
use crate::ids::{Date, PlatformMask, Revision, Sha256};
use crate::pack::Whom;

/// One side of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Set<'a> {
    found: &'a [Found],
    /// Folder that the names of its files are relative to, when they mean something.
    root: Option<&'a str>,
}

impl<'a> From<&'a [Found]> for Set<'a> {
    fn from(found: &'a [Found]) -> Self {
        Self { found, root: None }
    }
}

impl<'a> From<&'a Gathered> for Set<'a> {
    fn from(gathered: &'a Gathered) -> Self {
        let is_folder = gathered.kind == Kind::Directory;
        Self {
            found: &gathered.found,
            root: is_folder.then_some(gathered.name.as_str()),
        }
    }
}

/// What became of the update for a CPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// There was none.
    Added,
    /// There is none any more.
    Removed,
    /// Its revision is higher.
    Newer,
    /// Its revision is lower.
    Older,
    /// The revision is the same, the bytes are not.
    OtherContent,
    /// The same bytes.
    Same,
}

/// The update that one set has for a CPU.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Side {
    /// Platforms it is for.
    pub platforms: PlatformMask,
    /// Revision.
    pub revision: Revision,
    /// Date.
    pub date: Date,
    /// Identity.
    pub sha256: Sha256,
    /// Files of the directory that hold it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub files: Vec<String>,
}

/// What became of the update for one kind of CPU.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Change {
    /// What happened.
    pub what: What,
    /// CPUs; the platforms are those of the new set where there are any.
    pub whom: Whom,
    /// In the old set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub old: Option<Side>,
    /// In the new set.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub new: Option<Side>,
    /// Both sets are directories and have it in files of other names.
    pub moved: bool,
}

/// Two sets compared.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Diff {
    /// By vendor, signature and platforms; those without any change too.
    pub changes: Vec<Change>,
}

impl Diff {
    /// What is not the same, or in another file.
    pub fn changed(&self) -> impl Iterator<Item = &Change> {
        self.changes
            .iter()
            .filter(|change| change.what != What::Same || change.moved)
    }

    /// How many there are of a kind.
    #[must_use]
    pub fn count(&self, what: What) -> usize {
        self.changes.iter().filter(|change| change.what == what).count()
    }

    /// Changes by the name of each file that they touch in either directory.
    #[must_use]
    pub fn by_file(&self) -> BTreeMap<&str, Vec<&Change>> {
        let mut files: BTreeMap<&str, Vec<&Change>> = BTreeMap::new();
        for change in self.changed() {
            let sides = [&change.old, &change.new].into_iter().flatten();
            let names: BTreeSet<&str> = sides.flat_map(|side| &side.files).map(String::as_str).collect();
            names
                .into_iter()
                .for_each(|name| files.entry(name).or_default().push(change));
        }
        files
    }
}

/// The newest update for some CPUs, and the files that hold it.
struct Held<'a> {
    found: &'a Found,
    files: BTreeSet<&'a str>,
}

type Newest<'a> = BTreeMap<Whom, Held<'a>>;

/// Compare two sets.
#[must_use]
pub fn diff<'a, 'b>(old: impl Into<Set<'a>>, new: impl Into<Set<'b>>) -> Diff {
    let (old, new) = (old.into(), new.into());
    let folders = old.root.is_some() && new.root.is_some();
    let (mut before, after) = (newest(old), newest(new));
    let mut identities = Identities::default();
    let mut pairs: Vec<(Whom, Option<Held<'_>>, Option<Held<'_>>)> = Vec::new();
    let mut unmatched = Vec::new();
    for (whom, held) in after {
        match before.remove(&whom) {
            Some(earlier) => pairs.push((whom, Some(earlier), Some(held))),
            None => unmatched.push((whom, held)),
        }
    }
    for (whom, held) in unmatched {
        let earlier = overlapping(&before, whom).and_then(|other| before.remove(&other));
        pairs.push((whom, earlier, Some(held)));
    }
    pairs.extend(before.into_iter().map(|(whom, held)| (whom, Some(held), None)));
    let mut changes: Vec<Change> = pairs
        .into_iter()
        .map(|(whom, old, new)| change(whom, old, new, folders, &mut identities))
        .collect();
    changes.sort_by_key(|change| change.whom);
    Diff { changes }
}

fn newest(set: Set<'_>) -> Newest<'_> {
    let mut list: Newest<'_> = BTreeMap::new();
    for found in set.found {
        let file = set.root.map(|root| relative(&found.place.source, root));
        for whom in Whom::of(found) {
            let held = list.entry(whom).or_insert_with(|| Held {
                found,
                files: BTreeSet::new(),
            });
            if found.update.revision() > held.found.update.revision() {
                *held = Held {
                    found,
                    files: BTreeSet::new(),
                };
            }
            if found.update.revision() == held.found.update.revision() {
                held.files.extend(file);
            }
        }
    }
    list
}

fn relative<'a>(source: &'a str, root: &str) -> &'a str {
    let below = source.strip_prefix(root.trim_end_matches('/'));
    below.map_or(source, |name| name.trim_start_matches('/'))
}

/// One for the same signature that has a platform in common.
fn overlapping(before: &Newest<'_>, whom: Whom) -> Option<Whom> {
    let all = |platforms| Whom {
        platforms: PlatformMask(platforms),
        id: None,
        ..whom
    };
    let mut candidates = before.range(all(0)..=all(u32::MAX)).map(|(other, _)| *other);
    candidates.find(|other| whom.id.is_none() && other.platforms.0 & whom.platforms.0 != 0)
}

/// SHA-256 of updates, each computed once.
#[derive(Default)]
struct Identities(BTreeMap<*const u8, Sha256>);

impl Identities {
    fn of(&mut self, found: &Found) -> Sha256 {
        let start = found.bytes().as_ptr();
        *self.0.entry(start).or_insert_with(|| found.sha256())
    }

    fn side(&mut self, whom: Whom, held: Held<'_>) -> Side {
        Side {
            platforms: whom.platforms,
            revision: held.found.update.revision(),
            date: held.found.update.date(),
            sha256: self.of(held.found),
            files: held.files.into_iter().map(str::to_owned).collect(),
        }
    }
}

fn change(
    whom: Whom,
    old: Option<Held<'_>>,
    new: Option<Held<'_>>,
    folders: bool,
    identities: &mut Identities,
) -> Change {
    let platforms = |held: &Held<'_>| {
        let all = Whom::of(held.found).into_iter();
        let mut same = all.filter(|other| other.signature == whom.signature);
        same.find(|other| other.platforms.0 & whom.platforms.0 != 0)
            .map_or(whom.platforms, |other| other.platforms)
    };
    let old = old.map(|held| {
        let platforms = platforms(&held);
        identities.side(Whom { platforms, ..whom }, held)
    });
    let new = new.map(|held| identities.side(whom, held));
    let what = match (&old, &new) {
        (None, _) => What::Added,
        (_, None) => What::Removed,
        (Some(old), Some(new)) if new.revision > old.revision => What::Newer,
        (Some(old), Some(new)) if new.revision < old.revision => What::Older,
        (Some(old), Some(new)) if new.sha256 != old.sha256 => What::OtherContent,
        _ => What::Same,
    };
    let names = |side: &Option<Side>| side.as_ref().map(|side| side.files.clone());
    let moved = folders && old.is_some() && new.is_some() && names(&old) != names(&new);
    Change {
        what,
        whom,
        old,
        new,
        moved,
    }
}

#[cfg(test)]
mod tests;
