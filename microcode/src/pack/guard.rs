//! What writing must not lose: identical updates are one, a newer one is not written over.

use std::collections::BTreeMap;
use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use super::Whom;
use crate::found::{Found, Place};
use crate::ids::{PlatformMask, Revision, Sha256};

/// Two updates of one revision for the same CPUs that differ in their bytes.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Clash {
    /// CPUs.
    pub whom: Whom,
    /// Their revision.
    pub revision: Revision,
    /// The first one met.
    pub first: Place,
    /// Its identity.
    pub first_sha256: Sha256,
    /// The other one.
    pub second: Place,
    /// Its identity.
    pub second_sha256: Sha256,
}

/// Updates without repetition.
#[derive(Clone, Debug, Default)]
pub struct Unique<'a> {
    /// Each once, in the order met.
    pub kept: Vec<&'a Found>,
    /// Those left out, each with the place of the identical one that is kept.
    pub duplicates: Vec<(Place, Place)>,
    /// Both of each pair are kept.
    pub clashes: Vec<Clash>,
}

/// Merge updates that are the same byte for byte.
#[must_use]
pub fn dedupe(found: &[Found]) -> Unique<'_> {
    let mut unique = Unique::default();
    let mut identities: BTreeMap<Sha256, &Found> = BTreeMap::new();
    let mut revisions: BTreeMap<(Whom, Revision), (Sha256, &Found)> = BTreeMap::new();
    for found in found {
        let sha256 = found.sha256();
        if let Some(first) = identities.get(&sha256) {
            unique.duplicates.push((found.place.clone(), first.place.clone()));
            continue;
        }
        identities.insert(sha256, found);
        unique.kept.push(found);
        let revision = found.update.revision();
        for whom in Whom::of(found) {
            let (first_sha256, first) = *revisions.entry((whom, revision)).or_insert((sha256, found));
            if first_sha256 != sha256 {
                unique.clashes.push(Clash {
                    whom,
                    revision,
                    first: first.place.clone(),
                    first_sha256,
                    second: found.place.clone(),
                    second_sha256: sha256,
                });
            }
        }
    }
    unique
}

/// An older revision where a newer one stands.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Downgrade {
    /// CPUs that would get the older one.
    pub whom: Whom,
    /// Where the newer one stands.
    pub place: Place,
    /// The newer one.
    pub from: Revision,
    /// The newest one that would be written for them.
    pub to: Revision,
}

impl fmt::Display for Downgrade {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whom, from, to) = (self.whom, self.from, self.to);
        write!(f, "{whom}: {} has revision {from}, newer than {to}", self.place)
    }
}

/// The CPUs that would fall back when `new` is written over `existing`. CPUs for which `new` has
/// nothing at all are not among them. Platforms are compared one by one: an update for two
/// platforms is not kept by a newer one for only one of them.
#[must_use]
pub fn guard(existing: &[Found], new: &[Found]) -> Vec<Downgrade> {
    let mut newest: BTreeMap<Whom, Revision> = BTreeMap::new();
    for found in new {
        for single in Whom::of(found).into_iter().flat_map(singles) {
            for whom in [single, any_firmware(single)] {
                let held = newest.entry(whom).or_insert(found.update.revision());
                *held = (*held).max(found.update.revision());
            }
        }
    }
    let mut list: BTreeMap<Whom, Downgrade> = BTreeMap::new();
    for found in existing {
        let from = found.update.revision();
        for whom in Whom::of(found) {
            let lower = singles(whom).filter_map(|single| {
                let same = newest.get(&single);
                same.or_else(|| newest.get(&any_firmware(single))).copied()
            });
            let Some(to) = lower.min().filter(|to| *to < from) else {
                continue;
            };
            let held = list.get(&whom).is_some_and(|held| held.from >= from);
            if !held {
                let place = found.place.clone();
                list.insert(whom, Downgrade { whom, place, from, to });
            }
        }
    }
    list.into_values().collect()
}

fn any_firmware(whom: Whom) -> Whom {
    Whom { firmware: None, ..whom }
}

/// One for each platform of the mask; mask 0 is one of its own.
fn singles(whom: Whom) -> impl Iterator<Item = Whom> {
    let mask = whom.platforms.0;
    let bits = (0..u32::BITS).filter_map(move |bit| {
        let one = 1u32.wrapping_shl(bit);
        (mask & one != 0).then_some(one)
    });
    let none = (mask == 0).then_some(0);
    bits.chain(none).map(move |bit| Whom {
        platforms: PlatformMask(bit),
        ..whom
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::entry_sign;
    use crate::gather::samples::{intel, intel_dated, patch};
    use crate::gather::{Options, gather};

    fn found(updates: &[Vec<u8>]) -> Vec<Found> {
        gather("file", updates.concat(), Options::default()).found
    }

    #[test]
    fn identical_updates_are_one_and_same_revisions_with_other_bytes_are_both_kept() {
        let [one, other] = [intel(0x906ea, 0x22, 0xf0, 1), intel(0x906ea, 0x22, 0xf0, 2)];
        let found = found(&[one.clone(), other, one]);
        let unique = dedupe(&found);
        assert_eq!(
            (unique.kept.len(), unique.duplicates.len(), unique.clashes.len()),
            (2, 1, 1)
        );
        assert_eq!(
            (unique.duplicates[0].0.offset, unique.duplicates[0].1.offset),
            (2048, 0)
        );
        assert_eq!(unique.clashes[0].second.offset, 1024);
        assert_ne!(unique.clashes[0].first_sha256, unique.clashes[0].second_sha256);
    }

    #[test]
    fn older_update_over_a_newer_one_is_a_downgrade() {
        let existing = found(&[intel(0x906ea, 0x22, 0xf8, 1), intel(0x906eb, 0x22, 0xf8, 1)]);
        assert_eq!(guard(&existing, &existing), []);
        let new = found(&[intel(0x906ea, 0x22, 0xf0, 1)]);
        let list = guard(&existing, &new);
        assert_eq!(list.len(), 1);
        assert_eq!(
            list[0].to_string(),
            "0x000906ea/0x22: file at 0x0 has revision 0xf8, newer than 0xf0"
        );
        assert_eq!(guard(&new, &existing), []);
    }

    #[test]
    fn patches_for_old_and_fixed_firmware_do_not_stand_for_each_other_but_a_fall_behind_is_seen() {
        let cutoff = entry_sign::cutoff(Revision(0x0a00_1100)).unwrap().0;
        let level = |revision: u32| gather("x", patch(0xa011, revision, &[1]), Options::default()).found;
        let both = [level(cutoff), level(cutoff + 2)].concat();
        assert_eq!(guard(&both, &both), []);
        assert_eq!(guard(&both, &[level(cutoff - 1), level(cutoff + 2)].concat()).len(), 1);
        assert_eq!(guard(&level(cutoff + 2), &level(cutoff)).len(), 1);
        assert_eq!(guard(&level(cutoff), &level(cutoff + 2)), []);
    }

    #[test]
    fn downgrade_of_one_platform_or_of_an_extended_signature_is_seen() {
        let existing = found(&[intel(0x906ea, 0x22, 0xf8, 1)]);
        let new = found(&[intel(0x906ea, 0x02, 0xf9, 1), intel(0x906ea, 0x20, 0xf0, 1)]);
        assert_eq!(guard(&existing, &new)[0].to, Revision(0xf0));
        let new = found(&[intel_dated(0x906eb, 0x22, 0xf1, 1, 0x0101_2020, &[(0x906ea, 0x02)])]);
        assert_eq!(guard(&existing, &new)[0].to, Revision(0xf1));
    }
}
