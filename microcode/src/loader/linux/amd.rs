//! AMD containers as the kernel reads them: `scan_containers()` at boot, `load_microcode_amd()` at
//! run time.

use super::facts::{Facts, family};
use super::rules::{self, amd as rule};
use crate::amd::{self, EquivalentId, MAGIC, PATCH_HEADER};
use crate::bytes::{size, u16_at, u32_at};
use crate::entry_sign::{self, Digest, List};
use crate::found::Place;
use crate::ids::{Date, Revision, Sha256, Signature};
use crate::loader::{Candidate, Outcome, Reason, Rule};

const CONTAINER_HEAD: usize = 12;
const SECTION_HEAD: usize = 8;
const ROW: usize = 16;

/// A patch and what of it depends on no more than the family of the CPU.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) candidate: Candidate,
    id: EquivalentId,
    /// The rule that it breaks.
    fault: Option<Reason>,
}

/// A container as far as the loader reads it.
#[derive(Clone, Debug)]
pub(super) struct Container {
    offset: usize,
    /// Signatures and their names, in the order of the table.
    rows: Vec<(Signature, EquivalentId)>,
    items: Vec<Item>,
    /// What ended it before its file's end.
    stop: Option<Reason>,
}

/// A file of containers.
#[derive(Clone, Debug)]
pub(super) struct Parsed {
    containers: Vec<Container>,
    /// Why the search for further containers ended before the file's end.
    stop: Option<Reason>,
    /// Patches that it does not get to, with the signatures that their containers name.
    beyond: Vec<Item>,
}

/// Read the file as far as the loader does on a CPU of this signature; without one, all patches
/// are such that it does not get to.
pub(super) fn parse(source: &str, bytes: &[u8], signature: Option<Signature>) -> Parsed {
    let mut parsed = Parsed {
        containers: Vec::new(),
        stop: None,
        beyond: Vec::new(),
    };
    let mut at: usize = 0;
    while let Some(signature) = signature.filter(|_| at < bytes.len()) {
        match container(source, bytes, at, family(signature)) {
            Ok((container, end)) => {
                parsed.containers.push(container);
                at = end;
            }
            Err(stop) => {
                parsed.stop = Some(stop);
                break;
            }
        }
    }
    parsed.beyond = beyond(source, bytes, &parsed.containers);
    parsed
}

/// Patches that a more patient reader finds in the same bytes.
fn beyond(source: &str, bytes: &[u8], containers: &[Container]) -> Vec<Item> {
    let mut list = Vec::new();
    let known = |offset: usize| {
        let mut items = containers.iter().flat_map(|container| &container.items);
        items.any(|item| item.candidate.place.offset == offset)
    };
    let visited = containers.iter().map(|container| container.offset).max();
    for container in amd::read(bytes).containers {
        for patch in &container.patches {
            // Only what stands in or behind the last container read can be new.
            if visited.is_some_and(|visited| patch.offset < visited) || known(patch.offset) {
                continue;
            }
            let end = patch.offset.saturating_add(patch.size);
            if let Some(used) = bytes.get(patch.offset..end) {
                let rows: Vec<_> = container
                    .equivalences
                    .iter()
                    .map(|row| (row.signature, row.id))
                    .collect();
                list.push(item(source, patch.offset, used, &rows, None));
            }
        }
    }
    list
}

fn because(rule: Rule, detail: String) -> Reason {
    Reason { rule, detail }
}

