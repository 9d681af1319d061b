//! A microcode file as Xen reads it, and the update it takes from it.

use crate::cpu::{Cpu, Vendor};
use crate::entry_sign::{self, Digest};
use crate::found::Place;
use crate::ids::{Revision, Signature};
use crate::loader::{Candidate, Outcome, Reason};

use super::known::{Known, Marks, Settled, Verdict, settle};
use super::{amd, intel, rules};

/// What Xen read of a file.
#[derive(Clone, Debug, Default)]
pub(super) struct Blob {
    /// Updates in file order.
    pub items: Vec<Item>,
    /// Why reading ended before the end.
    pub error: Option<Reason>,
}

/// An update.
#[derive(Clone, Debug)]
pub(super) struct Item {
    pub candidate: Candidate,
    /// Whom it fits; `None` when that is settled already.
    pub fit: Option<Fit>,
    /// AMD: the field that may be a minimum revision.
    pub minimum: Option<u32>,
}

/// Whom an update fits.
#[derive(Clone, Debug)]
pub(super) enum Fit {
    /// Signatures with masks.
    Intel(Vec<(u32, u32)>),
    /// The equivalent id is right; what Xen's list says of the digest.
    Amd(Digest),
}

/// How it is loaded.
#[derive(Clone, Copy, Debug)]
pub(super) struct How {
    /// xen-ucode -f.
    pub force: bool,
    pub digest_check: bool,
    /// The patch kept from before, at run time.
    pub kept: Option<Revision>,
    /// The revision with which Xen began, where it is not the running one.
    pub began: Option<Revision>,
}

/// The place of an update.
pub(super) fn place(source: &str, offset: usize) -> Place {
    Place {
        source: source.to_owned(),
        offset,
    }
}

/// Read a file for a CPU.
pub(super) fn read(vendor: Vendor, signature: Signature, source: &str, bytes: &[u8]) -> Blob {
    match vendor {
        Vendor::Amd => amd::read(signature, source, bytes),
        _ => intel::read(source, bytes),
    }
}

/// What becomes of the updates of a file.
pub(super) fn decide(cpu: &Cpu, signature: Signature, blob: &Blob, how: How) -> Settled {
    let candidates: Vec<Candidate> = blob.items.iter().map(|item| item.candidate.clone()).collect();
    let marks = marks(cpu, signature, blob, how);
    settle(cpu, signature, candidates, &marks, |known| {
        verdict(cpu.vendor, blob, known, how)
    })
}

fn marks(cpu: &Cpu, signature: Signature, blob: &Blob, how: How) -> Marks {
    let mut revisions = Vec::new();
    let mut digests = Vec::new();
    for item in &blob.items {
        let revision = item.candidate.revision;
        match &item.fit {
            Some(Fit::Intel(targets)) if targets.iter().any(|target| target.0 == signature.0) => {
                revisions.push(revision.0);
            }
            Some(Fit::Amd(digest)) => {
                revisions.extend([Some(revision.0), item.minimum].into_iter().flatten());
                if *digest == Digest::Unknown && how.digest_check {
                    digests.push(revision);
                }
            }
            _ => {}
        }
    }
    match cpu.vendor {
        // From here on revisions are negative.
        Vendor::Intel if !revisions.is_empty() => revisions.push(0x8000_0000),
        Vendor::Amd if how.began.is_none() => {
            let cutoffs: Vec<u32> = revisions
                .iter()
                .filter_map(|revision| entry_sign::cutoff(Revision(*revision)))
                .flat_map(|cutoff| [cutoff.0 & 0xffff_ff00, cutoff.0.saturating_add(1), cutoff.0 | 0xff])
                .collect();
            revisions.extend(cutoffs);
            revisions.extend(if signature.family_model_stepping().0 == 0x10 {
                amd::FINAL.as_slice()
            } else {
                &[]
            });
        }
        _ => {}
    }
    Marks { revisions, digests }
}

fn verdict(vendor: Vendor, blob: &Blob, known: Known, how: How) -> Verdict {
    let mut outcomes: Vec<(Outcome, Vec<Reason>)> = Vec::with_capacity(blob.items.len());
    let mut pick: Option<usize> = None;
    for (index, item) in blob.items.iter().enumerate() {
        let saved = pick.and_then(|pick| blob.items.get(pick));
        let seen = weigh(vendor, item, saved, known, how);
        if seen.0 == Outcome::Chosen {
            let here = &item.candidate;
            if let Some((before, reasons)) = pick.and_then(|pick| outcomes.get_mut(pick)) {
                *before = Outcome::Passed;
                let detail = format!("{} at {:#x} is newer", here.revision, here.place.offset);
                *reasons = vec![Reason {
                    rule: highest(vendor),
                    detail,
                }];
            }
            pick = Some(index);
        }
        outcomes.push(seen);
    }
    let mut reasons: Vec<Reason> = blob.error.iter().cloned().collect();
    let Some((index, item)) = pick.and_then(|pick| Some((pick, blob.items.get(pick)?))) else {
        reasons.push(nothing(blob));
        return Verdict {
            outcomes,
            reasons,
            loaded: None,
        };
    };
    if blob.error.is_some() {
        reasons.push(Reason {
            rule: if vendor == Vendor::Amd {
                rules::AMD_KEEPS
            } else {
                rules::INTEL_KEEPS
            },
            detail: format!(
                "{} at {:#x} stays",
                item.candidate.revision, item.candidate.place.offset
            ),
        });
    }
    let mut loaded = None;
    if let Some((outcome, why)) = outcomes.get_mut(index) {
        match apply(vendor, item, known, how) {
            Ok(reason) => {
                loaded = Some(item.candidate.revision);
                why.extend(reason);
            }
            Err(reason) => {
                *outcome = Outcome::Refused;
                why.push(reason);
            }
        }
    }
    Verdict {
        outcomes,
        reasons,
        loaded,
    }
}

