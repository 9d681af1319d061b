//! A target as `gdbstub` wants it: threads are vCPUs, thread 1 is vCPU 0.
//!
//! A source that knows no vCPU has one thread whose registers are all unavailable. What a capture cannot do is
//! refused with a reason and never waits.

use std::num::NonZeroUsize;
use std::time::Duration;

use gdbstub::arch::{Arch, RegId, Registers};
use gdbstub::common::{Signal, Tid};
use gdbstub::stub::MultiThreadStopReason;
use gdbstub::target::ext::base::BaseOps;
use gdbstub::target::ext::base::multithread::{
    MultiThreadBase, MultiThreadResume, MultiThreadResumeOps, MultiThreadSchedulerLocking,
    MultiThreadSchedulerLockingOps, MultiThreadSingleStep, MultiThreadSingleStepOps,
};
use gdbstub::target::ext::base::single_register_access::{SingleRegisterAccess, SingleRegisterAccessOps};
use gdbstub::target::ext::breakpoints::{
    Breakpoints, BreakpointsOps, HwBreakpoint, HwBreakpointOps, HwWatchpoint, HwWatchpointOps, SwBreakpoint,
    SwBreakpointOps, WatchKind,
};
use gdbstub::target::ext::memory_map::{MemoryMap, MemoryMapOps};
use gdbstub::target::ext::monitor_cmd::{ConsoleOutput, MonitorCmd, MonitorCmdOps};
use gdbstub::target::ext::target_description_xml_override::{
    TargetDescriptionXmlOverride, TargetDescriptionXmlOverrideOps,
};
use gdbstub::target::ext::thread_extra_info::{ThreadExtraInfo, ThreadExtraInfoOps};
use gdbstub::target::{self, TargetError, TargetResult};

use super::memory::{View, view};
use super::registers::{I386, I386_AT_ONCE, Register, X86_64, X86_64_AT_ONCE};
use super::{description, monitor};
use crate::memory::paging::Cache;
use crate::memory::{Gpa, Gva};
use crate::target::{BreakKind, Breakpoint, Cause, Control, ControlError, Resume, StopReason, Target, Vcpu};

/// Numbers of errors, as Linux has them: GDB shows them so.
mod errno {
    pub(super) const NOT_PERMITTED: u8 = 1;
    pub(super) const NO_THREAD: u8 = 3;
    pub(super) const FAILED: u8 = 5;
    pub(super) const FAULT: u8 = 14;
    pub(super) const INVALID: u8 = 22;
    pub(super) const UNSUPPORTED: u8 = 95;
}

/// x86-64 when `WIDE`, i386 otherwise.
pub(super) struct X86<const WIDE: bool>;

/// The registers of an architecture.
pub(super) const fn table<const WIDE: bool>() -> &'static [Register] {
    if WIDE { X86_64 } else { I386 }
}

const fn at_once<const WIDE: bool>() -> usize {
    if WIDE { X86_64_AT_ONCE } else { I386_AT_ONCE }
}

/// All registers that `g` holds, each known or not.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct File<const WIDE: bool> {
    registers: Vec<Option<Vec<u8>>>,
    pc: u64,
}

impl<const WIDE: bool> File<WIDE> {
    fn of(vcpu: Option<&Vcpu>) -> Self {
        let known = table::<WIDE>().iter().take(at_once::<WIDE>());
        Self {
            registers: known
                .map(|register| vcpu.and_then(|vcpu| register.read(vcpu)))
                .collect(),
            pc: vcpu.map_or(0, |vcpu| vcpu.rip),
        }
    }
}

impl<const WIDE: bool> Registers for File<WIDE> {
    type ProgramCounter = u64;

    fn pc(&self) -> u64 {
        self.pc
    }

    fn gdb_serialize(&self, mut write: impl FnMut(Option<u8>)) {
        for (register, bytes) in table::<WIDE>().iter().zip(&self.registers) {
            match bytes {
                Some(bytes) => bytes.iter().for_each(|byte| write(Some(*byte))),
                None => (0..register.size).for_each(|_| write(None)),
            }
        }
    }

    fn gdb_deserialize(&mut self, mut bytes: &[u8]) -> Result<(), ()> {
        self.registers.clear();
        for register in table::<WIDE>().iter().take(at_once::<WIDE>()) {
            let (own, rest) = bytes.split_at_checked(register.size).ok_or(())?;
            self.registers.push(Some(own.to_vec()));
            bytes = rest;
        }
        Ok(())
    }
}

