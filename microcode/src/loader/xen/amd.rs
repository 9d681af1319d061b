//! AMD: `cpu_request_microcode`, `scan_equiv_cpu_table` and `apply_microcode` of
//! xen/arch/x86/cpu/microcode/amd.c.

use crate::amd::{MAGIC, PATCH_HEADER, xen_max_size};
use crate::bytes::{size, u16_at, u32_at};
use crate::entry_sign::{self, List};
use crate::ids::{Date, Revision, Sha256, Signature};
use crate::loader::{Candidate, Outcome, Reason, Rule};

use super::blob::{Blob, Fit, Item, place};
use super::known::Known;
use super::rules;

/// Levels of family 10h from which there is no way on.
pub(super) const FINAL: [u32; 3] = [0x0100_0098, 0x0100_009f, 0x0100_00af];

const MAGIC_LENGTH: usize = 4;
const TABLE_HEAD: usize = 8;
const SECTION_HEAD: usize = 8;
const ROW: usize = 16;

struct Walk<'a> {
    signature: Signature,
    source: &'a str,
    bytes: &'a [u8],
    /// Equivalent id of the CPU, from the first table that has it.
    id: Option<u16>,
    blob: Blob,
}

/// Walk through a file as Xen does; what lies behind the first error is listed too, as not seen.
pub(super) fn read(signature: Signature, source: &str, bytes: &[u8]) -> Blob {
    let mut walk = Walk {
        signature,
        source,
        bytes,
        id: None,
        blob: Blob::default(),
    };
    let mut at = 0;
    while at < bytes.len() {
        match walk.container(at) {
            Ok(end) => at = end,
            Err((end, reason)) => {
                walk.stop(end, reason);
                break;
            }
        }
    }
    walk.blob
}

type Stopped = (usize, Reason);

fn stopped(rule: Rule, at: usize, detail: String) -> Stopped {
    let detail = format!("at {at:#x}: {detail}");
    (at, Reason { rule, detail })
}

