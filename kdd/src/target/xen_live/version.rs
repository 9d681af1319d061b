//! Which Xen it is, and which version of the interface for control domains it takes.
//!
//! Follows version.h and domctl.h of Xen: a `domctl` of another version than the hypervisor's own is refused
//! with EACCES. The versions: 0xc is Xen 4.7 and 4.8, 0xd 4.9, 0xe 4.10, 0x10 4.11, 0x11 4.12, 0x12 4.13 and
//! 4.14, 0x13 4.15, 0x14 4.16, 0x15 4.17, 0x16 4.18, 0x17 4.19 to 4.21, 0x18 4.22.

use std::ops::RangeInclusive;

use super::domctl::Domctl;
use super::hypercall::{Argument, Call, Errno, Error, Hypervisor, number};

/// Versions of the interface that are tried: the structures used here are the same in all of them, but for one
/// field ([`super::domctl::Info`]).
pub const INTERFACES: RangeInclusive<u32> = 0x0c..=0x1f;

/// The version to try first.
const LIKELY: u32 = 0x17;

/// A version of Xen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Version {
    /// Major and minor number.
    pub number: (u16, u16),
    /// What follows: `.4-pre`.
    pub extra: String,
    /// Version of the domctl interface.
    pub interface: u32,
}

impl Version {
    /// In words: `4.20.4-pre`.
    #[must_use]
    pub fn name(&self) -> String {
        format!("{}.{}{}", self.number.0, self.number.1, self.extra)
    }
}

/// Asks for the version and finds the interface.
///
/// # Errors
/// When this domain may not control others, or no known interface is taken.
pub fn probe(hypervisor: &dyn Hypervisor) -> Result<Version, Error> {
    let mut version = Version {
        number: number(hypervisor)?,
        extra: extra(hypervisor).unwrap_or_default(),
        interface: 0,
    };
    let others = INTERFACES.rev().filter(|interface| *interface != LIKELY);
    for interface in std::iter::once(LIKELY).chain(others) {
        let ask = Domctl::new(hypervisor, interface, 0);
        match ask.info() {
            Ok(_) | Err(Error::NoSuchDomain(_)) => {
                version.interface = interface;
                return Ok(version);
            }
            Err(Error::Failed {
                errno: Errno::EACCES, ..
            }) => {}
            Err(Error::Failed {
                errno: Errno::EPERM | Errno::ENOSYS,
                ..
            }) => return Err(Error::NotPrivileged),
            Err(other) => return Err(other),
        }
    }
    Err(Error::Interface(version.name()))
}

/// `XENVER_version`.
fn number(hypervisor: &dyn Hypervisor) -> Result<(u16, u16), Error> {
    let mut call = Call {
        number: number::XEN_VERSION,
        arguments: vec![Argument::Value(0), Argument::Value(0)],
        ..Call::default()
    };
    let value = hypervisor.call(&mut call).map_err(|errno| Error::Failed {
        what: "version of Xen",
        errno,
    })?;
    let half = |value: u64| u16::try_from(value & 0xffff).unwrap_or(0);
    Ok((half(value >> 16), half(value)))
}

/// `XENVER_extraversion`.
fn extra(hypervisor: &dyn Hypervisor) -> Option<String> {
    let mut call = Call {
        number: number::XEN_VERSION,
        arguments: vec![Argument::Value(1), Argument::Buffer(0)],
        buffers: vec![vec![0; 16]],
        ..Call::default()
    };
    hypervisor.call(&mut call).ok()?;
    let text = call.buffers.into_iter().next()?;
    let end = text.iter().position(|byte| *byte == 0).unwrap_or(text.len());
    Some(String::from_utf8_lossy(text.get(..end)?).into_owned())
}
