//! Run control of a guest of QEMU.

use std::os::fd::AsFd as _;
use std::time::{Duration, Instant};

use rustix::event::PollFlags;
use serde_json::json;

use super::fault::Fault;
use super::guard::line;
use super::link::{Link, Told};
use super::qmp::later;
use super::stub::vcpu_of;
use super::{Qemu, channel, vcpus};
use crate::memory::{Gpa, Gva};
use crate::target::{BreakKind, Breakpoint, Cause, Control, ControlError, Resume, StopReason, Vcpu};

/// How long a stop that QMP tells may take to come over the gdbstub too.
const SETTLE: Duration = Duration::from_millis(300);

impl Control for Qemu {
    fn is_running(&self) -> bool {
        self.gone.is_none() && self.link.lock().running
    }

    fn stop(&mut self) -> Result<(), ControlError> {
        self.look()?;
        if self.held.is_none() {
            self.hold().map_err(|fault| self.fault(fault, "stop"))?;
            return self.halted(None, true);
        }
        if !self.link.lock().running {
            return Ok(());
        }
        let packet = self.halt().map_err(|fault| self.fault(fault, "stop"))?;
        self.halted(packet, true)
    }

    fn resume(&mut self, how: Resume) -> Result<(), ControlError> {
        self.look()?;
        self.hold().map_err(|fault| self.fault(fault, "resume"))?;
        let step = match how {
            Resume::Run => None,
            Resume::Step(number) => {
                let vcpu = self.vcpus.iter().find(|vcpu| vcpu.number == number);
                Some((number, vcpu.map_or(0, |vcpu| vcpu.rip)))
            }
        };
        let outcome = go(&mut self.link.lock(), step.map(|(number, _)| number));
        outcome.map_err(|fault| self.fault(fault, "resume"))?;
        self.stepping = step;
        self.pending = None;
        Ok(())
    }

    fn stopped(&mut self, wait: Duration) -> Result<Option<StopReason>, ControlError> {
        let deadline = later(wait);
        loop {
            if let Some(reason) = self.pending.take() {
                return Ok(Some(reason));
            }
            if let Some(packet) = self.packet(Instant::now())? {
                self.halted(Some(packet), false)?;
                continue;
            }
            let running = self.link.lock().running;
            let told = self.look()?;
            if running && !self.link.lock().running {
                // The gdbstub tells more of it, when it tells it.
                let packet = self.packet(later(SETTLE))?;
                self.halted(packet, told.runs.is_some())?;
                continue;
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            self.wait(deadline)?;
        }
    }

    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, ControlError> {
        self.look()?;
        let mut done = 0usize;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let place = at.plus(u64::try_from(done).unwrap_or(u64::MAX)).0;
            let room = usize::try_from(self.memory.writable(place)).unwrap_or(usize::MAX);
            let Some(part) = rest.get(..room.min(rest.len())).filter(|part| !part.is_empty()) else {
                break;
            };
            let written = {
                let mut link = self.link.lock();
                standing(&link).and_then(|()| link.stub()?.write(place, part))
            };
            done = done.saturating_add(written.map_err(|fault| self.fault(fault, "write memory"))?);
        }
        Ok(done)
    }