/// Number of a register.
#[derive(Clone, Copy, Debug)]
pub(super) struct Number<const WIDE: bool>(usize);

impl<const WIDE: bool> RegId for Number<WIDE> {
    fn from_raw_id(id: usize) -> Option<(Self, Option<NonZeroUsize>)> {
        let register = table::<WIDE>().get(id)?;
        Some((Self(id), NonZeroUsize::new(register.size)))
    }

    fn to_raw_id(&self) -> Option<usize> {
        Some(self.0)
    }
}

impl<const WIDE: bool> Arch for X86<WIDE> {
    type Usize = u64;
    type Registers = File<WIDE>;
    type BreakpointKind = usize;
    type RegId = Number<WIDE>;
}

/// A target, and what a debugger did to it.
pub(super) struct Debuggee<'t, const WIDE: bool> {
    pub(super) target: &'t mut dyn Target,
    pub(super) cache: Cache,
    /// Page directory given by hand.
    pub(super) directory: Option<Gpa>,
    /// Addresses are physical.
    pub(super) physical: bool,
    /// Thread that memory is read as.
    pub(super) thread: usize,
    /// Whether the guest runs.
    pub(super) running: bool,
    /// Why the guest does not run although the debugger asked.
    pub(super) refused: Option<String>,
    /// The guest is gone.
    pub(super) gone: Option<String>,
    step: Option<u32>,
    alone: bool,
    points: Vec<Breakpoint>,
    /// Map of physical memory for the debugger.
    pub(super) map: Option<String>,
}

/// Errors are answers or texts here, never the end of a session.
#[derive(Debug)]
pub(super) enum Never {}

impl std::fmt::Display for Never {
    fn fmt(&self, _: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match *self {}
    }
}

impl<'t, const WIDE: bool> Debuggee<'t, WIDE> {
    pub(super) fn new(target: &'t mut dyn Target, physical: bool, directory: Option<Gpa>) -> Self {
        Self {
            map: physical
                .then(|| description::memory_map(target.memory().runs()))
                .flatten(),
            target,
            cache: Cache::default(),
            directory,
            physical,
            thread: 1,
            running: false,
            refused: None,
            gone: None,
            step: None,
            alone: false,
            points: Vec::new(),
        }
    }

    pub(super) fn vcpu(&self, thread: usize) -> Option<&Vcpu> {
        self.target.vcpus().iter().find(|vcpu| number(vcpu.number) == thread)
    }

    fn is_thread(&self, thread: usize) -> bool {
        self.vcpu(thread).is_some() || (self.target.vcpus().is_empty() && thread == 1)
    }

    pub(super) fn threads(&self) -> Vec<usize> {
        if self.target.vcpus().is_empty() {
            return vec![1];
        }
        self.target.vcpus().iter().map(|vcpu| number(vcpu.number)).collect()
    }

    /// How the current thread understands addresses.
    pub(super) fn view(&self) -> View {
        if self.physical {
            return View::Physical("asked for");
        }
        self.paging()
    }

    /// The same, had nobody asked for physical addresses.
    pub(super) fn paging(&self) -> View {
        view(self.vcpu(self.thread), self.target, self.directory)
    }

    /// Reads memory as the current thread sees it.
    pub(super) fn read(&self, at: u64, buffer: &mut [u8]) -> usize {
        self.view().read(self.target, &self.cache, at, buffer)
    }

    fn write(&mut self, at: u64, bytes: &[u8]) -> TargetResult<(), Self> {
        let view = self.view();
        let (mut at, mut rest) = (at, bytes);
        if self.target.control().is_none() {
            return Err(TargetError::Errno(errno::NOT_PERMITTED));
        }
        while !rest.is_empty() {
            let place = view.translate(self.target, &self.cache, at);
            let place = place.map_err(|_| TargetError::Errno(errno::FAULT))?;
            let count = usize::try_from(place.left()).unwrap_or(usize::MAX).min(rest.len());
            let (now, later) = rest.split_at(count);
            let written = self.control(|control| control.write_physical(place.gpa(), now))?;
            // What was written may be a page table.
            self.cache.clear();
            if written < count {
                return Err(TargetError::Errno(errno::FAULT));
            }
            at = at.wrapping_add(u64::try_from(count).unwrap_or_default());
            rest = later;
        }
        Ok(())
    }

