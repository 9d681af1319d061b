//! Run control of a domain.
//!
//! Xen counts pauses; one is this program's. What stops the guest of itself comes from [`super::events`]: the vCPU it
//! happened on waits, and the domain is then paused as a whole. Debug exceptions that are the guest's own are passed
//! on to it.
//!
//! Single steps: the monitor trap flag where the machine has it (Intel), otherwise the flag TF; with TF an interrupt
//! that is due is served before the instruction. An instruction that the hypervisor emulates ([`super::emulated`])
//! would give its exception to the guest: behind such a one there is a breakpoint for the time of the step. The
//! other vCPUs are down meanwhile.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::domctl::{Domctl, Exception, Info};
use super::events::{Event, Events, What};
use super::hypercall::{Errno, Error, Hypervisor};
use super::{Refused, Xen, emulated};
use crate::memory::{Gpa, Gva};
use crate::target::{BreakKind, Breakpoint, Cause, Control, ControlError, Resume, StopReason, Vcpu};

/// Pauses of a domain, at most (Xen's own limit).
const PAUSES: u32 = 256;
/// How long to sleep before the domain is asked again, at first and later.
const SLEEP: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(20));

/// Trap flag, resume flag.
const TF: u64 = 1 << 8;
const RF: u64 = 1 << 16;

/// Breakpoints and what belongs to them.
#[derive(Default)]
pub struct Points {
    /// Events of the guest, once they were needed.
    events: Option<Events>,
    /// Breakpoints in memory, and how often each is inserted.
    software: BTreeMap<u64, u32>,
    /// Their virtual and physical addresses.
    at: Vec<(u64, u64)>,
    /// Breakpoints of the CPU.
    hardware: [Option<Breakpoint>; 4],
    /// The step that is being done.
    step: Option<Step>,
    /// Whether the machine has the monitor trap flag; not known before it was asked.
    monitor_trap: Option<bool>,
    /// A breakpoint that is out while a vCPU steps from it.
    lifted: Option<u64>,
    /// What stopped the guest, not yet told.
    told: Option<StopReason>,
}

/// A step of one vCPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Step {
    vcpu: u32,
    how: How,
}

/// How a step is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum How {
    MonitorTrap,
    TrapFlag,
    /// By a breakpoint behind the instruction, at this physical address.
    Behind(u64),
}

/// Breakpoints and what belongs to them, as far as it is to be undone by another process.
#[derive(Debug, Default, Serialize, Deserialize)]
pub struct PointsLeft {
    /// What the page of the ring of events held, while there is one.
    ring: Option<Vec<u8>>,
    software: Vec<u64>,
    hardware: bool,
    step: Option<Step>,
    lifted: Option<u64>,
}

impl Points {
    /// What is to be undone.
    pub(super) fn left(&self) -> PointsLeft {
        PointsLeft {
            ring: self.events.as_ref().map(|events| events.before().to_vec()),
            software: self.software.keys().copied().collect(),
            hardware: self.any_hardware(),
            step: self.step,
            lifted: self.lifted,
        }
    }

    /// The points of a process that is gone.
    pub(super) fn taken_over(left: PointsLeft, control: &Domctl<'_>, hypervisor: &dyn Hypervisor, domain: u16) -> Self {
        // Which ones they are does not matter to what is undone.
        let some = Breakpoint {
            kind: BreakKind::Hardware,
            at: Gva(0),
            physical: None,
            length: 1,
        };
        Self {
            events: left
                .ring
                .and_then(|before| Events::take_over(control, hypervisor, domain, before).ok()),
            software: left.software.into_iter().map(|at| (at, 1)).collect(),
            hardware: [left.hardware.then_some(some), None, None, None],
            step: left.step,
            lifted: left.lifted,
            ..Self::default()
        }
    }

    fn any_hardware(&self) -> bool {
        self.hardware.iter().any(Option::is_some)
    }

    /// Whether an event is of a breakpoint or step of this program.
    fn own(&self, event: &Event) -> bool {
        let step = self.step.filter(|step| step.vcpu == event.vcpu);
        match event.kind {
            What::Breakpoint => {
                self.software.contains_key(&event.physical)
                    || step.is_some_and(|step| step.how == How::Behind(event.physical))
            }
            What::Exception => step.is_some_and(|step| step.how == How::TrapFlag) || self.any_hardware(),
            What::Step => step.is_some(),
            What::Other => false,
        }
    }
}

fn failed(what: &'static str, reason: &str) -> ControlError {
    ControlError::Failed {
        what,
        reason: reason.to_owned(),
    }
}

