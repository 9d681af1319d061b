//! The target's side of a KD session, without I/O: bytes in, actions out.
//!
//! The owner gives what the line brings to [`Session::push`], does what [`Session::poll`] says until it
//! says nothing more, and calls [`Session::tick`] when [`Session::deadline`] has come.
//!
//! A guest that stands still is reported to a debugger as soon as one is there (RESET, break-in, or the
//! RESEND that a KDNET debugger sends first); one that runs is stopped by a break-in only. A captured guest
//! always stands still: when the debugger lets it go on, it gets a line of text that says so and the
//! same stop again.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::debuggee::{Continue, Debuggee, Exception, Status};
use super::link::{Heard, Link};
use super::manipulate::{Api, Exchange, Outcome};
use super::packet::PacketType;
use super::state::{self, Symbols, WAKE_SYSTEM_DEBUGGER};

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

/// How often a running guest is asked whether it stopped.
const POLL: Duration = Duration::from_millis(20);
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
        if self.stop.is_none() && now >= self.asked.saturating_add(POLL) {
            self.asked = now;
            match guest.stopped() {
                Ok(true) => self.stopped(guest),
                Ok(false) => {}
                Err(status) => self.say(&format!("the guest is gone ({status})\n"), guest),
            }
        }
    }

    /// When [`Session::tick`] should be called at the latest, counted from the session's begin.
    #[must_use]
    pub fn deadline(&self) -> Option<Duration> {
        if self.link.has_backlog() {
            return Some(self.now);
        }
        let poll = (self.begun && self.stop.is_none()).then(|| self.asked.saturating_add(POLL));
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
            Err(status) => self.say(&format!("the guest cannot be stopped ({status})\n"), guest),
        }
    }

    fn stopped(&mut self, guest: &dyn Debuggee) {
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
                    Ok(()) => self.stop = None,
                    Err(status) => self.stay("boot anew", status, guest),
                }
            }
            Outcome::BugCheck => self.stay("be crashed", Status::NOT_SUPPORTED, guest),
        }
    }

    fn go(&mut self, how: Continue, guest: &mut dyn Debuggee) {
        match guest.resume(self.processor, how) {
            Ok(()) => {
                (self.stop, self.told, self.asked) = (None, false, self.now);
            }
            Err(status) => self.stay("run", status, guest),
        }
    }

    /// The guest cannot do what the debugger wants and does not answer for: a line, and the same stop.
    fn stay(&mut self, what: &str, status: Status, guest: &dyn Debuggee) {
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
