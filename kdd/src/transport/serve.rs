//! The loop between a serial line and a session.
//!
//! One read, one call of the engine, one write: an acknowledgement and the answer behind it leave in one
//! piece. When a debugger goes, the next one finds a session at its begin, and a guest that can run is left as it
//! was before.

use std::io::Write;
use std::time::{Duration, Instant};

use super::event::Event;
use super::stream::{Endpoint, Error, Got, Lines, Stream};
use super::{live, signals};
use crate::kd::debuggee::Debuggee;
use crate::kd::record::Recorder;
use crate::kd::session::{Action, Line, Report, Session};

/// Longest time without a look around.
pub(super) const IDLE: Duration = Duration::from_millis(250);
/// Bytes taken in one read.
const PIECE: usize = 16 * 1024;

/// How to serve.
pub struct Options<'a> {
    /// End after the first debugger.
    pub once: bool,
    /// How long to try to connect, where we do.
    pub timeout: Duration,
    /// Where the session is recorded.
    pub record: Option<&'a mut dyn Write>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            once: false,
            timeout: Duration::from_secs(30),
            record: None,
        }
    }
}

/// Serves a guest to debuggers on a serial line, one after the other.
///
/// # Errors
/// When the line cannot be opened, or none can come any more.
pub fn serve(
    guest: &mut dyn Debuggee,
    endpoint: &Endpoint,
    options: Options<'_>,
    report: &mut dyn FnMut(&Event),
) -> Result<(), Error> {
    let mut lines = Lines::open(endpoint, report)?;
    let mut recorder = options.record.map(|out| Recorder::new(out, Line::Serial));
    let (mut session, begin) = (Session::new(Line::Serial), Instant::now());
    while let Some(mut stream) = lines.next(options.timeout, &mut |report| live::waiting(guest, report), report)? {
        report(&Event::Attached(stream.peer.clone()));
        if let Some(recorder) = &mut recorder {
            recorder.session();
        }
        let mut connection = Connection {
            session: &mut session,
            begin,
            recorder: recorder.as_mut(),
            out: Vec::new(),
        };
        let end = connection.run(&mut stream, guest, &lines, report);
        drop(stream);
        lines.free();
        match end {
            End::Debugger(why) => report(&Event::Gone(why)),
            End::Guest => live::here(guest, report)?,
            End::Signal => report(&Event::Ending),
        }
        live::release(guest, &mut session, report);
        session.restart();
        if options.once || signals::ending() {
            break;
        }
    }
    lines.refusals(report);
    Ok(())
}

/// Why a connection is over.
enum End {
    /// The debugger went; in words.
    Debugger(String),
    /// There is no guest any more.
    Guest,
    /// A signal asked to end.
    Signal,
}

struct Connection<'a, 'b> {
    session: &'a mut Session,
    begin: Instant,
    recorder: Option<&'a mut Recorder<'b>>,
    out: Vec<u8>,
}

impl Connection<'_, '_> {
    /// Until the debugger goes; says why.
    fn run(
        &mut self,
        stream: &mut Stream,
        guest: &mut dyn Debuggee,
        lines: &Lines,
        report: &mut dyn FnMut(&Event),
    ) -> End {
        let mut buffer = vec![0; PIECE];
        let mut now = self.begin.elapsed();
        let mut looked = now;
        loop {
            if !guest.running() {
                live::look(guest, &mut looked, now);
            }
            if self.session.deadline().is_some_and(|deadline| deadline <= now) {
                self.session.tick(guest, now);
            }
            match self.act(stream, now, report) {
                // Nobody hears the guest's stop: it must not wait for ever.
                Ok(true) if stream.is_pty() => live::release(guest, self.session, report),
                Ok(_) => {}
                Err(error) => return End::Debugger(error.to_string()),
            }
            if guest.gone().is_some() {
                return End::Guest;
            }
            if signals::ending() {
                return End::Signal;
            }
            let deadline = self.session.deadline();
            let wait = deadline.map_or(IDLE, |deadline| deadline.saturating_sub(now)).min(IDLE);
            let got = stream.read(&mut buffer, wait);
            now = self.begin.elapsed();
            lines.refusals(report);
            match got {
                Ok(Got::Bytes(length)) => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    if let Some(recorder) = &mut self.recorder {
                        recorder.to_target(bytes, now);
                    }
                    self.session.push(bytes, guest, now);
                }
                Ok(Got::Nothing) => {}
                Ok(Got::End) => return End::Debugger("it closed the line".to_owned()),
                Err(error) => return End::Debugger(error.to_string()),
            }
        }
    }

    /// Does what the session wants; all bytes go in one write. Tells whether the debugger has just become silent.
    fn act(&mut self, stream: &mut Stream, now: Duration, report: &mut dyn FnMut(&Event)) -> std::io::Result<bool> {
        self.out.clear();
        let mut silent = false;
        while let Some(action) = self.session.poll() {
            match action {
                Action::Send(bytes) => {
                    if let Some(recorder) = &mut self.recorder {
                        recorder.to_host(&bytes, now);
                    }
                    self.out.extend(bytes);
                }
                Action::Report(words) => {
                    silent |= words == Report::Silent;
                    report(&Event::Session(words));
                }
                Action::Reboot => report(&Event::Reboot),
            }
        }
        if !self.out.is_empty() {
            stream.write(&self.out)?;
        }
        if let Some(error) = self.recorder.as_mut().and_then(|recorder| recorder.failed()) {
            report(&Event::Record(error));
        }
        Ok(silent)
    }
}