fn highest(vendor: Vendor) -> crate::loader::Rule {
    if vendor == Vendor::Amd {
        rules::AMD_HIGHEST
    } else {
        rules::INTEL_HIGHEST
    }
}

fn nothing(blob: &Blob) -> Reason {
    match &blob.error {
        Some(error) => Reason {
            rule: rules::PARSE_ERROR,
            detail: format!("nothing for this CPU before the error: {}", error.detail),
        },
        None => Reason {
            rule: rules::NO_PATCH,
            detail: format!("none of {} fits", blob.items.len()),
        },
    }
}

/// Whether an update is taken in the place of the one that is held.
fn weigh(vendor: Vendor, item: &Item, held: Option<&Item>, known: Known, how: How) -> (Outcome, Vec<Reason>) {
    let revision = item.candidate.revision;
    let digest = match &item.fit {
        // Settled already: the reasons stand in the candidate.
        None => return (item.candidate.outcome, Vec::new()),
        Some(Fit::Intel(targets)) => match intel::fits(targets, known) {
            Ok(()) => None,
            Err(reason) => return (Outcome::OtherCpu, vec![reason]),
        },
        Some(Fit::Amd(digest)) => Some(*digest),
    };
    if let Some(held) = held
        && !newer(vendor, held.candidate.revision, revision)
    {
        let detail = format!(
            "{revision} is not newer than {} at {:#x}",
            held.candidate.revision, held.candidate.place.offset
        );
        return (
            Outcome::Passed,
            vec![Reason {
                rule: highest(vendor),
                detail,
            }],
        );
    }
    match digest.map_or(Ok(None), |digest| listed(item, digest, known, how)) {
        Ok(reason) => (Outcome::Chosen, reason.into_iter().collect()),
        Err(reason) => (Outcome::Refused, vec![reason]),
    }
}

fn newer(vendor: Vendor, old: Revision, new: Revision) -> bool {
    if vendor == Vendor::Amd {
        new > old
    } else {
        intel::newer(old.0, new.0)
    }
}

/// The check of digests.
fn listed(item: &Item, digest: Digest, known: Known, how: How) -> Result<Option<Reason>, Reason> {
    let began = how.began.unwrap_or(Revision(known.revision));
    let affected = entry_sign::xen_affected(known.signature, Some(known.fred)) == Some(true);
    let firmware = entry_sign::xen_firmware(began);
    if !affected || firmware == entry_sign::XenFirmware::Fixed {
        return Ok(None);
    }
    if !how.digest_check {
        return Ok(Some(Reason {
            rule: rules::AMD_DIGEST_OFF,
            detail: "digest-check=no".to_owned(),
        }));
    }
    let revision = item.candidate.revision;
    let state = match entry_sign::cutoff(began) {
        Some(cutoff) => format!("Xen began with {began}, up to {cutoff} the firmware is not fixed"),
        None => format!("Xen began with {began}, of which it knows no fixed revision"),
    };
    let sha256 = item.candidate.sha256;
    match digest {
        Digest::NotListed => Err(Reason {
            rule: rules::AMD_NO_DIGEST,
            detail: format!("{revision} is not listed; {state}: a BIOS update is needed first"),
        }),
        Digest::Matches => Ok(None),
        Digest::Unknown if known.digests => Ok(None),
        Digest::Differs | Digest::Unknown => Err(Reason {
            rule: rules::AMD_DIGEST,
            detail: format!("{revision} is listed with another digest than {sha256}; {state}"),
        }),
    }
}

/// Write it to the CPU, at run time after a look at what is kept.
fn apply(vendor: Vendor, item: &Item, known: Known, how: How) -> Result<Vec<Reason>, Reason> {
    let revision = item.candidate.revision;
    let running = Revision(known.revision);
    if let (Some(kept), false) = (how.kept, how.force)
        && !newer(vendor, kept, revision)
    {
        return Err(Reason {
            rule: rules::CACHE,
            detail: format!("{revision} is not newer than {kept}, which Xen keeps"),
        });
    }
    let mut reasons = Vec::new();
    if !newer(vendor, running, revision) {
        if !how.force {
            return Err(Reason {
                rule: if vendor == Vendor::Amd {
                    rules::AMD_NEWER
                } else {
                    rules::INTEL_NEWER
                },
                detail: format!("{revision} is not newer than {running}, which runs"),
            });
        }
        reasons.push(Reason {
            rule: rules::FORCE,
            detail: format!("{revision} over {running}"),
        });
    }
    if vendor == Vendor::Amd {
        amd::may_load(item, known, how.force)?;
    }
    reasons.push(Reason {
        rule: rules::LOADED,
        detail: format!("{revision} over {running}"),
    });
    Ok(reasons)
}
