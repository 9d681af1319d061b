//! What a loader asks of a CPU before it picks an update.
//!
//! Every field may be unknown: `/proc/cpuinfo` has no platform flags, a CPUID dump no running
//! revision. What is not known is said to be so by the loaders, never guessed.

mod cpuinfo;
mod leaves;
mod log;
mod report;
pub mod words;
mod xen;

pub use cpuinfo::{from_cpuinfo, with_sysfs};
pub use leaves::from_leaves;
pub use log::{Log, from_log};
pub use report::{from_dmidecode, from_lscpu, from_processor_id};
pub use words::{WordError, from_signature_words};
pub use xen::from_xen_ucode;

use schemars::JsonSchema;
use serde::Serialize;

use crate::ids::{PlatformMask, Revision, Signature};

/// Who made the CPU, by the vendor string of CPUID leaf 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Vendor {
    /// `GenuineIntel`.
    Intel,
    /// `AuthenticAMD`.
    Amd,
    /// `HygonGenuine`.
    Hygon,
    /// Anyone else.
    Other,
}

/// One CPU, or all CPUs of a machine that are alike.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Cpu {
    /// Where it is from, in words: "this machine", a file, "options".
    pub origin: String,
    /// Vendor.
    pub vendor: Vendor,
    /// EAX of CPUID leaf 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Intel: the one platform bit, 1 shifted left by bits 52 to 50 of MSR 17h.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformMask>,
    /// Revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<Revision>,
    /// Bit 31 of ECX of CPUID leaf 1: a hypervisor says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hypervisor: Option<bool>,
    /// Last-level cache of the package in bytes divided by its cores, for the BDF90 rule.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache_per_core: Option<u64>,
    /// AMD: FRED, bit 17 of EAX of leaf 7, subleaf 1, by which Xen knows Zen 6.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub fred: Option<bool>,
    /// Name from the brand string.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Linux CPU numbers that are of this kind, with Xen below those of Xen; empty when not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u32>,
    /// What is told by Xen's control domain, where Xen is below and told of the CPU itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub xen: Option<Box<UnderXen>>,
}

/// A CPU that Xen told of: what its control domain shows beside.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct UnderXen {
    /// CPUs of the control domain, some of those that the machine has.
    pub dom0_cpus: usize,
    /// Revision that the control domain's kernel shows, where it is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dom0_revision: Option<Revision>,
    /// Xen's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
}

impl Cpu {
    /// A CPU of which only the vendor is known.
    #[must_use]
    pub fn new(origin: impl Into<String>, vendor: Vendor) -> Self {
        Self {
            origin: origin.into(),
            vendor,
            signature: None,
            platform: None,
            revision: None,
            hypervisor: None,
            cache_per_core: None,
            fred: None,
            name: None,
            cpus: Vec::new(),
            xen: None,
        }
    }
}

/// Vendor by the string of CPUID leaf 0.
#[must_use]
pub fn vendor(name: &str) -> Vendor {
    match name {
        "GenuineIntel" => Vendor::Intel,
        "AuthenticAMD" => Vendor::Amd,
        "HygonGenuine" => Vendor::Hygon,
        _ => Vendor::Other,
    }
}

/// Why the revision that a CPU shows may be made up; `None` when nothing speaks for it.
///
/// Hypervisors show a revision of their own choice: QEMU 0x1 for Intel and 0x01000065 for AMD,
/// others 0xffffffff, which says that updates are not accepted.
#[must_use]
pub fn made_up(cpu: &Cpu) -> Option<&'static str> {
    let shown = cpu.revision.map(|revision| revision.0);
    if cpu.hypervisor == Some(true) {
        return Some("a hypervisor shows the revision it likes");
    }
    match (shown, cpu.vendor) {
        (Some(u32::MAX), _) => Some("0xffffffff is what hypervisors show that take no updates"),
        (Some(0x1), Vendor::Intel) => Some("0x1 is what QEMU shows for any Intel CPU"),
        (Some(0x0100_0065), Vendor::Amd) => Some("0x01000065 is what QEMU shows for any AMD CPU"),
        _ => None,
    }
}

/// CPUs in a text of any kind known here: `/proc/cpuinfo`, kernel or Xen log, `lscpu`, `dmidecode`.
/// `None` when it is none of them.
#[must_use]
pub fn from_text(origin: &str, text: &str) -> Option<(Vec<Cpu>, Vec<crate::Damage>)> {
    let begins = |start: &str| text.lines().any(|line| line.trim_start().starts_with(start));
    let of_xen = from_xen_ucode(origin, text);
    if !of_xen.is_empty() {
        Some((of_xen, Vec::new()))
    } else if begins("processor") && begins("vendor_id") {
        Some(from_cpuinfo(origin, text))
    } else if begins("Vendor ID:") {
        Some(from_lscpu(origin, text))
    } else if begins("Processor Information") {
        Some(from_dmidecode(origin, text))
    } else {
        let log = from_log(origin, text);
        (!log.cpus.is_empty()).then_some((log.cpus, log.damage))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revisions_of_hypervisors_are_made_up() {
        let mut cpu = Cpu::new("host", Vendor::Intel);
        assert_eq!(made_up(&cpu), None);
        cpu.revision = Some(Revision(0x2f));
        assert_eq!(made_up(&cpu), None);
        for (vendor, revision) in [(Vendor::Intel, 1), (Vendor::Amd, 0x0100_0065), (Vendor::Amd, u32::MAX)] {
            (cpu.vendor, cpu.revision) = (vendor, Some(Revision(revision)));
            assert!(made_up(&cpu).is_some(), "{vendor:?}");
        }
        cpu.revision = Some(Revision(0x2f));
        cpu.hypervisor = Some(true);
        assert!(made_up(&cpu).is_some());
    }

    #[test]
    fn kind_of_a_text_is_found_out() {
        let cpuinfo = "processor\t: 0\nvendor_id\t: AuthenticAMD\ncpu family\t: 25\nmodel\t: 33\nstepping\t: 2\n";
        assert_eq!(from_text("a", cpuinfo).unwrap().0.len(), 1);
        let lscpu = "Vendor ID:  AuthenticAMD\nCPU family:  25\nModel:  33\nStepping:  2\n";
        assert_eq!(from_text("a", lscpu).unwrap().0[0].signature, Some(Signature(0xa20f12)));
        let xen = "(XEN) CPU Vendor: AMD, Family 25 (0x19), Model 33 (0x21), Stepping 2 (raw 00a20f12)\n";
        assert_eq!(from_text("a", xen).unwrap().0.len(), 1);
        assert_eq!(from_text("a", "hello: world\n"), None);
    }
}
