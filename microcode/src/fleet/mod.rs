//! Many hosts against the newest updates known: who runs an old one, and what is not certain.
//!
//! Revisions are compared as numbers. `/proc/cpuinfo` does not have the platform flags of an Intel
//! CPU, so several updates may be the newest one; then a host is outdated only when it is older than
//! all of them. Inside a virtual machine the revision is made up, and nothing follows from it.

mod newest;
mod write;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::cpu::{self, Cpu, Vendor};
use crate::found::Found;
use crate::ids::{PlatformMask, Revision, Signature};

pub use newest::{Newest, Updates};
pub use write::cpu_list;

/// A machine.
#[derive(Clone, Debug)]
pub struct Host {
    /// Its name, or the capture it is from.
    pub name: String,
    /// Its CPUs by kind.
    pub cpus: Vec<Cpu>,
    /// Updates in its own initrd, firmware directory or boot modules.
    pub own: Vec<Found>,
}

/// How a CPU stands to the newest update known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It runs an older one.
    Outdated,
    /// It runs the newest one.
    Current,
    /// It runs a newer one than is known.
    Newer,
    /// Several are the newest, by platform, and it is not older than all of them.
    OneOf,
    /// Something is not known: the signature, the revision that runs, or any update for it.
    Unknown,
    /// A hypervisor made up the revision.
    Virtual,
}

impl State {
    /// In a word, as in the table.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Outdated => "outdated",
            Self::Current => "current",
            Self::Newer => "newer",
            Self::OneOf => "one of",
            Self::Unknown => "unknown",
            Self::Virtual => "virtual",
        }
    }
}

/// The CPUs of a host that are alike.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Row {
    /// Host.
    pub host: String,
    /// Linux CPU numbers; empty when not known.
    pub cpus: Vec<u32>,
    /// Vendor.
    pub vendor: Vendor,
    /// Name of the CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Signature.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signature: Option<Signature>,
    /// Platform of an Intel CPU.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<PlatformMask>,
    /// Revision that runs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub running: Option<Revision>,
    /// State.
    pub state: State,
    /// The newest update; several where the platform would decide, by ascending revision.
    pub newest: Vec<Newest>,
    /// A newer one than runs, in the host's own initrd or firmware directory: a reboot or a late
    /// load is needed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pending: Option<Newest>,
    /// CPUs of the same signature run different revisions in this host.
    pub mixed: bool,
    /// What else is to be said.
    pub notes: Vec<String>,
}

/// All hosts.
#[derive(Clone, Debug, Default, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fleet {
    /// A row for each kind of CPU of each host.
    pub rows: Vec<Row>,
}

impl Fleet {
    /// Rows in a state.
    #[must_use]
    pub fn count(&self, state: State) -> usize {
        self.rows.iter().filter(|row| row.state == state).count()
    }
}

/// Compare hosts with the newest updates, which `known` gives for a CPU: those of [`Updates`], of
/// the built-in table, or both.
#[must_use]
pub fn compare(hosts: &[Host], known: &dyn Fn(&Cpu) -> Vec<Newest>) -> Fleet {
    let mut rows = Vec::new();
    for host in hosts {
        let own = Updates::new(&host.own);
        let first = rows.len();
        if host.cpus.is_empty() {
            rows.push(empty(host));
        }
        for cpu in &host.cpus {
            let mut row = row(host, cpu, known(cpu));
            pending(&mut row, cpu, &own);
            rows.push(row);
        }
        mixed(rows.get_mut(first..).unwrap_or_default());
    }
    Fleet { rows }
}

fn empty(host: &Host) -> Row {
    let cpu = Cpu::new(&host.name, Vendor::Other);
    let mut row = row(host, &cpu, Vec::new());
    row.notes = vec!["no CPU of x86 in it".to_owned()];
    row
}

fn row(host: &Host, cpu: &Cpu, known: Vec<Newest>) -> Row {
    let fits = newest::of_cpu(cpu, known);
    let mut notes = Vec::new();
    let made_up = cpu::made_up(cpu);
    notes.extend(made_up.map(str::to_owned));
    if fits.alike > 0 {
        notes.push(format!(
            "{} other update{} of the same revision with other content",
            fits.alike,
            if fits.alike == 1 { "" } else { "s" }
        ));
    }
    let state = if made_up.is_some() {
        State::Virtual
    } else {
        state(cpu, &fits.newest, &mut notes)
    };
    if cpu.vendor == Vendor::Intel && cpu.platform.is_none() && fits.newest.len() > 1 {
        notes.push("platform flags not known".to_owned());
    }
    Row {
        host: host.name.clone(),
        cpus: cpu.cpus.clone(),
        vendor: cpu.vendor,
        name: cpu.name.clone(),
        signature: cpu.signature,
        platform: cpu.platform,
        running: cpu.revision,
        state,
        newest: fits.newest,
        pending: None,
        mixed: false,
        notes,
    }
}

fn state(cpu: &Cpu, newest: &[Newest], notes: &mut Vec<String>) -> State {
    if cpu.signature.is_none() {
        notes.push("signature not known".to_owned());
        return State::Unknown;
    }
    if newest.is_empty() {
        notes.push("no update known for it".to_owned());
        return State::Unknown;
    }
    let Some(running) = cpu.revision else {
        notes.push("running revision not known".to_owned());
        return State::Unknown;
    };
    let all = |is: &dyn Fn(Revision) -> bool| newest.iter().all(|newest| is(newest.revision));
    if all(&|newest| running < newest) {
        State::Outdated
    } else if all(&|newest| running == newest) {
        State::Current
    } else if all(&|newest| running > newest) {
        State::Newer
    } else {
        State::OneOf
    }
}

/// What lies ready in the host itself.
fn pending(row: &mut Row, cpu: &Cpu, own: &Updates<'_>) {
    let Some(running) = cpu.revision.filter(|_| row.state != State::Virtual) else {
        return;
    };
    let own = newest::of_cpu(cpu, own.for_cpu(cpu)).newest;
    let certain = own.iter().all(|newest| newest.revision > running);
    let Some(newest) = own.into_iter().next().filter(|_| certain) else {
        return;
    };
    row.notes.push(format!(
        "{} lies in {} and does not run: reboot, or load it",
        newest.revision, newest.source
    ));
    row.pending = Some(newest);
}

/// CPUs of one signature with several revisions.
fn mixed(rows: &mut [Row]) {
    let mut revisions: BTreeMap<Signature, Vec<Revision>> = BTreeMap::new();
    for row in rows.iter() {
        if let (Some(signature), Some(running)) = (row.signature, row.running) {
            let list = revisions.entry(signature).or_default();
            if !list.contains(&running) {
                list.push(running);
            }
        }
    }
    for row in rows {
        let list = row.signature.and_then(|signature| revisions.get(&signature));
        if let Some(list) = list.filter(|list| list.len() > 1) {
            let list: Vec<String> = list.iter().map(ToString::to_string).collect();
            row.mixed = true;
            row.notes
                .push(format!("mixed revisions in this host: {}", list.join(", ")));
        }
    }
}

#[cfg(test)]
mod tests;
