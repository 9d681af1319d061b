//! What one debugger asks, answered: bytes come in by [`Session::push`], answers go out by [`Session::take`].
//!
//! Whole packets with a right sum go to `gdbstub`, one after the other. What is answered before it:
//!
//! - acknowledgements, damaged and too long packets;
//! - reads of memory (`m`, `x`): as much as is there, and an error when the first byte is not;
//! - what it does not know: `qC`, QEMU's `qqemu.PhyMemMode`, reads in binary;
//! - `k` and `vKill`, which end the session and not the guest;
//! - steps without a thread, which it refuses: they are for the current one.
//!
//! A request that it cannot make sense of ends its machine; then it is made anew, told again which thread and which
//! features hold, and the answer is an error.

use std::convert::Infallible;
use std::time::Duration;

use gdbstub::conn::Connection;
use gdbstub::stub::state_machine::GdbStubStateMachine;
use gdbstub::stub::{DisconnectReason, GdbStub, MultiThreadStopReason};

use super::debuggee::{Debuggee, asked};
use super::packet::{self, Cutter, LONGEST, Piece};
use crate::memory::Gpa;
use crate::target::Target;

/// Most bytes that one read gives: as many as fit into a packet in digits.
const READ: usize = LONGEST / 2 - 16;
/// Error of a request that makes no sense.
const INVALID: &[u8] = b"E16";
/// Error of a read whose first byte is not there; QEMU says the same.
const FAULT: &[u8] = b"E14";

/// Which registers a debugger is told of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Architecture {
    /// 64-bit, for long mode.
    X86_64,
    /// 32-bit.
    I386,
}

impl Architecture {
    /// That of a target: i386 when no vCPU is in long mode. A guest that runs and has not turned paging on yet may
    /// still go there.
    pub fn of(target: &mut dyn Target) -> Self {
        let live = target.control().is_some();
        let short = |vcpu: &crate::target::Vcpu| {
            let early = live && vcpu.cr0.is_none_or(|cr0| cr0 & 1 << 31 == 0);
            vcpu.long_mode() == Some(false) && !early
        };
        let none = target.vcpus().is_empty();
        if !none && target.vcpus().iter().all(short) || none && target.hints().machine == Some(0x14c) {
            Self::I386
        } else {
            Self::X86_64
        }
    }
}

/// How a session begins.
#[derive(Clone, Copy, Debug, Default)]
pub struct Settings {
    /// Which registers; that of the target when not said.
    pub architecture: Option<Architecture>,
    /// Addresses are physical.
    pub physical: bool,
    /// Page directory given by hand.
    pub directory: Option<Gpa>,
}

/// Why a session ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ending {
    /// The debugger detached, or asked to kill the guest, which it may not.
    Detached,
    /// The guest is gone.
    Gone(String),
}

/// One debugger's session with a target.
pub struct Session<'t>(Width<'t>);

