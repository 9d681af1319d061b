//! What is asked of the hypervisor, and what can go wrong.
//!
//! Follows the public headers of Xen (xen.h, domctl.h, memory.h, version.h, errno.h). A [`Hypervisor`] is the one
//! under this system (`privcmd`), or a play of one in tests.

use std::fmt;

use thiserror::Error as ThisError;

use crate::target::ControlError;

/// Numbers of hypercalls.
pub mod number {
    /// `memory_op`.
    pub const MEMORY_OP: u64 = 12;
    /// `xen_version`.
    pub const XEN_VERSION: u64 = 17;
    /// `hvm_op`.
    pub const HVM_OP: u64 = 34;
    /// `domctl`.
    pub const DOMCTL: u64 = 36;
    /// `dm_op`.
    pub const DM_OP: u64 = 41;
}

/// Commands of `domctl`.
pub mod domctl {
    /// `pausedomain`.
    pub const PAUSE: u32 = 3;
    /// `unpausedomain`.
    pub const UNPAUSE: u32 = 4;
    /// `getdomaininfo`.
    pub const GET_INFO: u32 = 5;
    /// `getvcpucontext`.
    pub const GET_VCPU_CONTEXT: u32 = 13;
    /// `gethvmcontext`.
    pub const GET_HVM_CONTEXT: u32 = 33;
    /// `sethvmcontext`.
    pub const SET_HVM_CONTEXT: u32 = 34;
    /// `get_address_size`.
    pub const GET_ADDRESS_SIZE: u32 = 36;
    /// `debug_op`.
    pub const DEBUG_OP: u32 = 54;
    /// `getpageframeinfo3`.
    pub const GET_FRAME_TYPES: u32 = 61;
    /// `vm_event_op`.
    pub const VM_EVENT: u32 = 56;
    /// `monitor_op`.
    pub const MONITOR: u32 = 77;
}

/// `XENMEM_maximum_gpfn` of `memory_op`.
pub const MAXIMUM_GPFN: u64 = 14;
/// `HVMOP_get_param` of `hvm_op`.
pub const GET_PARAM: u64 = 1;
/// `XEN_DMOP_inject_event` of `dm_op`.
pub const INJECT_EVENT: u32 = 13;

/// A hypercall. Its buffers are numbered; what the hypervisor writes stands in them afterwards.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Call {
    /// Which hypercall.
    pub number: u64,
    /// Its arguments.
    pub arguments: Vec<Argument>,
    /// Memory that it reads and writes. Of `domctl` the first is the structure.
    pub buffers: Vec<Vec<u8>>,
    /// Buffers that lead to others.
    pub links: Vec<Link>,
}

/// An argument of a hypercall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Argument {
    /// A number.
    Value(u64),
    /// The address of the buffer with this number.
    Buffer(usize),
}

/// A place in one buffer for the address of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// The buffer that holds the address.
    pub from: usize,
    /// Where in it.
    pub at: usize,
    /// The buffer whose address it is.
    pub to: usize,
    /// Where in `from` the length of `to` belongs, where the hypercall takes one.
    pub count: Option<Count>,
}

/// Place of a length, 32 bits wide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// Offset.
    pub at: usize,
    /// Bytes of what is counted.
    pub unit: usize,
}

/// Frames of a domain that can be reached.
pub trait Window: Send + Sync {
    /// Whether the page with this number is there.
    fn present(&self, page: usize) -> bool;

    /// Reads from an offset; nothing when not all of it is there.
    fn read(&self, at: usize, bytes: &mut [u8]) -> bool;

    /// Writes at an offset; nothing when not all of it is there.
    fn write(&mut self, at: usize, bytes: &[u8]) -> bool;
}

/// A hypervisor.
pub trait Hypervisor: Send + Sync {
    /// Does a hypercall.
    ///
    /// # Errors
    /// The error number that came back.
    fn call(&self, call: &mut Call) -> Result<u64, Errno>;

    /// Maps frames of a domain; those that are not there are so in the window.
    ///
    /// # Errors
    /// The error number for the whole.
    fn map(&self, domain: u16, frames: &[u64], writable: bool) -> Result<Box<dyn Window>, Errno>;
}

/// An error number, as Xen and Linux share them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Errno(pub i32);

macro_rules! errors {
    ($($name:ident = $value:literal, $words:literal;)*) => {
        impl Errno {
            $(#[doc = $words] pub const $name: Self = Self($value);)*
        }

        impl fmt::Display for Errno {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                match *self {
                    $(Self::$name => f.write_str(concat!($words, " (", stringify!($name), ")")),)*
                    Self(other) => write!(f, "error {other}"),
                }
            }
        }
    };
}

errors! {
    EPERM = 1, "not permitted";
    ENOENT = 2, "not there";
    ESRCH = 3, "no such domain";
    E2BIG = 7, "too long";
    ENOMEM = 12, "out of memory";
    EACCES = 13, "refused";
    EFAULT = 14, "bad address";
    EBUSY = 16, "busy";
    EINVAL = 22, "invalid argument";
    ENOSYS = 38, "not implemented by this Xen";
    ENODATA = 61, "no data";
    EOVERFLOW = 75, "a counter is full";
    EOPNOTSUPP = 95, "not supported by this machine";
    ENOBUFS = 105, "buffer too small";
}

/// Why a domain cannot be reached.
#[derive(Clone, Debug, PartialEq, Eq, ThisError)]
pub enum Error {
    /// There is no /dev/xen/privcmd.
    #[error("no /dev/xen/privcmd: this is no control domain of Xen, or the module xen-privcmd is not loaded")]
    NoControlDomain,
    /// The device cannot be opened by this user.
    #[error("/dev/xen/privcmd: needs root")]
    NotRoot,
    /// The device cannot be opened.
    #[error("/dev/xen/privcmd: {0}")]
    Device(String),
    /// The hypervisor lets this domain do no domctl.
    #[error("Xen refuses control of domains to this one: it is no control domain, or a security policy forbids it")]
    NotPrivileged,
    /// None of the versions of the interface that are known is taken.
    #[error("Xen {0} takes none of the versions of the domctl interface known here ({first:#x} to {last:#x})",
        first = super::version::INTERFACES.start(), last = super::version::INTERFACES.end())]
    Interface(String),
    /// There is no such domain.
    #[error("no domain {0}")]
    NoSuchDomain(String),
    /// The domain is being destroyed.
    #[error("domain {0} is being destroyed")]
    Dying(u16),
    /// Names cannot be looked up.
    #[error("xenstore: {0}")]
    Xenstore(String),
    /// The domain is of a kind that is not reached.
    #[error("domain {0}: {1}")]
    NotReached(u16, &'static str),
    /// A hypercall failed.
    #[error("{what}: {errno}")]
    Failed {
        /// What was asked.
        what: &'static str,
        /// What came back.
        errno: Errno,
    },
    /// What came back is not what was asked for.
    #[error("{0}: an answer that makes no sense")]
    Nonsense(&'static str),
}

impl From<Error> for ControlError {
    fn from(error: Error) -> Self {
        match error {
            Error::Failed { what, errno } => Self::Failed {
                what,
                reason: errno.to_string(),
            },
            Error::NoSuchDomain(_) | Error::Dying(_) => Self::Gone(error.to_string()),
            other => Self::Failed {
                what: "control of the domain",
                reason: other.to_string(),
            },
        }
    }
}
