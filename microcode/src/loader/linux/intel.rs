//! Intel updates as the kernel reads them: `scan_microcode()` and `parse_microcode_blobs()`.

use super::facts::Facts;
use super::rules::{self, intel as rule};
use crate::bytes::{size, sum, u32_at};
use crate::found::Place;
use crate::ids::{Date, PlatformMask, Revision, Sha256, Signature};
use crate::intel::{self, HEADER, Target};
use crate::loader::{Candidate, Outcome, Reason, Rule};

const DEFAULT_DATA: u32 = 2000;
const DEFAULT_TOTAL: u32 = 2048;
const TABLE_HEAD: usize = 20;
const TABLE_ENTRY: usize = 12;

/// From this revision on erratum BDF90 does not forbid loading at run time.
pub(super) const BDF90_FIXED: Revision = Revision(0x0b00_0021);

/// An update and what of it does not depend on the CPU.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) candidate: Candidate,
    pub(super) target: Target,
    pub(super) extended: Vec<Target>,
    pub(super) minimum: Revision,
    /// The rule that it breaks.
    pub(super) fault: Option<Reason>,
    /// Whether the loader gets as far.
    pub(super) reached: bool,
}

/// A file of updates.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    pub(super) items: Vec<Item>,
    /// Why the whole file is dropped, if it is.
    pub(super) void: Option<Reason>,
}

/// Read the file as far as the loader does, and what stands behind as far as it can be told.
pub(super) fn parse(source: &str, bytes: &[u8]) -> Parsed {
    let mut items = Vec::new();
    let mut void: Option<Reason> = None;
    let mut at: usize = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| rest.len() >= HEADER) {
        let reached = void.is_none();
        if !reached && !intel::looks_like(rest) {
            break;
        }
        let total = total(rest);
        let fault = fault(rest);
        let used = rest.get(..size(total).max(HEADER)).unwrap_or(rest);
        if let Some(fault) = fault.as_ref().filter(|_| reached) {
            void = Some(Reason {
                rule: fault.rule,
                detail: format!("update at {at:#x}: {}", fault.detail),
            });
        }
        // What breaks the file and is no update at all is told as the file's fault alone.
        if reached && fault.is_some() && !intel::looks_like(rest) {
            break;
        }
        items.push(item(source, at, used, fault, reached));
        if size(total) < HEADER {
            break;
        }
        at = at.saturating_add(size(total));
    }
    let left = bytes.len().saturating_sub(at);
    if void.is_none() && left > 0 {
        let detail = format!("{left} bytes at {at:#x}");
        void = Some(Reason {
            rule: rule::TRAILING,
            detail,
        });
    }
    Parsed { items, void }
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32_at(bytes, at).unwrap_or(0)
}

/// `get_totalsize()`.
fn total(update: &[u8]) -> u32 {
    match word(update, 28) {
        0 => DEFAULT_TOTAL,
        _ => word(update, 32),
    }
}

/// `intel_microcode_get_datasize()`.
fn data(update: &[u8]) -> u32 {
    match word(update, 28) {
        0 => DEFAULT_DATA,
        data => data,
    }
}

/// `intel_microcode_sanity_check()` and the checks of the size before it, in their order.
fn fault(rest: &[u8]) -> Option<Reason> {
    let because = |rule: Rule, detail: String| Some(Reason { rule, detail });
    let total = size(total(rest));
    if total == 0 || total > rest.len() {
        return because(rule::SIZE, format!("total size {total}, {} bytes are left", rest.len()));
    }
    let body = size(data(rest)).saturating_add(HEADER);
    if body > total {
        return because(rule::DATA_SIZE, format!("header and data {body}, total size {total}"));
    }
    let (header, loader) = (word(rest, 0), word(rest, 20));
    if (header, loader) != (1, 1) {
        return because(
            rule::FORMAT,
            format!("header version {header}, loader version {loader}"),
        );
    }
    let table = rest.get(body..total).unwrap_or_default();
    if !table.is_empty() {
        let entries = table.len().checked_sub(TABLE_HEAD);
        if entries.is_none_or(|entries| !entries.is_multiple_of(TABLE_ENTRY)) {
            return because(rule::TABLE_SIZE, format!("{} bytes behind the data", table.len()));
        }
        let count = word(table, 0);
        // The kernel keeps this product in 32 bits.
        let needed = count.wrapping_mul(12).wrapping_add(20);
        if size(needed) != table.len() {
            return because(rule::TABLE_COUNT, format!("count {count}, {} bytes", table.len()));
        }
        if sum(table) != 0 {
            return because(rule::TABLE_SUM, format!("the sum is {:#x}", sum(table)));
        }
    }
    let covered = rest.get(..body).unwrap_or_default();
    if sum(covered) != 0 {
        return because(rule::SUM, format!("the sum is {:#x}", sum(covered)));
    }
    let own = word(rest, 12).wrapping_add(word(rest, 24)).wrapping_add(word(rest, 16));
    let count = if table.is_empty() { 0 } else { word(table, 0) };
    let mut entries = rest.get(body.saturating_add(TABLE_HEAD)..).unwrap_or_default();
    for number in 0..count {
        let Some((entry, next)) = entries.split_at_checked(TABLE_ENTRY) else {
            return because(rule::ENTRY_SUM, format!("entry {number} is behind the end of the file"));
        };
        let sum = sum(entry);
        if sum != own {
            return because(rule::ENTRY_SUM, format!("entry {number}: {sum:#x}, header: {own:#x}"));
        }
        entries = next;
    }
    None
}

