//! What the microcode loader of Linux does, as of 6.12.107 (arch/x86/kernel/cpu/microcode): at boot
//! ([`early`]) and at run time ([`late`]).
//!
//! The steps are the kernel's own, in its order, with what it leaves unchecked left unchecked. What
//! is not known of the CPU (platform, running revision) makes several cases; each is decided, and
//! where they differ the outcome is [`Outcome::Depends`].

mod amd;
mod command_line;
mod facts;
mod intel;
mod merge;
mod places;
pub mod rules;

use std::sync::{Arc, OnceLock};

use super::{Candidate, Decision, Look, Outcome, Reason, Rule, Stage};
use crate::cpu::{Cpu, Vendor};
use crate::ids::{Revision, Signature};
use facts::Facts;
use intel::When;
use places::{Content, Source};
pub use places::{firmware_name, initrd_path};

/// AMD patch levels that are never replaced.
const FINAL_LEVELS: [Revision; 3] = [Revision(0x0100_0098), Revision(0x0100_009f), Revision(0x0100_00af)];

/// A file that the kernel may ask for.
#[derive(Clone, Debug)]
pub struct File {
    /// Name as the kernel asks for it: `intel-ucode/06-55-04`.
    pub name: String,
    /// Where it is from, for the places of candidates.
    pub source: String,
    /// Its bytes, decompressed where it is a compressed firmware file.
    pub bytes: Arc<Vec<u8>>,
}

/// What there is at boot.
#[derive(Clone, Debug, Default)]
pub struct Early<'a> {
    /// Kernel command line; `None` is taken for an empty one.
    pub command_line: Option<&'a str>,
    /// Firmware built into the kernel.
    pub built_in: &'a [File],
    /// The initrd: all of it, or the part up to its first byte that is not cpio and 111 bytes more.
    pub initrd: Option<File>,
    /// Whether the kernel is a 32-bit one.
    pub is_32_bit: bool,
}

/// What there is at run time.
#[derive(Clone, Copy)]
pub struct Late<'a> {
    /// Kernel command line; `None` is taken for an empty one.
    pub command_line: Option<&'a str>,
    /// Whether the kernel is built with `CONFIG_MICROCODE_LATE_FORCE_MINREV`; the command line goes
    /// before it.
    pub force_minrev: Option<bool>,
    /// Whether the kernel is built with `CONFIG_MICROCODE_LATE_LOADING`; `None` is taken for yes.
    /// Debian's kernels are not.
    pub late_loading: Option<bool>,
    /// Firmware built into the kernel.
    pub built_in: &'a [File],
    /// The firmware directory: gives the file of a name, decompressed when the name ends in `.zst`
    /// or `.xz`.
    pub firmware: &'a dyn Fn(&str) -> Option<File>,
}

/// What Linux does with this CPU at boot.
#[must_use]
pub fn early(cpu: &Cpu, setup: &Early<'_>) -> Decision {
    EarlyLoader::new(setup).decide(cpu)
}

/// What Linux does with this CPU when it is asked to load at run time.
#[must_use]
pub fn late(cpu: &Cpu, setup: &Late<'_>) -> Decision {
    let line = setup.command_line.unwrap_or_default();
    let options = Options {
        stage: Stage::LinuxLate,
        line,
        force_minrev: command_line::switch(line, "microcode.force_minrev").or(setup.force_minrev),
        late_loading: setup.late_loading,
    };
    let sources = places::late(cpu, setup);
    let mut decision = options.decide(cpu, &sources);
    if setup.late_loading.is_none() && decision.loads != Some(false) {
        let text = "whether the kernel is built with CONFIG_MICROCODE_LATE_LOADING: taken to be";
        decision.unknown.push(text.to_owned());
    }
    decision
}

/// The loader at boot for many CPUs: reads the files once.
#[derive(Debug)]
pub struct EarlyLoader<'a> {
    setup: &'a Early<'a>,
    intel: OnceLock<Source>,
}

impl<'a> EarlyLoader<'a> {
    /// The loader of a kernel that is started like this.
    #[must_use]
    pub fn new(setup: &'a Early<'a>) -> Self {
        Self {
            setup,
            intel: OnceLock::new(),
        }
    }

    /// What it does with this CPU.
    #[must_use]
    pub fn decide(&self, cpu: &Cpu) -> Decision {
        let options = Options {
            stage: Stage::LinuxEarly,
            line: self.setup.command_line.unwrap_or_default(),
            force_minrev: Some(false),
            late_loading: Some(true),
        };
        let initrd = match cpu.vendor {
            Vendor::Intel => self.intel.get_or_init(|| places::initrd(cpu, self.setup)).clone(),
            Vendor::Amd => places::initrd(cpu, self.setup),
            Vendor::Hygon | Vendor::Other => return options.decide(cpu, &[]),
        };
        let sources = places::early(cpu, self.setup, initrd);
        options.decide(cpu, &sources)
    }
}

struct Options<'a> {
    stage: Stage,
    line: &'a str,
    force_minrev: Option<bool>,
    late_loading: Option<bool>,
}

