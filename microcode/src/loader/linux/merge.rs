//! One decision from the cases that follow from what is not known.

use std::collections::{BTreeMap, BTreeSet};

use super::facts::Facts;
use super::rules;
use crate::loader::{Candidate, Decision, Outcome, Reason};

type Case = (Facts, Decision);

/// One decision; none without cases.
pub(super) fn merge(cases: Vec<Case>) -> Option<Decision> {
    let mut merged = cases.first()?.1.clone();
    if cases.len() == 1 {
        return Some(merged);
    }
    for (at, look) in merged.looks.iter_mut().enumerate() {
        for (number, candidate) in look.candidates.iter_mut().enumerate() {
            let of = |case: &Case| case.1.looks.get(at)?.candidates.get(number).cloned();
            *candidate = one(&cases, of).unwrap_or_else(|| candidate.clone());
        }
        let reasons = |case: &Case| case.1.looks.get(at).map(|look| look.reasons.clone());
        look.reasons = common(&cases, |case| reasons(case).unwrap_or_default());
    }
    merged.reasons = common(&cases, |case| case.1.reasons.clone());
    let loads: BTreeSet<_> = cases.iter().map(|case| case.1.loads).collect();
    let after: BTreeSet<_> = cases.iter().map(|case| case.1.after).collect();
    merged.loads = if loads.len() == 1 { merged.loads } else { None };
    merged.after = if after.len() == 1 { merged.after } else { None };
    let mut unknown = BTreeSet::new();
    for case in &cases {
        unknown.extend(case.1.unknown.iter().cloned());
    }
    merged.unknown = (0..4).filter_map(|dimension| decides(&cases, dimension)).collect();
    merged.unknown.extend(unknown);
    Some(merged)
}

/// A candidate over all cases.
fn one(cases: &[Case], of: impl Fn(&Case) -> Option<Candidate>) -> Option<Candidate> {
    let all: Vec<Candidate> = cases.iter().filter_map(&of).collect();
    let outcomes: Vec<Outcome> = all.iter().map(|candidate| candidate.outcome).collect();
    let first = all.first()?;
    if outcomes.iter().all(|outcome| *outcome == first.outcome) {
        return Some(first.clone());
    }
    let open = |candidate: &&Candidate| matches!(candidate.outcome, Outcome::Chosen | Outcome::Depends);
    if let Some(chosen) = all.iter().find(open) {
        let mut candidate = chosen.clone();
        candidate.outcome = Outcome::Depends;
        candidate.reasons.retain(|reason| reason.rule != rules::LOADED);
        let when = when(cases, |case| of(case).is_some_and(|candidate| open(&&candidate)));
        candidate.reasons.push(Reason {
            rule: rules::UNKNOWN,
            detail: format!("chosen with {when}"),
        });
        return Some(candidate);
    }
    let rank = |candidate: &&Candidate| match candidate.outcome {
        Outcome::Passed => 0,
        Outcome::Refused => 1,
        Outcome::NotSeen => 2,
        _ => 3,
    };
    all.iter().min_by_key(rank).cloned()
}

/// Reasons of all cases; those that not all have say when they hold.
fn common(cases: &[Case], of: impl Fn(&Case) -> Vec<Reason>) -> Vec<Reason> {
    let mut list: Vec<Reason> = Vec::new();
    for case in cases {
        for reason in of(case) {
            if !list.contains(&reason) {
                list.push(reason);
            }
        }
    }
    for reason in &mut list {
        let has = |case: &Case| of(case).contains(reason);
        if !cases.iter().all(has) {
            let when = when(cases, has);
            reason.detail = format!("{}, with {when}", reason.detail);
        }
    }
    list
}

fn key(facts: &Facts) -> [u64; 4] {
    [
        u64::from(facts.platform.0),
        u64::from(facts.revision.0),
        facts.cache_per_core,
        u64::from(facts.force_minrev),
    ]
}

/// What is supposed in the cases for which something holds.
fn when(cases: &[Case], holds: impl Fn(&Case) -> bool) -> String {
    let Some(supposed) = cases.first().map(|case| case.0.supposed) else {
        return String::new();
    };
    let values = |dimension: usize, all: bool| -> BTreeSet<u64> {
        let cases = cases.iter().filter(|case| all || holds(case));
        cases.filter_map(|case| key(&case.0).get(dimension).copied()).collect()
    };
    let mut parts = Vec::new();
    let differs = |dimension| values(dimension, false) != values(dimension, true);
    if supposed.platform && differs(0) {
        let list: Vec<String> = values(0, false).iter().map(|bit| format!("{bit:#04x}")).collect();
        parts.push(format!("platform {}", list.join(" or ")));
    }
    if supposed.revision && differs(1) {
        parts.push(format!(
            "running revision {}",
            ranges(&values(1, false), &values(1, true))
        ));
    }
    if supposed.cache && differs(2) {
        let small = values(2, false).contains(&0);
        let text = if small { "no more than" } else { "more than" };
        parts.push(format!("{text} 2.5 MiB of cache per core"));
    }
    if supposed.minimum && differs(3) {
        let state = if values(3, false).contains(&1) { "on" } else { "off" };
        parts.push(format!("force_minrev {state}"));
    }
    parts.join(" and ")
}

/// Ranges from the lowest values of all ranges and those of them that count.
fn ranges(some: &BTreeSet<u64>, all: &BTreeSet<u64>) -> String {
    let mut parts: Vec<String> = Vec::new();
    let mut start = None;
    for value in all {
        match (start, some.contains(value)) {
            (None, true) => start = Some(*value),
            (Some(from), false) => {
                parts.push(format!("{from:#x} to {:#x}", value.saturating_sub(1)));
                start = None;
            }
            _ => {}
        }
    }
    parts.extend(start.map(|from| format!("{from:#x} and higher")));
    parts.join(" or ")
}

/// What to say of an unknown fact that decides what is loaded.
fn decides(cases: &[Case], dimension: usize) -> Option<String> {
    let mut results: BTreeMap<Vec<u64>, BTreeSet<String>> = BTreeMap::new();
    for (facts, decision) in cases {
        let result = decision
            .chosen()
            .map(|chosen| format!("{} {}", chosen.place, chosen.revision));
        let rest = key(facts).into_iter().enumerate().filter(|(at, _)| *at != dimension);
        let rest: Vec<u64> = rest.map(|(_, value)| value).collect();
        let text = format!("{result:?} {:?}", decision.loads);
        results.entry(rest).or_default().insert(text);
    }
    if results.values().all(|results| results.len() < 2) {
        return None;
    }
    Some(match dimension {
        0 => format!(
            "the platform (bits 52 to 50 of MSR 17h; processor_flags in sysfs){}",
            by_platform(cases)
        ),
        1 => "the running revision".to_owned(),
        2 => "last-level cache per core".to_owned(),
        _ => "whether the kernel is built with CONFIG_MICROCODE_LATE_FORCE_MINREV".to_owned(),
    })
}

/// What is loaded on each platform, where nothing else is open.
fn by_platform(cases: &[Case]) -> String {
    let mut loaded: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (facts, decision) in cases {
        if let Some(chosen) = decision.chosen() {
            let platforms = loaded.entry(chosen.revision.to_string()).or_default();
            platforms.insert(facts.platform.to_string());
        }
    }
    let parts = loaded.into_iter().map(|(revision, platforms)| {
        let platforms: Vec<String> = platforms.into_iter().collect();
        format!("{revision} with {}", platforms.join(", "))
    });
    let parts: Vec<String> = parts.collect();
    format!(": {}; nothing with others", parts.join("; ")).replace(": ; nothing", ": nothing")
}
