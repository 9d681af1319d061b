//! What the microcode loader of Xen does (4.20, xen/arch/x86/cpu/microcode).
//!
//! At boot Xen looks where `ucode=` says: in one module of the boot loader by its number, or by a
//! scan of all of them for a cpio archive with the file that Linux looks for too. There is no default
//! place. At run time `xen-ucode` hands it a file. It parts from Linux in much: an error does not void
//! what was found before it, the equivalence table counts on Zen as well, an equal revision is
//! refused, the minimum revision counts at boot, and the hypervisor bit does not count.

mod amd;
pub mod answer;
mod blob;
mod intel;
mod known;
pub mod options;
pub mod rules;

use std::sync::Arc;

use crate::container::{self, Content};
use crate::cpu::{Cpu, Vendor};
use crate::found::Update;
use crate::ids::{Revision, Sha256, Signature};
use crate::loader::{Candidate, Decision, Look, Outcome, Reason, Rule, Stage, early_cpio};

use blob::How;
use options::Options;

/// Something that the boot loader gives to Xen, or `xen-ucode` reads.
#[derive(Clone, Debug)]
pub struct Module {
    /// Its name: a path.
    pub source: String,
    /// Its bytes.
    pub bytes: Arc<Vec<u8>>,
}

/// Microcode that xen.efi has by other ways than the boot loader's modules.
#[derive(Clone, Debug)]
pub enum EfiUcode {
    /// `ucode=` in its configuration file.
    Config(Module),
    /// A `.ucode` section in xen.efi.
    Section(Module),
}

/// How Xen was started.
#[derive(Clone, Debug, Default)]
pub struct Boot<'a> {
    /// Xen's command line; what stands behind ` -- ` is dom0's.
    pub command_line: Option<&'a str>,
    /// Modules in their order; the first is the kernel of dom0.
    pub modules: &'a [Module],
    /// With xen.efi: the module behind the others.
    pub efi_ucode: Option<EfiUcode>,
}

/// A call of `xen-ucode`.
#[derive(Clone, Debug)]
pub struct Late<'a> {
    /// The file.
    pub file: Module,
    /// `-f`.
    pub force: bool,
    /// Xen's command line, for `ucode=digest-check=no`.
    pub command_line: Option<&'a str>,
    /// The revision that Xen found when it started, where it has loaded another one since; by it the
    /// need for digests is judged.
    pub began: Option<Revision>,
    /// The update that Xen keeps from the boot modules or from an earlier call.
    pub kept: Option<Revision>,
}

/// What Xen does at boot.
#[must_use]
pub fn boot(cpu: &Cpu, setup: &Boot<'_>) -> Decision {
    let mut modules: Vec<&Module> = setup.modules.iter().collect();
    let number = i32::try_from(modules.len()).unwrap_or(i32::MAX);
    let mut forced = None;
    let mut reasons = Vec::new();
    match &setup.efi_ucode {
        Some(EfiUcode::Config(module)) => {
            forced = Some(number);
            reasons.push(reason(
                rules::EFI_OVERRIDES,
                format!("{} is module {number}", module.source),
            ));
            modules.push(module);
        }
        Some(EfiUcode::Section(module)) => {
            reasons.push(reason(rules::EFI_SECTION, format!("it is module {number}")));
            modules.push(module);
        }
        None => {}
    }
    let options = Options::read(setup.command_line.unwrap_or_default(), forced);
    let mut decision = begin(Stage::XenBoot, cpu, reasons);
    decision.reasons.extend(options.reasons.iter().cloned());
    if let Some(off) = off(cpu) {
        decision.reasons.push(off);
        return nothing(decision);
    }
    let how = How {
        force: false,
        digest_check: options.digest_check,
        kept: None,
        began: None,
    };
    if options.scan {
        scan(cpu, &modules, how, decision)
    } else if options.module != 0 {
        nominated(cpu, &modules, options.module, how, decision)
    } else {
        let line = setup.command_line.unwrap_or_default();
        decision
            .reasons
            .push(reason(rules::NOTHING_ASKED, format!("command line \"{line}\"")));
        nothing(decision)
    }
}

