//! QMP, the control protocol of QEMU: lines of JSON on a Unix socket (QEMU's docs/interop/qmp-spec).
//!
//! A command carries a number that its answer repeats; events come in between and are kept.

use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketAddrUnix, SocketFlags, SocketType,
    connect, sendmsg, socket_with, sockopt,
};
use serde_json::{Value, json};

use super::channel::Channel;
use super::fault::Fault;

/// Longest line that is taken.
const LINE: usize = 16 << 20;
/// Events that are kept.
const EVENTS: usize = 1024;

/// A connection in command mode.
pub(super) struct Qmp {
    channel: Channel,
    /// Bytes of the buffer that hold no end of line.
    seen: usize,
    next: u64,
    events: VecDeque<String>,
    patience: Duration,
    dead: Option<String>,
    /// Version of QEMU: `10.0.13`.
    pub(super) version: String,
    /// The version's first number.
    pub(super) major: u64,
}

impl Qmp {
    /// Connects, takes the greeting and enters command mode.
    pub(super) fn connect(path: &Path, patience: Duration) -> Result<Self, Fault> {
        let socket = dial(path)?;
        let mut qmp = Self {
            channel: Channel::new(socket, "QMP"),
            seen: 0,
            next: 0,
            events: VecDeque::new(),
            patience,
            dead: None,
            version: String::new(),
            major: 0,
        };
        qmp.greeting()?;
        qmp.execute("qmp_capabilities", json!({}))?;
        Ok(qmp)
    }

    fn greeting(&mut self) -> Result<(), Fault> {
        let silent = "no greeting: another client holds this QMP socket, which takes one at a time (give this \
                      program one of its own: -qmp unix:PATH,server=on,wait=off), or it is no QMP socket";
        let deadline = later(self.patience.min(Duration::from_secs(3)));
        let line = self.line(deadline)?.ok_or_else(|| Fault::Gone(silent.to_owned()))?;
        let version = serde_json::from_slice::<Value>(&line)
            .ok()
            .and_then(|greeting| Some(greeting.get("QMP")?.get("version")?.get("qemu")?.clone()))
            .ok_or_else(|| {
                let seen: String = String::from_utf8_lossy(&line).chars().take(60).collect();
                Fault::Gone(format!(
                    "expected the greeting of QMP, seen {:?} (a monitor for people needs -qmp instead)",
                    seen.trim()
                ))
            })?;
        let number = |name| version.get(name).and_then(Value::as_u64).unwrap_or(0);
        self.major = number("major");
        self.version = format!("{}.{}.{}", self.major, number("minor"), number("micro"));
        Ok(())
    }

    /// The process on the other side, as the kernel tells it: the one that made the socket listen.
    pub(super) fn process(&self) -> Option<u32> {
        let credentials = sockopt::socket_peercred(self.channel.socket()).ok()?;
        u32::try_from(credentials.pid.as_raw_nonzero().get()).ok()
    }

    /// Runs a command.
    pub(super) fn execute(&mut self, command: &str, arguments: Value) -> Result<Value, Fault> {
        self.run(command, arguments, None)
    }

    /// Runs a command that takes a file along.
    pub(super) fn execute_with(&mut self, command: &str, arguments: Value, fd: BorrowedFd<'_>) -> Result<Value, Fault> {
        self.run(command, arguments, Some(fd))
    }

    /// Runs a command of the monitor for people; gives what it prints.
    pub(super) fn monitor(&mut self, line: &str) -> Result<String, Fault> {
        let answer = self.execute("human-monitor-command", json!({ "command-line": line }))?;
        let text = answer
            .as_str()
            .ok_or_else(|| Fault::Refused(format!("{line}: no text")))?;
        Ok(text.replace('\r', ""))
    }

    fn run(&mut self, command: &str, arguments: Value, fd: Option<BorrowedFd<'_>>) -> Result<Value, Fault> {
        if let Some(reason) = &self.dead {
            return Err(Fault::Gone(reason.clone()));
        }
        let outcome = self.exchange(command, arguments, fd);
        if let Err(Fault::Gone(reason)) = &outcome {
            self.dead = Some(reason.clone());
        }
        outcome
    }

