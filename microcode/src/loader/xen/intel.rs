//! Intel: `cpu_request_microcode`, `microcode_sanity_check` and `apply_microcode` of
//! xen/arch/x86/cpu/microcode/intel.c.

use crate::bytes::{size, sum, u32_at};
use crate::ids::{Date, Revision, Sha256, Signature};
use crate::intel::{self, HEADER};
use crate::loader::{Candidate, Outcome, Reason, Rule};

use super::blob::{Blob, Fit, Item};
use super::known::Known;
use super::rules;

const DATA: usize = 2000;
const TABLE_HEAD: usize = 20;
const TABLE_ENTRY: usize = 12;

/// Walk through a file as Xen does; what lies behind the first error is listed too, as not seen.
pub(super) fn read(source: &str, bytes: &[u8]) -> Blob {
    let mut blob = Blob::default();
    let mut at: usize = 0;
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let total = match header(at, rest) {
            Ok(total) => total,
            Err(reason) => {
                stop(&mut blob, source, bytes, at, reason);
                break;
            }
        };
        let update = rest.get(..total).unwrap_or(rest);
        if let Err(reason) = sane(at, update) {
            stop(&mut blob, source, bytes, at, reason);
            break;
        }
        let fits = targets(update, rest);
        blob.items.push(Item {
            candidate: candidate(
                source,
                at,
                update,
                fits.iter().map(|(signature, _)| Signature(*signature)),
            ),
            fit: Some(Fit::Intel(fits)),
            minimum: None,
        });
        at = at.saturating_add(total);
    }
    blob
}

fn candidate(source: &str, at: usize, update: &[u8], signatures: impl Iterator<Item = Signature>) -> Candidate {
    let mut list: Vec<Signature> = Vec::new();
    for signature in signatures {
        if !list.contains(&signature) {
            list.push(signature);
        }
    }
    Candidate {
        place: super::blob::place(source, at),
        signatures: list,
        revision: Revision(u32_at(update, 4).unwrap_or(0)),
        date: Date::from_field(u32_at(update, 8).unwrap_or(0)),
        sha256: Sha256::of(update),
        outcome: Outcome::NotSeen,
        reasons: Vec::new(),
    }
}

/// The header and the place in the file; the total size.
fn header(at: usize, rest: &[u8]) -> Result<usize, Reason> {
    let bad = |detail: String| Reason {
        rule: rules::INTEL_HEADER,
        detail: format!("at {at:#x}: {detail}"),
    };
    let field = |place| u32_at(rest, place).unwrap_or(0);
    if rest.len() < HEADER {
        return Err(bad(format!("{} bytes are no header", rest.len())));
    }
    if field(0) != 1 {
        return Err(bad(format!("header version {:#x}", field(0))));
    }
    if field(20) != 1 {
        return Err(bad(format!("loader version {:#x}", field(20))));
    }
    let total = total(rest);
    if rest.len() < total {
        return Err(bad(format!("{total} bytes of update, {} bytes left", rest.len())));
    }
    Ok(total)
}

fn total(update: &[u8]) -> usize {
    match u32_at(update, 32) {
        None | Some(0) => HEADER.saturating_add(DATA),
        Some(total) => size(total),
    }
}

fn sane(at: usize, update: &[u8]) -> Result<(), Reason> {
    let bad = |rule: Rule, detail: String| {
        Err(Reason {
            rule,
            detail: format!("at {at:#x}: {detail}"),
        })
    };
    let total = total(update);
    let data = match u32_at(update, 28) {
        None | Some(0) => DATA,
        Some(data) => size(data),
    };
    let body = HEADER.saturating_add(data);
    if !total.is_multiple_of(1024) || !data.is_multiple_of(4) || body > total {
        return bad(rules::INTEL_SIZE, format!("total size {total}, data size {data}"));
    }
    let Some((main, table)) = update.split_at_checked(body) else {
        return bad(rules::INTEL_SIZE, format!("total size {total}, data size {data}"));
    };
    if sum(main) != 0 {
        return bad(rules::INTEL_SUM, format!("the sum is {:#010x}", sum(main)));
    }
    if table.is_empty() {
        return Ok(());
    }
    let count = u32_at(table, 0).map(size);
    let entries = table.len().checked_sub(TABLE_HEAD);
    let fits = entries.is_some_and(|bytes| bytes.is_multiple_of(TABLE_ENTRY) && Some(bytes / TABLE_ENTRY) == count);
    if !fits {
        let detail = format!("{} bytes for {} entries", table.len(), count.unwrap_or(0));
        return bad(rules::INTEL_TABLE_SIZE, detail);
    }
    if sum(table) != 0 {
        return bad(rules::INTEL_TABLE_SUM, format!("the sum is {:#010x}", sum(table)));
    }
    let three = |words: [usize; 3], bytes: &[u8]| {
        words
            .iter()
            .fold(0u32, |sum, at| sum.wrapping_add(u32_at(bytes, *at).unwrap_or(0)))
    };
    let own = three([12, 24, 16], update);
    let (entries, _) = table.get(TABLE_HEAD..).unwrap_or_default().as_chunks::<TABLE_ENTRY>();
    for (number, entry) in entries.iter().enumerate() {
        let seen = three([0, 4, 8], entry);
        if seen != own {
            let detail = format!("entry {number} sums to {seen:#010x}, the header to {own:#010x}");
            return bad(rules::INTEL_TABLE_SUM, detail);
        }
    }
    Ok(())
}