/// What Xen does when `xen-ucode` hands it a file.
#[must_use]
pub fn late(cpu: &Cpu, setup: &Late<'_>) -> Decision {
    let options = Options::read(setup.command_line.unwrap_or_default(), None);
    let mut decision = begin(Stage::XenLate, cpu, Vec::new());
    let at_start = setup.began.or(cpu.revision);
    let started = Cpu {
        revision: at_start,
        ..cpu.clone()
    };
    if let Some(off) = off(&started) {
        decision.reasons.push(off);
        return nothing(decision);
    }
    let how = How {
        force: setup.force,
        digest_check: options.digest_check,
        kept: setup.kept,
        began: setup.began,
    };
    let mut reasons = Vec::new();
    if early_cpio::find(&setup.file.bytes, path(cpu.vendor)).found.is_some() {
        reasons.push(reason(
            rules::LATE_RAW,
            format!("{} is a cpio archive", setup.file.source),
        ));
    }
    if setup.force {
        decision.reasons.push(reason(rules::FORCE, "xen-ucode -f".to_owned()));
    }
    let at = setup.file.source.clone();
    let bytes: &[u8] = &setup.file.bytes;
    take(
        cpu,
        Look {
            at: at.clone(),
            reasons,
            candidates: Vec::new(),
        },
        &at,
        bytes,
        how,
        decision,
    )
}

/// File in a cpio archive that Xen looks for.
#[must_use]
pub fn path(vendor: Vendor) -> &'static str {
    match vendor {
        Vendor::Amd => "kernel/x86/microcode/AuthenticAMD.bin",
        _ => "kernel/x86/microcode/GenuineIntel.bin",
    }
}

fn reason(rule: Rule, detail: impl Into<String>) -> Reason {
    Reason {
        rule,
        detail: detail.into(),
    }
}

fn begin(stage: Stage, cpu: &Cpu, mut reasons: Vec<Reason>) -> Decision {
    if cpu.hypervisor == Some(true) {
        reasons.push(reason(rules::HYPERVISOR, "the bit is set, and Xen tries all the same"));
    }
    reasons.push(reason(
        rules::DOM0,
        "microcode in dom0's initrd counts only where Xen looks into it",
    ));
    Decision {
        stage,
        before: cpu.revision,
        after: None,
        loads: None,
        reasons,
        looks: Vec::new(),
        unknown: Vec::new(),
    }
}

fn nothing(mut decision: Decision) -> Decision {
    decision.loads = Some(false);
    decision.after = decision.before;
    decision
}

/// Why there is no loader.
fn off(cpu: &Cpu) -> Option<Reason> {
    let family = cpu.signature.map(|signature| signature.family_model_stepping().0);
    match (cpu.vendor, family) {
        (Vendor::Hygon | Vendor::Other, _) => Some(reason(rules::NO_LOADER, format!("the vendor is {:?}", cpu.vendor))),
        (Vendor::Amd, Some(family)) if family < 0x10 => {
            Some(reason(rules::NO_LOADER, format!("AMD family {family:x}h")))
        }
        _ if cpu.revision == Some(Revision(u32::MAX)) => Some(reason(rules::ALL_ONES, "0xffffffff runs")),
        _ => None,
    }
}

fn scan(cpu: &Cpu, modules: &[&Module], how: How, mut decision: Decision) -> Decision {
    let path = path(cpu.vendor);
    let mut modules = modules.iter().enumerate();
    while let Some((number, module)) = modules.next() {
        let search = early_cpio::find(&module.bytes, path);
        let name = format!("module {number} ({})", module.source);
        let Some(range) = &search.found else {
            let mut reasons = vec![absent(&search)];
            if number == 0 {
                reasons.insert(0, reason(rules::SCAN_ORDER, "module 0 is looked at"));
            }
            decision.looks.push(Look {
                at: name,
                reasons,
                candidates: Vec::new(),
            });
            continue;
        };
        let source = format!("{}: {path}", module.source);
        let bytes = module.bytes.get(range.clone()).unwrap_or_default();
        let look = Look {
            at: format!("{path} in {name}"),
            reasons: vec![
                reason(rules::CPIO_MEMBER, member(range)),
                reason(rules::SCAN_FIRST, name.clone()),
            ],
            candidates: Vec::new(),
        };
        let mut decision = take(cpu, look, &source, bytes, how, decision);
        for (number, later) in modules {
            decision.looks.extend(not_reached(number, later, path, &name));
        }
        return decision;
    }
    let detail = format!("{path} is in none of {} modules", decision.looks.len());
    decision.reasons.push(reason(rules::SCAN_NOT_FOUND, detail));
    nothing(decision)
}

