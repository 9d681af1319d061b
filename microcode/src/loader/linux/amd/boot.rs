//! At boot: `scan_containers()` and `load_ucode_amd_bsp()`; the digest check and the cache of patches,
//! which run time has too.

use super::super::facts::Facts;
use super::super::rules::{self, amd as rule};
use super::{Container, Decided, Fit, Item, Parsed, because, unfit, zen_signature};
use crate::entry_sign::{self, Digest, List};
use crate::ids::Revision;
use crate::loader::{Candidate, Outcome, Reason};

/// `scan_containers()` and `load_ucode_amd_bsp()`.
pub(in crate::loader::linux) fn early(parsed: &Parsed, facts: &Facts, sha_check: bool) -> Decided {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let mut others = None;
    let mut taken: Option<usize> = None;
    for container in &parsed.containers {
        if let Some(taken) = taken {
            let detail = format!("the container at {taken:#x} has a patch for the CPU");
            let why = because(rule::FIRST_CONTAINER, detail);
            candidates.extend(container.items.iter().map(|item| item.not_seen(facts, &why)));
            continue;
        }
        if facts.family() < 0x17 && container.name_of(facts.signature).0 == 0 {
            let detail = format!("container at {:#x}, CPU {}", container.offset, facts.signature);
            reasons.push(because(rule::NO_ROW, detail));
        }
        let mut last: Option<usize> = None;
        for item in &container.items {
            if let Some(unfit) = unfit(container, item, facts) {
                candidates.push(unfit);
                continue;
            }
            if let Some(before) = last.and_then(|at| candidates.get_mut(at)) {
                let detail = format!(
                    "{} at {:#x} comes later",
                    item.candidate.revision, item.candidate.place.offset
                );
                before.outcome = Outcome::Passed;
                before.reasons.push(because(rule::LAST, detail));
            }
            last = Some(candidates.len());
            candidates.push(item.with(Outcome::Chosen, Vec::new()));
        }
        reasons.extend(container.stop.clone());
        if let Some(last) = last.and_then(|at| candidates.get_mut(at)) {
            taken = Some(container.offset);
            apply(last, facts, sha_check);
            others = for_other_cpus(container, facts, last);
        }
    }
    if taken.is_none() {
        reasons.extend(parsed.stop.clone());
    }
    let why = taken.map_or_else(
        || {
            let stop = parsed.stop.as_ref();
            because(
                rule::CONTAINER_END,
                stop.map_or_else(String::new, |stop| stop.detail.clone()),
            )
        },
        |taken| {
            because(
                rule::FIRST_CONTAINER,
                format!("the container at {taken:#x} has a patch for the CPU"),
            )
        },
    );
    candidates.extend(parsed.beyond.iter().map(|item| item.not_seen(facts, &why)));
    Decided {
        candidates,
        reasons,
        others,
    }
}

/// Compare with what runs, ask for the digest, write.
fn apply(candidate: &mut Candidate, facts: &Facts, sha_check: bool) {
    let revision = candidate.revision;
    let compared = format!("running {}, patch {revision}", facts.running());
    if facts.revision > revision {
        candidate.outcome = Outcome::Refused;
        candidate.reasons.push(because(rule::OLDER, compared));
        return;
    }
    if facts.revision == revision {
        candidate.reasons.push(because(rule::EQUAL, compared.clone()));
    }
    if digest(candidate, facts, sha_check) {
        candidate.reasons.push(because(rules::LOADED, compared));
    }
}

