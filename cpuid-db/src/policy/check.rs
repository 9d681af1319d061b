//! Whether a guest can be started on each host of a pool and move among them.
//!
//! An [`Obstacle`] is a reason against; a pool without any will do. What is no reason against but
//! leaves the guest wrong about a mitigation is a warning.

use schemars::JsonSchema;
use serde::Serialize;

use super::checks::Check;
use super::host::Host;
use super::rules;
use super::state;
use crate::bits::{Bit, Place, Words};
use crate::database::Database;
use crate::guest::{GuestCpu, Setting};
use crate::identity::Identity;
use crate::leaf::Leaf;
use crate::leafset::CpuLeaves;

/// The rule that a guest breaks on a host.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// The host is of another vendor.
    Vendor,
    /// The host lacks a feature.
    Feature,
    /// The host must not have a feature (`forbid`), and has it.
    Forbidden,
    /// The host does something the guest must be told of, and is not.
    Untold,
    /// The guest sees more leaves than the host has.
    Maximum,
    /// A value is beyond what the host has.
    Value,
    /// Addresses are wider than the host's.
    AddressWidth,
    /// An XSAVE component is missing, or has another size or place.
    State,
    /// The guest has a feature it cannot move with.
    NotMigratable,
    /// What the guest gets depends on the host it starts on.
    HostDefault,
    /// The guest relies on what the dump of the host does not tell.
    NotCaptured,
}

/// A reason against running a guest on a host.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Obstacle {
    /// Host (by index); `None` when it is about the pool as a whole.
    pub host: Option<usize>,
    /// Which rule.
    pub rule: Rule,
    /// The bit, when it is about one.
    pub bit: Option<Bit>,
    /// Our name of the bit or value; empty when nobody names it.
    pub id: &'static str,
    /// In words.
    pub message: String,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Verdict {
    /// Empty: the guest runs and moves.
    pub obstacles: Vec<Obstacle>,
    /// Where the guest will be wrong about a host, though it runs.
    pub warnings: Vec<Obstacle>,
}

/// What is known of the guest.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CheckOptions {
    /// Its TSC frequency is fixed, so it can move with an invariant TSC.
    pub fixed_tsc: bool,
    /// It will never move: it only has to run.
    pub stays: bool,
    /// Hygon's and AMD's processors may be in one pool.
    pub hygon_with_amd: bool,
}

/// Whether a guest that sees these leaves can run on every host and move among them.
#[must_use]
pub fn check(db: &Database, guest: &CpuLeaves, hosts: &[Host], options: &CheckOptions) -> Verdict {
    let identity = Identity::of(guest);
    let mut work = Check::new(db, hosts, options, identity.vendor_name.clone());
    let words = rules::words_of(guest);
    work.vendor(identity.vendor.is_amd_like());
    for (word, value) in words.iter() {
        if !rules::is_hypervisor(word.place) && !state::is_rebuilt(word) {
            work.word(word, value);
        }
    }
    work.untold(&words, |_| true, |bit| has_leaf(guest, bit));
    work.maxima(guest);
    work.layouts(guest);
    work.migratable(&words);
    work.verdict
}

/// The same for a guest as a configuration asks for it.
#[must_use]
pub fn check_guest(db: &Database, guest: &GuestCpu, hosts: &[Host], options: &CheckOptions) -> Verdict {
    let mut work = Check::new(db, hosts, options, guest.vendor.clone());
    let amd_like = matches!(guest.vendor.as_deref(), Some("AuthenticAMD" | "HygonGenuine"));
    work.vendor(amd_like);
    let mut words = Words::default();
    for (&bit, setting) in &guest.bits {
        match setting {
            Setting::On | Setting::Force => words.set(bit, true),
            Setting::Forbid => work.forbidden(bit),
            Setting::Off | Setting::Default | Setting::Keep => {}
        }
    }
    let asked: Vec<Bit> = words
        .bits()
        .filter(|bit| guest.bits.get(bit) == Some(&Setting::On))
        .collect();
    for bit in asked {
        work.bit(bit);
    }
    for &(word, mask, value) in &guest.values {
        work.value_part(word, mask, value);
    }
    for (base, level) in [(0, guest.level), (0x8000_0000, guest.extended_level)] {
        if let Some(level) = level {
            work.maximum(Leaf(base), Leaf(level));
        }
    }
    if guest.host_based {
        let left_to_host = |bit: &Bit| guest.bits.get(bit).and_then(|setting| setting.value()).is_none();
        work.host_default(left_to_host);
    } else {
        let defaults: Vec<Bit> = guest
            .bits
            .iter()
            .filter(|(_, setting)| setting.value().is_none())
            .map(|(&bit, _)| bit)
            .collect();
        work.host_default(|bit| defaults.contains(bit));
        let reaches = |bit: Bit| match bit.word.place {
            Place::Leaf(leaf) if leaf >= 0x8000_0000 => guest.extended_level.is_none_or(|level| leaf <= level),
            Place::Leaf(leaf) => guest.level.is_none_or(|level| leaf <= level),
            Place::Msr(_) => true,
        };
        work.untold(&words, |bit| !guest.bits.contains_key(&bit), reaches);
    }
    work.agree(&words, guest.host_based);
    work.migratable(&words);
    work.verdict
}

/// Whether the leaves of a guest reach up to a bit's.
fn has_leaf(guest: &CpuLeaves, bit: Bit) -> bool {
    match bit.word.place {
        Place::Leaf(leaf) => match guest.maximum(Leaf(leaf).base()) {
            Some(maximum) => Leaf(leaf) <= maximum,
            None => guest.leaf(leaf).is_some(),
        },
        Place::Msr(_) => true,
    }
}
