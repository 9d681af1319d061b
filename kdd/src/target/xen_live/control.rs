//! Run control of a domain.
//!
//! Xen counts pauses: one here when the domain is opened, one by the hypervisor for each vCPU that meets a
//! breakpoint while a debugger is attached. With one attached (`setdebugging`), INT3 and debug exceptions of the
//! guest pause the domain instead of reaching the guest; so the guest's own INT3 stop it too, and are not passed on.
//!
//! Before the domain runs, each vCPU is paused on its own, the domain's pauses are taken back to one, and the vCPUs
//! are let go again: so no vCPU runs before all is in place, however many of them met a breakpoint.
//!
//! Single steps: the monitor trap flag where the machine has it (Intel), otherwise the flag TF. With TF an interrupt
//! that is due is served before the instruction.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use super::domctl::Info;
use super::hypercall::{Errno, Error};
use super::{Refused, Xen};
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
#[derive(Debug, Default)]
pub struct Points {
    /// Whether a debugger is attached by this process.
    attached: bool,
    /// Whether another one was when the domain was opened.
    others: bool,
    /// Breakpoints in memory, and how often each is inserted.
    software: BTreeMap<u64, Software>,
    /// Their virtual and physical addresses.
    at: Vec<(u64, u64)>,
    /// Breakpoints of the CPU.
    hardware: [Option<Breakpoint>; 4],
    /// vCPUs that are paused on their own.
    held: Vec<u32>,
    /// The vCPU that does a step, and whether by the monitor trap flag.
    step: Option<(u32, bool)>,
    /// Whether the machine has the monitor trap flag; not known before it was asked.
    monitor_trap: Option<bool>,
    /// A breakpoint that is out while a vCPU steps from it.
    lifted: Option<u64>,
    /// What stopped the guest, not yet told.
    told: Option<StopReason>,
}

#[derive(Debug)]
struct Software {
    times: u32,
}

impl Points {
    /// None; `others` says whether another debugger is attached.
    #[must_use]
    pub fn new(others: bool) -> Self {
        Self {
            others,
            ..Self::default()
        }
    }

