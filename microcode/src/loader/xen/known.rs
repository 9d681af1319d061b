//! What is not known of a CPU: each value it may have is gone through, and what comes out the same
//! for all of them is certain.

use std::collections::HashMap;

use crate::cpu::{Cpu, Vendor};
use crate::entry_sign;
use crate::ids::{PlatformMask, Revision, Signature};
use crate::loader::{Candidate, Outcome, Reason};

use super::rules;

/// Most revisions at which a decision may change that are gone through.
const MOST: usize = 32;

/// A CPU of which everything is known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    pub signature: Signature,
    /// Intel: one bit.
    pub platform: u32,
    /// Running revision.
    pub revision: u32,
    /// AMD: leaf 7, subleaf 1, EAX bit 17.
    pub fred: bool,
    /// Whether a patch whose digest in Xen's list is not known here has that digest.
    pub digests: bool,
}

impl Known {
    pub fn family(self) -> u16 {
        self.signature.family_model_stepping().0
    }
}

/// What a loader does with a file on a CPU.
#[derive(Clone, Debug)]
pub(super) struct Verdict {
    /// Of each update in order.
    pub outcomes: Vec<(Outcome, Vec<Reason>)>,
    pub reasons: Vec<Reason>,
    /// Revision that is loaded.
    pub loaded: Option<Revision>,
}

/// The same when not everything is known.
#[derive(Clone, Debug)]
pub(super) struct Settled {
    pub candidates: Vec<Candidate>,
    pub reasons: Vec<Reason>,
    pub loads: Option<bool>,
    /// Revision that is loaded, when it is the same in every case.
    pub loaded: Option<Revision>,
    pub unknown: Vec<String>,
}

/// What must be gone through, besides what the CPU says.
pub(super) struct Marks {
    /// Revisions at which a decision may change.
    pub revisions: Vec<u32>,
    /// Patches whose digest would have to be known.
    pub digests: Vec<Revision>,
}

struct Case {
    known: Known,
    verdict: Verdict,
}

/// Run for every value of what is not known.
pub(super) fn settle(
    cpu: &Cpu,
    signature: Signature,
    candidates: Vec<Candidate>,
    marks: &Marks,
    run: impl Fn(Known) -> Verdict,
) -> Settled {
    let platforms: Vec<u32> = match (cpu.vendor, cpu.platform) {
        (Vendor::Intel, None) => (0..8).map(|bit| 1 << bit).collect(),
        (_, platform) => vec![platform.unwrap_or(PlatformMask(0)).0],
    };
    let revisions = match cpu.revision {
        Some(revision) => vec![revision.0],
        None => around(&marks.revisions),
    };
    let freds = match fred(cpu, signature) {
        Some(fred) => vec![fred],
        None => vec![false, true],
    };
    let digests: &[bool] = if marks.digests.is_empty() {
        &[true]
    } else {
        &[true, false]
    };
    let mut cases = Vec::new();
    for &platform in &platforms {
        for &fred in &freds {
            for &digests in digests {
                for &revision in &revisions {
                    let known = Known {
                        signature,
                        platform,
                        revision,
                        fred,
                        digests,
                    };
                    let verdict = run(known);
                    cases.push(Case { known, verdict });
                }
            }
        }
    }
    let open = Open {
        platform: platforms.len() > 1,
        revision: revisions.len() > 1,
        fred: freds.len() > 1,
        digests: &marks.digests,
    };
    merge(candidates, &cases, &open)
}

/// FRED as far as it is known: no CPU before Zen 6 has it.
fn fred(cpu: &Cpu, signature: Signature) -> Option<bool> {
    let (family, _, _) = signature.family_model_stepping();
    let before = family != 0x1a || entry_sign::affected(signature);
    cpu.fred.or((cpu.vendor != Vendor::Amd || before).then_some(false))
}

/// The revisions to try: each mark and its neighbours. 0xffffffff turns loading off and is left out.
fn around(marks: &[u32]) -> Vec<u32> {
    let mut marks = marks.to_vec();
    marks.sort_unstable();
    marks.dedup();
    // Files with more are not published; the lowest and the highest then stand for all.
    if marks.len() > MOST {
        let last = marks.split_off(marks.len().saturating_sub(MOST / 2));
        marks.truncate(MOST / 2);
        marks.extend(last);
    }
    let mut list = vec![0];
    for mark in marks {
        list.extend([mark.saturating_sub(1), mark, mark.saturating_add(1)]);
    }
    list.retain(|revision| *revision != u32::MAX);
    list.sort_unstable();
    list.dedup();
    list
}

struct Open<'a> {
    platform: bool,
    revision: bool,
    fred: bool,
    digests: &'a [Revision],
}

