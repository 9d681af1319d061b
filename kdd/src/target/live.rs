//! Guests that run: named by where, not told by content.
//!
//! `qemu:SOCKET` is the QMP socket of a QEMU or KVM guest, `xen:DOMAIN` the number or the name of a domain of
//! the Xen that this system is the control domain of.

use std::ffi::OsStr;
use std::io::Read;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::{OpenError, Target, qemu_live, xen_live};

/// How a running guest is opened.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The program to start as `PROGRAM kdd guard …`, which puts the guest right when this process is killed
    /// while it holds it; none without it.
    pub guard: Option<PathBuf>,
}

/// Opens a running guest and stops it, so that its memory and registers belong together; `None` when `name`
/// does not name one. The guest goes on with [`Control::release`](super::Control::release).
///
/// # Errors
/// When it is not there, or this process may not.
pub fn open(name: &str, options: &Options) -> Option<Result<Box<dyn Target>, OpenError>> {
    let (kind, rest) = name.split_once(':')?;
    match kind {
        "qemu" => {
            let options = qemu_live::Options {
                guard: options.guard.clone(),
                ..qemu_live::Options::default()
            };
            let opened = qemu_live::open_with(Path::new(rest), &options);
            Some(opened.map(|target| Box::new(target) as Box<dyn Target>))
        }
        "xen" => {
            let opened = xen_live::open_with(rest, options.guard.as_deref());
            Some(opened.map(|target| Box::new(target) as Box<dyn Target>))
        }
        _ => None,
    }
}

/// Waits until `input` ends, and puts the guest right when it was held then by a process that is gone: what
/// `PROGRAM kdd guard GUEST` does. `guest` is `qemu:SOCKET` or `xen:DOMAIN`, a number.
///
/// # Errors
/// When the guest cannot be reached.
pub fn watch(guest: &OsStr, input: impl Read) -> Result<(), OpenError> {
    let bytes = guest.as_bytes();
    if let Some(socket) = bytes.strip_prefix(b"qemu:") {
        return qemu_live::watch(Path::new(OsStr::from_bytes(socket)), input);
    }
    let number = guest
        .to_str()
        .and_then(|guest| guest.strip_prefix("xen:")?.parse().ok());
    let domain = number.ok_or_else(|| OpenError::NotAGuest {
        name: guest.display().to_string(),
        reason: "expected qemu:SOCKET or xen: and a number".to_owned(),
    })?;
    xen_live::watch(domain, input)
}