/// `verify_sha256_digest()`; whether the patch may be applied.
pub(super) fn digest(candidate: &mut Candidate, facts: &Facts, sha_check: bool) -> bool {
    let revision = candidate.revision;
    if !entry_sign::affected(facts.signature) {
        return true;
    }
    let running = entry_sign::linux_revision(facts.signature, facts.revision);
    let cutoff = entry_sign::cutoff(running);
    if !entry_sign::linux_asks(facts.signature, facts.revision) {
        let cutoff = cutoff.map_or_else(String::new, |cutoff| format!(" is above {cutoff}"));
        let detail = format!("running {}{cutoff}", facts.running());
        candidate.reasons.push(because(rule::NOT_AFFECTED, detail));
        return true;
    }
    if !sha_check {
        let detail = "microcode.amd_sha_check=off is on the command line".to_owned();
        candidate.reasons.push(because(rule::SHA_OFF, detail));
        return true;
    }
    let until = match cutoff {
        Some(cutoff) => format!("running {} is not above {cutoff}", facts.running()),
        None => format!(
            "no last revision with the old signature is known for {}",
            facts.running()
        ),
    };
    let (rule, outcome, detail) = match entry_sign::digest(List::Linux6_12, revision, &candidate.sha256) {
        Digest::Matches => (rule::DIGEST, Outcome::Chosen, format!("{revision} matches")),
        Digest::Differs => (
            rule::DIFFERS,
            Outcome::Refused,
            format!("{revision} has {}", candidate.sha256),
        ),
        Digest::NotListed => (rule::UNLISTED, Outcome::Refused, revision.to_string()),
        Digest::Unknown => {
            let detail = format!("{revision} is on the list with a digest that is not known here");
            (rule::DIGEST, Outcome::Depends, detail)
        }
    };
    candidate.outcome = outcome;
    candidate.reasons.push(because(rule, format!("{detail}; {until}")));
    outcome == Outcome::Chosen
}

/// `update_cache()` over patches in their order: those that are kept.
fn cache<'a>(items: impl Iterator<Item = &'a Item>, zen: bool) -> Vec<&'a Item> {
    let mut kept: Vec<&Item> = Vec::new();
    'next: for item in items {
        let new = item.candidate.revision.0;
        for slot in &mut kept {
            let old = slot.candidate.revision.0;
            let (same, newer) = if zen {
                // Steppings are not compared to find the slot, but kept apart in it.
                let model = |level: u32| zen_signature(Revision(level)).0 & !15;
                let stepping = |level: u32| level.wrapping_shr(8) & 15;
                let same = model(old) == model(new) && stepping(old) == stepping(new);
                (same, new & 0xff > old & 0xff)
            } else {
                (slot.id == item.id, new > old)
            };
            if same {
                if newer {
                    *slot = item;
                }
                continue 'next;
            }
        }
        kept.push(item);
    }
    kept
}

/// The patches of a container that pass `verify_patch()`, in the cache.
pub(super) fn cached<'a>(container: &'a Container, facts: &Facts) -> Vec<&'a Item> {
    let fits = |item: &&Item| item.fault.is_none() && matches!(container.fits(item, facts), Fit::Yes | Fit::Other);
    cache(container.items.iter().filter(fits), facts.family() >= 0x17)
}

/// `find_patch()`: what of the cache is for a CPU that runs this.
pub(super) fn find<'a>(kept: &[&'a Item], container: &Container, facts: &Facts) -> Option<&'a Item> {
    let mut kept = kept.iter().copied();
    if facts.family() >= 0x17 {
        let own = zen_signature(facts.revision);
        return kept.find(|item| zen_signature(item.candidate.revision) == own);
    }
    let name = container.name_of(facts.signature);
    kept.find(|item| name.0 != 0 && item.id == name)
}

/// What the other CPUs get, where it is not what the boot CPU got (`save_microcode_in_initrd()`,
/// `apply_microcode_amd()`).
fn for_other_cpus(container: &Container, facts: &Facts, boot: &Candidate) -> Option<Reason> {
    let kept = cached(container, facts);
    let found = find(&kept, container, facts).filter(|item| item.candidate.revision >= facts.revision);
    let loaded = boot.outcome == Outcome::Chosen;
    let detail = match found {
        None if loaded => format!("none of the patches goes with {}, which they run", facts.running()),
        Some(item) if loaded && item.candidate.sha256 == boot.sha256 => return None,
        Some(item) if loaded || item.candidate.sha256 != boot.sha256 => {
            let (other, at) = (item.candidate.revision, item.candidate.place.offset);
            format!("the boot CPU meets {}, the others {other} at {at:#x}", boot.revision)
        }
        _ => return None,
    };
    Some(because(rule::AP_CACHE, detail))
}
