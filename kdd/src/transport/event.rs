//! What happens on a line, for the user.

use std::fmt;
use std::net::SocketAddr;

use crate::kd::session::Report;
use crate::kdnet::channel::Refused;

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The line is open; a debugger may come.
    Open(String),
    /// A debugger is on the line.
    Attached(String),
    /// Another debugger came while one was there, and was sent away.
    SecondDebugger(String),
    /// Datagrams were refused.
    Datagrams {
        /// Why.
        reason: Refused,
        /// Where the last one came from.
        from: SocketAddr,
        /// How many for this reason until now; said at 1, 10, 100, …
        count: u64,
    },
    /// The engine's reports.
    Session(Report),
    /// The debugger asked for a reboot.
    Reboot,
    /// The debugger is gone.
    Gone(String),
    /// Nothing could be sent.
    Unsent(String),
    /// The record could not be written; it ends here.
    Record(String),
    /// The debugger is gone, and the guest was left as it was before; whether it runs.
    Released(bool),
    /// It could not be left so.
    NotReleased(String),
    /// There is no guest any more.
    GuestGone(String),
    /// A signal asked to end.
    Ending,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(line) => write!(f, "waiting for a debugger on {line}"),
            Self::Attached(peer) => write!(f, "debugger on the line: {peer}"),
            Self::SecondDebugger(peer) => write!(f, "second debugger refused: {peer}"),
            Self::Datagrams { reason, from, count: 1 } => write!(f, "datagram from {from} refused: {reason}"),
            Self::Datagrams { reason, from, count } => {
                write!(f, "{count} datagrams refused, the last from {from}: {reason}")
            }
            Self::Session(report) => f.write_str(&session(report)),
            Self::Reboot => f.write_str("the debugger asked for a reboot"),
            Self::Gone(why) => write!(f, "debugger gone: {why}"),
            Self::Unsent(why) => write!(f, "nothing can be sent: {why}"),
            Self::Record(why) => write!(f, "the record ends here: {why}"),
            Self::Released(true) => f.write_str("guest released: it runs"),
            Self::Released(false) => f.write_str("guest released: it stands still, as before"),
            Self::NotReleased(why) => write!(f, "guest not released: {why}"),
            Self::GuestGone(why) => write!(f, "guest is gone: {why}"),
            Self::Ending => f.write_str("ending: a signal asked for it"),
        }
    }
}

fn session(report: &Report) -> String {
    match report {
        Report::Connected => "debugger connected".to_owned(),
        Report::CannotRun => "the debugger asked to run; a capture cannot".to_owned(),
        Report::Stopped(words) => format!("guest stopped: {words}"),
        Report::Runs => "guest runs".to_owned(),
        Report::Failed(words) => words.clone(),
        Report::Damage(words) => format!("damaged packet: {words}"),
        Report::UnknownApi(number) => format!("unknown request {number:#06x}"),
        Report::Silent => "the debugger does not acknowledge any more".to_owned(),
    }
}