    fn set_vcpu(&mut self, vcpu: &Vcpu) -> Result<(), ControlError> {
        self.look()?;
        let old = self.vcpus.iter().find(|old| old.number == vcpu.number);
        let old = old.ok_or(ControlError::Unsupported("a vCPU of this number"))?;
        let changes = vcpus::changes(old, vcpu)?;
        if changes.is_empty() {
            return Ok(());
        }
        let outcome = set(&mut self.link.lock(), vcpu.number, &changes)?;
        outcome.map_err(|fault| self.fault(fault, "set registers"))?;
        self.refresh(false)
            .map_err(|fault| self.fault(fault, "read registers"))?;
        let now = self.vcpus.iter().find(|now| now.number == vcpu.number);
        if now.is_none_or(|now| now.rip != vcpu.rip || now.gpr != vcpu.gpr) {
            return Err(ControlError::Failed {
                what: "set registers",
                reason: "the guest has other values than were set: outside of 64-bit code they are cut".to_owned(),
            });
        }
        Ok(())
    }

    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        self.look()?;
        if self.points.contains(point) {
            return Ok(());
        }
        self.hold().map_err(|fault| self.fault(fault, "insert a breakpoint"))?;
        let outcome = place(&mut self.link.lock(), 'Z', point);
        outcome.map_err(|fault| self.fault(fault, "insert a breakpoint"))?;
        self.points.push(*point);
        Ok(())
    }

    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        self.look()?;
        let Some(at) = self.points.iter().position(|known| known == point) else {
            return Ok(());
        };
        let outcome = place(&mut self.link.lock(), 'z', point);
        outcome.map_err(|fault| self.fault(fault, "remove a breakpoint"))?;
        self.points.remove(at);
        Ok(())
    }

    fn reset(&mut self) -> Result<(), ControlError> {
        self.look()?;
        self.hold().map_err(|fault| self.fault(fault, "reboot"))?;
        let outcome = reboot(&mut self.link.lock());
        outcome.map_err(|fault| self.fault(fault, "reboot"))?;
        (self.pending, self.stepping) = (None, None);
        Ok(())
    }

    fn lacks(&self) -> &[&'static str] {
        &[
            "setting x87 registers, XCR0, descriptor tables",
            "setting MSRs other than EFER and the bases of FS and GS",
        ]
    }

    fn release(&mut self) -> Result<(), ControlError> {
        let Some(ran) = self.held.take() else { return Ok(()) };
        let points = std::mem::take(&mut self.points);
        let outcome = leave(&mut self.link.lock(), &points, ran);
        if let Some(guard) = &mut self.guard {
            guard.tell(line(None));
        }
        (self.pending, self.stepping) = (None, None);
        if self.gone.take().is_some() {
            // A guest that is gone has nothing to be left as it was.
            return Ok(());
        }
        outcome.map_err(|fault| self.fault(fault, "release"))
    }
}

impl Qemu {
    /// Takes the guest: it stands then, the gdbstub is connected, and whether it ran is remembered.
    pub(super) fn hold(&mut self) -> Result<(), Fault> {
        let mut link = self.link.lock();
        if self.held.is_none() {
            let runs = link.runs()?;
            self.held = Some(runs);
            if let Some(guard) = &mut self.guard {
                guard.tell(line(self.held));
            }
            if runs {
                link.qmp.execute("stop", json!({}))?;
            }
            link.running = false;
        }
        link.stub().map(|_| ())
    }

    /// Takes the events that came.
    fn look(&mut self) -> Result<Told, ControlError> {
        if let Some(reason) = &self.gone {
            return Err(ControlError::Gone(reason.clone()));
        }
        let outcome = {
            let mut link = self.link.lock();
            link.look().and_then(|told| {
                if told.runs.is_some_and(|runs| runs != link.running) {
                    link.running = link.runs()?;
                }
                Ok(told)
            })
        };
        let told = outcome.map_err(|fault| self.fault(fault, "ask for the state"))?;
        let reason = match told {
            Told { shutdown: true, .. } => "the guest shut down",
            Told { reset: true, .. } => "the guest was reset",
            _ => return Ok(told),
        };
        self.gone = Some(reason.to_owned());
        Err(ControlError::Gone(reason.to_owned()))
    }

    /// The failure as it is told; remembers when QEMU is gone.
    fn fault(&mut self, fault: Fault, what: &'static str) -> ControlError {
        let Fault::Gone(reason) = fault else {
            return fault.of(what);
        };
        if let Some(known) = &self.gone {
            return ControlError::Gone(known.clone());
        }
        // What QEMU still said tells more than that the connection is closed.
        let mut link = self.link.lock();
        let reason = match link.qmp.events() {
            Ok(events) if events.iter().any(|event| event == "SHUTDOWN") => "the guest shut down".to_owned(),
            _ => reason,
        };
        drop(link);
        self.gone = Some(reason.clone());
        ControlError::Gone(reason)
    }

    /// A stop that the gdbstub told.
    fn packet(&mut self, deadline: Instant) -> Result<Option<Vec<u8>>, ControlError> {
        let outcome = match &mut self.link.lock().stub {
            Some(stub) => stub.rsp.stop(deadline),
            None => Ok(None),
        };
        outcome.map_err(|fault| self.fault(fault, "wait for a stop"))
    }