fn item(source: &str, offset: usize, update: &[u8], fault: Option<Reason>, reached: bool) -> Item {
    let target = |at: usize| Target {
        signature: Signature(word(update, at)),
        platforms: PlatformMask(word(update, at.saturating_add(if at == 12 { 12 } else { 4 }))),
    };
    let body = size(data(update)).saturating_add(HEADER);
    let table = update.get(body..).unwrap_or_default();
    let (entries, _) = table.get(TABLE_HEAD..).unwrap_or_default().as_chunks::<TABLE_ENTRY>();
    let count = size(word(table, 0));
    let extended: Vec<Target> = (entries.iter().take(count))
        .map(|entry| Target {
            signature: Signature(word(entry, 0)),
            platforms: PlatformMask(word(entry, 4)),
        })
        .collect();
    let own = target(12);
    let mut signatures = vec![own.signature];
    for other in &extended {
        if !signatures.contains(&other.signature) {
            signatures.push(other.signature);
        }
    }
    Item {
        candidate: Candidate {
            place: Place {
                source: source.to_owned(),
                offset,
            },
            signatures,
            revision: Revision(word(update, 4)),
            date: Date::from_field(word(update, 8)),
            sha256: Sha256::of(update),
            outcome: Outcome::NotSeen,
            reasons: Vec::new(),
        },
        target: own,
        extended,
        minimum: Revision(word(update, 40)),
        fault,
        reached,
    }
}

impl Item {
    /// Whether a CPU of this signature could be meant, whatever its platform.
    pub(super) fn is_for_signature(&self, signature: Signature) -> bool {
        self.candidate.signatures.contains(&signature)
    }

    /// `intel_find_matching_signature()`: yes with the reason when the header is not enough, or why not.
    pub(super) fn matches(&self, facts: &Facts) -> Result<Option<Reason>, Reason> {
        if facts.is_for(&self.target) {
            return Ok(None);
        }
        let because = |rule, detail| Reason { rule, detail };
        if let Some(found) = self.extended.iter().position(|target| facts.is_for(target)) {
            let detail = format!("entry {found} of {}", self.extended.len());
            return Ok(Some(because(rule::EXTENDED, detail)));
        }
        let own = std::iter::once(&self.target).chain(&self.extended);
        let platforms: Vec<String> = own
            .filter(|target| target.signature == facts.signature)
            .map(|target| target.platforms.to_string())
            .collect();
        if platforms.is_empty() {
            let list: Vec<String> = self.candidate.signatures.iter().map(ToString::to_string).collect();
            let detail = format!("the CPU is {}, the update for {}", facts.signature, list.join(", "));
            return Err(because(rule::SIGNATURE, detail));
        }
        let detail = format!(
            "the CPU's platform is {}, the update for {}",
            facts.on(),
            platforms.join(", ")
        );
        Err(because(rule::PLATFORM, detail))
    }

    /// The candidate with this outcome.
    pub(super) fn with(&self, outcome: Outcome, reasons: Vec<Reason>) -> Candidate {
        Candidate {
            outcome,
            reasons,
            ..self.candidate.clone()
        }
    }

    /// The candidate when the loader does not look at it.
    pub(super) fn not_seen(&self, facts: &Facts, why: &Reason) -> Candidate {
        match self.matches(facts) {
            Ok(_) => self.with(Outcome::NotSeen, vec![why.clone()]),
            Err(other) => self.with(Outcome::OtherCpu, vec![other]),
        }
    }
}

