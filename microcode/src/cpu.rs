//! What a loader asks of a CPU before it picks an update.
//!
//! Every field may be unknown: `/proc/cpuinfo` has no platform flags, a CPUID dump no running
//! revision. What is not known is said to be so by the loaders, never guessed.

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
    /// Linux CPU numbers that are of this kind; empty when not known.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cpus: Vec<u32>,
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
        }
    }
}