/// `parse_container()` without the search: the container and where it ends.
fn container(source: &str, bytes: &[u8], start: usize, family: u32) -> Result<(Container, usize), Reason> {
    let rest = bytes.get(start..).unwrap_or_default();
    let word = |at: usize| u32_at(rest, at).unwrap_or(0);
    if rest.len() <= CONTAINER_HEAD {
        return Err(because(rule::HEADER, format!("{} bytes at {start:#x}", rest.len())));
    }
    if word(0) != MAGIC {
        return Err(because(rule::MAGIC, format!("{:#010x} at {start:#x}", word(0))));
    }
    let length = size(word(8));
    let fits = length <= rest.len().saturating_sub(CONTAINER_HEAD);
    if family < 0x17 {
        if word(4) != 0 {
            return Err(because(rule::TABLE_TYPE, format!("type {} at {start:#x}", word(4))));
        }
        if length < ROW || !fits {
            return Err(because(rule::TABLE_SIZE, format!("{length} bytes at {start:#x}")));
        }
    } else if !fits {
        return Err(because(rule::TABLE_BEHIND, format!("{length} bytes at {start:#x}")));
    }
    let mut at = start.saturating_add(CONTAINER_HEAD).saturating_add(length);
    let table = rest.get(CONTAINER_HEAD..CONTAINER_HEAD.saturating_add(length));
    let (rows, _) = table.unwrap_or_default().as_chunks::<ROW>();
    let rows: Vec<(Signature, EquivalentId)> = rows
        .iter()
        .map(|row| {
            let name = EquivalentId(u16_at(row, 12).unwrap_or(0));
            (Signature(u32_at(row, 0).unwrap_or(0)), name)
        })
        .collect();
    let mut items = Vec::new();
    let mut stop = None;
    while at < bytes.len() {
        let patch = at.saturating_add(SECTION_HEAD);
        match section(bytes, at, family) {
            Ok(length) => {
                let used = bytes.get(patch..patch.saturating_add(length)).unwrap_or_default();
                items.push(item(source, patch, used, &rows, None));
                at = patch.saturating_add(length);
            }
            Err((fault, used)) => {
                // The next container is no fault.
                if u32_at(bytes, at) != Some(MAGIC) {
                    let detail = format!("section at {at:#x}: {}", fault.detail);
                    stop = Some(because(fault.rule, detail));
                }
                if let Some(used) = used {
                    items.push(item(source, patch, used, &rows, Some(fault)));
                }
                break;
            }
        }
    }
    let offset = start;
    Ok((
        Container {
            offset,
            rows,
            items,
            stop,
        },
        at,
    ))
}

/// `verify_patch()` as far as it ends the container: the length of the patch, or the rule broken
/// and the patch as far as it can be shown.
fn section(bytes: &[u8], at: usize, family: u32) -> Result<usize, (Reason, Option<&[u8]>)> {
    let rest = bytes.get(at..).unwrap_or_default();
    let (Some(kind), Some(length)) = (u32_at(rest, 0), u32_at(rest, 4).map(size)) else {
        return Err((because(rule::SECTION, format!("{} bytes", rest.len())), None));
    };
    if kind != 1 {
        return Err((because(rule::SECTION, format!("type {kind:#x}")), None));
    }
    if length < PATCH_HEADER {
        return Err((because(rule::SHORT, format!("{length} bytes")), None));
    }
    let body = rest.get(SECTION_HEAD..).unwrap_or_default();
    let Some(patch) = body.get(..length) else {
        let shown = Some(body).filter(|body| body.len() >= PATCH_HEADER);
        let detail = format!("{length} bytes, {} are left", body.len());
        return Err((because(rule::CUT, detail), shown));
    };
    let limit = match family {
        0x10..=0x12 => Some(2048),
        0x14 => Some(1824),
        0x15.. => None,
        _ => Some(0),
    };
    if limit.is_some_and(|limit| length > limit) {
        let detail = format!("{length} bytes on family {family:#x}");
        return Err((because(rule::LIMIT, detail), Some(patch)));
    }
    let bridge = |at: usize| u32_at(patch, at).unwrap_or(0);
    if bridge(16) != 0 || bridge(20) != 0 {
        let detail = format!("north bridge {:#x}, south bridge {:#x}", bridge(16), bridge(20));
        return Err((because(rule::CHIPSET, detail), Some(patch)));
    }
    Ok(length)
}