    /// Waits until something comes.
    fn wait(&mut self, deadline: Instant) -> Result<(), ControlError> {
        let outcome = {
            let link = self.link.lock();
            let mut sockets = vec![link.qmp.as_fd()];
            sockets.extend(link.stub.as_ref().map(|stub| stub.rsp.as_fd()));
            channel::wait(&sockets, PollFlags::IN, deadline)
        };
        outcome
            .map(|_| ())
            .map_err(|fault| self.fault(fault, "wait for a stop"))
    }

    /// Stops a guest that runs; gives what the gdbstub tells of it.
    fn halt(&mut self) -> Result<Option<Vec<u8>>, Fault> {
        let mut link = self.link.lock();
        link.qmp.execute("stop", json!({}))?;
        link.running = false;
        match &mut link.stub {
            Some(stub) => stub.rsp.stop(later(SETTLE)),
            None => link.stub().map(|_| None),
        }
    }

    /// Takes over that the guest stands: registers and the reason.
    fn halted(&mut self, packet: Option<Vec<u8>>, asked: bool) -> Result<(), ControlError> {
        let stop = packet.as_deref().map(Stop::of).unwrap_or_default();
        if stop.exited {
            let reason = "the guest ended".to_owned();
            self.gone = Some(reason.clone());
            return Err(ControlError::Gone(reason));
        }
        self.link.lock().running = false;
        let stepping = self.stepping.take();
        let before = stepping.map(|(_, rip)| rip);
        let step = stepping.is_some() && stop.trap;
        self.refresh(!step)
            .map_err(|fault| self.fault(fault, "read registers"))?;
        let number = stop.vcpu.or(stepping.map(|(number, _)| number)).unwrap_or(0);
        let rip = self
            .vcpus
            .iter()
            .find(|vcpu| vcpu.number == number)
            .map(|vcpu| vcpu.rip);
        let here = |point: &Breakpoint| {
            matches!(point.kind, BreakKind::Software | BreakKind::Hardware) && Some(point.at.0) == rip
        };
        let cause = match stop.watch {
            Some((kind, at)) => Cause::Watch(self.watched(kind, at), at),
            None if !stop.trap || (asked && packet.is_none()) => Cause::Asked,
            // A step that went nowhere because a breakpoint is there.
            None if step && !(before == rip && self.points.iter().any(here)) => Cause::Step,
            None => Cause::Breakpoint,
        };
        self.pending = Some(StopReason { vcpu: number, cause });
        Ok(())
    }

    /// The kind of the watchpoint at an address: QEMU tells the kind of the access for some accelerators.
    fn watched(&self, told: BreakKind, at: Gva) -> BreakKind {
        let here = self.points.iter().filter(|point| {
            matches!(point.kind, BreakKind::Write | BreakKind::Read | BreakKind::Access)
                && at.0.wrapping_sub(point.at.0) < point.length.max(1)
        });
        let kinds: Vec<BreakKind> = here.map(|point| point.kind).collect();
        match kinds.as_slice() {
            [kind] => *kind,
            _ => told,
        }
    }
}

/// What a stop reply says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Stop {
    trap: bool,
    exited: bool,
    vcpu: Option<u32>,
    watch: Option<(BreakKind, Gva)>,
}

impl Stop {
    fn of(packet: &[u8]) -> Self {
        let text = String::from_utf8_lossy(packet);
        let mut stop = Self {
            exited: matches!(packet.first(), Some(b'W' | b'X')),
            trap: text.get(1..3) == Some("05"),
            ..Self::default()
        };
        for (name, value) in text
            .get(3..)
            .unwrap_or_default()
            .split(';')
            .filter_map(|word| word.split_once(':'))
        {
            let kind = match name {
                "thread" => {
                    stop.vcpu = vcpu_of(value);
                    continue;
                }
                "watch" => BreakKind::Write,
                "rwatch" => BreakKind::Read,
                "awatch" => BreakKind::Access,
                _ => continue,
            };
            let at = u64::from_str_radix(value, 16).ok();
            stop.watch = at.map(|at| (kind, Gva(at)));
        }
        stop
    }
}

fn standing(link: &Link) -> Result<(), Fault> {
    if link.running {
        return Err(Fault::Refused("the guest runs: it has to be stopped first".to_owned()));
    }
    Ok(())
}