    /// Asks the guest for something.
    pub(super) fn control<T>(
        &mut self,
        ask: impl FnOnce(&mut dyn Control) -> Result<T, ControlError>,
    ) -> TargetResult<T, Self> {
        let Some(control) = self.target.control() else {
            return Err(TargetError::Errno(errno::NOT_PERMITTED));
        };
        ask(control).map_err(|error| TargetError::Errno(self.trouble(&error)))
    }

    fn trouble(&mut self, error: &ControlError) -> u8 {
        match error {
            ControlError::Unsupported(_) => errno::UNSUPPORTED,
            ControlError::Failed { .. } => errno::FAILED,
            ControlError::Gone(why) => {
                self.gone = Some(why.clone());
                errno::NO_THREAD
            }
        }
    }

    /// Stops the guest, when it runs and can be stopped.
    pub(super) fn stop(&mut self) -> Result<(), String> {
        let Some(control) = self.target.control() else {
            return Ok(());
        };
        let stopped = control.stop();
        self.cache.clear();
        stopped.map_err(|error| {
            self.trouble(&error);
            error.to_string()
        })
    }

    /// Leaves the guest as it was.
    pub(super) fn release(&mut self) -> Result<(), String> {
        self.points.clear();
        self.running = false;
        self.cache.clear();
        match self.target.control() {
            Some(control) => control.release().map_err(|error| error.to_string()),
            None => Ok(()),
        }
    }

    /// Why the guest stopped, once it did.
    pub(super) fn stopped(&mut self, wait: Duration) -> Option<MultiThreadStopReason<u64>> {
        let seen = match self.target.control() {
            Some(control) => control.stopped(wait),
            None => Ok(Some(asked(0))),
        };
        match seen {
            Ok(reason) => {
                let reason = reason?;
                self.running = false;
                self.cache.clear();
                Some(self.told(reason))
            }
            Err(error) => {
                self.trouble(&error);
                self.gone.get_or_insert_with(|| error.to_string());
                self.running = false;
                Some(MultiThreadStopReason::Exited(0))
            }
        }
    }

    /// Whether a guest that was asked to stop stands.
    pub(super) fn stands(&mut self) -> bool {
        self.target.control().is_none_or(|control| !control.is_running())
    }

    /// A stop of the current thread for no reason of the guest's. No trap: a debugger that steps through a line or
    /// a function would take that for a step that was done, and ask again for ever.
    pub(super) fn standing(&self) -> MultiThreadStopReason<u64> {
        let thread = if self.is_thread(self.thread) { self.thread } else { 1 };
        MultiThreadStopReason::SignalWithThread {
            tid: NonZeroUsize::new(thread).unwrap_or(NonZeroUsize::MIN),
            signal: Signal::SIGINT,
        }
    }

    /// A stop for the debugger; memory is read as its thread from then on.
    pub(super) fn told(&mut self, reason: StopReason) -> MultiThreadStopReason<u64> {
        let thread = number(reason.vcpu);
        let thread = if self.is_thread(thread) { thread } else { 1 };
        self.thread = thread;
        let tid = NonZeroUsize::new(thread).unwrap_or(NonZeroUsize::MIN);
        let signal = |signal| MultiThreadStopReason::SignalWithThread { tid, signal };
        match reason.cause {
            Cause::Asked => signal(Signal::SIGINT),
            Cause::Step => signal(Signal::SIGTRAP),
            Cause::Breakpoint => match self.point_at(thread) {
                Some(BreakKind::Software) => MultiThreadStopReason::SwBreak(tid),
                Some(_) => MultiThreadStopReason::HwBreak(tid),
                None => signal(Signal::SIGTRAP),
            },
            Cause::Watch(kind, at) => MultiThreadStopReason::Watch {
                tid,
                kind: match kind {
                    BreakKind::Read => WatchKind::Read,
                    BreakKind::Access => WatchKind::ReadWrite,
                    _ => WatchKind::Write,
                },
                addr: at.0,
            },
        }
    }

    /// Kind of the breakpoint that a thread stands on.
    fn point_at(&self, thread: usize) -> Option<BreakKind> {
        let at = self.vcpu(thread)?.rip;
        let execution = |kind| matches!(kind, BreakKind::Software | BreakKind::Hardware);
        let mut here = self
            .points
            .iter()
            .filter(|point| point.at.0 == at && execution(point.kind));
        here.next().map(|point| point.kind)
    }

