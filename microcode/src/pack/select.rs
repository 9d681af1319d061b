//! The selection: what is wanted, without what something newer replaces.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use super::{Filter, Whom};
use crate::cpu::Vendor;
use crate::found::{Found, Place, Update};
use crate::ids::{PlatformMask, Revision};

/// Platform ids are 0 to 7. Wider masks are no real ones: they replace only their equals, which
/// bounds the work for a hostile file.
const REAL_PLATFORMS: u32 = 0xff;

/// What to keep of several updates for the same CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The highest revision.
    #[default]
    Newest,
    /// That of the file given last, whatever its revision; the highest within a file.
    LastFile,
    /// All that are not the same byte for byte.
    All,
}

/// An update for one kind of CPU. An update that names several has an entry for each.
#[derive(Clone, Copy, Debug)]
pub struct Entry<'a> {
    /// CPUs.
    pub whom: Whom,
    /// The update.
    pub found: &'a Found,
    /// Number of its file in the order given.
    file: usize,
}

/// Why an update was passed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Why {
    /// It breaks a rule of the format.
    Damaged,
    /// It is an In-Field-Scan image, no microcode.
    NotMicrocode,
    /// The same bytes stand elsewhere.
    Duplicate,
    /// Another one has the same revision for the same CPUs and other bytes.
    SameRevision,
    /// Another one is newer, or of a later file where those are preferred.
    Replaced,
}

/// An update that was wanted and passed over.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Passed {
    /// Where it stands.
    pub place: Place,
    /// CPUs it would have been for.
    pub whom: Whom,
    /// Its revision.
    pub revision: Revision,
    /// Why.
    pub why: Why,
    /// The one that is kept instead.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub instead: Option<Place>,
}

/// What was chosen.
#[derive(Clone, Debug, Default)]
pub struct Selection<'a> {
    /// By vendor, signature, and platforms from the highest mask down.
    pub entries: Vec<Entry<'a>>,
    /// What was wanted and passed over.
    pub passed: Vec<Passed>,
}

impl<'a> Selection<'a> {
    /// Each update once, at the place of its first entry.
    #[must_use]
    pub fn updates(&self) -> Vec<&'a Found> {
        unique(self.entries.iter().map(|entry| entry.found))
    }

    /// Updates of one vendor.
    #[must_use]
    pub fn of(&self, vendor: Vendor) -> Vec<&'a Found> {
        let entries = self.entries.iter().filter(|entry| entry.whom.vendor == vendor);
        unique(entries.map(|entry| entry.found))
    }
}

/// Each update once: the same place in memory is the same update.
pub(super) fn unique<'a>(all: impl Iterator<Item = &'a Found>) -> Vec<&'a Found> {
    let mut seen = std::collections::HashSet::new();
    all.filter(|found| seen.insert(std::ptr::from_ref::<Found>(found)))
        .collect()
}

/// Choose from `found`, which is in the order the files were given.
#[must_use]
pub fn select<'a>(found: &'a [Found], filter: &Filter, keep: Keep) -> Selection<'a> {
    let mut selection = Selection::default();
    let wanted = wanted(found, filter, &mut selection.passed);
    let mut kept = match keep {
        Keep::All => without_duplicates(wanted, &mut selection.passed),
        Keep::Newest | Keep::LastFile => {
            let best = best(wanted, keep, &mut selection.passed);
            without_covered(best, keep, &mut selection.passed)
        }
    };
    kept.sort_by_key(|entry| {
        let Whom {
            vendor,
            signature,
            platforms,
            id,
            firmware,
        } = entry.whom;
        (vendor, signature, std::cmp::Reverse(platforms), id, firmware)
    });
    selection.entries = kept;
    selection
}

fn wanted<'a>(found: &'a [Found], filter: &Filter, passed: &mut Vec<Passed>) -> Vec<Entry<'a>> {
    let mut list = Vec::new();
    let (mut file, mut source) = (0usize, None);
    for found in found {
        if source != Some(&found.place.source) {
            file = file.saturating_add(1);
            source = Some(&found.place.source);
        }
        let revision = found.update.revision();
        for whom in Whom::of(found).into_iter().filter(|whom| filter.wants(*whom, revision)) {
            let entry = Entry { whom, found, file };
            match unfit(found, filter) {
                Some(why) => passed.push(entry.passed(why, None)),
                None => list.push(entry),
            }
        }
    }
    let in_time = |entry: &Entry<'_>| filter.in_time(entry.found.update.date());
    if filter.loose_dates {
        let near: std::collections::BTreeSet<Whom> =
            list.iter().filter(|entry| in_time(entry)).map(|e| e.whom).collect();
        list.retain(|entry| near.contains(&entry.whom));
    } else {
        list.retain(in_time);
    }
    list
}