/// Lets the guest run, or one vCPU do a step.
fn go(link: &mut Link, step: Option<u32>) -> Result<(), Fault> {
    if link.running {
        return match step {
            None => Ok(()),
            Some(_) => standing(link),
        };
    }
    let stub = link.stub()?;
    let command = match step {
        None => "vCont;c".to_owned(),
        Some(number) => format!("vCont;s:{}", stub.thread(number)?),
    };
    stub.rsp.resume(command.as_bytes())?;
    link.running = true;
    Ok(())
}

/// Puts a breakpoint in (`Z`) or takes it out (`z`).
fn place(link: &mut Link, letter: char, point: &Breakpoint) -> Result<(), Fault> {
    standing(link)?;
    let kind = match point.kind {
        BreakKind::Software => 0,
        BreakKind::Hardware => 1,
        BreakKind::Write => 2,
        BreakKind::Read => 3,
        BreakKind::Access => 4,
    };
    let command = format!("{letter}{kind},{:x},{:x}", point.at.0, point.length.max(1));
    link.stub()?.rsp.order(command.as_bytes())
}

/// Sets registers: all commands are known to be possible before the first is sent.
fn set(link: &mut Link, number: u32, changes: &[vcpus::Change]) -> Result<Result<(), Fault>, ControlError> {
    if let Err(fault) = standing(link) {
        return Ok(Err(fault));
    }
    let stub = match link.stub() {
        Ok(stub) => stub,
        Err(fault) => return Ok(Err(fault)),
    };
    let commands = vcpus::commands(stub, changes)?;
    let mut outcome = stub.select(number);
    for command in commands {
        outcome = outcome.and_then(|()| stub.rsp.order(command.as_bytes()));
    }
    Ok(outcome)
}

/// Boots the guest anew and lets it run.
fn reboot(link: &mut Link) -> Result<(), Fault> {
    link.qmp.execute("system_reset", json!({}))?;
    let deadline = later(link.patience);
    loop {
        let told = link.look()?;
        if told.shutdown {
            return Err(Fault::Gone("the guest shut down instead of booting anew".to_owned()));
        }
        if told.reset {
            break;
        }
        if !channel::wait(&[link.qmp.as_fd()], PollFlags::IN, deadline)? {
            return Err(Fault::Refused("the guest was not reset in time".to_owned()));
        }
    }
    link.running = link.runs()?;
    go(link, None)
}

/// Leaves the guest as it was. All is tried; the first failure is told.
pub(super) fn leave(link: &mut Link, points: &[Breakpoint], ran: bool) -> Result<(), Fault> {
    let mut outcome = Ok(());
    let mut note = |result: Result<(), Fault>| {
        if outcome.is_ok() {
            outcome = result;
        }
    };
    let physical = link.stub.as_ref().is_some_and(super::stub::Stub::is_physical);
    let must_stand = !points.is_empty() || physical || !ran;
    let runs = link.runs();
    link.running = matches!(runs, Ok(true));
    note(runs.map(|_| ()));
    if must_stand && link.running {
        note(link.qmp.execute("stop", json!({})).map(|_| ()));
        link.running = false;
    }
    if must_stand && let Some(stub) = &mut link.stub {
        // A stop that is on its way is taken first.
        let _ = stub.rsp.stop(Instant::now());
        for point in points {
            note(place(link, 'z', point));
        }
        if let Some(stub) = &mut link.stub {
            note(stub.physical(false));
        }
    }
    link.leave();
    if ran && !link.running {
        note(link.qmp.execute("cont", json!({})).map(|_| ()));
        link.running = true;
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stop_replies_are_read() {
        let stop = Stop::of(b"T05thread:p01.02;awatch:fffff800;");
        assert_eq!((stop.trap, stop.vcpu), (true, Some(1)));
        assert_eq!(stop.watch, Some((BreakKind::Access, Gva(0xffff_f800))));
        let stop = Stop::of(b"T02thread:p01.01;");
        assert_eq!((stop.trap, stop.vcpu, stop.watch), (false, Some(0), None));
        assert!(Stop::of(b"W00").exited);
        assert_eq!(
            Stop::of(b"T05thread;watch:zz"),
            Stop {
                trap: true,
                ..Stop::default()
            }
        );
    }
}