    /// Sets registers of a vCPU.
    fn set(&mut self, thread: Tid, change: impl FnOnce(&mut Vcpu) -> bool) -> TargetResult<(), Self> {
        let Some(mut vcpu) = self.vcpu(thread.get()).cloned() else {
            return Err(TargetError::Errno(errno::NO_THREAD));
        };
        if self.target.control().is_none() {
            return Err(TargetError::Errno(errno::NOT_PERMITTED));
        }
        if !change(&mut vcpu) {
            return Err(TargetError::Errno(errno::INVALID));
        }
        self.cache.clear();
        self.control(|control| control.set_vcpu(&vcpu))
    }

    fn point(&self, kind: BreakKind, at: u64, length: u64) -> Breakpoint {
        let place = self.view().translate(self.target, &self.cache, at);
        Breakpoint {
            kind,
            at: Gva(at),
            physical: place.ok().map(|place| place.gpa()),
            length,
        }
    }

    fn add(&mut self, kind: BreakKind, at: u64, length: u64) -> TargetResult<bool, Self> {
        let point = self.point(kind, at, length);
        self.control(|control| control.insert(&point))?;
        self.points.push(point);
        Ok(true)
    }

    fn remove(&mut self, kind: BreakKind, at: u64, length: u64) -> TargetResult<bool, Self> {
        let same = |point: &Breakpoint| (point.kind, point.at.0, point.length) == (kind, at, length);
        // As it was inserted: the page tables may lead elsewhere by now.
        let Some(index) = self.points.iter().position(same) else {
            return Ok(false);
        };
        let point = self.points.remove(index);
        self.control(|control| control.remove(&point))?;
        Ok(true)
    }
}

/// Thread of a vCPU.
pub(super) fn number(vcpu: u32) -> usize {
    usize::try_from(vcpu).unwrap_or(usize::MAX).saturating_add(1)
}

/// A stop that somebody asked for.
pub(super) const fn asked(vcpu: u32) -> StopReason {
    StopReason {
        vcpu,
        cause: Cause::Asked,
    }
}

impl<const WIDE: bool> target::Target for Debuggee<'_, WIDE> {
    type Arch = X86<WIDE>;
    type Error = Never;

    fn base_ops(&mut self) -> BaseOps<'_, Self::Arch, Never> {
        BaseOps::MultiThread(self)
    }

    fn support_breakpoints(&mut self) -> Option<BreakpointsOps<'_, Self>> {
        self.target
            .control()
            .is_some()
            .then_some(self as BreakpointsOps<'_, Self>)
    }

    fn support_monitor_cmd(&mut self) -> Option<MonitorCmdOps<'_, Self>> {
        Some(self)
    }

    // GDB keeps to a map of memory, so it gets one only where all addresses are physical.
    fn support_memory_map(&mut self) -> Option<MemoryMapOps<'_, Self>> {
        self.map.is_some().then_some(self as MemoryMapOps<'_, Self>)
    }

    fn support_target_description_xml_override(&mut self) -> Option<TargetDescriptionXmlOverrideOps<'_, Self>> {
        Some(self)
    }

    // A capture has no breakpoints, and none can be put into its memory either.
    fn guard_rail_implicit_sw_breakpoints(&self) -> bool {
        true
    }

    // Not every debugger of Windows reads repeated bytes.
    fn use_rle(&self) -> bool {
        false
    }

    fn use_fork_stop_reason(&self) -> bool {
        false
    }

    fn use_vfork_stop_reason(&self) -> bool {
        false
    }

    fn use_vforkdone_stop_reason(&self) -> bool {
        false
    }
}

