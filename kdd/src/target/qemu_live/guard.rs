//! What is left when this program is killed: breakpoints in the guest, and a guest that stands; and how it is undone.

use std::io::Read;
use std::path::Path;

use super::link::Link;
use super::qmp::Qmp;
use super::{Options, control, process};
use crate::target::{OpenError, guard};

/// What the guard is told of a guest that is held: whether it ran before; of one that is not held, nothing.
pub(super) fn line(held: Option<bool>) -> &'static str {
    match held {
        Some(true) => "ran",
        Some(false) => "stood",
        None => "",
    }
}

/// Waits until `input` ends; puts the guest right when it was held then. This is what the guard does.
///
/// # Errors
/// When the guest cannot be reached.
pub fn watch(socket: &Path, input: impl Read) -> Result<(), OpenError> {
    match guard::last_told(input).as_deref() {
        Some("ran") => undo(socket, true),
        Some("stood") => undo(socket, false),
        _ => Ok(()),
    }
}

/// Puts a guest right that a debugger left behind: all breakpoints out, running if `run`.
///
/// # Errors
/// When it cannot be reached.
pub fn undo(socket: &Path, run: bool) -> Result<(), OpenError> {
    let patience = Options::default().patience;
    let restore = || {
        let mut qmp = Qmp::connect(socket, patience)?;
        let pid = process::find(qmp.process(), socket);
        qmp.execute("stop", serde_json::json!({}))?;
        let mut link = Link {
            qmp,
            stub: None,
            running: false,
            pid,
            patience,
        };
        // Connecting takes all breakpoints out.
        let connected = link.stub().map(|_| ());
        control::leave(&mut link, &[], run).and(connected)
    };
    restore().map_err(|fault: super::fault::Fault| OpenError::NotAGuest {
        name: format!("qemu:{}", socket.display()),
        reason: fault.to_string(),
    })
}
