//! What the hosts of a pool have and its guests do not get, and why.

use schemars::JsonSchema;
use serde::Serialize;

use super::host::Host;
use crate::bits::{Bit, Word};

/// Why bits fell out.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Reason {
    /// Not every host has them.
    NotOnEvery,
    /// Something they need fell out: the chain ends with what was missing first.
    Dependency {
        /// Our names.
        because: Vec<&'static str>,
    },
    /// The XSAVE component that holds their registers is not on every host.
    StateMissing {
        /// Name of the component.
        component: String,
    },
    /// The XSAVE component that holds their registers has another size or place from host to host.
    StateUnequal {
        /// Name of the component.
        component: String,
    },
    /// A guest that has them cannot move.
    NotMigratable,
    /// Another bit says the same to the guest.
    Replaced {
        /// Our name of the other.
        by: &'static str,
    },
    /// Nobody names them: what they promise is not known.
    Unknown,
    /// They are of the hypervisor that the host itself runs under, or set by the guest's.
    Hypervisor,
    /// They are of one machine only.
    HostOnly,
    /// State of the operating system, not ability.
    RunTime,
    /// The pool has the smallest value.
    Smallest,
    /// The pool has the largest value.
    Largest,
    /// Hosts differ and no value is right for all of them.
    Disagree,
    /// The guest is told the identity, topology and caches of one host.
    Identity {
        /// Index of the host.
        host: usize,
    },
    /// Beyond the highest leaf or subleaf of the pool.
    AboveMaximum,
    /// Counted anew from what remains (leaf 0xD).
    Recomputed,
}

/// Bits that a host has and the pool does not offer.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Lost {
    /// Where they stand.
    pub word: Word,
    /// The bits: one for a feature, those of a value that differ otherwise.
    pub mask: u32,
    /// Our name; empty when nobody names them.
    pub id: &'static str,
    /// It is a feature, one that configurations ask for by name.
    pub feature: bool,
    /// Hosts (by index) that lack some of the bits.
    pub hosts_without: Vec<usize>,
    /// Why.
    pub reason: Reason,
}

impl Lost {
    /// The bits one by one.
    pub fn bits(&self) -> impl Iterator<Item = Bit> {
        let (word, mask) = (self.word, self.mask);
        (0..32)
            .filter(move |number| mask >> number & 1 == 1)
            .map(move |number| word.bit(number))
    }

    /// What fell out: its name and place.
    #[must_use]
    pub fn what(&self) -> String {
        let place = match self.mask.count_ones() {
            1 => self
                .word
                .bit(u8::try_from(self.mask.trailing_zeros()).unwrap_or(0))
                .to_string(),
            _ => format!("{} 0x{:08x}", self.word, self.mask),
        };
        match self.id {
            "" => place,
            id => format!("{id} ({place})"),
        }
    }

    /// Why, with the names of hosts.
    #[must_use]
    pub fn why(&self, hosts: &[Host]) -> String {
        let missing = || names(hosts, &self.hosts_without);
        match &self.reason {
            Reason::NotOnEvery => format!("not on {}", missing()),
            Reason::Dependency { because } => format!("needs {}", because.join(", which needs ")),
            Reason::StateMissing { component } => format!("XSAVE component {component} is not on every host"),
            Reason::StateUnequal { component } => {
                format!("XSAVE component {component} differs in size or place between hosts")
            }
            Reason::NotMigratable => "a guest that has it cannot be migrated".to_owned(),
            Reason::Replaced { by } => format!("{by} tells it to the guest"),
            Reason::Unknown => "not in the table: what it promises is not known".to_owned(),
            Reason::Hypervisor => "set by the hypervisor".to_owned(),
            Reason::HostOnly => "of one machine only".to_owned(),
            Reason::RunTime => "set at run time".to_owned(),
            Reason::Smallest => "the smallest value of all hosts is taken".to_owned(),
            Reason::Largest => "the largest value of all hosts is taken".to_owned(),
            Reason::Disagree => "the hosts disagree".to_owned(),
            Reason::Identity { host } => {
                format!("identity, topology and caches are those of {}", names(hosts, &[*host]))
            }
            Reason::AboveMaximum => "beyond the highest leaf of the pool".to_owned(),
            Reason::Recomputed => "counted from what remains".to_owned(),
        }
    }
}

/// Names of hosts, with commas.
pub(crate) fn names(hosts: &[Host], indices: &[usize]) -> String {
    let names: Vec<&str> = indices
        .iter()
        .filter_map(|&index| Some(hosts.get(index)?.name.as_str()))
        .collect();
    names.join(", ")
}
