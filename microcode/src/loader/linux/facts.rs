//! What the loader reads from a CPU, and the cases that follow when some of it is not known.

use std::collections::BTreeSet;

use super::rules;
use crate::cpu::{Cpu, Vendor};
use crate::entry_sign;
use crate::ids::{PlatformMask, Revision, Signature};
use crate::intel::Target;
use crate::loader::Reason;

/// A CPU of which everything is known, or supposed.
#[derive(Clone, Debug)]
pub(super) struct Facts {
    pub(super) vendor: Vendor,
    pub(super) signature: Signature,
    pub(super) platform: PlatformMask,
    pub(super) revision: Revision,
    pub(super) hypervisor: bool,
    pub(super) cache_per_core: u64,
    pub(super) force_minrev: bool,
    /// Which of them are supposed only.
    pub(super) supposed: Supposed,
}

/// Facts that are not known; each makes several cases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Supposed {
    pub(super) platform: bool,
    pub(super) revision: bool,
    pub(super) cache: bool,
    pub(super) minimum: bool,
}

impl Facts {
    /// The running revision in words.
    pub(super) fn running(&self) -> String {
        if self.supposed.revision {
            "not known".to_owned()
        } else {
            self.revision.to_string()
        }
    }

    /// The platform in words.
    pub(super) fn on(&self) -> String {
        if self.supposed.platform {
            "not known".to_owned()
        } else {
            self.platform.to_string()
        }
    }

    /// Family as the kernel computes it (`x86_family()`).
    pub(super) fn family(&self) -> u32 {
        family(self.signature)
    }

    /// `cpu_signatures_match()`.
    pub(super) fn is_for(&self, target: &Target) -> bool {
        let (own, other) = (self.platform.0, target.platforms.0);
        self.signature == target.signature && ((own == 0 && other == 0) || own & other != 0)
    }
}

/// `x86_family()`.
pub(super) fn family(signature: Signature) -> u32 {
    let base = signature.0.wrapping_shr(8) & 15;
    if base == 15 {
        base.saturating_add(signature.0.wrapping_shr(20) & 0xff)
    } else {
        base
    }
}

/// `x86_model()`: the extended model counts from family 6 on.
pub(super) fn model(signature: Signature) -> u32 {
    let base = signature.0.wrapping_shr(4) & 15;
    if family(signature) >= 6 {
        base | (signature.0.wrapping_shr(16) & 15) << 4
    } else {
        base
    }
}

/// `x86_stepping()`.
pub(super) fn stepping(signature: Signature) -> u32 {
    signature.0 & 15
}

/// Whether the kernel reads the platform: Intel from family 6 model 5 on.
pub(super) fn has_platform(signature: Signature) -> bool {
    (family(signature), model(signature)) >= (6, 5)
}

/// Revisions of an update that could be met, by which cases are told apart.
pub(super) struct Met {
    pub(super) revision: Revision,
    /// Lowest revision for run time; 0 for none.
    pub(super) minimum: Revision,
    pub(super) is_for: bool,
}

/// The cases of a CPU: one when everything is known. `met` are the updates that could be met.
pub(super) fn cases(cpu: &Cpu, signature: Signature, force_minrev: Option<bool>, met: &[Met]) -> Vec<Facts> {
    let intel = cpu.vendor == Vendor::Intel;
    let platforms = match cpu.platform {
        _ if !intel || !has_platform(signature) => vec![PlatformMask(0)],
        Some(platform) => vec![platform],
        None => (0..8).map(|bit| PlatformMask(1 << bit)).collect(),
    };
    let revisions = match cpu.revision {
        Some(revision) => vec![revision],
        None => revisions(cpu.vendor, signature, met),
    };
    let broadwell = signature.0 == 0x0004_06f1;
    let caches = match cpu.cache_per_core {
        None if intel && broadwell => vec![0, u64::MAX],
        known => vec![known.unwrap_or(0)],
    };
    let minimums = force_minrev.map_or(vec![false, true], |state| vec![state]);
    let supposed = Supposed {
        platform: platforms.len() > 1,
        revision: cpu.revision.is_none(),
        cache: caches.len() > 1,
        minimum: minimums.len() > 1,
    };
    let mut list = Vec::new();
    for platform in &platforms {
        for revision in &revisions {
            for cache in &caches {
                for minimum in &minimums {
                    list.push(Facts {
                        vendor: cpu.vendor,
                        signature,
                        platform: *platform,
                        revision: *revision,
                        hypervisor: cpu.hypervisor.unwrap_or(false),
                        cache_per_core: *cache,
                        force_minrev: *minimum,
                        supposed,
                    });
                }
            }
        }
    }
    list
}

/// Running revisions that the loader may tell apart: the lowest of every range within which all its
/// comparisons come out alike.
fn revisions(vendor: Vendor, signature: Signature, met: &[Met]) -> Vec<Revision> {
    let own = met.iter().filter(|met| met.is_for);
    let edges = own.flat_map(|met| [met.revision.0, met.revision.0.saturating_add(1), met.minimum.0]);
    let mut edges: BTreeSet<u32> = edges.collect();
    if vendor == Vendor::Intel {
        edges.insert(0);
        if signature.0 == 0x0004_06f1 {
            edges.insert(super::intel::BDF90_FIXED.0);
        }
        return edges.into_iter().map(Revision).collect();
    }
    if family(signature) < 0x17 {
        edges.insert(0);
        for level in super::FINAL_LEVELS.iter().filter(|_| family(signature) == 0x10) {
            edges.extend([level.0, level.0.saturating_add(1)]);
        }
        return edges.into_iter().map(Revision).collect();
    }
    // Family 17h on: the CPU runs a revision that bears its own signature.
    let lowest = entry_sign::linux_revision(signature, Revision(0));
    edges.insert(lowest.0);
    if let Some(cutoff) = entry_sign::cutoff(lowest) {
        edges.extend([cutoff.0, cutoff.0.saturating_add(1)]);
    }
    edges.retain(|revision| revision >> 8 == lowest.0 >> 8);
    edges.into_iter().map(Revision).collect()
}

/// Why the loader is off for this CPU, if it is (`load_ucode_bsp()`).
pub(super) fn off(facts: &Facts, command_line: &str) -> Option<Reason> {
    let because = |rule, detail: String| Some(Reason { rule, detail });
    if super::command_line::has_word(command_line, "dis_ucode_ldr") {
        return because(rules::DISABLED, "dis_ucode_ldr is on the command line".to_owned());
    }
    if facts.hypervisor {
        return because(rules::HYPERVISOR, "the CPU has the bit".to_owned());
    }
    if facts.vendor == Vendor::Amd && super::FINAL_LEVELS.contains(&facts.revision) {
        return because(rules::FINAL_LEVEL, format!("running {}", facts.running()));
    }
    let family = facts.family();
    match facts.vendor {
        Vendor::Intel if family < 6 => because(rules::INTEL_FAMILY, format!("family {family:#x}")),
        Vendor::Amd if family < 0x10 => because(rules::AMD_FAMILY, format!("family {family:#x}")),
        Vendor::Hygon => because(rules::VENDOR, "HygonGenuine".to_owned()),
        Vendor::Other => because(rules::VENDOR, "another vendor".to_owned()),
        Vendor::Intel | Vendor::Amd => None,
    }
}
