//! AMD containers as the kernel reads them: `scan_containers()` at boot, `load_microcode_amd()` at
//! run time.

mod boot;
mod late;

use super::facts::{Facts, family};
use super::rules::amd as rule;
use crate::amd::{self, EquivalentId, MAGIC, PATCH_HEADER};
use crate::bytes::{size, u16_at, u32_at};
use crate::entry_sign;
use crate::found::Place;
use crate::ids::{Date, Revision, Sha256, Signature};
use crate::loader::{Candidate, Outcome, Reason, Rule};

pub(super) use boot::early;
pub(super) use late::late;

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
    let limit = amd::linux_max_size(u16::try_from(family).unwrap_or(u16::MAX));
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
/// Every patch of the file with its revision, and whether the CPU could be meant.
pub(super) fn met(parsed: &Parsed, signature: Signature) -> Vec<super::facts::Met> {
    let items = parsed.containers.iter().flat_map(|container| &container.items);
    items
        .chain(&parsed.beyond)
        .map(|item| super::facts::Met {
            revision: item.candidate.revision,
            minimum: Revision(0),
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