fn nominated(cpu: &Cpu, modules: &[&Module], number: i32, how: How, mut decision: Decision) -> Decision {
    let count = i64::try_from(modules.len()).unwrap_or(i64::MAX);
    let index = if number < 0 {
        i64::from(number).saturating_add(count)
    } else {
        i64::from(number)
    };
    let module = usize::try_from(index).ok().filter(|index| *index > 0);
    let Some(module) = module.and_then(|index| modules.get(index)) else {
        let detail = format!("ucode={number} is module {index} of {count}");
        decision.reasons.push(reason(rules::MODULE_RANGE, detail));
        return nothing(decision);
    };
    let name = format!("module {index} ({})", module.source);
    let path = path(cpu.vendor);
    let search = early_cpio::find(&module.bytes, path);
    let mut look = Look {
        at: name.clone(),
        reasons: vec![reason(rules::NOMINATED, name)],
        candidates: Vec::new(),
    };
    match &search.found {
        Some(range) => {
            look.reasons.push(reason(rules::CPIO_MEMBER, member(range)));
            look.at = format!("{path} in {}", look.at);
            let source = format!("{}: {path}", module.source);
            let bytes = module.bytes.get(range.clone()).unwrap_or_default();
            take(cpu, look, &source, bytes, how, decision)
        }
        None => {
            look.reasons
                .push(reason(rules::RAW, format!("no {path} in it: {}", search.why)));
            take(cpu, look, &module.source, &module.bytes, how, decision)
        }
    }
}

fn member(range: &std::ops::Range<usize>) -> String {
    format!("{} bytes at {:#x}", range.len(), range.start)
}

fn absent(search: &early_cpio::Search) -> Reason {
    let mut detail = format!("the search ends at {:#x}: {}", search.end, search.why);
    for member in search.near_misses().take(4) {
        if let Some(mismatch) = member.mismatch {
            detail.push_str(&format!("; {} at {:#x}: {mismatch}", member.name, member.offset));
        }
    }
    reason(rules::CPIO_ABSENT, detail)
}

/// Read the file and decide.
fn take(cpu: &Cpu, mut look: Look, source: &str, bytes: &[u8], how: How, mut decision: Decision) -> Decision {
    let Some(signature) = cpu.signature else {
        let open = reason(rules::UNKNOWN, "hangs on the CPU signature");
        look.candidates = listed(source, bytes, Outcome::Depends, &open);
        decision.unknown.push("CPU signature (EAX of CPUID leaf 1)".to_owned());
        decision.looks.push(look);
        return decision;
    };
    let blob = blob::read(cpu.vendor, signature, source, bytes);
    let settled = blob::decide(cpu, signature, &blob, how);
    look.reasons.extend(settled.reasons);
    look.candidates = settled.candidates;
    decision.looks.push(look);
    decision.loads = settled.loads;
    decision.after = match settled.loads {
        Some(false) => decision.before,
        _ => settled.loaded,
    };
    decision.unknown.extend(settled.unknown);
    decision
}

/// A module behind the one that ended the scan, when it has the file as well.
fn not_reached(number: usize, module: &Module, path: &str, first: &str) -> Option<Look> {
    let range = early_cpio::find(&module.bytes, path).found?;
    let why = reason(rules::SCAN_FIRST, format!("the scan ended at {first}"));
    let source = format!("{}: {path}", module.source);
    let bytes = module.bytes.get(range).unwrap_or_default();
    Some(Look {
        at: format!("{path} in module {number} ({})", module.source),
        candidates: listed(&source, bytes, Outcome::NotSeen, &why),
        reasons: vec![why],
    })
}

/// Updates of a file that is not weighed.
fn listed(source: &str, bytes: &[u8], outcome: Outcome, why: &Reason) -> Vec<Candidate> {
    let updates: Vec<(usize, usize, Update)> = match container::read(bytes) {
        Some(Content::Intel(file)) => file
            .updates
            .into_iter()
            .map(|update| (update.offset, update.size, Update::Intel(update)))
            .collect(),
        Some(Content::Amd(file)) => file
            .containers
            .into_iter()
            .flat_map(|container| container.patches)
            .map(|patch| (patch.offset, patch.size, Update::Amd(patch)))
            .collect(),
        _ => Vec::new(),
    };
    updates
        .into_iter()
        .map(|(offset, size, update)| {
            let mut signatures: Vec<Signature> = Vec::new();
            for target in update.targets() {
                if !signatures.contains(&target.signature) {
                    signatures.push(target.signature);
                }
            }
            Candidate {
                place: blob::place(source, offset),
                signatures,
                revision: update.revision(),
                date: update.date(),
                sha256: Sha256::of(bytes.get(offset..offset.saturating_add(size)).unwrap_or_default()),
                outcome,
                reasons: vec![why.clone()],
            }
        })
        .collect()
}
