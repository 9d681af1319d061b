//! What is wrong with a machine, or worth knowing, with the evidence and its source.
//!
//! Each rule is a function from the machine to findings; [`catalogue`] holds what each finding
//! means and what to do. A rule that finds nothing says what it checked, so that the picture can
//! show the green lines.

use captures::Origin;
use schemars::JsonSchema;
use serde::Serialize;

use crate::model::Machine;
use crate::pci::function::Bdf;
use crate::sysfs::topology::NodeId;

pub mod catalogue;
mod damage;
mod firmware;
mod link;
mod locality;
mod memory;
mod microcode;
mod xen;

pub use damage::words as damage_words;
pub use link::{Pair, is_internal_link, pair as link_pair};
pub(crate) use xen::{domain_words, seen_words, version_words};

pub use memory::{channel_gigabytes_per_second, channel_totals, size_words as memory_size_words};

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Costs speed or capacity, or facts are damaged.
    Bad,
    /// Worth knowing.
    Warn,
    /// Explains what might look wrong; no badge.
    Note,
}

/// The part of the machine a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "FindingPlace")]
pub enum Place {
    /// A PCI function.
    Function(Bdf),
    /// A memory slot: index into `memory.slots`.
    MemorySlot(usize),
    /// A socket: index into `sockets`.
    Socket(usize),
    /// A NUMA node.
    Node(NodeId),
    /// The machine as a whole.
    Machine,
}

/// One fact a finding rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Evidence {
    /// The fact in words ("0000:00:01.1 LnkSta 8 GT/s ×16").
    pub fact: String,
    /// Where it was read.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub origin: Option<Origin>,
}

/// One finding: the same thing at one or several alike places.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Finding {
    /// Stable id, see [`catalogue::CATALOGUE`].
    pub id: &'static str,
    /// How much it matters.
    pub severity: Severity,
    /// One line: place, what is, what could be, with units.
    pub text: String,
    /// What has now and what could be, in GB/s, where speed is lost.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gigabytes_per_second: Option<(f64, f64)>,
    /// Where it is.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub places: Vec<Place>,
    /// What it rests on.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<Evidence>,
}

/// All findings, worst first, and what was checked and found fine.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Report {
    /// Findings, worst first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
    /// Checks that found nothing, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub fine: Vec<String>,
}

impl Report {
    /// Numbers (from 1) of the findings with a badge at `place`.
    pub fn badges(&self, place: Place) -> impl Iterator<Item = (usize, Severity)> {
        self.findings
            .iter()
            .enumerate()
            .filter(move |(_, finding)| finding.severity != Severity::Note && finding.places.contains(&place))
            .map(|(index, finding)| (index.saturating_add(1), finding.severity))
    }
}

/// Runs every rule.
#[must_use]
pub fn judge(machine: &Machine) -> Report {
    let mut report = Report::default();
    for rule in [
        link::judge,
        memory::judge,
        locality::judge,
        microcode::judge,
        firmware::judge,
        xen::judge,
        damage::judge,
    ] {
        rule(machine, &mut report);
    }
    report.findings.sort_by(|a, b| {
        (a.severity, loss(b))
            .partial_cmp(&(b.severity, loss(a)))
            .unwrap_or(std::cmp::Ordering::Equal)
    });
    report
}

/// Lost GB/s: the worse of two alike findings goes first.
fn loss(finding: &Finding) -> f64 {
    finding
        .gigabytes_per_second
        .map_or(0.0, |(now, possible)| possible - now)
}

/// GB/s in words: "31.5"; below 1 with two digits, so that 0.25 is not read as 0.2.
#[must_use]
pub fn rate_words(gigabytes_per_second: f64) -> String {
    if gigabytes_per_second < 0.995 {
        format!("{gigabytes_per_second:.2}")
    } else {
        format!("{gigabytes_per_second:.1}")
    }
}