fn unfit(found: &Found, filter: &Filter) -> Option<Why> {
    match &found.update {
        Update::Intel(update) if update.header_version != 1 => Some(Why::NotMicrocode),
        update if !filter.damaged && !update.damage().is_empty() => Some(Why::Damaged),
        _ => None,
    }
}

impl Entry<'_> {
    /// Sorts entries as they were given: by file, then by the place in it.
    pub(super) fn load_order(&self) -> (usize, usize) {
        (self.file, self.found.place.offset)
    }

    fn passed(&self, why: Why, instead: Option<&Self>) -> Passed {
        Passed {
            place: self.found.place.clone(),
            whom: self.whom,
            revision: self.revision(),
            why,
            instead: instead.map(|entry| entry.found.place.clone()),
        }
    }

    fn revision(&self) -> Revision {
        self.found.update.revision()
    }

    fn same_bytes(&self, other: &Self) -> bool {
        self.found.bytes() == other.found.bytes()
    }

    /// Whether it takes the place of `other`, which is for the same CPUs or for some of them.
    fn beats(&self, other: &Self, keep: Keep) -> bool {
        if keep == Keep::LastFile && self.file != other.file {
            return self.file > other.file;
        }
        self.revision() > other.revision()
    }
}

fn without_duplicates<'a>(wanted: Vec<Entry<'a>>, passed: &mut Vec<Passed>) -> Vec<Entry<'a>> {
    let mut seen: BTreeMap<(Whom, &[u8]), Entry<'a>> = BTreeMap::new();
    let mut kept = Vec::new();
    for entry in wanted {
        let first = *seen.entry((entry.whom, entry.found.bytes())).or_insert(entry);
        if std::ptr::eq(first.found, entry.found) {
            kept.push(entry);
        } else {
            passed.push(entry.passed(Why::Duplicate, Some(&first)));
        }
    }
    kept
}

/// One entry for each kind of CPU.
fn best<'a>(wanted: Vec<Entry<'a>>, keep: Keep, passed: &mut Vec<Passed>) -> BTreeMap<Whom, Entry<'a>> {
    let mut best: BTreeMap<Whom, Entry<'a>> = BTreeMap::new();
    for entry in wanted {
        let Some(held) = best.get_mut(&entry.whom) else {
            best.insert(entry.whom, entry);
            continue;
        };
        if entry.revision() == held.revision() {
            let same = entry.same_bytes(held);
            let why = if same { Why::Duplicate } else { Why::SameRevision };
            passed.push(entry.passed(why, Some(held)));
        } else if entry.beats(held, keep) {
            passed.push(held.passed(Why::Replaced, Some(&entry)));
            *held = entry;
        } else {
            passed.push(entry.passed(Why::Replaced, Some(held)));
        }
    }
    best
}

