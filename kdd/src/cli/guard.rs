//! `delid kdd guard`: the process that puts a guest right when the one that held it was killed.

use std::path::PathBuf;

use super::Error;
use crate::target::qemu_live;

/// What `delid kdd guard` is told; no user starts it.
#[derive(Clone, Debug, clap::Args)]
pub struct Guard {
    /// QMP socket of the guest
    #[arg(value_name = "SOCKET")]
    pub socket: PathBuf,
}

impl Guard {
    /// Waits for the end of standard input.
    pub(super) fn run(&self) -> Result<u8, Error> {
        qemu_live::watch(&self.socket, std::io::stdin().lock())?;
        Ok(0)
    }
}
