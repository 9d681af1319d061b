//! The loop between a line and a session.
//!
//! While nobody debugs it, a guest that ran runs on; it is stopped when a debugger comes and goes on when that one
//! goes, however it went.

use std::fmt;
use std::time::Duration;

use super::session::{Ending, Session, Settings};
use crate::target::{ControlError, Target};
use crate::transport::event::Event;
use crate::transport::signals;
use crate::transport::stream::{Endpoint, Error, Got, Lines, Stream};

/// Longest time without a look around.
const IDLE: Duration = Duration::from_millis(250);
/// How long a guest that runs is waited for before the line is looked at.
const GUEST: Duration = Duration::from_millis(10);
/// How long the line is waited for while the guest runs.
const LINE: Duration = Duration::from_millis(2);
/// Bytes taken in one read.
const PIECE: usize = 32 * 1024;

/// How to serve.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// End after the first debugger.
    pub once: bool,
    /// How each session begins.
    pub settings: Settings,
}

/// Something worth a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// What happened on the line.
    Line(Event),
    /// What happened in the session.
    Session(String),
}

impl fmt::Display for Notice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(event) => event.fmt(f),
            Self::Session(words) => f.write_str(words),
        }
    }
}

/// Serves a target to debuggers, one after the other, until a signal ends it or the guest is gone.
///
/// # Errors
/// When the line cannot be opened, or none can come any more.
pub fn serve(
    target: &mut dyn Target,
    endpoint: &Endpoint,
    options: &Options,
    report: &mut dyn FnMut(&Notice),
) -> Result<Option<Ending>, Error> {
    let mut lines = Lines::open(endpoint, &mut |event| report(&Notice::Line(event.clone())))?;
    let mut last = None;
    free(target, report);
    loop {
        let next = lines.next(IDLE, &mut |_| waiting(target), &mut |event| {
            report(&Notice::Line(event.clone()));
        });
        let Some(mut stream) = next? else { break };
        report(&Notice::Line(Event::Attached(stream.peer.clone())));
        let mut session = Session::new(target, &options.settings);
        report(&Notice::Session(format!("addresses are {}", session.view())));
        let why = run(&mut session, &mut stream, &lines, report);
        session.release();
        tell(&mut session, report);
        last = session.ending();
        drop(session);
        drop(stream);
        lines.free();
        report(&Notice::Line(Event::Gone(why)));
        if options.once || matches!(last, Some(Ending::Gone(_))) {
            break;
        }
    }
    lines.refusals(&mut |event| report(&Notice::Line(event.clone())));
    Ok(last)
}

/// Whether to go on waiting for a debugger: no signal asked to end, and the guest is still there.
fn waiting(target: &mut dyn Target) -> Result<bool, Error> {
    let gone = target
        .control()
        .and_then(|control| control.stopped(Duration::ZERO).err());
    match gone {
        Some(ControlError::Gone(why)) => Err(Error::Guest(why)),
        _ => Ok(!signals::ending()),
    }
}

/// The guest runs on until a debugger comes.
fn free(target: &mut dyn Target, report: &mut dyn FnMut(&Notice)) {
    if let Some(control) = target.control()
        && let Err(error) = control.release()
    {
        report(&Notice::Session(error.to_string()));
    }
}

fn tell(session: &mut Session<'_>, report: &mut dyn FnMut(&Notice)) {
    for words in session.notices() {
        report(&Notice::Session(words));
    }
}

/// Until the debugger goes; says why.
fn run(session: &mut Session<'_>, stream: &mut Stream, lines: &Lines, report: &mut dyn FnMut(&Notice)) -> String {
    let mut buffer = vec![0; PIECE];
    let mut out = Vec::new();
    loop {
        if session.running() {
            session.poll(GUEST);
        }
        out.clear();
        session.take(&mut out);
        if !out.is_empty()
            && let Err(error) = stream.write(&out)
        {
            return error.to_string();
        }
        tell(session, report);
        match session.ending() {
            Some(Ending::Detached) => return "it let go of the guest".to_owned(),
            Some(Ending::Gone(why)) => return format!("the guest is gone: {why}"),
            None => {}
        }
        if signals::ending() {
            return "ended by a signal".to_owned();
        }
        let wait = if session.running() { LINE } else { IDLE };
        let got = stream.read(&mut buffer, wait);
        lines.refusals(&mut |event| report(&Notice::Line(event.clone())));
        match got {
            Ok(Got::Bytes(length)) => session.push(buffer.get(..length).unwrap_or_default()),
            Ok(Got::Nothing) => session.look(),
            Ok(Got::End) => return "it closed the line".to_owned(),
            Err(error) => return error.to_string(),
        }
    }
}