impl Walk<'_> {
    fn field(&self, at: usize) -> Option<u32> {
        u32_at(self.bytes, at)
    }

    /// One container; its end.
    fn container(&mut self, start: usize) -> Result<usize, Stopped> {
        if self.field(start) != Some(MAGIC) {
            let seen = self.bytes.get(start..).unwrap_or_default();
            let seen: Vec<String> = seen.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
            return Err(stopped(rules::AMD_MAGIC, start, seen.join(" ")));
        }
        let head = start.saturating_add(MAGIC_LENGTH);
        let first = head.saturating_add(TABLE_HEAD);
        let (kind, length) = (self.field(head), self.field(head.saturating_add(4)).map(size));
        let end = first.saturating_add(length.unwrap_or(0));
        let table = match (kind, length, self.bytes.get(first..end)) {
            (Some(0), Some(length), Some(table)) if length.is_multiple_of(ROW) => table,
            (kind, length, _) => {
                let left = self.bytes.len().saturating_sub(first);
                let detail = format!(
                    "type {}, {} bytes of table, {left} bytes left",
                    kind.unwrap_or(0),
                    length.unwrap_or(0)
                );
                return Err(stopped(rules::AMD_TABLE, start, detail));
            }
        };
        let here = self.row(start, table)?;
        self.sections(end, table, here)
    }

    /// Look the CPU up in a table.
    fn row(&mut self, at: usize, table: &[u8]) -> Result<bool, Stopped> {
        let own = rows(table).find(|(signature, _)| *signature == self.signature.0);
        let Some((_, id)) = own else {
            return Ok(false);
        };
        match self.id {
            Some(known) if known != id => Err(stopped(
                rules::AMD_CONFLICT,
                at,
                format!(
                    "{} is {id:#06x} here and {known:#06x} in the first table",
                    self.signature
                ),
            )),
            _ => {
                self.id = Some(id);
                Ok(true)
            }
        }
    }

    fn sections(&mut self, from: usize, table: &[u8], here: bool) -> Result<usize, Stopped> {
        let mut at = from;
        while at < self.bytes.len() {
            let (kind, length) = (self.field(at), self.field(at.saturating_add(4)).map(size));
            let start = at.saturating_add(SECTION_HEAD);
            let end = start.saturating_add(length.unwrap_or(0));
            let patch = match (kind, length, self.bytes.get(start..end)) {
                (Some(1), Some(_), Some(patch)) if patch.len() >= PATCH_HEADER => patch,
                (kind, length, _) => {
                    let left = self.bytes.len().saturating_sub(start);
                    let detail = match (kind, length) {
                        (Some(kind), Some(length)) => format!("type {kind:#x}, size {length}, {left} bytes left"),
                        _ => "no room for a section header".to_owned(),
                    };
                    return Err(stopped(rules::AMD_SECTION, at, detail));
                }
            };
            let item = self.patch(start, patch, table, here);
            self.blob.items.push(item);
            at = end;
            if self.field(at) == Some(MAGIC) {
                break;
            }
        }
        Ok(at)
    }

    fn patch(&self, start: usize, patch: &[u8], table: &[u8], here: bool) -> Item {
        let id = u16_at(patch, 24).unwrap_or(0);
        let signatures = rows(table).filter(|row| row.1 == id).map(|row| Signature(row.0));
        let mut candidate = Candidate {
            place: place(self.source, start),
            signatures: signatures.collect(),
            revision: Revision(u32_at(patch, 4).unwrap_or(0)),
            date: Date::from_field(u32_at(patch, 0).unwrap_or(0)),
            sha256: Sha256::of(patch),
            outcome: Outcome::OtherCpu,
            reasons: Vec::new(),
        };
        let limit = xen_max_size(self.signature.family_model_stepping().0);
        let (outcome, rule, detail) = if !here {
            let detail = format!("{} has no row in the table of this container", self.signature);
            (Outcome::OtherCpu, rules::AMD_NO_ROW, detail)
        } else if patch.len() > limit {
            let outcome = if self.id == Some(id) {
                Outcome::Refused
            } else {
                Outcome::OtherCpu
            };
            let detail = format!("{} bytes, at most {limit}", patch.len());
            (outcome, rules::AMD_SIZE, detail)
        } else if self.id != Some(id) {
            let own = self.id.unwrap_or(0);
            let detail = format!("for {id:#06x}, {} is {own:#06x}", self.signature);
            (Outcome::OtherCpu, rules::AMD_CPU, detail)
        } else {
            let digest = entry_sign::digest(List::Xen4_20, candidate.revision, &candidate.sha256);
            return Item {
                candidate,
                fit: Some(Fit::Amd(digest)),
                minimum: minimum(id, patch),
            };
        };
        candidate.outcome = outcome;
        candidate.reasons = vec![Reason { rule, detail }];
        Item {
            candidate,
            fit: None,
            minimum: None,
        }
    }

    /// Reading ended; the patches behind are listed.
    fn stop(&mut self, at: usize, reason: Reason) {
        self.blob.error = Some(reason.clone());
        let rest = self.bytes.get(at..).unwrap_or_default();
        for container in crate::amd::read(rest).containers {
            for patch in container.patches {
                let start = at.saturating_add(patch.offset);
                let bytes = self.bytes.get(start..start.saturating_add(patch.size));
                let candidate = Candidate {
                    place: place(self.source, start),
                    signatures: patch.signatures,
                    revision: patch.revision,
                    date: patch.date,
                    sha256: Sha256::of(bytes.unwrap_or_default()),
                    outcome: Outcome::NotSeen,
                    reasons: vec![reason.clone()],
                };
                self.blob.items.push(Item {
                    candidate,
                    fit: None,
                    minimum: None,
                });
            }
        }
    }
}

/// Rows of an equivalence table up to the first without a signature.
fn rows(table: &[u8]) -> impl Iterator<Item = (u32, u16)> {
    let (rows, _) = table.as_chunks::<ROW>();
    rows.iter()
        .map(|row| (u32_at(row, 0).unwrap_or(0), u16_at(row, 12).unwrap_or(0)))
        .take_while(|row| row.0 != 0)
}

/// The minimum revision, where the field has the form of one.
fn minimum(id: u16, patch: &[u8]) -> Option<u32> {
    let (level, field) = (u32_at(patch, 4)?, u32_at(patch, 12)?);
    (id >= 0xa000 && field != 0 && (level ^ field) & 0xffff_ff00 == 0).then_some(field)
}

/// The last checks before a patch is written to the CPU.
pub(super) fn may_load(item: &Item, known: Known, force: bool) -> Result<(), Reason> {
    let running = Revision(known.revision);
    if known.family() == 0x10 && FINAL.contains(&known.revision) {
        return Err(Reason {
            rule: rules::AMD_FINAL,
            detail: format!("{running} runs"),
        });
    }
    match item.minimum {
        Some(minimum) if !force && known.revision < minimum => Err(Reason {
            rule: rules::AMD_MIN_REV,
            detail: format!("{running} runs, at least {} is asked for", Revision(minimum)),
        }),
        _ => Ok(()),
    }
}
