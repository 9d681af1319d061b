//! The target's side of a KD session, without I/O: bytes in, actions out.

use std::time::Duration;

use super::debuggee::Debuggee;

/// What the owner of a session has to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Send these bytes: a piece of the serial line, or the body of one KDNET datagram.
    Send(Vec<u8>),
    /// Something worth a line for the user.
    Report(Report),
    /// The debugger asked for a reboot of the guest.
    Reboot,
}

/// What happened, for the user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// A debugger connected.
    Connected,
    /// The debugger asked a captured guest to run.
    CannotRun,
    /// A packet was damaged; in words.
    Damage(String),
    /// A request that the engine does not know.
    UnknownApi(u32),
    /// The debugger does not acknowledge any more.
    Silent,
}

/// Which line the packets go over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line {
    /// A serial line: a stream, packet ids toggle.
    Serial,
    /// KDNET: one packet in a datagram, packet ids count.
    Datagram,
}

/// A session.
pub struct Session {
    _line: Line,
}

impl Session {
    /// A session before the first byte.
    #[must_use]
    pub fn new(line: Line) -> Self {
        Self { _line: line }
    }

    /// Takes bytes of the line (or the body of a datagram) that came `now` after the session's begin.
    pub fn push(&mut self, _bytes: &[u8], _guest: &mut dyn Debuggee, _now: Duration) {}

    /// Time passed: what was not acknowledged is sent again, a running guest is asked whether it stopped.
    pub fn tick(&mut self, _guest: &mut dyn Debuggee, _now: Duration) {}

    /// When [`Session::tick`] should be called at the latest, counted from the session's begin.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        None
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        None
    }
}
