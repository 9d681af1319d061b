//! The target's side of a KD session, without I/O: bytes in, actions out.
//!
//! The owner gives what the line brings to [`Session::push`], does what [`Session::poll`] says until it
//! says nothing more, and calls [`Session::tick`] when [`Session::deadline`] has come.
//!
//! A guest that stands still is reported to a debugger as soon as one is there (RESET, break-in, or the
//! RESEND that a KDNET debugger sends first); one that runs is stopped by a break-in only. A captured guest
//! always stands still: when the debugger lets it go on, it gets a line of text that says so and the
//! same stop again.
//!
//! A running guest is asked whether it stopped: soon after it went on, then less often. Where another kernel is
//! found at a stop than the debugger knows (it looked at a machine that was still booting), the session does what
//! Windows does when it boots anew: it reports that all symbols are gone, and then a stop on a line at its begin.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::debuggee::{Continue, Debuggee, Exception, Status};
use super::link::{Heard, Link};
use super::manipulate::{Api, Exchange, Outcome};
use super::packet::PacketType;
use super::state::{self, Symbols, WAKE_SYSTEM_DEBUGGER};
use crate::memory::Gva;

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
    /// A guest that can run stopped; why, in words.
    Stopped(String),
    /// The guest runs.
    Runs,
    /// The debugger asked a guest for something that failed; in words.
    Failed(String),
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

/// How soon a guest that runs is asked whether it stopped; the time doubles with each question.
const SOON: Duration = Duration::from_millis(2);
/// How often it is asked in the long run.
const POLL: Duration = Duration::from_millis(20);
/// Base address that says that all of the target's memory is gone.
const REBOOT: Gva = Gva(u64::MAX);
/// Most reports that wait to be fetched.
const MAX_NOTES: usize = 64;

/// Why the guest stands still.
#[derive(Clone, Debug)]
enum Stop {
    Exception(Exception),
    Symbols(Symbols),
}

/// A session.
pub struct Session {
    link: Link,
    line: Line,
    /// The guest was asked whether it runs.
    begun: bool,
    /// Why the guest stands still; `None` while it runs.
    stop: Option<Stop>,
    /// The processor that the debugger looks at.
    processor: u16,
    /// The debugger was told of the stop.
    told: bool,
    connected: bool,
    now: Duration,
    /// When the running guest was asked last.
    asked: Duration,
    /// Time between two questions.
    pace: Duration,
    /// That it cannot be asked was said.
    complained: bool,
    /// The debugger was told that all symbols are gone: it begins anew when it lets the guest go on.
    anew: bool,
    notes: VecDeque<Action>,
    /// Requests without a name that were reported.
    unknown: BTreeSet<u32>,
    /// What the debugger answered to a question.
    answer: Option<Vec<u8>>,
}

impl Session {
    /// A session before the first byte.
    #[must_use]
    pub fn new(line: Line) -> Self {
        Self {
            link: Link::new(line),
            line,
            begun: false,
            stop: None,
            processor: 0,
            told: false,
            connected: false,
            now: Duration::ZERO,
            asked: Duration::ZERO,
            pace: POLL,
            complained: false,
            anew: false,
            notes: VecDeque::new(),
            unknown: BTreeSet::new(),
            answer: None,
        }
    }

    /// The line was lost, and another debugger may come: packets begin anew, the guest stays as it is.
    pub fn restart(&mut self) {
        self.link = Link::new(self.line);
        (self.told, self.connected) = (false, false);
        self.notes.clear();
    }

    /// The guest was released: whether it runs is asked anew.
    pub fn released(&mut self) {
        self.link.forget();
        (self.begun, self.stop, self.told) = (false, None, false);
        (self.complained, self.anew) = (false, false);
    }