impl<const WIDE: bool> MultiThreadBase for Debuggee<'_, WIDE> {
    fn read_registers(&mut self, registers: &mut File<WIDE>, thread: Tid) -> TargetResult<(), Self> {
        if !self.is_thread(thread.get()) {
            return Err(TargetError::Errno(errno::NO_THREAD));
        }
        *registers = File::of(self.vcpu(thread.get()));
        Ok(())
    }

    fn write_registers(&mut self, registers: &File<WIDE>, thread: Tid) -> TargetResult<(), Self> {
        self.set(thread, |vcpu| {
            // What is not known cannot be set and came back as it was told: not at all.
            table::<WIDE>()
                .iter()
                .zip(&registers.registers)
                .all(|(register, bytes)| {
                    let (own, wanted) = (register.read(vcpu), bytes.as_ref());
                    let same = own.zip(wanted).is_none_or(|(own, wanted)| own == *wanted);
                    same || wanted.is_some_and(|wanted| register.write(vcpu, wanted))
                })
        })
    }

    fn support_single_register_access(&mut self) -> Option<SingleRegisterAccessOps<'_, Tid, Self>> {
        Some(self)
    }

    fn read_addrs(&mut self, at: u64, data: &mut [u8], _: Tid) -> TargetResult<usize, Self> {
        match self.read(at, data) {
            0 if !data.is_empty() => Err(TargetError::Errno(errno::FAULT)),
            read => Ok(read),
        }
    }

    fn write_addrs(&mut self, at: u64, data: &[u8], _: Tid) -> TargetResult<(), Self> {
        self.write(at, data)
    }

    fn list_active_threads(&mut self, tell: &mut dyn FnMut(Tid)) -> Result<(), Never> {
        self.threads().into_iter().filter_map(NonZeroUsize::new).for_each(tell);
        Ok(())
    }

    fn is_thread_alive(&mut self, thread: Tid) -> Result<bool, Never> {
        Ok(self.is_thread(thread.get()))
    }

    fn support_resume(&mut self) -> Option<MultiThreadResumeOps<'_, Self>> {
        Some(self)
    }

    fn support_thread_extra_info(&mut self) -> Option<ThreadExtraInfoOps<'_, Self>> {
        Some(self)
    }
}

impl<const WIDE: bool> SingleRegisterAccess<Tid> for Debuggee<'_, WIDE> {
    fn read_register(&mut self, thread: Tid, number: Number<WIDE>, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        if !self.is_thread(thread.get()) {
            return Err(TargetError::Errno(errno::NO_THREAD));
        }
        let register = table::<WIDE>().get(number.0);
        let vcpu = self.vcpu(thread.get());
        let bytes = register.zip(vcpu).and_then(|(register, vcpu)| register.read(vcpu));
        let Some(bytes) = bytes else { return Ok(0) };
        let room = buffer.get_mut(..bytes.len()).ok_or(TargetError::NonFatal)?;
        room.copy_from_slice(&bytes);
        Ok(bytes.len())
    }

    fn write_register(&mut self, thread: Tid, number: Number<WIDE>, value: &[u8]) -> TargetResult<(), Self> {
        let Some(register) = table::<WIDE>().get(number.0) else {
            return Err(TargetError::Errno(errno::INVALID));
        };
        self.set(thread, |vcpu| register.write(vcpu, value))
    }
}

impl<const WIDE: bool> MultiThreadResume for Debuggee<'_, WIDE> {
    fn resume(&mut self) -> Result<(), Never> {
        self.running = true;
        self.cache.clear();
        let how = match self.step {
            Some(vcpu) => Resume::Step(vcpu),
            None if self.alone => {
                let text = "one vCPU cannot run while the others stand still; it can do single instructions";
                self.refused = Some(text.to_owned());
                return Ok(());
            }
            None => Resume::Run,
        };
        let answer = match self.target.control() {
            Some(control) => control.resume(how),
            None => {
                self.refused = Some("a capture cannot run".to_owned());
                return Ok(());
            }
        };
        if let Err(error) = answer {
            self.trouble(&error);
            self.refused = Some(error.to_string());
        }
        Ok(())
    }

    fn clear_resume_actions(&mut self) -> Result<(), Never> {
        self.step = None;
        self.alone = false;
        self.refused = None;
        Ok(())
    }

    fn set_resume_action_continue(&mut self, _: Tid, _: Option<Signal>) -> Result<(), Never> {
        Ok(())
    }

    fn support_single_step(&mut self) -> Option<MultiThreadSingleStepOps<'_, Self>> {
        Some(self)
    }

    fn support_scheduler_locking(&mut self) -> Option<MultiThreadSchedulerLockingOps<'_, Self>> {
        Some(self)
    }
}

impl<const WIDE: bool> MultiThreadSingleStep for Debuggee<'_, WIDE> {
    fn set_resume_action_step(&mut self, thread: Tid, _: Option<Signal>) -> Result<(), Never> {
        // The first one: the others stand still meanwhile.
        let vcpu = self.vcpu(thread.get()).map_or(0, |vcpu| vcpu.number);
        self.step.get_or_insert(vcpu);
        Ok(())
    }
}

