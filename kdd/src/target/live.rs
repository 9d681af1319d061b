//! Guests that run: named by where, not told by content.
//!
//! `qemu:SOCKET` is the QMP socket of a QEMU or KVM guest, `xen:DOMAIN` the number or the name of a domain of
//! the Xen that this system is the control domain of.

use std::path::Path;

use super::{OpenError, Target, qemu_live, xen_live};

/// Opens a running guest and stops it, so that its memory and registers belong together; `None` when `name`
/// does not name one. The guest goes on with [`Control::release`](super::Control::release).
///
/// # Errors
/// When it is not there, or this process may not.
pub fn open(name: &str) -> Option<Result<Box<dyn Target>, OpenError>> {
    let (kind, rest) = name.split_once(':')?;
    match kind {
        "qemu" => Some(qemu_live::open(Path::new(rest)).map(|target| Box::new(target) as Box<dyn Target>)),
        "xen" => Some(xen_live::open(rest).map(|target| Box::new(target) as Box<dyn Target>)),
        _ => None,
    }
}