    fn exchange(&mut self, command: &str, arguments: Value, fd: Option<BorrowedFd<'_>>) -> Result<Value, Fault> {
        self.next = self.next.wrapping_add(1);
        let request = json!({ "execute": command, "arguments": arguments, "id": self.next });
        let mut line = request.to_string().into_bytes();
        line.push(b'\n');
        let deadline = later(self.patience);
        match fd {
            Some(fd) => self.send_with(&line, fd)?,
            None => self.channel.send(&line, deadline)?,
        }
        loop {
            let line = self.line(deadline)?.filter(|_| Instant::now() <= deadline);
            let Some(line) = line else {
                let waited = self.patience.as_secs();
                return Err(Fault::Gone(format!("no answer to {command} within {waited} s")));
            };
            let mut answer: Value = serde_json::from_slice(&line)
                .map_err(|error| Fault::Gone(format!("QMP: expected a line of JSON: {error}")))?;
            if self.event(&answer) || answer.get("id").and_then(Value::as_u64) != Some(self.next) {
                continue;
            }
            if let Some(error) = answer.get("error") {
                let text = error.get("desc").and_then(Value::as_str).unwrap_or("refused");
                return Err(Fault::Refused(format!("{command}: {text}")));
            }
            return Ok(answer.get_mut("return").map(Value::take).unwrap_or_default());
        }
    }

    /// The bytes with a file; they are few and go out at once.
    fn send_with(&mut self, line: &[u8], fd: BorrowedFd<'_>) -> Result<(), Fault> {
        let fds = [fd];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        control.push(SendAncillaryMessage::ScmRights(&fds));
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        match sendmsg(self.channel.socket(), &[IoSlice::new(line)], &mut control, flags) {
            Ok(count) if count == line.len() => Ok(()),
            Ok(_) => Err(Fault::Gone("QMP takes nothing any more".to_owned())),
            Err(error) => Err(Fault::Gone(format!("QMP: {error}"))),
        }
    }

    /// Keeps an event; false when it is none.
    fn event(&mut self, answer: &Value) -> bool {
        let Some(name) = answer.get("event").and_then(Value::as_str) else {
            return false;
        };
        if self.events.len() < EVENTS {
            self.events.push_back(name.to_owned());
        }
        true
    }

    /// Names of the events that came, without waiting.
    pub(super) fn events(&mut self) -> Result<VecDeque<String>, Fault> {
        let now = Instant::now();
        for _ in 0..EVENTS {
            if self.dead.is_some() {
                break;
            }
            match self.line(now) {
                Ok(None) => break,
                Ok(Some(line)) => {
                    if let Ok(answer) = serde_json::from_slice(&line) {
                        self.event(&answer);
                    }
                }
                Err(Fault::Gone(reason)) => self.dead = Some(reason),
                Err(fault) => return Err(fault),
            }
        }
        let events = std::mem::take(&mut self.events);
        match &self.dead {
            // What came before the end is told first.
            Some(reason) if events.is_empty() => Err(Fault::Gone(reason.clone())),
            _ => Ok(events),
        }
    }

    /// The next line without its end; `None` when it does not come in time.
    fn line(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, Fault> {
        loop {
            let buffer = &mut self.channel.buffer;
            let fresh = buffer.get(self.seen..).unwrap_or_default();
            if let Some(end) = fresh.iter().position(|byte| *byte == b'\n') {
                let end = self.seen.saturating_add(end);
                let rest = buffer.split_off(end.saturating_add(1));
                let line = std::mem::replace(buffer, rest);
                self.seen = 0;
                return Ok(Some(line));
            }
            self.seen = buffer.len();
            if self.seen > LINE {
                return Err(Fault::Gone(format!("QMP: a line longer than {LINE} bytes")));
            }
            if !self.channel.fill(deadline)? {
                return Ok(None);
            }
        }
    }
}

impl AsFd for Qmp {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.channel.socket().as_fd()
    }
}

/// A moment from now.
pub(super) fn later(wait: Duration) -> Instant {
    let now = Instant::now();
    now.checked_add(wait)
        .unwrap_or_else(|| now.checked_add(Duration::from_secs(1 << 30)).unwrap_or(now))
}

/// Connects without waiting: a Unix socket with a full queue would block until its owner cares.
pub(super) fn dial(path: &Path) -> Result<std::os::fd::OwnedFd, Fault> {
    let told = |error: Errno| {
        let hint = match error {
            Errno::CONNREFUSED => " (nobody listens there any more)",
            Errno::AGAIN => " (its queue is full: another client holds it)",
            Errno::ACCESS => " (this user may not)",
            _ => "",
        };
        Fault::Gone(format!("cannot connect: {error}{hint}"))
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(told)?;
    let address = SocketAddrUnix::new(path).map_err(told)?;
    connect(&socket, &address).map_err(told)?;
    Ok(socket)
}