/// Signatures and masks that count. The table begins behind the data size as the header has it,
/// which is not where the check looked when that is 0: then Xen takes what is there for a table.
fn targets(update: &[u8], rest: &[u8]) -> Vec<(u32, u32)> {
    let pair = |bytes: &[u8], first, second| Some((u32_at(bytes, first)?, u32_at(bytes, second)?));
    let mut list: Vec<(u32, u32)> = pair(update, 12, 24).into_iter().collect();
    let (data, stated) = (u32_at(update, 28).map(size), u32_at(update, 32).map(size));
    let start = HEADER.saturating_add(data.unwrap_or(0));
    if stated.is_some_and(|stated| stated > start)
        && let Some(table) = rest.get(start..)
    {
        let count = u32_at(table, 0).map(size).unwrap_or(0);
        let (entries, _) = table.get(TABLE_HEAD..).unwrap_or_default().as_chunks::<TABLE_ENTRY>();
        list.extend(entries.iter().take(count).filter_map(|entry| pair(entry, 0, 4)));
    }
    list
}

/// An update that breaks a rule, and those behind it.
fn stop(blob: &mut Blob, source: &str, bytes: &[u8], at: usize, reason: Reason) {
    blob.error = Some(reason.clone());
    let rest = bytes.get(at..).unwrap_or_default();
    for update in intel::read(rest).updates {
        let place = at.saturating_add(update.offset);
        let end = place.saturating_add(update.size);
        let signatures = std::iter::once(update.target)
            .chain(update.extended)
            .map(|target| target.signature);
        let mut candidate = candidate(source, place, bytes.get(place..end).unwrap_or_default(), signatures);
        candidate.outcome = if place == at {
            Outcome::Refused
        } else {
            Outcome::NotSeen
        };
        candidate.reasons = vec![if place == at {
            reason.clone()
        } else {
            Reason {
                rule: rules::INTEL_KEEPS,
                detail: format!("reading ended at {at:#x}"),
            }
        }];
        blob.items.push(Item {
            candidate,
            fit: None,
            minimum: None,
        });
    }
}

/// Whether `new` counts as newer: as signed numbers, and what is negative always does.
pub(super) fn newer(old: u32, new: u32) -> bool {
    let (old, new) = (old.cast_signed(), new.cast_signed());
    new > old || (new < 0 && new != old)
}

/// Whether one of the targets is this CPU; why not.
pub(super) fn fits(targets: &[(u32, u32)], known: Known) -> Result<(), Reason> {
    let own = |target: &&(u32, u32)| target.0 == known.signature.0;
    let fits = targets.iter().filter(own).any(|(_, mask)| mask & known.platform != 0);
    if fits {
        return Ok(());
    }
    let masks: Vec<String> = targets
        .iter()
        .filter(own)
        .map(|(_, mask)| format!("{mask:#04x}"))
        .collect();
    let detail = if masks.is_empty() {
        let first = targets.first().map_or(0, |target| target.0);
        format!("for {}, the CPU is {}", Signature(first), known.signature)
    } else {
        format!(
            "for platforms {}, the CPU is {:#04x}",
            masks.join(" and "),
            known.platform
        )
    };
    Err(Reason {
        rule: rules::INTEL_CPU,
        detail,
    })
}

#[cfg(test)]
mod tests {
    use super::newer;

    #[test]
    fn revisions_are_signed_and_negative_ones_always_newer() {
        assert!(newer(1, 2) && !newer(2, 2) && !newer(3, 2));
        assert!(newer(5, 0x8000_0001) && newer(0x8000_0005, 0x8000_0001));
        assert!(newer(0x8000_0001, 5) && !newer(0x8000_0001, 0x8000_0001));
    }
}