/// Without those that another one for more platforms makes needless. Several that only together
/// serve all platforms of an older one leave it in place.
fn without_covered<'a>(best: BTreeMap<Whom, Entry<'a>>, keep: Keep, passed: &mut Vec<Passed>) -> Vec<Entry<'a>> {
    let covering = |entry: &Entry<'a>| {
        let mask = entry.whom.platforms.0;
        if mask == 0 || mask > REAL_PLATFORMS {
            return None;
        }
        let wide = |platforms| Whom {
            platforms: PlatformMask(platforms),
            ..entry.whom
        };
        let mut others = best.range(wide(mask)..=wide(REAL_PLATFORMS)).map(|(_, other)| other);
        others.find(|other| {
            let more = other.whom.platforms.0;
            more != mask && more & mask == mask && other.whom.id == entry.whom.id && !entry.beats(other, keep)
        })
    };
    let mut kept = Vec::new();
    for entry in best.values() {
        match covering(entry) {
            Some(other) => passed.push(entry.passed(Why::Replaced, Some(other))),
            None => kept.push(*entry),
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gather::samples::{intel, intel_dated};
    use crate::gather::{Options, gather};

    const CPU: u32 = 0x906ea;

    fn files(files: &[&[Vec<u8>]]) -> Vec<Found> {
        let gathered = files
            .iter()
            .enumerate()
            .map(|(number, updates)| gather(&format!("file {number}"), updates.concat(), Options::default()).found);
        gathered.flatten().collect()
    }

    /// `platforms:revision` of each entry.
    fn chosen(found: &[Found], filter: &Filter, keep: Keep) -> Vec<String> {
        let selection = select(found, filter, keep);
        let entries = selection.entries.iter();
        entries
            .map(|entry| format!("{:x}:{:x}", entry.whom.platforms.0, entry.revision().0))
            .collect()
    }

    fn newest(updates: &[(u32, u32)]) -> Vec<String> {
        let updates: Vec<_> = updates
            .iter()
            .map(|(platforms, revision)| intel(CPU, *platforms, *revision, 1))
            .collect();
        chosen(&files(&[&updates]), &Filter::default(), Keep::Newest)
    }

    #[test]
    fn newer_update_replaces_older_ones_for_the_same_or_fewer_platforms() {
        assert_eq!(newest(&[(0x22, 5), (0x22, 6)]), ["22:6"]);
        assert_eq!(newest(&[(0x22, 6), (0x02, 5)]), ["22:6"]);
        assert_eq!(newest(&[(0x02, 6), (0x22, 6)]), ["22:6"]);
        assert_eq!(newest(&[(0x22, 5), (0x02, 6)]), ["22:5", "2:6"]);
        assert_eq!(newest(&[(0x06, 5), (0x22, 6)]), ["22:6", "6:5"]);
        assert_eq!(newest(&[(0x22, 5), (0x02, 6), (0x20, 7)]), ["22:5", "20:7", "2:6"]);
        assert_eq!(newest(&[(0, 5), (0x20, 6)]), ["20:6", "0:5"]);
        assert_eq!(newest(&[(0x22, 5), (0x22, 0x8000_0001)]), ["22:80000001"]);
    }

    #[test]
    fn same_revision_with_other_bytes_is_reported_and_the_first_kept() {
        let found = files(&[
            &[intel(CPU, 0x22, 5, 1)],
            &[intel(CPU, 0x22, 5, 2)],
            &[intel(CPU, 0x22, 5, 1)],
        ]);
        let selection = select(&found, &Filter::default(), Keep::Newest);
        let why: Vec<_> = selection.passed.iter().map(|passed| passed.why).collect();
        assert_eq!(why, [Why::SameRevision, Why::Duplicate]);
        assert_eq!(selection.entries[0].found.place.source, "file 0");
        let all = select(&found, &Filter::default(), Keep::All);
        assert_eq!((all.entries.len(), all.passed.len()), (2, 1));
    }

    #[test]
    fn last_file_wins_over_revisions_only_between_files() {
        let (six, five) = (intel(CPU, 0x22, 6, 1), intel(CPU, 0x22, 5, 1));
        let last = |found: &[Found]| chosen(found, &Filter::default(), Keep::LastFile);
        assert_eq!(
            last(&files(&[std::slice::from_ref(&six), std::slice::from_ref(&five)])),
            ["22:5"]
        );
        assert_eq!(last(&files(&[&[six.clone(), five.clone()]])), ["22:6"]);
        assert_eq!(
            last(&files(&[&[intel(CPU, 0x02, 6, 1)], std::slice::from_ref(&five)])),
            ["22:5"]
        );
        assert_eq!(last(&files(&[&[six], &[intel(CPU, 0x02, 5, 1)]])), ["22:6", "2:5"]);
    }

    #[test]
    fn what_is_not_wanted_hides_nothing() {
        let found = files(&[&[intel(CPU, 0x22, 5, 1), intel(CPU, 0x22, 6, 1)]]);
        let rules = |rules: &[&str]| Filter {
            rules: rules.iter().map(|rule| rule.parse().unwrap()).collect(),
            ..Filter::default()
        };
        assert_eq!(chosen(&found, &rules(&["!0x906ea,,eq:6"]), Keep::Newest), ["22:5"]);
        assert_eq!(chosen(&found, &rules(&["0x906ea,,lt:6"]), Keep::Newest), ["22:5"]);
        assert_eq!(chosen(&found, &rules(&["0x906eb"]), Keep::Newest), Vec::<String>::new());
    }

    #[test]
    fn dates_are_a_range_without_its_ends_and_may_be_loose() {
        let dated = |revision, date| intel_dated(CPU, 0x22, revision, 1, date, &[]);
        let found = files(&[&[dated(5, 0x0101_2020), dated(6, 0x0101_2021)]]);
        let date = |text| Some(super::super::filter::date(text).unwrap());
        let mut filter = Filter {
            before: date("2021-01-01"),
            ..Filter::default()
        };
        assert_eq!(chosen(&found, &filter, Keep::Newest), ["22:5"]);
        filter.loose_dates = true;
        assert_eq!(chosen(&found, &filter, Keep::Newest), ["22:6"]);
        filter = Filter {
            after: date("2020-01-01"),
            ..Filter::default()
        };
        assert_eq!(chosen(&found, &filter, Keep::Newest), ["22:6"]);
    }

    #[test]
    fn damaged_updates_and_scan_images_are_passed_over() {
        let mut damaged = intel(CPU, 0x22, 7, 1);
        damaged[100] ^= 1;
        let mut image = intel(CPU, 0x22, 8, 1);
        image[0] = 2;
        image[16] = image[16].wrapping_sub(1);
        let found = files(&[&[intel(CPU, 0x22, 5, 1), damaged, image]]);
        let selection = select(&found, &Filter::default(), Keep::Newest);
        let why: Vec<_> = selection.passed.iter().map(|passed| passed.why).collect();
        assert_eq!(
            (why, selection.entries.len()),
            (vec![Why::Damaged, Why::NotMicrocode], 1)
        );
    }
}