enum Width<'t> {
    Wide(Box<Inner<'t, true>>),
    Narrow(Box<Inner<'t, false>>),
}

macro_rules! inner {
    ($session:expr, $inner:ident => $do:expr) => {
        match &mut $session.0 {
            Width::Wide($inner) => $do,
            Width::Narrow($inner) => $do,
        }
    };
}

impl<'t> Session<'t> {
    /// A debugger came: a guest that runs is stopped.
    pub fn new(target: &'t mut dyn Target, settings: &Settings) -> Self {
        let architecture = settings.architecture.unwrap_or_else(|| Architecture::of(target));
        Self(match architecture {
            Architecture::X86_64 => Width::Wide(Box::new(Inner::new(target, settings))),
            Architecture::I386 => Width::Narrow(Box::new(Inner::new(target, settings))),
        })
    }

    /// Takes bytes of the line.
    pub fn push(&mut self, bytes: &[u8]) {
        inner!(self, inner => inner.push(bytes));
    }

    /// Bytes for the line since the last call.
    pub fn take(&mut self, into: &mut Vec<u8>) {
        inner!(self, inner => {
            into.append(&mut inner.out);
        });
    }

    /// Whether the guest runs and the debugger waits.
    pub fn running(&mut self) -> bool {
        inner!(self, inner => inner.debuggee.running)
    }

    /// Looks whether a guest that runs has stopped; waits for it as long.
    pub fn poll(&mut self, wait: Duration) {
        inner!(self, inner => inner.poll(wait));
    }

    /// Looks whether a guest that stands is still there.
    pub fn look(&mut self) {
        inner!(self, inner => inner.look());
    }

    /// Whether the session is over.
    pub fn ending(&mut self) -> Option<Ending> {
        inner!(self, inner => inner.ending.clone())
    }

    /// What the user should know, since the last call.
    pub fn notices(&mut self) -> Vec<String> {
        inner!(self, inner => std::mem::take(&mut inner.notices))
    }

    /// How addresses are understood, in words.
    pub fn view(&mut self) -> String {
        inner!(self, inner => inner.debuggee.view().words())
    }

    /// The debugger is gone: the guest goes on as before.
    pub fn release(&mut self) {
        inner!(self, inner => if let Err(error) = inner.debuggee.release() {
            inner.notices.push(error);
        });
    }
}

/// What `gdbstub` writes.
#[derive(Default)]
struct Out(Vec<u8>);

impl Connection for Out {
    type Error = Infallible;

    fn write(&mut self, byte: u8) -> Result<(), Infallible> {
        self.0.push(byte);
        Ok(())
    }

    fn write_all(&mut self, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

type Machine<'t, const WIDE: bool> = GdbStubStateMachine<'static, Debuggee<'t, WIDE>, Out>;

struct Inner<'t, const WIDE: bool> {
    debuggee: Debuggee<'t, WIDE>,
    machine: Option<Machine<'t, WIDE>>,
    cutter: Cutter,
    out: Vec<u8>,
    /// Begin of the last answer, for a debugger that wants it again.
    last: Vec<u8>,
    acknowledge: bool,
    /// Packets that set what holds from then on: features, the threads of `Hg` and `Hc`.
    standing: [Option<Vec<u8>>; 3],
    several: bool,
    /// The debugger is LLDB.
    lldb: bool,
    /// Thread of `s` and `c`.
    step_thread: usize,
    buffer: Vec<u8>,
    notices: Vec<String>,
    ending: Option<Ending>,
}

impl<'t, const WIDE: bool> Inner<'t, WIDE> {
    fn new(target: &'t mut dyn Target, settings: &Settings) -> Self {
        let mut inner = Self {
            debuggee: Debuggee::new(target, settings.physical, settings.directory),
            machine: None,
            cutter: Cutter::default(),
            out: Vec::new(),
            last: Vec::new(),
            acknowledge: true,
            standing: [None, None, None],
            several: false,
            lldb: false,
            step_thread: 0,
            buffer: Vec::new(),
            notices: Vec::new(),
            ending: None,
        };
        if let Err(error) = inner.debuggee.stop() {
            inner.notices.push(error);
        }
        // That stop is no answer to anything.
        let _ = inner.debuggee.control(|control| control.stopped(Duration::ZERO));
        inner.renew();
        inner
    }

    /// A new machine, as the old one was between packets.
    fn renew(&mut self) {
        let stub = GdbStub::builder(Out::default()).packet_buffer_size(LONGEST).build();
        let machine = stub
            .ok()
            .and_then(|stub| stub.run_state_machine(&mut self.debuggee).ok());
        self.machine = machine;
        // Acknowledgements are written here.
        let _ = self.ask(b"QStartNoAckMode");
        for packet in self.standing.clone().into_iter().flatten() {
            let _ = self.ask(&packet);
        }
    }

    /// Gives a packet to `gdbstub`; its answer, `None` when it made no sense of it.
    fn ask(&mut self, body: &[u8]) -> Option<Vec<u8>> {
        let mut packet = Vec::with_capacity(body.len().saturating_add(4));
        packet::write(&mut packet, body);
        let mut machine = self.machine.take()?;
        for byte in packet {
            machine = match machine {
                GdbStubStateMachine::Idle(inner) => inner.incoming_data(&mut self.debuggee, byte).ok()?,
                other => other,
            };
        }
        self.settle(machine)
    }

    /// Keeps the machine and takes what it wrote.
    fn settle(&mut self, machine: Machine<'t, WIDE>) -> Option<Vec<u8>> {
        let (answer, machine) = match machine {
            GdbStubStateMachine::Idle(mut inner) => (std::mem::take(&mut inner.borrow_conn().0), inner.into()),
            GdbStubStateMachine::Running(mut inner) => (std::mem::take(&mut inner.borrow_conn().0), inner.into()),
            GdbStubStateMachine::Disconnected(mut inner) => {
                let answer = std::mem::take(&mut inner.borrow_conn().0);
                self.ending
                    .get_or_insert(match (&self.debuggee.gone, inner.get_reason()) {
                        (Some(why), DisconnectReason::TargetExited(_)) => Ending::Gone(why.clone()),
                        _ => Ending::Detached,
                    });
                (answer, inner.return_to_idle())
            }
            // It is never given an interrupt.
            GdbStubStateMachine::CtrlCInterrupt(_) => return None,
        };
        self.machine = Some(machine);
        Some(answer)
    }

    fn push(&mut self, bytes: &[u8]) {
        self.cutter.push(bytes);
        while self.ending.is_none() {
            let Some(piece) = self.cutter.next_piece() else { break };
            match piece {
                Piece::Packet(body) => self.packet(&body),
                Piece::TooLong => {
                    self.acknowledged();
                    self.answer(INVALID);
                }
                Piece::Damaged if self.acknowledge => self.out.push(b'-'),
                Piece::Again if self.acknowledge => self.out.extend_from_slice(&self.last),
                Piece::Interrupt if self.debuggee.running => self.interrupt(),
                Piece::Damaged | Piece::Again | Piece::Acknowledged | Piece::Interrupt => {}
            }
        }
    }

    fn acknowledged(&mut self) {
        if self.acknowledge {
            self.out.push(b'+');
        }
    }

    fn packet(&mut self, body: &[u8]) {
        self.acknowledged();
        let begin = self.out.len();
        if body.starts_with(b"k") || body.starts_with(b"vKill") {
            if body.starts_with(b"v") {
                self.answer(b"OK");
            }
            self.notices
                .push("the debugger asked to kill the guest: it only lets go of it".to_owned());
            self.ending = Some(Ending::Detached);
        } else if self.debuggee.running {
            self.while_running(body);
        } else if !self.own(body) {
            self.others(body);
        }
        self.last.clear();
        if self.acknowledge {
            self.last.extend_from_slice(self.out.get(begin..).unwrap_or_default());
        }
    }

    /// The debugger should wait for the guest to stop, and only an interrupt means something.
    fn while_running(&mut self, body: &[u8]) {
        if body == b"D" || body.starts_with(b"D;") {
            self.answer(b"OK");
            self.ending = Some(Ending::Detached);
        }
    }

    fn answer(&mut self, body: &[u8]) {
        packet::write(&mut self.out, body);
    }

    /// Packets that are answered here; `false` when it is none.
    fn own(&mut self, body: &[u8]) -> bool {
        match body {
            [b'm', rest @ ..] => self.read(rest, false),
            [b'x', rest @ ..] => self.read(rest, true),
            b"QStartNoAckMode" => {
                self.answer(b"OK");
                self.acknowledge = false;
            }
            b"qC" => {
                let thread = self.debuggee.thread;
                let id = if self.several {
                    format!("QCp01.{thread:02x}")
                } else {
                    format!("QC{thread:02x}")
                };
                self.answer(id.as_bytes());
            }
            b"qqemu.PhyMemMode" => {
                let answer: &[u8] = if self.debuggee.physical { b"1" } else { b"0" };
                self.answer(answer);
            }
            b"Qqemu.PhyMemMode:0" | b"Qqemu.PhyMemMode:1" => {
                self.debuggee.physical = body.ends_with(b"1");
                self.answer(b"OK");
            }
            _ => return false,
        }
        true
    }

    /// `m` and `x`: address, length.
    fn read(&mut self, rest: &[u8], binary: bool) {
        let mut parts = rest.splitn(2, |byte| *byte == b',');
        let at = parts.next().and_then(packet::number);
        let length = parts.next().and_then(packet::number);
        let Some((at, length)) = at.zip(length) else {
            self.answer(INVALID);
            return;
        };
        let wanted = usize::try_from(length).unwrap_or(READ).min(READ);
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.resize(buffer.len().max(wanted), 0);
        let room = buffer.get_mut(..wanted).unwrap_or_default();
        let count = self.debuggee.read(at, room);
        let bytes = room.get(..count).unwrap_or_default();
        match (bytes.is_empty() && wanted > 0, binary) {
            (true, _) => packet::write(&mut self.out, FAULT),
            (false, false) => packet::write_hex(&mut self.out, b"", bytes),
            (false, true) => packet::write_binary(&mut self.out, b"b", bytes),
        }
        self.buffer = buffer;
    }

    /// Packets for `gdbstub`.
    fn others(&mut self, body: &[u8]) {
        let changed = match body {
            // Without `vCont`: the thread of `Hc` steps, all run.
            [b's', ..] => Some(format!("vCont;s:{:x}", self.current()).into_bytes()),
            [b'c' | b'C', ..] => Some(b"vCont;c".to_vec()),
            body if body.starts_with(b"vCont;") => Some(self.with_threads(body)),
            _ => None,
        };
        let answer = self.ask(changed.as_deref().unwrap_or(body));
        let Some(mut answer) = answer else {
            self.renew();
            // The machine may have told the guest to run before it gave up.
            if self.debuggee.running {
                self.interrupt();
            }
            self.answer(INVALID);
            return;
        };
        self.remember(body, &answer);
        if body.starts_with(b"qSupported") {
            extend(&mut answer, b";binary-upload+");
        }
        self.lldb |= body.starts_with(b"QThreadSuffixSupported");
        if self.lldb && body.starts_with(b"p") && answer.starts_with(b"$xx") {
            // LLDB takes these digits for bytes, and an error for a register that is not there.
            answer.clear();
            packet::write(&mut answer, FAULT);
        }
        if !self.debuggee.running {
            self.out.append(&mut answer);
        } else if let Some(why) = self.debuggee.refused.take() {
            self.refuse(&why);
        }
    }

    /// What holds from now on.
    fn remember(&mut self, body: &[u8], answer: &[u8]) {
        let place = match body {
            [b'H', b'g', thread @ ..] if answer == b"$OK#9a" => {
                self.debuggee.thread = thread_of(thread).unwrap_or(1);
                1
            }
            [b'H', b'c', thread @ ..] if answer == b"$OK#9a" => {
                self.step_thread = thread_of(thread).unwrap_or(0);
                2
            }
            body if body.starts_with(b"qSupported") => {
                self.several = contains(body, b"multiprocess+");
                0
            }
            _ => return,
        };
        if let Some(standing) = self.standing.get_mut(place) {
            *standing = Some(body.to_vec());
        }
    }

    /// Thread of a step that names none.
    fn current(&self) -> usize {
        if self.step_thread == 0 {
            self.debuggee.thread
        } else {
            self.step_thread
        }
    }

    /// `vCont` whose steps all name a thread.
    fn with_threads(&self, body: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(body.len());
        for (number, action) in body.split(|byte| *byte == b';').enumerate() {
            if number > 0 {
                out.push(b';');
            }
            let mut parts = action.splitn(2, |byte| *byte == b':');
            let kind = parts.next().unwrap_or_default();
            let thread = parts.next();
            let all = thread.is_none_or(|thread| thread_of(thread).is_none());
            if matches!(kind.first(), Some(b's' | b'S')) && all {
                out.extend_from_slice(format!("s:{:x}", self.current()).as_bytes());
            } else {
                out.extend_from_slice(action);
            }
        }
        out
    }

    /// The guest did not run: said on the debugger's console, and a stop where it stands.
    fn refuse(&mut self, why: &str) {
        packet::write_hex(&mut self.out, b"O", format!("{why}\n").as_bytes());
        self.notices.push(format!("the debugger asked to run: {why}"));
        let reason = self.debuggee.standing();
        self.report(reason);
    }

    fn interrupt(&mut self) {
        if let Err(error) = self.debuggee.stop() {
            self.notices.push(error);
        }
        self.poll(Duration::ZERO);
        if self.debuggee.running && self.debuggee.stands() {
            let reason = self.debuggee.told(asked(0));
            self.report(reason);
        }
    }

    fn poll(&mut self, wait: Duration) {
        if !self.debuggee.running || self.ending.is_some() {
            return;
        }
        if let Some(reason) = self.debuggee.stopped(wait) {
            self.report(reason);
        }
    }

    /// Nobody is told of a guest that goes away while it stands: the session ends.
    fn look(&mut self) {
        if self.debuggee.running || self.ending.is_some() {
            return;
        }
        let _ = self.debuggee.control(|control| control.stopped(Duration::ZERO));
        self.ending = self.debuggee.gone.clone().map(Ending::Gone);
    }

    /// Tells the debugger that the guest stopped.
    fn report(&mut self, reason: MultiThreadStopReason<u64>) {
        self.debuggee.running = false;
        let answer = match self.machine.take() {
            Some(GdbStubStateMachine::Running(inner)) => {
                let machine = inner.report_stop(&mut self.debuggee, reason).ok();
                machine.and_then(|machine| self.settle(machine))
            }
            other => {
                self.machine = other;
                None
            }
        };
        match answer {
            Some(mut answer) => {
                self.last.clone_from(&answer);
                self.out.append(&mut answer);
            }
            None if self.machine.is_none() => self.renew(),
            None => {}
        }
    }
}

/// Adds to the body of a packet that is written already.
fn extend(packet: &mut Vec<u8>, more: &[u8]) {
    if packet.len() < 4 || packet.first() != Some(&b'$') {
        return;
    }
    packet.truncate(packet.len() - 3);
    packet.extend_from_slice(more);
    let body = packet.split_off(1);
    packet.clear();
    packet::write(packet, &body);
}

fn contains(body: &[u8], word: &[u8]) -> bool {
    body.windows(word.len()).any(|window| window == word)
}

/// A thread as packets name it: `2`, `p1.2`; `None` for any and all.
fn thread_of(text: &[u8]) -> Option<usize> {
    let text = match text {
        [b'p', rest @ ..] => rest.splitn(2, |byte| *byte == b'.').nth(1)?,
        text => text,
    };
    let number = packet::number(text).and_then(|number| usize::try_from(number).ok())?;
    (number > 0).then_some(number)
}