    fn any(&self) -> bool {
        !self.software.is_empty() || self.hardware.iter().any(Option::is_some)
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

    /// Attaches a debugger.
    fn attach_debugger(&mut self) -> Result<(), ControlError> {
        if self.points.attached {
            return Ok(());
        }
        if self.points.others {
            return Err(failed("attaching a debugger", "another one is attached to the domain"));
        }
        match self.domctl().breakpoint_hit() {
            Ok(_) => {}
            Err(Error::Failed {
                errno: Errno::ENOSYS, ..
            }) => {
                return Err(ControlError::Unsupported(
                    "breakpoints and steps, with a Xen that was built without GDBSX",
                ));
            }
            Err(error) => return Err(self.lost(error)),
        }
        self.domctl().set_debugging(true).map_err(|error| self.lost(error))?;
        self.points.attached = true;
        Ok(())
    }

    /// All vCPUs that there may be.
    fn all(&self) -> std::ops::RangeInclusive<u32> {
        0..=self.last_vcpu
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

    /// Lets the domain run, one of its vCPUs or all.
    fn go(&mut self, only: Option<u32>) -> Result<(), ControlError> {
        if !self.points.attached && only.is_none() {
            // Nothing but this process, or whoever paused it before, holds it.
            if self.ran {
                return self.domctl().unpause().map_err(|error| self.lost(error));
            }
            return self.unpause_wholly();
        }
        let vcpus: Vec<u32> = self.all().filter(|vcpu| !self.points.held.contains(vcpu)).collect();
        for vcpu in vcpus {
            // A number may be of no vCPU.
            if self.domctl().pause_vcpu(vcpu).is_ok() {
                self.points.held.push(vcpu);
            }
        }
        self.unpause_wholly()?;
        self.domctl().pause().map_err(|error| self.lost(error))?;
        let free = |vcpu: &u32| only.is_none_or(|only| only == *vcpu);
        let (free, held): (Vec<u32>, Vec<u32>) = self.points.held.iter().partition(|vcpu| free(vcpu));
        for vcpu in free {
            self.domctl().unpause_vcpu(vcpu).map_err(|error| self.lost(error))?;
        }
        self.points.held = held;
        self.domctl().unpause().map_err(|error| self.lost(error))
    }

    /// Lets go the vCPUs that are paused on their own; the domain must be paused.
    fn let_go(&mut self) {
        for vcpu in std::mem::take(&mut self.points.held) {
            let _ = self.domctl().unpause_vcpu(vcpu);
        }
    }

    /// Registers to run with: single step and breakpoints of the CPU.
    fn armed(&self, step: Option<u32>) -> Vec<Vcpu> {
        let mut vcpus = self.vcpus.clone();
        let any = self.points.hardware.iter().any(Option::is_some);
        for vcpu in &mut vcpus {
            if step == Some(vcpu.number) {
                vcpu.rflags |= TF;
            }
            let here = |point: &Breakpoint| point.kind == BreakKind::Hardware && point.at.0 == vcpu.rip;
            if self.points.hardware.iter().flatten().any(here) {
                vcpu.rflags |= RF;
            }
            if any && let Some(registers) = &mut vcpu.dr {
                arm(registers, &self.points.hardware);
            }
        }
        vcpus
    }

    /// The guest stands: reads its registers, finds out why, and takes back what it ran with.
    fn settle(&mut self) -> Result<StopReason, ControlError> {
        let before = std::mem::take(&mut self.vcpus);
        let mut hits = Vec::new();
        if self.points.attached {
            for _ in 0..PAUSES {
                match self.domctl().breakpoint_hit() {
                    Ok(Some(vcpu)) => hits.push(vcpu),
                    Ok(None) => break,
                    Err(error) => return Err(self.lost(error)),
                }
            }
        }
        let read = self.read_registers();
        self.running = false;
        self.memory.set_running(false);
        read.map_err(|error| self.lost(error))?;
        let reason = self.reason(&before, &hits);
        self.disarm(&before, &hits);
        if let Some((vcpu, true)) = self.points.step {
            self.domctl()
                .set_stepping(vcpu, false)
                .map_err(|error| self.lost(error))?;
        }
        self.points.step = None;
        if let Some(at) = self.points.lifted.take()
            && self.points.software.contains_key(&at)
            && !self.memory.hide(Gpa(at))
        {
            return Err(failed("breakpoint", "its page is no longer there"));
        }
        self.let_go();
        // What the guest stands with now is what it goes on with, whoever lets it.
        let wanted = self.vcpus.clone();
        self.write_registers(&wanted).map_err(|refused| self.refused(refused))?;
        Ok(reason)
    }

    /// Why the guest stopped.
    fn reason(&self, before: &[Vcpu], hits: &[u32]) -> StopReason {
        if let Some(vcpu) = hits.first() {
            return StopReason {
                vcpu: *vcpu,
                cause: Cause::Breakpoint,
            };
        }
        for vcpu in &self.vcpus {
            let status = vcpu.dr.map_or(0, |[.., status, _]| status);
            for (number, point) in self.points.hardware.iter().enumerate() {
                let Some(point) = point.filter(|_| status >> number & 1 != 0) else {
                    continue;
                };
                let cause = match point.kind {
                    BreakKind::Software | BreakKind::Hardware => Cause::Breakpoint,
                    kind => Cause::Watch(kind, point.at),
                };
                let vcpu = vcpu.number;
                return StopReason { vcpu, cause };
            }
        }
        match self.points.step {
            Some((vcpu, _)) => StopReason {
                vcpu,
                cause: Cause::Step,
            },
            None => StopReason {
                vcpu: before.first().map_or(0, |vcpu| vcpu.number),
                cause: Cause::Asked,
            },
        }
    }

    /// Registers as the guest has them, without what it ran with.
    fn disarm(&mut self, before: &[Vcpu], hits: &[u32]) {
        let any = self.points.hardware.iter().any(Option::is_some);
        for vcpu in &mut self.vcpus {
            if hits.contains(&vcpu.number) {
                vcpu.rip = vcpu.rip.wrapping_sub(1);
            }
            let old = before.iter().find(|old| old.number == vcpu.number);
            let had = |flag| old.is_some_and(|old| old.rflags & flag != 0);
            if self.points.step == Some((vcpu.number, false)) && !had(TF) {
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

    /// Stops the domain where it is and settles; the reason of its own that it may have had is returned.
    fn halt(&mut self) -> Result<StopReason, ControlError> {
        self.domctl().pause().map_err(|error| self.lost(error))?;
        self.settle()
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
        if !self.running {
            return Ok(());
        }
        self.look()?;
        let reason = self.halt()?;
        self.points.told = Some(reason);
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
        let only = match how {
            Resume::Run => None,
            Resume::Step(vcpu) => Some(vcpu),
        };
        let mut by_flag = None;
        if let Some(vcpu) = only {
            if !self.vcpus.iter().any(|other| other.number == vcpu) {
                return Err(failed("single step", "there is no such vCPU"));
            }
            self.attach_debugger()?;
            let monitor_trap = self.monitor_trap(vcpu)?;
            if !monitor_trap {
                by_flag = Some(vcpu);
            }
            if let Some(at) = self.stands_at(vcpu)
                && self.memory.unhide(Gpa(at))
            {
                self.points.lifted = Some(at);
            }
            self.points.step = Some((vcpu, monitor_trap));
        }
        let armed = self.armed(by_flag);
        self.write_registers(&armed).map_err(|refused| self.refused(refused))?;
        self.memory.set_running(true);
        self.running = true;
        self.go(only)
    }

    fn stopped(&mut self, wait: Duration) -> Result<Option<StopReason>, ControlError> {
        if !self.running {
            return Ok(self.points.told.take());
        }
        let end = Instant::now().checked_add(wait);
        let (mut sleep, longest) = SLEEP;
        loop {
            let info = self.look()?;
            if info.is(Info::PAUSED) {
                return self.halt().map(Some);
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
        self.write_registers(&wanted).map_err(|refused| self.refused(refused))?;
        self.vcpus = wanted;
        Ok(())
    }

    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        if point.kind == BreakKind::Software {
            let physical = Self::software(point)?;
            self.attach_debugger()?;
            if let Some(known) = self.points.software.get_mut(&physical.0) {
                known.times = known.times.saturating_add(1);
            } else if self.memory.hide(physical) {
                self.points.software.insert(physical.0, Software { times: 1 });
            } else {
                return Err(failed("breakpoint", "its page is not there, or cannot be written"));
            }
            self.points.at.push((point.at.0, physical.0));
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
        self.attach_debugger()?;
        let free = self.points.hardware.iter_mut().find(|slot| slot.is_none());
        *free.ok_or_else(|| failed("breakpoint of the CPU", "all four are in use"))? = Some(*point);
        Ok(())
    }

    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        if point.kind == BreakKind::Software {
            let physical = Self::software(point)?;
            self.look()?;
            let Some(known) = self.points.software.get_mut(&physical.0) else {
                return Ok(());
            };
            known.times = known.times.saturating_sub(1);
            let pair = (point.at.0, physical.0);
            if let Some(index) = self.points.at.iter().position(|other| *other == pair) {
                self.points.at.swap_remove(index);
            }
            if known.times == 0 {
                if !self.memory.unhide(physical) {
                    return Err(failed("removing a breakpoint", "its page is no longer there"));
                }
                self.points.software.remove(&physical.0);
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

    fn release(&mut self) -> Result<(), ControlError> {
        if self.running && (self.points.any() || self.points.attached || !self.ran) {
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
        if self.points.attached {
            let detached = self.domctl().set_debugging(false);
            result = result.and(detached.map_err(|error| self.lost(error)));
        }
        if !self.running && self.ran {
            result = result.and(self.resume(Resume::Run));
        }
        self.points.attached = false;
        self.memory.set_running(self.running);
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
        let has = match self.domctl().set_stepping(vcpu, true) {
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
