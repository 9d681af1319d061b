//! Xen as the control domain sees it: hypercalls through `/dev/xen/privcmd`, and what they tell written as
//! the texts that Xen's own tools print.
//!
//! [`Xen::open`] says whether this system may ask; the running system's [`Source`](crate::Source) has the
//! texts as documents ([`DocumentKind::XlInfo`](crate::DocumentKind::XlInfo) and its like).

mod call;
mod platform;
mod policy;
#[expect(unsafe_code, reason = "hypercalls need an ioctl and memory that stays in place")]
mod privcmd;
mod sysctl;
#[cfg(test)]
mod tests;
mod version;
mod xl_info;

use std::fmt;
use std::io::ErrorKind;

use rustix::io::Errno;
use thiserror::Error;

use crate::tree::Tree;
use call::Hypercalls;
use sysctl::{Device, Sysctl};

pub use platform::CpuUcode;

/// What Xen is to this system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Presence {
    /// No Xen, or none that says so.
    None,
    /// A domain that Xen does not obey.
    Guest,
    /// The control domain (dom0).
    Control,
}

/// Why Xen cannot be asked.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum XenError {
    /// No Xen below this system.
    #[error("no Xen below this system")]
    NoXen,
    /// Another domain than dom0.
    #[error("needs root in dom0: this is another domain")]
    NotControl,
    /// `/dev/xen/privcmd` may not be opened.
    #[error("needs root in dom0")]
    Denied,
    /// `/dev/xen/privcmd` is not there.
    #[error("/dev/xen/privcmd cannot be opened: {0} (is the module xen-privcmd loaded?)")]
    NoDevice(String),
    /// An interface version that is not known here.
    #[error("this Xen takes no interface version that is known here (sysctl 0x12 to 0x16, domctl 0x12 to 0x18)")]
    Interface,
    /// Xen refused a hypercall.
    #[error("{what}: {}", std::io::Error::from_raw_os_error(*errno))]
    Refused {
        /// What was asked.
        what: &'static str,
        /// Its answer, as a number of Linux.
        errno: i32,
    },
}

impl XenError {
    fn of(what: &'static str) -> impl Fn(Errno) -> Self {
        move |error| match error {
            Errno::ACCESS => Self::Interface,
            Errno::PERM => Self::NotControl,
            error => Self::Refused {
                what,
                errno: error.raw_os_error(),
            },
        }
    }
}

/// Bit of `/sys/hypervisor/properties/features` (features.h, `XENFEAT_dom0`).
const FEATURE_DOM0: u32 = 11;

/// What the files of a system say of Xen.
#[must_use]
pub fn presence(tree: &dyn Tree) -> Presence {
    let text = |path: &str| {
        tree.read(path)
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let has_xen = text("/sys/hypervisor/type").is_ok_and(|kind| kind.trim() == "xen");
    let capabilities = text("/proc/xen/capabilities").ok();
    let control = capabilities.as_deref().is_some_and(|text| text.contains("control_d"));
    let features = text("/sys/hypervisor/properties/features").ok();
    let features = features.and_then(|text| u32::from_str_radix(text.trim(), 16).ok());
    if control || features.is_some_and(|bits| bits >> FEATURE_DOM0 & 1 == 1) && has_xen {
        Presence::Control
    } else if has_xen || capabilities.is_some() {
        Presence::Guest
    } else {
        Presence::None
    }
}

/// Xen, asked by its control domain.
pub struct Xen {
    calls: Box<dyn Hypercalls>,
    sysctl: u32,
}

impl fmt::Debug for Xen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Xen")
            .field("sysctl", &self.sysctl)
            .finish_non_exhaustive()
    }
}

impl Xen {
    /// Xen below the running system.
    ///
    /// # Errors
    /// There is none, or this is not root of its control domain.
    pub fn open() -> Result<Self, XenError> {
        let tree = crate::fsroot::DirTree::live().map_err(|error| XenError::NoDevice(error.to_string()))?;
        Self::below(&tree)
    }

