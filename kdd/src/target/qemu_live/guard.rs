//! What is left when this program is killed: breakpoints in the guest, and a guest that stands.
//!
//! QEMU does nothing of its own when the connection of a debugger ends. So a second process can wait at the other
//! end of a pipe: it is told, by a byte, whether the guest is held, and when the pipe ends while it is, it puts
//! the guest right.

use std::io::{Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use super::link::Link;
use super::qmp::Qmp;
use super::{Options, control, process};
use crate::target::OpenError;

/// The guest is held, and ran before.
const RAN: u8 = b'r';
/// The guest is held, and was paused before.
const STOOD: u8 = b'p';
/// The guest is left as it was.
const FREE: u8 = b'f';

/// The process that waits.
pub(super) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts `program kdd guard SOCKET`; without it the guest is held all the same.
    pub(super) fn start(program: &Path, socket: &Path) -> std::io::Result<Self> {
        let socket = std::path::absolute(socket)?;
        let mut command = Command::new(program);
        command.args(["kdd", "guard"]).arg(socket);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        // What ends this program from the keyboard is not for the guard.
        command.process_group(0);
        Ok(Self {
            child: command.spawn()?,
        })
    }

    /// Tells it whether the guest is held, and whether it ran before.
    pub(super) fn tell(&mut self, held: Option<bool>) {
        let byte = match held {
            Some(true) => RAN,
            Some(false) => STOOD,
            None => FREE,
        };
        if let Some(pipe) = &mut self.child.stdin {
            // A guard that is gone guards nothing; the guest goes on.
            let _ = pipe.write_all(&[byte]).and_then(|()| pipe.flush());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Waits until `input` ends; puts the guest right when it was held then. This is what the guard does.
///
/// # Errors
/// When the guest cannot be reached.
pub fn watch(socket: &Path, mut input: impl Read) -> Result<(), OpenError> {
    let mut last = FREE;
    let mut bytes = [0; 64];
    while let Ok(count) = input.read(&mut bytes) {
        match bytes.get(..count).and_then(<[u8]>::last) {
            Some(byte) => last = *byte,
            None => break,
        }
    }
    match last {
        RAN => undo(socket, true),
        STOOD => undo(socket, false),
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