fn item(source: &str, offset: usize, patch: &[u8], rows: &[(Signature, EquivalentId)], fault: Option<Reason>) -> Item {
    let word = |at: usize| u32_at(patch, at).unwrap_or(0);
    let id = EquivalentId(u16_at(patch, 24).unwrap_or(0));
    let revision = Revision(word(4));
    let signatures = if id.family() >= 0x17 {
        vec![zen_signature(revision)]
    } else {
        let named = rows.iter().filter(|row| row.1 == id && row.0.0 != 0);
        named.map(|row| row.0).collect()
    };
    Item {
        candidate: Candidate {
            place: Place {
                source: source.to_owned(),
                offset,
            },
            signatures,
            revision,
            date: Date::from_field(word(0)),
            sha256: Sha256::of(patch),
            outcome: Outcome::NotSeen,
            reasons: Vec::new(),
        },
        id,
        fault,
    }
}

/// `ucode_rev_to_cpuid()`: bits 19 to 16 of the patch level take no part.
fn zen_signature(revision: Revision) -> Signature {
    let level = revision.0;
    let (ext_family, ext_model) = (level & 0xff00_0000, level & 0x00f0_0000);
    Signature(ext_family.wrapping_shr(4) | ext_model.wrapping_shr(4) | 0xf00 | level.wrapping_shr(8) & 0xff)
}

impl Item {
    /// Whether a CPU of this signature could be meant.
    pub(super) fn is_for_signature(&self, signature: Signature) -> bool {
        self.candidate.signatures.contains(&signature)
    }

    fn with(&self, outcome: Outcome, reasons: Vec<Reason>) -> Candidate {
        Candidate {
            outcome,
            reasons,
            ..self.candidate.clone()
        }
    }

    fn not_seen(&self, facts: &Facts, why: &Reason) -> Candidate {
        if self.is_for_signature(facts.signature) {
            self.with(Outcome::NotSeen, vec![why.clone()])
        } else {
            self.other(facts)
        }
    }

    fn other(&self, facts: &Facts) -> Candidate {
        let list: Vec<String> = self.candidate.signatures.iter().map(ToString::to_string).collect();
        let rule = if facts.family() >= 0x17 {
            rule::ZEN
        } else {
            rule::EQUIVALENT
        };
        let detail = if list.is_empty() {
            format!("the CPU is {}, no row names {}", facts.signature, self.id)
        } else {
            format!("the CPU is {}, the patch for {}", facts.signature, list.join(", "))
        };
        self.with(Outcome::OtherCpu, vec![because(rule, detail)])
    }
}

impl Container {
    /// `find_equiv_id()`: the first row of the signature; 0 without one.
    fn name_of(&self, signature: Signature) -> EquivalentId {
        let row = self.rows.iter().find(|row| row.0 == signature);
        row.map_or(EquivalentId(0), |row| row.1)
    }