    /// Xen below the running system, whose files are given.
    pub(crate) fn below(tree: &dyn Tree) -> Result<Self, XenError> {
        let presence = presence(tree);
        let privcmd = privcmd::Privcmd::open().map_err(|error| match (presence, error.kind()) {
            (Presence::None, _) => XenError::NoXen,
            (Presence::Guest, ErrorKind::NotFound) => XenError::NotControl,
            (_, ErrorKind::PermissionDenied) => XenError::Denied,
            _ => XenError::NoDevice(error.to_string()),
        })?;
        Self::with(Box::new(privcmd))
    }

    /// With whoever answers.
    fn with(calls: Box<dyn Hypercalls>) -> Result<Self, XenError> {
        let sysctl = Sysctl::probe(calls.as_ref()).map_err(XenError::of("scheduler"))?;
        let sysctl = sysctl.version();
        Ok(Self { calls, sysctl })
    }

    fn sysctl(&self) -> Sysctl<'_> {
        Sysctl::new(self.calls.as_ref(), self.sysctl)
    }

    /// What `xl info -n` prints here; PCI functions are those of `tree`.
    ///
    /// # Errors
    /// Xen refused a hypercall.
    pub(crate) fn xl_info(&self, tree: &dyn Tree) -> Result<String, XenError> {
        let kernel = rustix::system::uname();
        let names = [kernel.nodename(), kernel.release(), kernel.version(), kernel.machine()];
        let dom0 = xl_info::Dom0 {
            kernel: names.map(|name| name.to_string_lossy().into_owned()),
            devices: tree
                .list("/sys/bus/pci/devices")
                .iter()
                .filter_map(|name| Device::read(name))
                .collect(),
        };
        xl_info::text(self.calls.as_ref(), &self.sysctl(), &dom0).map_err(XenError::of("topology"))
    }

    /// CPUs that are online with the microcode they run, those hidden from dom0 too.
    ///
    /// # Errors
    /// Xen refused a hypercall; Xen before 4.17 tells no revisions (ENOSYS).
    pub fn ucode(&self) -> Result<Vec<CpuUcode>, XenError> {
        platform::cpus(self.calls.as_ref()).map_err(XenError::of("microcode revision"))
    }

    /// What `xen-ucode show-cpu-info` prints, for each CPU.
    ///
    /// # Errors
    /// See [`Xen::ucode`].
    pub fn ucode_text(&self) -> Result<String, XenError> {
        Ok(platform::text(&self.ucode()?))
    }

    /// The host's CPU policies as `xen-cpuid -p` prints them.
    ///
    /// # Errors
    /// Xen refused a hypercall.
    pub fn policies(&self) -> Result<String, XenError> {
        policy::of_host(&self.sysctl()).map_err(XenError::of("CPU policies"))
    }

    /// The CPU policy of a domain as `xen-cpuid -p DOMID` prints it.
    ///
    /// # Errors
    /// There is no such domain (ESRCH), or Xen refused a hypercall.
    pub fn policy_of(&self, domain: u16) -> Result<String, XenError> {
        let what = "CPU policy of the domain";
        let size = self.sysctl().policy_size().map_err(XenError::of(what))?;
        policy::of_domain(self.calls.as_ref(), size, domain).map_err(XenError::of(what))
    }

    /// Hands a microcode file to Xen, as `xen-ucode` does, with `force` as `xen-ucode -f`.
    ///
    /// # Errors
    /// Xen refused it, with the number that names the cause.
    pub fn update_microcode(&self, blob: &[u8], force: bool) -> Result<(), XenError> {
        // Xen has answered others before: EPERM is of the loader, and no word on who asks.
        platform::update(self.calls.as_ref(), blob, force).map_err(|error| XenError::Refused {
            what: "microcode update",
            errno: error.raw_os_error(),
        })
    }
}