    /// Whether the guest stands still, as far as this session knows.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.stop.is_some()
    }

    /// Whether a debugger has answered since the last reset.
    #[must_use]
    pub fn is_connected(&self) -> bool {
        self.connected
    }

    /// Takes bytes of the line (or the body of a datagram) that came `now` after the session's begin.
    pub fn push(&mut self, bytes: &[u8], guest: &mut dyn Debuggee, now: Duration) {
        self.begin(guest, now);
        if self.line == Line::Datagram {
            // A datagram that comes while nobody takes the output is lost, as a network may lose it.
            if self.link.is_full() {
                return;
            }
            let heard = self.link.datagram(bytes, now);
            return self.heard(heard, guest);
        }
        if !self.link.push(bytes, now) {
            self.report(Report::Damage("more bytes than can wait: dropped".to_owned()));
        }
        self.work(guest);
    }

    /// Time passed: what was not acknowledged is sent again, a running guest is asked whether it stopped.
    pub fn tick(&mut self, guest: &mut dyn Debuggee, now: Duration) {
        self.begin(guest, now);
        self.work(guest);
        while let Some(heard) = self.link.give_up(now) {
            self.heard(heard, guest);
            self.work(guest);
        }
        if self.link.tick(now) {
            self.connected = false;
            self.report(Report::Silent);
        }
        if self.stop.is_none() && now >= self.asked.saturating_add(self.pace) {
            self.look(guest);
        }
    }

    /// Asks a running guest whether it stopped.
    fn look(&mut self, guest: &mut dyn Debuggee) {
        self.asked = self.now;
        self.pace = self.pace.saturating_mul(2).clamp(SOON, POLL);
        match guest.stopped() {
            Ok(true) => self.stopped(guest),
            Ok(false) => {}
            Err(status) if !self.complained => {
                self.complained = true;
                let why = trouble(guest, status);
                self.say(&format!("{why}\n"), guest);
                self.report(Report::Failed(why));
            }
            Err(_) => {}
        }
    }

    /// When [`Session::tick`] should be called at the latest, counted from the session's begin.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.link.has_backlog() {
            return Some(self.now);
        }
        let poll = (self.begun && self.stop.is_none()).then(|| self.asked.saturating_add(self.pace));
        self.link.deadline().into_iter().chain(poll).min()
    }

    /// The next thing to do.
    pub fn poll(&mut self) -> Option<Action> {
        self.link.poll().map(Action::Send).or_else(|| self.notes.pop_front())
    }

    /// Prints text in the debugger's window.
    pub fn print(&mut self, text: &str, guest: &dyn Debuggee, now: Duration) {
        self.now = now;
        self.say(text, guest);
    }

    /// Asks for text in the debugger's window; [`Session::take_answer`] then has it.
    pub fn ask(&mut self, prompt: &str, longest: u16, guest: &dyn Debuggee, now: Duration) {
        let payload = state::get_string(prompt, longest, self.processor, guest);
        self.link.send(PacketType::DEBUG_IO, payload, now);
    }

    /// What the debugger answered to a question, once.
    pub fn take_answer(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }

    /// The guest stopped because a module was loaded or unloaded.
    pub fn load_symbols(&mut self, symbols: Symbols, guest: &dyn Debuggee, now: Duration) {
        self.now = now;
        self.stop = Some(Stop::Symbols(symbols));
        self.tell(guest);
    }

    fn begin(&mut self, guest: &dyn Debuggee, now: Duration) {
        self.now = now;
        if !self.begun {
            self.begun = true;
            if !guest.running() {
                self.stand(guest.exception(), guest);
            }
        }
    }

    /// Everything in the bytes that were taken.
    fn work(&mut self, guest: &mut dyn Debuggee) {
        while let Some(heard) = self.link.hear(self.now) {
            self.heard(heard, guest);
        }
    }

    fn heard(&mut self, heard: Heard, guest: &mut dyn Debuggee) {
        match heard {
            Heard::Data(PacketType::MANIPULATE, payload) => {
                self.connect();
                self.request(payload, guest);
            }
            Heard::Data(PacketType::DEBUG_IO, payload) => {
                self.answer = state::string_read(&payload).map(<[u8]>::to_vec);
            }
            Heard::Data(kind, _) => self.report(Report::Damage(format!("{kind} of a debugger: nothing to do"))),
            Heard::Acknowledged => self.connect(),
            Heard::Resend => {
                if !self.link.resend(self.now) && !self.told {
                    self.tell(guest);
                }
            }
            Heard::Reset => {
                self.connected = false;
                self.tell(guest);
            }
            Heard::BreakIn => self.break_in(guest),
            Heard::Damage(words) => self.report(Report::Damage(words)),
            Heard::Nothing => {}
        }
    }

    fn connect(&mut self) {
        if !self.connected {
            self.connected = true;
            self.report(Report::Connected);
        }
    }

    fn report(&mut self, report: Report) {
        self.note(Action::Report(report));
    }

    fn note(&mut self, action: Action) {
        if self.notes.len() < MAX_NOTES {
            self.notes.push_back(action);
        }
    }

    fn break_in(&mut self, guest: &mut dyn Debuggee) {
        if self.stop.is_some() {
            if self.told {
                self.link.resend_if_old(self.now);
            } else {
                self.tell(guest);
            }
            return;
        }
        match guest.stop() {
            Ok(()) | Err(Status::NOT_SUPPORTED) => self.stopped(guest),
            Err(status) => {
                let why = format!("the guest cannot be stopped: {}", trouble(guest, status));
                self.say(&format!("{why}\n"), guest);
                self.report(Report::Failed(why));
            }
        }
    }

    fn stopped(&mut self, guest: &mut dyn Debuggee) {
        if let Some(words) = guest.why() {
            self.report(Report::Stopped(words));
        }
        self.stand(guest.exception(), guest);
        if guest.renewed() && self.connected {
            self.anew = true;
            self.stop = Some(Stop::Symbols(Symbols {
                base: REBOOT,
                size: 0,
                checksum: 0,
                process: u64::MAX,
                path: String::new(),
                unload: true,
            }));
        }
        self.tell(guest);
    }

    /// The debugger dropped what it knew; it is told of the stop as by a target that has just started.
    fn begin_anew(&mut self, guest: &dyn Debuggee) {
        self.anew = false;
        if self.line == Line::Serial {
            self.link.begin_anew();
        }
        (self.told, self.connected) = (false, false);
        self.stand(guest.exception(), guest);
        self.tell(guest);
    }

    fn stand(&mut self, mut exception: Exception, guest: &dyn Debuggee) {
        exception.processor = exception.processor.min(guest.processors().saturating_sub(1));
        self.processor = exception.processor;
        self.stop = Some(Stop::Exception(exception));
    }

    /// Sends the state change of the stop; nothing while the guest runs.
    fn tell(&mut self, guest: &dyn Debuggee) {
        let payload = match &self.stop {
            Some(Stop::Exception(exception)) => state::exception(*exception, guest),
            Some(Stop::Symbols(symbols)) => state::load_symbols(symbols, self.processor, guest),
            None => return,
        };
        self.told = true;
        self.link.send(PacketType::STATE_CHANGE64, payload, self.now);
    }

    fn say(&mut self, text: &str, guest: &dyn Debuggee) {
        let payload = state::print(text, self.processor, guest);
        self.link.send(PacketType::DEBUG_IO, payload, self.now);
    }

    fn request(&mut self, payload: Vec<u8>, guest: &mut dyn Debuggee) {
        let mut exchange = Exchange::new(payload, self.line, self.processor, guest);
        let outcome = match Api::from_number(exchange.number()) {
            // A kernel that runs answers nothing; a refusal keeps the debugger from waiting.
            Some(_) if self.stop.is_none() => Outcome::Reply(Status::UNSUCCESSFUL),
            Some(api) => api.answer(&mut exchange, guest),
            None => {
                if self.unknown.len() < MAX_NOTES && self.unknown.insert(exchange.number()) {
                    self.report(Report::UnknownApi(exchange.number()));
                }
                Outcome::Reply(Status::UNSUCCESSFUL)
            }
        };
        match outcome {
            Outcome::Reply(status) => {
                self.link
                    .send(PacketType::MANIPULATE, exchange.finish(status), self.now);
            }
            Outcome::Stream(replies) => {
                for reply in replies {
                    self.link.stream(PacketType::MANIPULATE, &reply, self.now);
                }
            }
            Outcome::Silence => {}
            Outcome::Go(how) => self.go(how, guest),
            Outcome::Switch(processor) => self.switch(processor, guest),
            Outcome::Reboot => {
                self.note(Action::Reboot);
                match guest.reboot() {
                    Ok(()) => self.runs(),
                    Err(status) => self.stay("boot anew", status, guest),
                }
            }
            Outcome::BugCheck => self.stay("be crashed", Status::NOT_SUPPORTED, guest),
        }
    }

    fn go(&mut self, how: Continue, guest: &mut dyn Debuggee) {
        if self.anew {
            return self.begin_anew(guest);
        }
        match guest.resume(self.processor, how) {
            Ok(()) => {
                self.runs();
                if how.step {
                    self.look(guest);
                } else if guest.live() {
                    self.report(Report::Runs);
                }
            }
            Err(status) => self.stay("run", status, guest),
        }
    }

    fn runs(&mut self) {
        (self.stop, self.told, self.complained) = (None, false, false);
        (self.asked, self.pace) = (self.now, SOON);
    }

    /// The guest cannot do what the debugger wants and does not answer for: a line, and the same stop.
    fn stay(&mut self, what: &str, status: Status, guest: &mut dyn Debuggee) {
        if guest.live() {
            let why = format!("the guest cannot {what}: {}", trouble(guest, status));
            self.say(&format!("{why}\n"), guest);
            self.tell(guest);
            return self.report(Report::Failed(why));
        }
        let why = match status {
            Status::NOT_SUPPORTED => format!("captured guest: it cannot {what}\n"),
            status => format!("the guest cannot {what} ({status})\n"),
        };
        self.say(&why, guest);
        self.tell(guest);
        self.report(Report::CannotRun);
    }

    /// Another processor is looked at. A debugger shows no exception for this code, only the new place.
    fn switch(&mut self, processor: u16, guest: &dyn Debuggee) {
        if processor < guest.processors() && processor != self.processor {
            let address = guest.program_counter(processor);
            let code = WAKE_SYSTEM_DEBUGGER;
            self.stand(
                Exception {
                    processor,
                    code,
                    address,
                },
                guest,
            );
        }
        self.tell(guest);
    }
}

/// Why a request failed, in words.
fn trouble(guest: &mut dyn Debuggee, status: Status) -> String {
    guest.trouble().unwrap_or_else(|| format!("status {status}"))
}
