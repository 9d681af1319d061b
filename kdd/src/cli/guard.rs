//! `delid kdd guard`: the process that puts a guest right when the one that held it was killed.

use super::Error;
use crate::target::live;

/// What `delid kdd guard` is told; no user starts it.
#[derive(Clone, Debug, clap::Args)]
pub struct Guard {
    /// The guest: `qemu:SOCKET` or `xen:DOMAIN`, a number
    #[arg(value_name = "GUEST")]
    pub guest: std::ffi::OsString,
}

impl Guard {
    /// Waits for the end of standard input.
    pub(super) fn run(&self) -> Result<u8, Error> {
        live::watch(&self.guest, std::io::stdin().lock())?;
        Ok(0)
    }
}