impl Open<'_> {
    /// What of the open things makes a difference to `key`.
    fn names<T: PartialEq>(&self, cases: &[Case], key: impl Fn(&Case) -> T) -> Vec<String> {
        let keys: Vec<T> = cases.iter().map(key).collect();
        if keys.windows(2).all(|pair| pair.first() == pair.last()) {
            return Vec::new();
        }
        // With everything else held, does this one change anything?
        let matters = |others: &dyn Fn(&Known) -> (u32, u32, bool, bool)| {
            let mut groups: HashMap<_, &T> = HashMap::new();
            let mut pairs = cases.iter().zip(&keys);
            pairs.any(|(case, key)| *groups.entry(others(&case.known)).or_insert(key) != key)
        };
        let mut names = Vec::new();
        if self.platform && matters(&|known| (0, known.revision, known.fred, known.digests)) {
            names.push("platform flags (MSR 17h, bits 52 to 50)".to_owned());
        }
        if self.revision && matters(&|known| (known.platform, 0, known.fred, known.digests)) {
            names.push("running revision".to_owned());
        }
        if self.fred && matters(&|known| (known.platform, known.revision, false, known.digests)) {
            names.push("FRED (CPUID leaf 7, subleaf 1, EAX bit 17)".to_owned());
        }
        if !self.digests.is_empty() && matters(&|known| (known.platform, known.revision, known.fred, false)) {
            let list: Vec<String> = self.digests.iter().map(ToString::to_string).collect();
            names.push(format!("digest in Xen's list for {}", list.join(", ")));
        }
        names
    }
}

fn merge(candidates: Vec<Candidate>, cases: &[Case], open: &Open<'_>) -> Settled {
    let mut settled = Settled {
        candidates,
        reasons: Vec::new(),
        loads: Some(false),
        loaded: None,
        unknown: Vec::new(),
    };
    for (index, candidate) in settled.candidates.iter_mut().enumerate() {
        let at = |case: &Case| case.verdict.outcomes.get(index).map(|(outcome, _)| *outcome);
        let names = open.names(cases, at);
        let first = cases.first().and_then(|case| case.verdict.outcomes.get(index));
        if let Some((outcome, reasons)) = first {
            candidate.outcome = *outcome;
            candidate.reasons.extend(reasons.iter().cloned());
        }
        if !names.is_empty() {
            candidate.outcome = Outcome::Depends;
            candidate.reasons = vec![Reason {
                rule: rules::UNKNOWN,
                detail: format!("hangs on the {}: {}", names.join(", "), spans(cases, open, &names, at)),
            }];
        } else {
            let reasons = |case: &Case| case.verdict.outcomes.get(index).map(|(_, reasons)| reasons.clone());
            let names = open.names(cases, reasons);
            if let (false, Some(last)) = (names.is_empty(), candidate.reasons.last_mut()) {
                last.detail = format!("whatever the {}, for example: {}", names.join(", "), last.detail);
            }
        }
        for name in names {
            if !settled.unknown.contains(&name) {
                settled.unknown.push(name);
            }
        }
    }
    for reason in cases.iter().flat_map(|case| &case.verdict.reasons) {
        if !settled.reasons.iter().any(|known| known.rule == reason.rule) {
            settled.reasons.push(reason.clone());
        }
    }
    let loaded = |case: &Case| case.verdict.loaded;
    if let Some(first) = cases.first().map(loaded) {
        let same = cases.iter().all(|case| loaded(case) == first);
        let certain = cases.iter().all(|case| loaded(case).is_some() == first.is_some());
        settled.loads = certain.then_some(first.is_some());
        settled.loaded = first.filter(|_| same);
    }
    settled
}

/// In which cases it comes to what; only where one thing alone decides.
fn spans(cases: &[Case], open: &Open<'_>, names: &[String], outcome: impl Fn(&Case) -> Option<Outcome>) -> String {
    let [_] = names else {
        return "each of them matters".to_owned();
    };
    let by_revision = open.revision && names.iter().any(|name| name.starts_with("running"));
    let by_platform = open.platform && names.iter().any(|name| name.starts_with("platform"));
    let mut spans: Vec<(Outcome, String)> = Vec::new();
    for case in cases {
        let Some(outcome) = outcome(case) else { continue };
        let known = case.known;
        let value = if by_revision {
            format!("{:#x}", known.revision)
        } else if by_platform {
            format!("{:#04x}", known.platform)
        } else if open.fred {
            if known.fred { "with it" } else { "without it" }.to_owned()
        } else {
            if known.digests { "when right" } else { "when not" }.to_owned()
        };
        match spans.last_mut() {
            Some((last, _)) if by_revision && *last == outcome => {}
            _ if by_revision => spans.push((outcome, format!("from {value} on"))),
            _ => match spans.iter_mut().find(|(known, _)| *known == outcome) {
                Some((_, text)) if text.split(", ").any(|known| known == value) => {}
                Some((_, text)) => *text = format!("{text}, {value}"),
                None => spans.push((outcome, value)),
            },
        }
    }
    let words = spans
        .iter()
        .map(|(outcome, value)| format!("{} {value}", word(*outcome)));
    words.collect::<Vec<_>>().join("; ")
}

/// An outcome in a word.
fn word(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Chosen => "loaded",
        Outcome::Passed => "passed over for another",
        Outcome::OtherCpu => "not for the CPU",
        Outcome::Refused => "refused",
        Outcome::NotSeen => "not looked at",
        Outcome::Depends => "open",
    }
}