impl Xen {
    /// The domain's state; an error when it is gone, its memory given up.
    fn look(&self) -> Result<Info, ControlError> {
        match self.domctl().info() {
            Ok(info) if info.is(Info::DYING) => {
                self.memory.give_up();
                Err(Error::Dying(self.domain).into())
            }
            Ok(info) => Ok(info),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// An error, with the memory given up when the domain is gone.
    fn lost(&self, error: Error) -> ControlError {
        let error = match error {
            // What Xen says of a domain that is being destroyed.
            Error::Failed {
                errno: Errno::EINVAL, ..
            } if self.is_dying() => Error::Dying(self.domain),
            other => other,
        };
        let error = ControlError::from(error);
        if matches!(error, ControlError::Gone(_)) {
            self.memory.give_up();
        }
        error
    }

    fn is_dying(&self) -> bool {
        match self.domctl().info() {
            Ok(info) => info.is(Info::DYING),
            Err(error) => matches!(error, Error::NoSuchDomain(_)),
        }
    }

    fn refused(&self, refused: Refused) -> ControlError {
        match refused {
            Refused::Register(name) => ControlError::Unsupported(name),
            Refused::Xen(error) => self.lost(error),
        }
    }

    /// Has events of the guest reported.
    fn watch_events(&mut self) -> Result<(), ControlError> {
        if self.points.events.is_some() {
            return Ok(());
        }
        match Events::open(&self.domctl(), &*self.hypervisor, self.domain) {
            Ok(events) => {
                self.points.events = Some(events);
                Ok(())
            }
            Err(Error::Failed {
                errno: Errno::ENOSYS | Errno::EOPNOTSUPP,
                ..
            }) => Err(ControlError::Unsupported(
                "breakpoints and steps, with a Xen that monitors no events",
            )),
            Err(error @ Error::NotReached(..)) => Err(failed("breakpoints and steps", &error.to_string())),
            Err(error) => Err(self.lost(error)),
        }
    }

    /// Takes pauses back until the domain runs.
    fn unpause_wholly(&self) -> Result<(), ControlError> {
        for _ in 0..PAUSES {
            self.domctl().unpause().map_err(|error| self.lost(error))?;
            if !self.look()?.is(Info::PAUSED) {
                break;
            }
        }
        Ok(())
    }

    /// Lets the vCPUs whose events were taken go on, as soon as the domain runs.
    fn answer(&mut self) -> Result<(), ControlError> {
        let control = Domctl::new(&*self.hypervisor, self.version.interface, self.domain);
        let answered = self
            .points
            .events
            .as_mut()
            .map_or(Ok(()), |events| events.answer(&control));
        answered.map_err(|error| self.lost(error))
    }

    /// Lets the domain run.
    fn go(&mut self) -> Result<(), ControlError> {
        self.answer()?;
        if self.ran {
            self.domctl().unpause().map_err(|error| self.lost(error))?;
        } else {
            self.unpause_wholly()?;
        }
        self.added = false;
        Ok(())
    }

    /// Registers to run with: single step and breakpoints of the CPU.
    fn armed(&self) -> Vec<Vcpu> {
        let mut vcpus = self.vcpus.clone();
        for vcpu in &mut vcpus {
            let step = Step {
                vcpu: vcpu.number,
                how: How::TrapFlag,
            };
            if self.points.step == Some(step) {
                vcpu.rflags |= TF;
            }
            let here = |point: &Breakpoint| point.kind == BreakKind::Hardware && point.at.0 == vcpu.rip;
            if self.points.hardware.iter().flatten().any(here) {
                vcpu.rflags |= RF;
            }
            if self.points.any_hardware()
                && let Some(registers) = &mut vcpu.dr
            {
                arm(registers, &self.points.hardware);
            }
        }
        vcpus
    }

    /// Pauses the domain and takes its events. Those that are the guest's own are passed on to it; if there is
    /// nothing else and the stop was not `asked` for, the domain goes on, and there is no reason.
    fn halt(&mut self, asked: bool) -> Result<Option<StopReason>, ControlError> {
        self.domctl().pause().map_err(|error| self.lost(error))?;
        let events = self.points.events.as_mut().map(Events::take).unwrap_or_default();
        let (own, others): (Vec<Event>, Vec<Event>) = events.into_iter().partition(|event| self.points.own(event));
        for event in &others {
            self.pass_on(event)?;
        }
        if own.is_empty() && !asked {
            self.answer()?;
            self.domctl().unpause().map_err(|error| self.lost(error))?;
            return Ok(None);
        }
        self.settle(&own).map(Some)
    }

    /// Gives the guest an exception of its own.
    fn pass_on(&self, event: &Event) -> Result<(), ControlError> {
        if !matches!(event.kind, What::Breakpoint | What::Exception) {
            return Ok(());
        }
        let exception = Exception {
            vcpu: event.vcpu,
            vector: 1,
            kind: event.how,
            length: event.length,
            extra: event.status,
        };
        self.domctl().inject(&exception).map_err(|error| self.lost(error))
    }

    /// The guest stands: reads its registers, and takes back what it ran with.
    fn settle(&mut self, own: &[Event]) -> Result<StopReason, ControlError> {
        let before = std::mem::take(&mut self.vcpus);
        let read = self.read_registers();
        self.running = false;
        // The pause of a domain that was found paused stands for those that it was found with.
        self.added = self.ran;
        self.memory.set_running(false);
        read.map_err(|error| self.lost(error))?;
        let reason = self.reason(own);
        self.disarm(&before);
        match self.points.step.take() {
            Some(Step {
                vcpu,
                how: How::MonitorTrap,
            }) => {
                let off = self.domctl().set_stepping(vcpu, false);
                off.map_err(|error| self.lost(error))?;
            }
            Some(Step {
                how: How::Behind(at), ..
            }) => {
                self.memory.unhide(Gpa(at));
            }
            _ => {}
        }
        if let Some(at) = self.points.lifted.take()
            && self.points.software.contains_key(&at)
            && !self.memory.hide(Gpa(at))
        {
            return Err(failed("breakpoint", "its page is no longer there"));
        }
        // What the guest stands with now is what it goes on with, whoever lets it.
        let wanted = self.vcpus.clone();
        self.write_registers(&wanted, None)
            .map_err(|refused| self.refused(refused))?;
        Ok(reason)
    }

    /// Why the guest stopped.
    fn reason(&self, own: &[Event]) -> StopReason {
        let with = |event: &Event, cause| StopReason {
            vcpu: event.vcpu,
            cause,
        };
        let software =
            |event: &&Event| event.kind == What::Breakpoint && self.points.software.contains_key(&event.physical);
        if let Some(event) = own.iter().find(software) {
            return with(event, Cause::Breakpoint);
        }
        for event in own.iter().filter(|event| event.kind == What::Exception) {
            let vcpu = self.vcpus.iter().find(|vcpu| vcpu.number == event.vcpu);
            let status = vcpu.and_then(|vcpu| vcpu.dr).map_or(0, |[.., status, _]| status) | event.status;
            for (number, point) in self.points.hardware.iter().enumerate() {
                let Some(point) = point.filter(|_| status >> number & 1 != 0) else {
                    continue;
                };
                return match point.kind {
                    BreakKind::Software | BreakKind::Hardware => with(event, Cause::Breakpoint),
                    kind => with(event, Cause::Watch(kind, point.at)),
                };
            }
        }
        match own.first() {
            Some(event) => with(event, Cause::Step),
            None => StopReason {
                vcpu: self.vcpus.first().map_or(0, |vcpu| vcpu.number),
                cause: Cause::Asked,
            },
        }
    }

    /// Registers as the guest has them, without what it ran with.
    fn disarm(&mut self, before: &[Vcpu]) {
        let any = self.points.any_hardware();
        for vcpu in &mut self.vcpus {
            let old = before.iter().find(|old| old.number == vcpu.number);
            let had = |flag| old.is_some_and(|old| old.rflags & flag != 0);
            let step = Step {
                vcpu: vcpu.number,
                how: How::TrapFlag,
            };
            if self.points.step == Some(step) && !had(TF) {
                vcpu.rflags &= !TF;
            }
            if any {
                vcpu.dr = old.map_or(vcpu.dr, |old| old.dr);
                if !had(RF) {
                    vcpu.rflags &= !RF;
                }
            }
        }
    }

    /// Prepares a step of a vCPU.
    fn prepare_step(&mut self, vcpu: u32) -> Result<(), ControlError> {
        let Some(state) = self.vcpus.iter().find(|other| other.number == vcpu).cloned() else {
            return Err(failed("single step", "there is no such vCPU"));
        };
        self.watch_events()?;
        let how = if self.monitor_trap(vcpu)? {
            How::MonitorTrap
        } else {
            let behind = emulated::behind(&self.memory, &state);
            behind
                .filter(|at| self.memory.hide(*at))
                .map_or(How::TrapFlag, |at| How::Behind(at.0))
        };
        self.points.step = Some(Step { vcpu, how });
        if let Some(at) = self.stands_at(vcpu)
            && self.memory.unhide(Gpa(at))
        {
            self.points.lifted = Some(at);
        }
        Ok(())
    }

    fn software(point: &Breakpoint) -> Result<Gpa, ControlError> {
        point.physical.ok_or(ControlError::Unsupported(
            "a breakpoint in memory whose physical address is not known",
        ))
    }

    /// Whether a vCPU stands at a breakpoint in memory: its physical address.
    fn stands_at(&self, vcpu: u32) -> Option<u64> {
        let vcpu = self.vcpus.iter().find(|other| other.number == vcpu)?;
        let found = self.points.at.iter().find(|(at, _)| *at == vcpu.rip);
        found.map(|(_, physical)| *physical)
    }
}

/// Puts breakpoints into DR0 to DR3 and DR7; what the guest has in them is set aside.
fn arm(registers: &mut [u64; 8], points: &[Option<Breakpoint>; 4]) {
    let [.., status, control] = registers;
    *status = 0xffff_0ff0;
    *control = 0x400;
    let mut bits = 0u64;
    for (number, point) in points.iter().enumerate() {
        let Some(point) = point else { continue };
        let kind = match point.kind {
            BreakKind::Software | BreakKind::Hardware => 0u64,
            BreakKind::Write => 1,
            BreakKind::Read | BreakKind::Access => 3,
        };
        let length = match point.length {
            _ if kind == 0 => 0u64,
            8 => 2,
            4 => 3,
            2 => 1,
            _ => 0,
        };
        bits |= 1 << (number * 2 + 1) | (kind | length << 2) << (16 + number * 4);
    }
    *control |= bits;
    for (register, point) in registers.iter_mut().zip(points) {
        *register = point.map_or(0, |point| point.at.0);
    }
}

impl Control for Xen {
    fn is_running(&self) -> bool {
        self.running
    }

    fn stop(&mut self) -> Result<(), ControlError> {
        self.look()?;
        if !self.running {
            return Ok(());
        }
        self.points.told = self.halt(true)?;
        self.remember();
        Ok(())
    }

    fn resume(&mut self, how: Resume) -> Result<(), ControlError> {
        if self.running {
            return Ok(());
        }
        let info = self.look()?;
        if let Some(reason) = info.shutdown() {
            return Err(failed(
                "running the domain",
                &format!("it has shut down: {}", reason.words()),
            ));
        }
        self.points.told = None;
        let mut only = None;
        if let Resume::Step(vcpu) = how {
            self.prepare_step(vcpu)?;
            only = Some(vcpu).filter(|_| self.vcpus.len() > 1);
        }
        let armed = self.armed();
        self.write_registers(&armed, only)
            .map_err(|refused| self.refused(refused))?;
        self.memory.set_running(true);
        self.running = true;
        self.remember();
        let gone_on = self.go();
        self.remember();
        gone_on
    }

    fn stopped(&mut self, wait: Duration) -> Result<Option<StopReason>, ControlError> {
        if !self.running {
            self.look()?;
            return Ok(self.points.told.take());
        }
        let end = Instant::now().checked_add(wait);
        let (mut sleep, longest) = SLEEP;
        loop {
            let info = self.look()?;
            let paused = info.is(Info::PAUSED);
            let waiting = self.points.events.as_ref().is_some_and(Events::waiting);
            if (paused || waiting)
                && let Some(reason) = self.halt(paused)?
            {
                self.remember();
                return Ok(Some(reason));
            }
            if let Some(reason) = info.shutdown() {
                return Err(ControlError::Gone(format!(
                    "domain {} has shut down: {}",
                    self.domain,
                    reason.words()
                )));
            }
            let left = end.map_or(longest, |end| end.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return Ok(None);
            }
            std::thread::sleep(sleep.min(left));
            sleep = longest.min(sleep.saturating_mul(2));
        }
    }

    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, ControlError> {
        self.look()?;
        Ok(self.memory.write(at, bytes))
    }

    fn set_vcpu(&mut self, vcpu: &Vcpu) -> Result<(), ControlError> {
        if self.running {
            return Err(failed("setting registers", "the guest runs"));
        }
        let mut wanted = self.vcpus.clone();
        let place = wanted.iter_mut().find(|other| other.number == vcpu.number);
        let Some(place) = place else {
            return Err(failed("setting registers", "there is no such vCPU"));
        };
        place.clone_from(vcpu);
        self.write_registers(&wanted, None)
            .map_err(|refused| self.refused(refused))?;
        self.vcpus = wanted;
        Ok(())
    }

    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        if point.kind == BreakKind::Software {
            let physical = Self::software(point)?;
            self.watch_events()?;
            if let Some(times) = self.points.software.get_mut(&physical.0) {
                *times = times.saturating_add(1);
            } else if self.memory.hide(physical) {
                self.points.software.insert(physical.0, 1);
            } else {
                return Err(failed("breakpoint", "its page is not there, or cannot be written"));
            }
            self.points.at.push((point.at.0, physical.0));
            self.remember();
            return Ok(());
        }
        if point.kind == BreakKind::Read {
            return Err(ControlError::Unsupported(
                "a watchpoint on reads alone: the CPU has none",
            ));
        }
        if !fits(point) {
            return Err(ControlError::Unsupported(
                "a watchpoint that is not 1, 2, 4 or 8 bytes at a multiple of that",
            ));
        }
        self.watch_events()?;
        let free = self.points.hardware.iter_mut().find(|slot| slot.is_none());
        *free.ok_or_else(|| failed("breakpoint of the CPU", "all four are in use"))? = Some(*point);
        Ok(())
    }

    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        if point.kind == BreakKind::Software {
            let physical = Self::software(point)?;
            self.look()?;
            let Some(times) = self.points.software.get_mut(&physical.0) else {
                return Ok(());
            };
            *times = times.saturating_sub(1);
            let last = *times == 0;
            let pair = (point.at.0, physical.0);
            if let Some(index) = self.points.at.iter().position(|other| *other == pair) {
                self.points.at.swap_remove(index);
            }
            if last {
                if !self.memory.unhide(physical) {
                    return Err(failed("removing a breakpoint", "its page is no longer there"));
                }
                self.points.software.remove(&physical.0);
                self.remember();
            }
            return Ok(());
        }
        let same =
            |slot: &&mut Option<Breakpoint>| slot.is_some_and(|other| (other.kind, other.at) == (point.kind, point.at));
        if let Some(slot) = self.points.hardware.iter_mut().find(same) {
            *slot = None;
        }
        Ok(())
    }

