//! Xen: the machine as the hypervisor has it, and the domain whose files were read.
//!
//! dom0's `/sys` and `/proc` tell of dom0: of its virtual CPUs and of the memory it was given. The
//! machine itself is in the answers of the hypervisor, which `xl info -n` prints.

use schemars::JsonSchema;
use serde::Serialize;

use crate::model::OriginIndex;
use crate::sysfs::CpuSet;

pub mod domain;
pub mod info;
pub mod ucode;

pub use domain::Domain;
pub use info::XlInfo;
pub use ucode::XenUcode;

/// Which domain the files are of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "XenRole")]
pub enum Role {
    /// The control domain.
    Dom0,
    /// A guest.
    Guest,
}

/// What is known of Xen under or beside the sources.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Xen {
    /// Version ("4.20.3").
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
    /// Which domain the files are of, where they tell.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Kind of that domain as Linux names it: "PV", "PVH", "HVM".
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_type: Option<String>,
    /// What the files of that domain show of CPUs and memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub domain: Option<Seen>,
    /// What Xen says of the machine; then `cpu` is by it, in Xen's CPU and node numbers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub machine: Option<Physical>,
}

/// CPUs and memory of a domain, as its kernel sees them.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "XenDomain")]
pub struct Seen {
    /// Its virtual CPUs, in its own numbers.
    #[serde(skip_serializing_if = "CpuSet::is_empty")]
    #[schemars(with = "String")]
    pub vcpus: CpuSet,
    /// Memory its kernel has to use, in bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<u64>,
}

/// The machine by Xen: `xl info`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "XenMachine")]
pub struct Physical {
    /// CPUs that are online.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub online_cpus: Option<u32>,
    /// CPUs that `cpu_topology` lists, offline ones included; 0 without that table.
    pub listed_cpus: usize,
    /// Highest CPU number there could be.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_cpu_id: Option<u32>,
    /// CPUs in no CPU pool.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_cpus: Option<u32>,
    /// NUMA nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nodes: Option<u32>,
    /// Online cores in the socket of CPU 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cores_per_socket: Option<u32>,
    /// Online threads of the core of CPU 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub threads_per_core: Option<u32>,
    /// Frequency of the time stamp counter in kHz.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_khz: Option<u64>,
    /// Memory in bytes, rounded down to MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub total_memory: Option<u64>,
    /// Memory of no domain in bytes, rounded down to MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub free_memory: Option<u64>,
    /// Kinds of guest and what for them there is ("hvm", "hap", "hvm_directio").
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub capabilities: Vec<String>,
    /// Xen's command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// Microcode revision: that of CPU 0 as Xen says it, else the one that all CPUs of dom0 read.
    #[serde(serialize_with = "crate::json::hex", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub microcode: Option<u32>,
    /// Where it was read: index into `origins`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<OriginIndex>,
}

impl Physical {
    /// CPUs of the machine: those of the table, else those that are online.
    #[must_use]
    pub fn cpus(&self) -> Option<usize> {
        let online = || usize::try_from(self.online_cpus?).ok();
        if self.listed_cpus > 0 {
            Some(self.listed_cpus)
        } else {
            online()
        }
    }

    /// Value of an option on Xen's command line (the last one counts), "" for one without a value.
    #[must_use]
    pub fn option(&self, name: &str) -> Option<&str> {
        let words = self.command_line.as_deref()?.split_whitespace().rev();
        words
            .map(|word| word.split_once('=').unwrap_or((word, "")))
            .find_map(|(known, value)| (known == name).then_some(value))
    }

    /// Whether Xen's command line pins dom0's virtual CPUs to the CPUs of the same numbers.
    #[must_use]
    pub fn pins_dom0(&self) -> bool {
        self.option("dom0_vcpus_pin")
            .is_some_and(|value| !matches!(value, "0" | "no" | "off" | "false" | "disable"))
    }
}

impl Xen {
    /// CPUs that dom0 sees, and CPUs of the machine.
    #[must_use]
    pub fn cpus(&self) -> Option<(usize, usize)> {
        let seen = self.domain.as_ref()?.vcpus.len();
        Some((seen, self.machine.as_ref()?.cpus()?)).filter(|_| seen > 0)
    }

    /// Memory that dom0 has to use, and memory of the machine, in bytes.
    #[must_use]
    pub fn memory(&self) -> Option<(u64, u64)> {
        self.domain.as_ref()?.memory.zip(self.machine.as_ref()?.total_memory)
    }
}
