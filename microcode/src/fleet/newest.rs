//! The newest updates for a CPU.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::{Cpu, Vendor};
use crate::found::{Found, Update};
use crate::ids::{Date, PlatformMask, Revision, Sha256, Signature};

/// An update that may be the newest for a CPU.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Newest {
    /// Revision.
    pub revision: Revision,
    /// Intel platforms it is for; `None` when not known or for any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platforms: Option<PlatformMask>,
    /// Date.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub date: Option<Date>,
    /// Identity.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
    /// Where it is from: a file, or the name of a table.
    pub source: String,
}

/// Updates by the CPU they are for. Damaged ones are left out.
#[derive(Debug, Default)]
pub struct Updates<'a> {
    by_signature: HashMap<(Vendor, Signature), Vec<(PlatformMask, &'a Found)>>,
}

impl<'a> Updates<'a> {
    /// Sort updates.
    #[must_use]
    pub fn new(found: &'a [Found]) -> Self {
        let mut by_signature: HashMap<_, Vec<_>> = HashMap::new();
        for one in found.iter().filter(|one| one.update.damage().is_empty()) {
            let vendor = match &one.update {
                Update::Intel(_) => Vendor::Intel,
                Update::Amd(_) => Vendor::Amd,
            };
            for target in one.update.targets() {
                let list = by_signature.entry((vendor, target.signature)).or_default();
                list.push((target.platforms, one));
            }
        }
        Self { by_signature }
    }

    /// Those for the signature of a CPU, whatever its platform; of each platform mask only those of
    /// the highest revision.
    #[must_use]
    pub fn for_cpu(&self, cpu: &Cpu) -> Vec<Newest> {
        let Some(signature) = cpu.signature else {
            return Vec::new();
        };
        let all = self.by_signature.get(&(cpu.vendor, signature));
        let all = all.map(Vec::as_slice).unwrap_or_default();
        let mut highest: HashMap<PlatformMask, Revision> = HashMap::new();
        for (platforms, found) in all {
            let revision = found.update.revision();
            let slot = highest.entry(*platforms).or_insert(revision);
            *slot = revision.max(*slot);
        }
        all.iter()
            .filter(|(platforms, found)| highest.get(platforms) == Some(&found.update.revision()))
            .map(|(platforms, found)| Newest {
                revision: found.update.revision(),
                platforms: (cpu.vendor == Vendor::Intel).then_some(*platforms),
                date: Some(found.update.date()),
                sha256: Some(found.sha256()),
                source: found.place.source.clone(),
            })
            .collect()
    }
}

/// What is the newest for a CPU.
pub(super) struct OfCpu {
    /// One, or one for each platform it may be, by ascending revision.
    pub newest: Vec<Newest>,
    /// Further ones of the same revisions with other content.
    pub alike: usize,
}

/// Of updates for a signature those that are the newest for the CPU, or for a CPU of each platform
/// where that is not known.
pub(super) fn of_cpu(cpu: &Cpu, known: Vec<Newest>) -> OfCpu {
    let fits = |newest: &Newest, platform: u32| match newest.platforms {
        Some(PlatformMask(mask)) if cpu.vendor == Vendor::Intel => mask & platform != 0 || mask == 0 && platform == 0,
        _ => true,
    };
    // Bit 8 stands for CPUs without platform flags.
    let platforms = match (cpu.vendor, cpu.platform) {
        (Vendor::Intel, None) => (0..9).map(|bit| 1 << bit & 0xff).collect(),
        (_, platform) => vec![platform.map_or(0, |platform| platform.0)],
    };
    let mut picked: Vec<(Option<PlatformMask>, Revision)> = Vec::new();
    for platform in platforms {
        let here = known.iter().filter(|newest| fits(newest, platform));
        if let Some(best) = here.max_by_key(|newest| newest.revision) {
            let key = (best.platforms, best.revision);
            if !picked.contains(&key) {
                picked.push(key);
            }
        }
    }
    picked.sort_by_key(|(platforms, revision)| (*revision, *platforms));
    let mut alike: usize = 0;
    let mut newest: Vec<Newest> = Vec::new();
    for (platforms, revision) in picked {
        let same: Vec<&Newest> = known
            .iter()
            .filter(|one| (one.platforms, one.revision) == (platforms, revision))
            .collect();
        // The one that says most; of those, the first.
        let best = same.iter().rev().max_by_key(|one| one.sha256.is_some());
        let mut digests: Vec<_> = same.iter().filter_map(|one| one.sha256).collect();
        digests.sort_unstable();
        digests.dedup();
        alike = alike.saturating_add(digests.len().saturating_sub(1));
        newest.extend(best.map(|best| (*best).clone()));
    }
    // One revision for all platforms needs no list.
    let sources = |one: &Newest| (one.revision, one.sha256);
    newest.dedup_by(|one, other| sources(one) == sources(other));
    OfCpu { newest, alike }
}