impl<const WIDE: bool> MultiThreadSchedulerLocking for Debuggee<'_, WIDE> {
    fn set_resume_action_scheduler_lock(&mut self) -> Result<(), Never> {
        // With one vCPU there are no others.
        self.alone = self.target.vcpus().len() > 1;
        Ok(())
    }
}

impl<const WIDE: bool> Breakpoints for Debuggee<'_, WIDE> {
    fn support_sw_breakpoint(&mut self) -> Option<SwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_breakpoint(&mut self) -> Option<HwBreakpointOps<'_, Self>> {
        Some(self)
    }

    fn support_hw_watchpoint(&mut self) -> Option<HwWatchpointOps<'_, Self>> {
        Some(self)
    }
}

impl<const WIDE: bool> SwBreakpoint for Debuggee<'_, WIDE> {
    fn add_sw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        self.add(BreakKind::Software, at, 1)
    }

    fn remove_sw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        self.remove(BreakKind::Software, at, 1)
    }
}

impl<const WIDE: bool> HwBreakpoint for Debuggee<'_, WIDE> {
    fn add_hw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        self.add(BreakKind::Hardware, at, 1)
    }

    fn remove_hw_breakpoint(&mut self, at: u64, _: usize) -> TargetResult<bool, Self> {
        self.remove(BreakKind::Hardware, at, 1)
    }
}

fn watched(kind: WatchKind) -> BreakKind {
    match kind {
        WatchKind::Write => BreakKind::Write,
        WatchKind::Read => BreakKind::Read,
        WatchKind::ReadWrite => BreakKind::Access,
    }
}

impl<const WIDE: bool> HwWatchpoint for Debuggee<'_, WIDE> {
    fn add_hw_watchpoint(&mut self, at: u64, length: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        self.add(watched(kind), at, length)
    }

    fn remove_hw_watchpoint(&mut self, at: u64, length: u64, kind: WatchKind) -> TargetResult<bool, Self> {
        self.remove(watched(kind), at, length)
    }
}

impl<const WIDE: bool> ThreadExtraInfo for Debuggee<'_, WIDE> {
    fn thread_extra_info(&self, thread: Tid, buffer: &mut [u8]) -> Result<usize, Never> {
        let text = match self.vcpu(thread.get()) {
            Some(vcpu) => monitor::vcpu_line(vcpu),
            None => "no registers known".to_owned(),
        };
        let count = text.len().min(buffer.len());
        for (to, byte) in buffer.iter_mut().zip(text.bytes()) {
            *to = byte;
        }
        Ok(count)
    }
}

impl<const WIDE: bool> TargetDescriptionXmlOverride for Debuggee<'_, WIDE> {
    fn target_description_xml(
        &self,
        annex: &[u8],
        offset: u64,
        length: usize,
        buffer: &mut [u8],
    ) -> TargetResult<usize, Self> {
        let architecture = if WIDE { "i386:x86-64" } else { "i386" };
        let Some(file) = description::file(annex, architecture, table::<WIDE>()) else {
            return Err(TargetError::Errno(0));
        };
        Ok(part(&file, offset, length, buffer))
    }
}

impl<const WIDE: bool> MemoryMap for Debuggee<'_, WIDE> {
    fn memory_map_xml(&self, offset: u64, length: usize, buffer: &mut [u8]) -> TargetResult<usize, Self> {
        let map = self.map.as_deref().unwrap_or_default();
        Ok(part(map, offset, length, buffer))
    }
}

/// A part of a file that a debugger reads; gives the bytes, 0 behind its end.
fn part(file: &str, offset: u64, length: usize, buffer: &mut [u8]) -> usize {
    let offset = usize::try_from(offset).unwrap_or(usize::MAX);
    let rest = file.as_bytes().get(offset..).unwrap_or_default();
    let count = rest.len().min(length).min(buffer.len());
    for (to, byte) in buffer.iter_mut().zip(rest.iter().take(count)) {
        *to = *byte;
    }
    count
}

impl<const WIDE: bool> MonitorCmd for Debuggee<'_, WIDE> {
    fn handle_monitor_cmd(&mut self, command: &[u8], mut out: ConsoleOutput<'_>) -> Result<(), Never> {
        let answer = monitor::run(self, &String::from_utf8_lossy(command));
        out.write_raw(answer.as_bytes());
        Ok(())
    }
}
