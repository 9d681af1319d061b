//! Would a loader load it, and why not: the decisions of Linux and of Xen, rule by rule.
//!
//! A loader is given a [`Cpu`](crate::cpu::Cpu) and what it would look into, and gives a
//! [`Decision`]: every place it looks at in its order, every update there, and for each the
//! [`Rule`] that took it or put it aside. What depends on something that is not known of the CPU
//! is [`Outcome::Depends`], with what would decide it.

pub mod early_cpio;
pub mod linux;
pub mod xen;

use schemars::JsonSchema;
use serde::Serialize;

use crate::found::Place;
use crate::ids::{Date, Revision, Sha256, Signature};

/// A rule of a loader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Rule {
    /// Short name, stable: `linux-intel-first-bad-voids`.
    pub id: &'static str,
    /// The rule in a sentence.
    pub says: &'static str,
    /// Where it stands: program, version, file and function.
    pub source: &'static str,
}

/// A rule applied to something.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Reason {
    /// The rule.
    pub rule: Rule,
    /// What it met here: the values compared.
    pub detail: String,
}

/// Which loader, when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Linux, before it has a file system: built-in firmware, then the initrd.
    LinuxEarly,
    /// Linux, by `/sys/devices/system/cpu/microcode/reload`: the firmware directory.
    LinuxLate,
    /// Xen at boot: modules of the boot loader.
    XenBoot,
    /// Xen at run time, by `xen-ucode`.
    XenLate,
}

/// What became of an update.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// It is loaded.
    Chosen,
    /// It is fit, but another one is taken.
    Passed,
    /// It is not for this CPU.
    OtherCpu,
    /// It is for this CPU and a rule puts it aside.
    Refused,
    /// The loader does not get as far as looking at it.
    NotSeen,
    /// It hangs on something that is not known.
    Depends,
}

/// An update that the loader could meet.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Candidate {
    /// Where it stands.
    pub place: Place,
    /// CPU signatures it is for.
    pub signatures: Vec<Signature>,
    /// Revision.
    pub revision: Revision,
    /// Date.
    pub date: Date,
    /// Identity.
    pub sha256: Sha256,
    /// What became of it.
    pub outcome: Outcome,
    /// Why; the last one decided.
    pub reasons: Vec<Reason>,
}

/// A place where the loader looks, in its order.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Look {
    /// What it looks for: "built-in intel-ucode/06-55-04", "kernel/x86/microcode/GenuineIntel.bin in the initrd".
    pub at: String,
    /// What it finds there and what follows from it: the member taken, where the scan stops.
    pub reasons: Vec<Reason>,
    /// Updates there.
    pub candidates: Vec<Candidate>,
}

/// What a loader does with a CPU.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Decision {
    /// Loader.
    pub stage: Stage,
    /// The revision that runs when it begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<Revision>,
    /// The revision that runs when it is done and the CPU takes the update; `None` when it hangs on
    /// something unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<Revision>,
    /// Whether it loads something; `None` when that hangs on something unknown.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loads: Option<bool>,
    /// What holds for the loader as a whole: why it is off, what it refuses altogether.
    pub reasons: Vec<Reason>,
    /// Where it looked.
    pub looks: Vec<Look>,
    /// What is not known and would decide.
    pub unknown: Vec<String>,
}

impl Decision {
    /// The update that is loaded.
    #[must_use]
    pub fn chosen(&self) -> Option<&Candidate> {
        let mut all = self.looks.iter().flat_map(|look| &look.candidates);
        all.find(|candidate| candidate.outcome == Outcome::Chosen)
    }
}