    /// `verify_patch()` and `mc_patch_matches()` of a patch that breaks no rule: the family's rule,
    /// the cut-off and the CPU.
    fn fits(&self, item: &Item, facts: &Facts) -> Fit {
        let matches = if facts.family() >= 0x17 {
            zen_signature(item.candidate.revision) == facts.signature
        } else {
            self.name_of(facts.signature) == item.id
        };
        // The kernel keeps the family of a patch in 8 bits; 0xf and 15 more never overflow them.
        if u32::from(item.id.family()) != facts.family() {
            return Fit::Family;
        }
        match (
            matches,
            entry_sign::linux_other_side(facts.revision, item.candidate.revision),
        ) {
            (false, _) => Fit::Other,
            (true, true) => Fit::Side,
            (true, false) => Fit::Yes,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fit {
    Yes,
    Side,
    Family,
    Other,
}

/// A patch that is not fit, with the rule; `None` when it is.
fn unfit(container: &Container, item: &Item, facts: &Facts) -> Option<Candidate> {
    if let Some(fault) = &item.fault {
        return Some(item.with(Outcome::Refused, vec![fault.clone()]));
    }
    match container.fits(item, facts) {
        Fit::Yes => None,
        Fit::Side => {
            let cutoff = entry_sign::cutoff(facts.revision).unwrap_or(facts.revision);
            let detail = format!(
                "running {}, patch {}, last with the old signature {cutoff}",
                facts.running(),
                item.candidate.revision
            );
            Some(item.with(Outcome::Refused, vec![because(rule::SIDE, detail)]))
        }
        Fit::Family => {
            let (own, other) = (facts.family(), item.id.family());
            let detail = format!("the CPU is of family {own:#x}, the patch of {other:#x}");
            Some(item.with(Outcome::OtherCpu, vec![because(rule::FAMILY, detail)]))
        }
        Fit::Other => Some(item.other(facts)),
    }
}

/// What the loader does with a file.
pub(super) struct Decided {
    pub(super) candidates: Vec<Candidate>,
    pub(super) reasons: Vec<Reason>,
    /// What holds for the other CPUs of the machine.
    pub(super) others: Option<Reason>,
}

/// `scan_containers()` and `load_ucode_amd_bsp()`.
pub(super) fn early(parsed: &Parsed, facts: &Facts, sha_check: bool) -> Decided {
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
fn digest(candidate: &mut Candidate, facts: &Facts, sha_check: bool) -> bool {
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

/// `find_patch()`: what of the cache is for a CPU that runs this.
fn find<'a>(kept: &[&'a Item], container: &Container, facts: &Facts) -> Option<&'a Item> {
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
    let zen = facts.family() >= 0x17;
    let fits = |item: &&Item| item.fault.is_none() && matches!(container.fits(item, facts), Fit::Yes | Fit::Other);
    let kept = cache(container.items.iter().filter(fits), zen);
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

/// `request_microcode_amd()` from `verify_container()` on.
pub(super) fn late(parsed: &Parsed, facts: &Facts, sha_check: bool) -> Decided {
    let mut candidates: Vec<Candidate> = Vec::new();
    let mut reasons: Vec<Reason> = Vec::new();
    let zen = facts.family() >= 0x17;
    let first = parsed.containers.first();
    let void = late_void(parsed);
    let kept = first.map_or_else(Vec::new, |container| {
        let fits = |item: &&Item| item.fault.is_none() && matches!(container.fits(item, facts), Fit::Yes | Fit::Other);
        cache(container.items.iter().filter(fits), zen)
    });
    let found = first.and_then(|container| find(&kept, container, facts));
    for container in parsed.containers.iter().take(1) {
        for item in &container.items {
            if let Some(unfit) = unfit(container, item, facts) {
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
                (None, Some(found)) if found.candidate.place == candidate.place => {
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

/// Every patch of the file with its revision, and whether the CPU could be meant.
pub(super) fn met(parsed: &Parsed, signature: Signature) -> Vec<super::facts::Met> {
    let items = parsed.containers.iter().flat_map(|container| &container.items);
    items
        .chain(&parsed.beyond)
        .map(|item| super::facts::Met {
            revision: item.candidate.revision,
            is_for: item.is_for_signature(signature),
        })
        .collect()
}

/// The patches when nothing of the file is looked at.
pub(super) fn not_seen(parsed: &Parsed, facts: &Facts, why: &Reason) -> Vec<Candidate> {
    let items = parsed.containers.iter().flat_map(|container| &container.items);
    items
        .chain(&parsed.beyond)
        .map(|item| item.not_seen(facts, why))
        .collect()
}

/// All patches as they are.
pub(super) fn plain(parsed: &Parsed) -> Vec<Candidate> {
    let items = parsed.containers.iter().flat_map(|container| &container.items);
    items.chain(&parsed.beyond).map(|item| item.candidate.clone()).collect()
}
