//! At run time: `request_microcode_amd()` and `load_microcode_amd()`.

use super::super::facts::Facts;
use super::super::rules::{self, amd as rule};
use super::boot::{cached, digest, find};
use super::{Decided, Parsed, because, unfit};
use crate::loader::{Candidate, Outcome, Reason};

/// `request_microcode_amd()` from `verify_container()` on.
pub(in crate::loader::linux) fn late(parsed: &Parsed, facts: &Facts, sha_check: bool) -> Decided {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let first = parsed.containers.first();
    let void = late_void(parsed);
    let kept = first.map_or_else(Vec::new, |container| cached(container, facts));
    let found = first.and_then(|container| find(&kept, container, facts));
    for container in parsed.containers.iter().take(1) {
        for item in &container.items {
            // Whom the cache gives to the CPU is not asked again what CPUID says.
            let is_found = found.is_some_and(|found| found.candidate.place == item.candidate.place);
            if let Some(unfit) = unfit(container, item, facts).filter(|_| !is_found) {
                candidates.push(unfit);
                continue;
            }
            let mut candidate = item.with(Outcome::Chosen, Vec::new());
            match (&void, found) {
                (Some(void), _) => {
                    candidate.outcome = Outcome::Refused;
                    candidate
                        .reasons
                        .push(because(rules::late::AMD_VOID, void.detail.clone()));
                }
                (None, Some(_)) if is_found => {
                    late_apply(&mut candidate, facts, sha_check);
                }
                (None, Some(found)) => {
                    let detail = format!("{} is kept", found.candidate.revision);
                    candidate.outcome = Outcome::Passed;
                    candidate.reasons.push(because(rules::late::AMD_NEWEST, detail));
                }
                (None, None) => {
                    let detail = format!("running {}", facts.running());
                    candidate.outcome = Outcome::Refused;
                    candidate.reasons.push(because(rules::late::AMD_BY_REVISION, detail));
                }
            }
            candidates.push(candidate);
        }
    }
    let why = because(
        rules::late::AMD_VOID,
        "the first container is all that is read".to_owned(),
    );
    let others = parsed.containers.iter().skip(1).flat_map(|container| &container.items);
    candidates.extend(others.chain(&parsed.beyond).map(|item| item.not_seen(facts, &why)));
    if let Some(void) = void {
        reasons.push(because(
            rules::late::AMD_VOID,
            format!("{}: {}", void.rule.id, void.detail),
        ));
    }
    Decided {
        candidates,
        reasons,
        others: None,
    }
}

fn late_apply(candidate: &mut Candidate, facts: &Facts, sha_check: bool) {
    let compared = format!("running {}, patch {}", facts.running(), candidate.revision);
    if facts.revision >= candidate.revision {
        candidate.outcome = Outcome::Refused;
        candidate.reasons.push(because(rules::late::AMD_NOT_NEWER, compared));
        return;
    }
    if digest(candidate, facts, sha_check) {
        let detail = "patches are taken without a look at a lowest revision".to_owned();
        candidate.reasons.push(because(rules::late::UNSAFE, detail));
        candidate.reasons.push(because(rules::LOADED, compared));
    }
}

/// Why a request at run time fails as a whole.
fn late_void(parsed: &Parsed) -> Option<Reason> {
    match parsed.containers.as_slice() {
        [] => parsed.stop.clone(),
        [only] if only.items.is_empty() && only.stop.is_none() => {
            Some(because(rule::SECTION, "there is no section".to_owned()))
        }
        [first, rest @ ..] => {
            let second = rest.first().map(|second| {
                let detail = format!("another container at {:#x}", second.offset);
                because(rule::SECTION, detail)
            });
            first.stop.clone().or(second).or_else(|| parsed.stop.clone())
        }
    }
}
