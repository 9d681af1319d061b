//! The domains of the Xen under this system, with what they are and do.

use schemars::JsonSchema;
use serde::Serialize;

use super::domctl::{Domctl, Info, Shutdown};
use super::hypercall::{Error, Hypervisor};
use super::privcmd::Privcmd;
use super::version;
use super::xenstore::Xenstore;

/// Numbers from here on are no domains (`DOMID_FIRST_RESERVED`).
pub const FIRST_RESERVED: u16 = 0x7ff0;

/// A domain.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Domain {
    /// Number.
    pub id: u16,
    /// Name, where xenstore knows one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// UUID; none of the control domain.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uuid: Option<String>,
    /// How it is virtualised.
    pub kind: Kind,
    /// Memory that it has, in bytes.
    pub memory: u64,
    /// vCPUs that are online.
    pub vcpus: u32,
    /// What it does.
    pub state: State,
    /// Why it has shut down.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shutdown: Option<Shutdown>,
    /// Whether a debugger is attached through Xen.
    pub debugged: bool,
}

/// How a domain is virtualised.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Paravirtualised.
    Pv,
    /// In hardware, without emulated devices.
    Pvh,
    /// In hardware, with the devices of a PC.
    Hvm,
}

impl Kind {
    /// As Xen's documents write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Pv => "PV",
            Self::Pvh => "PVH",
            Self::Hvm => "HVM",
        }
    }

    /// Of a domain: one with hardware virtualisation and more devices than the local APIC (and what PCI needs)
    /// has those of a PC.
    #[must_use]
    pub fn of(info: &Info) -> Self {
        const LOCAL_APIC: u32 = 1;
        const IO_APIC: u32 = 1 << 4;
        const PCI: u32 = 1 << 10;
        if !info.is(Info::HVM) {
            Self::Pv
        } else if info.emulated & !(LOCAL_APIC | IO_APIC | PCI) == 0 {
            Self::Pvh
        } else {
            Self::Hvm
        }
    }
}

/// What a domain does; of several, the first that holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// It is being destroyed.
    Dying,
    /// It has crashed.
    Crashed,
    /// It has shut down.
    Shutdown,
    /// A control domain has paused it.
    Paused,
    /// One of its vCPUs runs.
    Running,
    /// It waits for an event.
    Blocked,
    /// It could run.
    Runnable,
}

impl State {
    fn of(info: &Info) -> Self {
        match info {
            info if info.is(Info::DYING) => Self::Dying,
            info if info.shutdown() == Some(Shutdown::Crash) => Self::Crashed,
            info if info.is(Info::SHUTDOWN) => Self::Shutdown,
            info if info.is(Info::PAUSED) => Self::Paused,
            info if info.is(Info::RUNNING) => Self::Running,
            info if info.is(Info::BLOCKED) => Self::Blocked,
            _ => Self::Runnable,
        }
    }

    /// In a word.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Dying => "dying",
            Self::Crashed => "crashed",
            Self::Shutdown => "shut down",
            Self::Paused => "paused",
            Self::Running => "running",
            Self::Blocked => "blocked",
            Self::Runnable => "runnable",
        }
    }
}

impl Domain {
    /// A domain from what Xen says of it.
    #[must_use]
    pub fn new(info: &Info, name: Option<String>) -> Self {
        let uuid = (info.uuid != [0; 16]).then(|| uuid(info.uuid));
        Self {
            id: info.domain,
            name,
            uuid,
            kind: Kind::of(info),
            memory: info.pages.saturating_mul(4096),
            vcpus: info.vcpus,
            state: State::of(info),
            shutdown: info.shutdown(),
            debugged: info.is(Info::DEBUGGED),
        }
    }
}

/// A UUID as it is written.
fn uuid(bytes: [u8; 16]) -> String {
    let digits = format!("{:032x}", u128::from_be_bytes(bytes));
    let parts = [(0, 8), (8, 12), (12, 16), (16, 20), (20, 32)];
    let parts = parts.map(|(from, to)| digits.get(from..to).unwrap_or_default());
    parts.join("-")
}

/// All domains, the control domain too.
///
/// # Errors
/// When this is no control domain, or this process may not.
pub fn find() -> Result<Vec<Domain>, Error> {
    let hypervisor = Privcmd::open()?;
    let mut names = Xenstore::open().ok();
    list(&hypervisor, &mut |id| names.as_mut()?.domain_name(id).ok().flatten())
}

/// All domains of a hypervisor; names as `name` says.
///
/// # Errors
/// As [`find`].
pub fn list(hypervisor: &dyn Hypervisor, name: &mut dyn FnMut(u16) -> Option<String>) -> Result<Vec<Domain>, Error> {
    let version = version::probe(hypervisor)?;
    let mut domains = Vec::new();
    let mut next = Some(0);
    while let Some(from) = next.filter(|from| *from < FIRST_RESERVED) {
        let info = match Domctl::new(hypervisor, version.interface, from).info_from() {
            Ok(info) => info,
            Err(Error::NoSuchDomain(_)) => break,
            Err(error) => return Err(error),
        };
        if info.domain < from {
            return Err(Error::Nonsense("information about the next domain"));
        }
        next = info.domain.checked_add(1);
        domains.push(Domain::new(&info, name(info.domain)));
    }
    Ok(domains)
}
