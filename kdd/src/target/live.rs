//! Guests that run: named by where, not told by content.
//!
//! `qemu:SOCKET` is the QMP socket of a QEMU or KVM guest, `xen:DOMAIN` the number or the name of a domain of
//! the Xen that this system is the control domain of.

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
        "xen" => Some(xen_live::open(rest).map(|target| Box::new(target) as Box<dyn Target>)),
        _ => None,
    }
}