    fn reset(&mut self) -> Result<(), ControlError> {
        Err(ControlError::Unsupported(
            "reboot: a domain is built anew by its tools (xl reboot)",
        ))
    }

    fn lacks(&self) -> &[&'static str] {
        &["reboot", "watchpoints on reads alone"]
    }

    fn release(&mut self) -> Result<(), ControlError> {
        if self.running && (self.points.events.is_some() || !self.ran) {
            self.stop()?;
        }
        let points = std::mem::take(&mut self.points.software);
        let mut result = Ok(());
        for at in points.keys() {
            if !self.memory.unhide(Gpa(*at)) {
                result = Err(failed("removing a breakpoint", "its page is no longer there"));
            }
        }
        self.points.at.clear();
        self.points.hardware = [None; 4];
        self.points.told = None;
        if let Some(mut events) = self.points.events.take() {
            let closed = events.close(&self.domctl());
            result = result.and(closed.map_err(|error| self.lost(error)));
        }
        if !self.running && self.ran && self.look()?.shutdown().is_none() {
            result = result.and(self.resume(Resume::Run));
        }
        // Of a domain that was paused before, or cannot run, one pause too many.
        if self.added && !self.running {
            self.added = false;
            let unpaused = self.domctl().unpause();
            result = result.and(unpaused.map_err(|error| self.lost(error)));
        }
        self.memory.set_running(self.running);
        if let Some(guard) = &mut self.guard {
            guard.tell("");
        }
        result
    }
}

/// Whether the CPU can watch this.
fn fits(point: &Breakpoint) -> bool {
    let Gva(at) = point.at;
    point.kind == BreakKind::Hardware || matches!(point.length, 1 | 2 | 4 | 8) && at % point.length.max(1) == 0
}

impl Xen {
    /// Turns on single steps by the monitor trap flag where the machine has it.
    fn monitor_trap(&mut self, vcpu: u32) -> Result<bool, ControlError> {
        if self.points.monitor_trap == Some(false) {
            return Ok(false);
        }
        let reported = self.points.events.as_ref().is_some_and(Events::steps);
        let has = match self.domctl().set_stepping(vcpu, true) {
            Ok(()) if !reported => {
                let _ = self.domctl().set_stepping(vcpu, false);
                false
            }
            Ok(()) => true,
            Err(Error::Failed {
                errno: Errno::EOPNOTSUPP | Errno::ENOSYS,
                ..
            }) => false,
            Err(error) => return Err(self.lost(error)),
        };
        self.points.monitor_trap = Some(has);
        Ok(has)
    }
}
