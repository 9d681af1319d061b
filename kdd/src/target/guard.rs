//! The process that puts a guest right when this program was killed while it held it.
//!
//! Neither QEMU nor Xen does anything of its own when a debugger ends without a word. So a second process waits at
//! the other end of a pipe. It is told, line by line, how the guest stands; when the pipe ends, the last line says
//! what is to be undone. An empty line says that nothing is.

use std::io::{BufRead, BufReader, Read, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// Longest line that is taken: the state of the vCPUs of a large domain.
const LONGEST: u64 = 64 << 20;

/// The process that waits.
pub(super) struct Guard {
    child: Child,
}

impl Guard {
    /// Starts `program kdd guard GUEST`.
    pub(super) fn start(program: &Path, guest: &std::ffi::OsStr) -> std::io::Result<Self> {
        let mut command = Command::new(program);
        command.args(["kdd", "guard"]).arg(guest);
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

    /// Tells it, in one line, what is to be undone from now on.
    pub(super) fn tell(&mut self, line: &str) {
        if let Some(pipe) = &mut self.child.stdin {
            // A guard that is gone guards nothing; the guest goes on.
            let _ = writeln!(pipe, "{line}").and_then(|()| pipe.flush());
        }
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        let _ = self.child.wait();
    }
}

/// Waits until `input` ends; gives the last whole line that was told, if it is not empty.
pub(super) fn last_told(input: impl Read) -> Option<String> {
    let mut input = BufReader::new(input);
    let mut last = String::new();
    let mut line = String::new();
    // A line without its end was cut off with the program: the one before it holds.
    while (&mut input)
        .take(LONGEST)
        .read_line(&mut line)
        .is_ok_and(|count| count > 0)
        && line.ends_with('\n')
    {
        std::mem::swap(&mut last, &mut line);
        line.clear();
    }
    last.pop();
    Some(last).filter(|last| !last.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_whole_line_counts() {
        assert_eq!(last_told(&b""[..]), None);
        assert_eq!(last_told(&b"one\ntwo\n"[..]).as_deref(), Some("two"));
        assert_eq!(last_told(&b"one\ntwo"[..]).as_deref(), Some("one"));
        assert_eq!(last_told(&b"one\n\n"[..]), None);
        assert_eq!(last_told(&b"one\n\xff\xfe\n"[..]).as_deref(), Some("one"));
    }
}