/// What differs between the boot and run time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum When {
    Early,
    Late,
}

/// The updates of a file with what becomes of them.
pub(super) fn decide(parsed: &Parsed, facts: &Facts, when: When) -> Vec<Candidate> {
    let mut list: Vec<Candidate> = Vec::new();
    let mut best: Option<usize> = None;
    for item in &parsed.items {
        let newest = best
            .and_then(|at| list.get(at))
            .map(|best| (best.revision, best.place.offset));
        let judged = judge(item, facts, when, newest);
        if judged.outcome == Outcome::Chosen {
            let detail = format!("{} at {:#x} is higher", judged.revision, judged.place.offset);
            if let Some(before) = best.and_then(|at| list.get_mut(at)) {
                before.outcome = Outcome::Passed;
                before.reasons.push(Reason {
                    rule: rule::HIGHEST,
                    detail,
                });
            }
            best = Some(list.len());
        }
        list.push(judged);
    }
    if let Some(void) = &parsed.void {
        let voids = if when == When::Early {
            rule::VOID
        } else {
            rules::late::VOID
        };
        for candidate in &mut list {
            if matches!(candidate.outcome, Outcome::Chosen | Outcome::Passed) {
                candidate.outcome = Outcome::Refused;
                let detail = format!("{}: {}", void.rule.id, void.detail);
                candidate.reasons.push(Reason { rule: voids, detail });
            }
        }
    } else if let Some(best) = best.and_then(|at| list.get_mut(at)) {
        best.reasons.push(Reason {
            rule: rules::LOADED,
            detail: format!("running {}, new {}", facts.running(), best.revision),
        });
    }
    list
}

fn judge(item: &Item, facts: &Facts, when: When, newest: Option<(Revision, usize)>) -> Candidate {
    let revision = item.candidate.revision;
    if !item.reached {
        let why = Reason {
            rule: rule::NOT_REACHED,
            detail: "an update before it breaks a rule".to_owned(),
        };
        return item.not_seen(facts, &why);
    }
    let extended = match item.matches(facts) {
        Err(other) if item.fault.is_none() => return item.with(Outcome::OtherCpu, vec![other]),
        Err(_) => None,
        Ok(extended) => extended,
    };
    let mut reasons: Vec<Reason> = extended.into_iter().collect();
    if let Some(fault) = &item.fault {
        reasons.push(fault.clone());
        return item.with(Outcome::Refused, reasons);
    }
    if facts.revision >= revision {
        let detail = format!("running {}, this one {revision}", facts.running());
        reasons.push(Reason {
            rule: rule::REVISION,
            detail,
        });
        return item.with(Outcome::Refused, reasons);
    }
    if let Some((newest, at)) = newest.filter(|(newest, _)| *newest >= revision) {
        let than = if newest == revision { "as high" } else { "higher" };
        let detail = format!("{newest} at {at:#x} is {than}");
        reasons.push(Reason {
            rule: rule::HIGHEST,
            detail,
        });
        return item.with(Outcome::Passed, reasons);
    }
    if when == When::Late {
        let unsafe_here = item.minimum.0 == 0 || facts.revision < item.minimum;
        if unsafe_here {
            let detail = if item.minimum.0 == 0 {
                "the header names no lowest revision".to_owned()
            } else {
                format!("lowest revision {}, running {}", item.minimum, facts.running())
            };
            reasons.push(Reason {
                rule: rules::late::MINIMUM,
                detail,
            });
            let (rule, detail) = if facts.force_minrev {
                (rules::late::FORCED, "force_minrev is on")
            } else {
                (rules::late::UNSAFE, "force_minrev is off")
            };
            reasons.push(Reason {
                rule,
                detail: detail.to_owned(),
            });
            if facts.force_minrev {
                return item.with(Outcome::Refused, reasons);
            }
        }
    }
    item.with(Outcome::Chosen, reasons)
}

/// The update that the other CPUs get: the last one with the revision that was chosen.
pub(super) fn for_other_cpus(parsed: &Parsed, facts: &Facts, chosen: &Candidate) -> Option<Reason> {
    let same = |item: &&Item| item.candidate.revision == chosen.revision && item.matches(facts).is_ok();
    let last = parsed.items.iter().rfind(same)?;
    (last.candidate.sha256 != chosen.sha256).then(|| Reason {
        rule: rule::AP_LAST,
        detail: format!(
            "the boot CPU gets the update at {:#x}, the others the one at {:#x} with other content",
            chosen.place.offset, last.candidate.place.offset
        ),
    })
}