impl Options<'_> {
    fn decide(&self, cpu: &Cpu, sources: &[Source]) -> Decision {
        let mut decision = match cpu.signature {
            Some(signature) => {
                let met = places::met(sources, signature);
                let cases = facts::cases(cpu, signature, self.force_minrev, &met);
                let cases = cases.into_iter().map(|facts| {
                    let decision = self.case(cpu, &facts, sources);
                    (facts, decision)
                });
                merge::merge(cases.collect())
            }
            None => None,
        }
        .unwrap_or_else(|| self.without_signature(cpu, sources));
        if cpu.hypervisor.is_none() && decision.loads != Some(false) {
            let text =
                "the hypervisor bit (bit 31 of ECX of CPUID leaf 1): taken as clear; where it is set nothing is loaded";
            decision.unknown.push(text.to_owned());
        }
        decision
    }

    /// Why nothing at all is loaded, if that is so.
    fn off(&self, facts: &Facts) -> Option<Reason> {
        let because = |rule: Rule, detail: String| Some(Reason { rule, detail });
        if self.late_loading == Some(false) {
            return because(rules::late::CONFIG, "the kernel is built without it".to_owned());
        }
        if let Some(off) = facts::off(facts, self.line) {
            return Some(off);
        }
        if self.stage == Stage::LinuxEarly {
            return None;
        }
        let broadwell = facts.vendor == Vendor::Intel && facts.signature == Signature(0x0004_06f1);
        if broadwell && facts.cache_per_core > 2_621_440 && facts.revision < intel::BDF90_FIXED {
            let detail = if facts.supposed.cache {
                format!("running {}, cache per core not known", facts.running())
            } else {
                format!(
                    "running {}, {} bytes of cache per core",
                    facts.running(),
                    facts.cache_per_core
                )
            };
            return because(rules::late::BDF90, detail);
        }
        if facts.vendor == Vendor::Amd && facts.force_minrev {
            return because(rules::late::AMD_FORCED, "force_minrev is on".to_owned());
        }
        None
    }

    fn sha_check(&self) -> bool {
        let value = command_line::value(self.line, "microcode.amd_sha_check");
        !value.is_some_and(|value| value.starts_with("off"))
    }

    /// The decision when everything is known.
    fn case(&self, cpu: &Cpu, facts: &Facts, sources: &[Source]) -> Decision {
        let off = self.off(facts);
        let mut decision = self.empty(cpu);
        decision.reasons.extend(off.clone());
        for source in sources {
            let mut look = Look {
                at: source.at.clone(),
                reasons: source.reasons.clone(),
                candidates: Vec::new(),
            };
            for sheet in &source.sheets {
                match off.as_ref().or(sheet.skip.as_ref()) {
                    Some(why) => look.candidates.extend(sheet.content.not_seen(facts, why)),
                    None => self.read(&sheet.content, facts, &mut look, &mut decision),
                }
            }
            decision.looks.push(look);
        }
        let chosen = decision.chosen().map(|chosen| chosen.revision);
        let mut all = decision.looks.iter().flat_map(|look| &look.candidates);
        if let Some(open) = all.find(|candidate| candidate.outcome == Outcome::Depends) {
            let text = format!("the digest that the kernel's list has for patch {}", open.revision);
            decision.unknown.push(text);
        } else {
            decision.loads = Some(chosen.is_some());
            decision.after = chosen.or(cpu.revision);
        }
        decision
    }

    fn read(&self, content: &Content, facts: &Facts, look: &mut Look, decision: &mut Decision) {
        let when = match self.stage {
            Stage::LinuxLate => When::Late,
            _ => When::Early,
        };
        match content {
            Content::Intel(parsed) => {
                look.reasons.extend(parsed.void.clone());
                let candidates = intel::decide(parsed, facts, when);
                let mut chosen = candidates.iter().filter(|one| one.outcome == Outcome::Chosen);
                if let Some(chosen) = chosen.next().filter(|_| when == When::Early) {
                    decision.reasons.extend(intel::for_other_cpus(parsed, facts, chosen));
                }
                look.candidates.extend(candidates);
            }
            Content::Amd(parsed) => {
                let decided = match when {
                    When::Early => amd::early(parsed, facts, self.sha_check()),
                    When::Late => amd::late(parsed, facts, self.sha_check()),
                };
                look.reasons.extend(decided.reasons);
                look.candidates.extend(decided.candidates);
                decision.reasons.extend(decided.others);
            }
        }
    }

    fn empty(&self, cpu: &Cpu) -> Decision {
        Decision {
            stage: self.stage,
            before: cpu.revision,
            after: None,
            loads: None,
            reasons: Vec::new(),
            looks: Vec::new(),
            unknown: Vec::new(),
        }
    }

    /// Nothing can be compared, but the loader may be off all the same.
    fn without_signature(&self, cpu: &Cpu, sources: &[Source]) -> Decision {
        // A signature of a family that the vendor's loader serves, so that only other rules speak.
        let supposed = match cpu.vendor {
            Vendor::Amd => Signature(0x0010_0f00),
            _ => Signature(0x0600),
        };
        let facts = facts::cases(cpu, supposed, Some(false), &[]);
        let mut decision = self.empty(cpu);
        let off = facts.first().and_then(|facts| self.off(facts));
        let why = off.clone().unwrap_or(Reason {
            rule: rules::UNKNOWN,
            detail: "the signature".to_owned(),
        });
        for source in sources {
            let sheets = source.sheets.iter();
            let candidates = sheets
                .flat_map(|sheet| sheet.content.undecided(&why))
                .map(|candidate| Candidate {
                    outcome: if off.is_some() {
                        Outcome::NotSeen
                    } else {
                        Outcome::Depends
                    },
                    ..candidate
                });
            decision.looks.push(Look {
                at: source.at.clone(),
                reasons: source.reasons.clone(),
                candidates: candidates.collect(),
            });
        }
        if off.is_some() {
            decision.loads = Some(false);
            decision.after = cpu.revision;
            decision.reasons.extend(off);
        } else {
            decision.unknown.push("the signature (EAX of CPUID leaf 1)".to_owned());
        }
        decision
    }
}
