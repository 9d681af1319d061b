//! A guest that runs: run control and writing, and what is taken anew after each stop.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use super::debuggee::{BREAKPOINT, SINGLE_STEP};
use super::watch::{Debug, Watch, without_hits};
use super::{Guest, Patches};
use crate::kd::debuggee::{Continue, Debuggee as _, Status};
use crate::memory::paging::{Kind, Translation};
use crate::memory::{Gpa, Gva, VirtualMemory as _};
use crate::target::{BreakKind, Breakpoint, Cause, Control, ControlError, Resume, StopReason, Vcpu};
use crate::windows::{Architecture, Given, Windows, context, discover, processors};

/// Breakpoints that a Windows kernel has room for.
const POINTS: usize = 32;
/// How long a single step is waited for before the line is looked at again.
const STEP: Duration = Duration::from_millis(20);
/// The breakpoint instruction.
pub(super) const INT3: u8 = 0xcc;
/// Trap flag.
const TRAP: u64 = 0x100;
/// The search for a Windows that is not there yet takes no more than one part in this of the time.
const SEARCH: u32 = 10;
/// Bytes of the kernel's image that tell whether it is still there: the headers.
const HEAD: usize = 0x200;

/// What is known of a guest that can run, besides its memory and registers.
pub(super) struct Live {
    runs: bool,
    pub why: StopReason,
    /// Exception that stands for it.
    pub code: u32,
    /// Breakpoints by handle, from 1.
    points: BTreeMap<u32, Breakpoint>,
    /// Breakpoint instructions that the debugger wrote itself.
    by_hand: BTreeMap<u64, Breakpoint>,
    pub debug: Debug,
    /// What stands in the source for them.
    watched: BTreeMap<usize, Breakpoint>,
    stepping: bool,
    /// The processor whose trap flag the debugger set.
    trap: Option<u16>,
    pub gone: Option<String>,
    pub trouble: Option<String>,
    /// When Windows was looked for last, and how long that took.
    searched: Option<(Instant, Duration)>,
    pub renewed: bool,
    /// The first bytes of the kernel's image: where they change, it is not there any more.
    mark: Vec<u8>,
}

impl Live {
    pub fn new(runs: bool) -> Self {
        Self {
            runs,
            why: StopReason {
                vcpu: 0,
                cause: Cause::Asked,
            },
            code: BREAKPOINT,
            points: BTreeMap::new(),
            by_hand: BTreeMap::new(),
            debug: Debug::default(),
            watched: BTreeMap::new(),
            stepping: false,
            trap: None,
            gone: None,
            trouble: None,
            searched: None,
            renewed: false,
            mark: Vec::new(),
        }
    }

    pub fn runs(&self) -> bool {
        self.runs
    }

    /// No breakpoint is in the guest any more.
    fn forget(&mut self) {
        self.points.clear();
        self.by_hand.clear();
        self.watched.clear();
        self.debug = Debug::default();
        (self.trap, self.stepping) = (None, false);
    }

    /// Shows the breakpoint instructions that the debugger wrote.
    pub fn show(&self, at: Gva, seen: &mut [u8]) {
        if self.by_hand.is_empty() {
            return;
        }
        let end = at.0.saturating_add(seen.len() as u64);
        for (place, _) in self.by_hand.range(at.0..end) {
            let index = usize::try_from(place.saturating_sub(at.0)).unwrap_or(usize::MAX);
            if let Some(byte) = seen.get_mut(index) {
                *byte = INT3;
            }
        }
    }

    fn has_software(&self, at: Gva) -> bool {
        self.by_hand.contains_key(&at.0) || self.points.values().any(|point| point.at == at)
    }
}

impl Guest {
    /// Does something with the control; what fails is kept in words.
    fn control<T>(&mut self, act: impl FnOnce(&mut dyn Control) -> Result<T, ControlError>) -> Result<T, Status> {
        let control = self.target.control().ok_or(Status::NOT_SUPPORTED)?;
        act(control).map_err(|error| self.failed(&error))
    }

    fn failed(&mut self, error: &ControlError) -> Status {
        if let Some(live) = &mut self.live {
            live.trouble = Some(error.to_string());
            if let ControlError::Gone(why) = error {
                (live.gone, live.runs) = (Some(why.clone()), false);
            }
        }
        match error {
            ControlError::Unsupported(_) => Status::NOT_SUPPORTED,
            ControlError::Failed { .. } | ControlError::Gone(_) => Status::UNSUCCESSFUL,
        }
    }

    fn refuse<T>(&mut self, status: Status, why: &str) -> Result<T, Status> {
        if let Some(live) = &mut self.live {
            live.trouble = Some(why.to_owned());
        }
        Err(status)
    }

    /// What the source of a live guest cannot do, in words; `None` of a capture.
    pub fn lacks(&mut self) -> Option<Vec<&'static str>> {
        self.target.control().map(|control| control.lacks().to_vec())
    }

    /// The number of a processor's vCPU in the source.
    fn in_source(&self, processor: u16) -> Option<u32> {
        let cpu = self.cpus.get(usize::from(processor))?;
        let number = match &cpu.processor {
            Some(processor) => processor.vcpu?,
            None => cpu.vcpu.as_ref()?.number,
        };
        let known = self.target.vcpus().iter().any(|vcpu| vcpu.number == number);
        known.then_some(number)
    }

    /// The processor that a vCPU of the source is.
    pub(super) fn processor_of(&self, vcpu: u32) -> Option<u16> {
        let count = u16::try_from(self.cpus.len()).unwrap_or(u16::MAX);
        (0..count).find(|processor| self.in_source(*processor) == Some(vcpu))
    }

    /// Stops the guest, if it can run.
    pub(super) fn halt(&mut self) -> Result<(), Status> {
        let Some(last) = self.live.as_ref().map(|live| live.why.vcpu) else {
            return Ok(());
        };
        self.control(|control| control.stop())?;
        // It may have stopped by itself just before.
        let told = self.control(|control| control.stopped(Duration::ZERO))?;
        let asked = StopReason {
            vcpu: last,
            cause: Cause::Asked,
        };
        self.stands(told.unwrap_or(asked));
        Ok(())
    }

    /// Whether it stopped by itself.
    pub(super) fn look(&mut self) -> Result<bool, Status> {
        let Some(live) = &self.live else { return Ok(false) };
        if live.gone.is_some() {
            return Err(Status::UNSUCCESSFUL);
        }
        let wait = if live.stepping { STEP } else { Duration::ZERO };
        match self.control(|control| control.stopped(wait))? {
            Some(reason) => {
                self.stands(reason);
                Ok(true)
            }
            None => {
                let runs = self.control(|control| Ok(control.is_running()))?;
                if let Some(live) = &mut self.live {
                    live.runs = runs;
                }
                Ok(false)
            }
        }
    }

    /// It stopped: memory and registers may be others than before.
    fn stands(&mut self, why: StopReason) {
        if let Some(live) = &mut self.live {
            (live.runs, live.stepping, live.trap, live.why) = (false, false, None, why);
        }
        self.cache.clear();
        if self.windows.kernel.is_some() && self.head() != self.live.as_ref().map(|live| live.mark.clone()) {
            self.windows = Windows::default();
        }
        if self.windows.kernel.is_some() {
            self.look_at_processors();
        } else {
            self.search(why.cause);
        }
        self.settle();
        let processor = self.processor_of(why.vcpu).unwrap_or_default();
        let rip = self.program_counter(processor);
        if let Some(live) = &mut self.live {
            let status = live.debug.status(why.cause, rip);
            live.debug.registers[6] = status;
            live.code = match why.cause {
                Cause::Asked => BREAKPOINT,
                Cause::Breakpoint if status == 0 || live.has_software(rip) => BREAKPOINT,
                Cause::Breakpoint | Cause::Step | Cause::Watch(..) => SINGLE_STEP,
            };
        }
    }

    /// The first bytes of the kernel's image as memory has them now.
    fn head(&self) -> Option<Vec<u8>> {
        let (kernel, paging) = (self.windows.kernel.as_ref()?, self.paging?);
        let mut bytes = vec![0; HEAD];
        let count = self.space_of(paging.root)?.read(kernel.base, &mut bytes);
        bytes.truncate(count);
        Some(bytes)
    }

    /// Remembers the kernel that was found.
    pub(super) fn mark(&mut self) {
        let head = self.head().unwrap_or_default();
        if let Some(live) = &mut self.live {
            live.mark = head;
        }
    }

    fn look_at_processors(&mut self) {
        let mut known = std::mem::take(&mut self.windows.processors);
        let kdbg = self.windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.as_slice());
        let context = processors::Context {
            kdbg,
            architecture: self.architecture,
            build: self.windows.build.as_ref().map(|build| build.number),
        };
        if let Some(space) = self.paging.and_then(|paging| self.space_of(paging.root)) {
            processors::again(&space, self.target.vcpus(), context, &mut known);
        }
        self.windows.processors = known;
        self.windows
            .missing
            .retain(|missing| missing.what != "processor of a vCPU");
    }

    /// Looks for a Windows that was not there before: while it boots, none is.
    fn search(&mut self, cause: Cause) {
        let Some(live) = &mut self.live else { return };
        let early = |(when, took): (Instant, Duration)| when.elapsed() < took.saturating_mul(SEARCH);
        if cause == Cause::Step || live.searched.is_some_and(early) {
            return;
        }
        let begin = Instant::now();
        let windows = discover(&*self.target, &self.given);
        live.searched = Some((Instant::now(), begin.elapsed()));
        live.renewed |= windows.kernel.is_some();
        self.windows = windows;
    }

    /// Lets it go on.
    pub(super) fn go(&mut self, processor: u16, how: Continue) -> Result<(), Status> {
        let Some(live) = &mut self.live else {
            return Err(Status::NOT_SUPPORTED);
        };
        if let Some(control) = how.dr7 {
            live.debug.registers[7] = control;
        }
        let step = how.step || live.trap == Some(processor);
        self.set_watches()?;
        let resume = match (step, self.in_source(processor)) {
            (false, _) => Resume::Run,
            (true, Some(vcpu)) => Resume::Step(vcpu),
            (true, None) => {
                return self.refuse(
                    Status::UNSUCCESSFUL,
                    "single step: the vCPU of this processor is not known",
                );
            }
        };
        self.control(|control| control.resume(resume))?;
        if let Some(live) = &mut self.live {
            live.debug.registers[6] = 0;
            (live.runs, live.stepping, live.trap) = (true, step, None);
        }
        self.cache.clear();
        Ok(())
    }

    /// Boots it anew. What was known of its Windows is not true any more.
    pub(super) fn boot(&mut self) -> Result<(), Status> {
        let Some(live) = &self.live else {
            return Err(Status::NOT_SUPPORTED);
        };
        let points = live
            .points
            .values()
            .chain(live.by_hand.values())
            .chain(live.watched.values());
        for point in points.copied().collect::<Vec<_>>() {
            self.control(|control| control.remove(&point))?;
        }
        self.control(|control| control.reset())?;
        self.windows = Windows::default();
        self.given = Given::default();
        if let Some(live) = &mut self.live {
            live.forget();
            (live.runs, live.searched) = (true, None);
        }
        self.cache.clear();
        self.settle();
        Ok(())
    }

    /// Leaves it as it was before.
    pub(super) fn let_go(&mut self) -> Result<(), Status> {
        if self.live.as_ref().is_none_or(|live| live.gone.is_some()) {
            return Ok(());
        }
        let done = self.control(|control| {
            control.release()?;
            Ok(control.is_running())
        })?;
        if let Some(live) = &mut self.live {
            live.forget();
            live.runs = done;
        }
        self.cache.clear();
        Ok(())
    }

    /// Sets a breakpoint; gives its handle.
    pub(super) fn add_point(&mut self, processor: u16, at: Gva) -> Result<u32, Status> {
        let at = self.address(at);
        let Some(live) = &self.live else {
            return Err(Status::NOT_SUPPORTED);
        };
        let free = (1..).take(POINTS).find(|handle| !live.points.contains_key(handle));
        let Some(handle) = free.filter(|_| !live.has_software(at)) else {
            return self.refuse(
                Status::UNSUCCESSFUL,
                "breakpoint: one is there already, or there are too many",
            );
        };
        let Some(point) = self.software(processor, at) else {
            return self.refuse(Status::UNSUCCESSFUL, "breakpoint: no memory at this address");
        };
        self.control(|control| control.insert(&point))?;
        if let Some(live) = &mut self.live {
            live.points.insert(handle, point);
        }
        Ok(handle)
    }

    pub(super) fn remove_point(&mut self, handle: u32) -> Result<(), Status> {
        let known = self.live.as_mut().and_then(|live| live.points.remove(&handle));
        let point = known.ok_or(Status::UNSUCCESSFUL)?;
        self.control(|control| control.remove(&point))
    }

    fn software(&self, processor: u16, at: Gva) -> Option<Breakpoint> {
        Some(Breakpoint {
            kind: BreakKind::Software,
            at,
            physical: Some(self.translate(processor, at)?.gpa),
            length: 1,
        })
    }

    /// Where an address of a processor lies: by its own page tables, or the kernel's for the kernel's half.
    pub(super) fn translate(&self, processor: u16, at: Gva) -> Option<Translation> {
        let kernel = self
            .paging
            .filter(|_| self.is_kernel(at))
            .and_then(|paging| self.space_of(paging.root));
        let spaces = [self.space(processor), kernel];
        spaces.into_iter().flatten().find_map(|space| space.translate(at).ok())
    }

    /// Brings the source to what the debug registers ask for.
    fn set_watches(&mut self) -> Result<(), Status> {
        let Some(live) = &self.live else { return Ok(()) };
        let Ok(wanted) = live.debug.watches() else {
            return self.refuse(Status::NOT_SUPPORTED, "watching I/O ports: not possible");
        };
        let same = |point: &Breakpoint, watch: &Watch| {
            (point.kind, point.at, point.length) == (watch.kind, watch.at, watch.length)
        };
        for (number, watch) in wanted.iter().enumerate() {
            let there = self.live.as_ref().and_then(|live| live.watched.get(&number)).copied();
            match (there, watch) {
                (Some(point), Some(watch)) if same(&point, watch) => {}
                (Some(point), _) => {
                    if let Some(live) = &mut self.live {
                        live.watched.remove(&number);
                    }
                    self.control(|control| control.remove(&point))?;
                }
                (None, _) => {}
            }
        }
        for (number, watch) in wanted.into_iter().enumerate() {
            let (false, Some(watch)) = (
                self.live
                    .as_ref()
                    .is_some_and(|live| live.watched.contains_key(&number)),
                watch,
            ) else {
                continue;
            };
            let at = self.address(watch.at);
            let processor = self.stopped_on();
            let point = Breakpoint {
                kind: watch.kind,
                at,
                physical: self.translate(processor, at).map(|found| found.gpa),
                length: watch.length,
            };
            self.control(|control| control.insert(&point))?;
            if let Some(live) = &mut self.live {
                live.watched.insert(number, point);
            }
        }
        Ok(())
    }

    /// Sets the debugger's debug registers, and the source by them.
    pub(super) fn set_debug(&mut self, processor: u16, mut registers: [u64; 8]) -> Result<(), Status> {
        let stopped = self.stopped_on();
        let Some(live) = &mut self.live else {
            return Err(Status::ACCESS_DENIED);
        };
        if processor != stopped {
            registers[6] = live.debug.registers[6];
        }
        let before = std::mem::replace(&mut live.debug, Debug { registers });
        self.set_watches().inspect_err(|_| {
            if let Some(live) = &mut self.live {
                live.debug = before;
            }
        })
    }

    /// Sets the registers that differ between `shown`, which the debugger was given, and `wanted`.
    pub(super) fn set_registers(&mut self, processor: u16, shown: &Vcpu, wanted: &Vcpu) -> Result<(), Status> {
        if shown == wanted {
            return Ok(());
        }
        let Some(number) = self.in_source(processor) else {
            return self.refuse(
                Status::ACCESS_DENIED,
                "registers: the vCPU of this processor is not known",
            );
        };
        let found = self.target.vcpus().iter().find(|vcpu| vcpu.number == number);
        let mut vcpu = found.cloned().unwrap_or_default();
        if wanted.rflags & !shown.rflags & TRAP != 0
            && let Some(live) = &mut self.live
        {
            live.trap = Some(processor);
        }
        change(&mut vcpu, shown, wanted);
        if found == Some(&vcpu) {
            return Ok(());
        }
        self.control(|control| control.set_vcpu(&vcpu))?;
        self.cache.clear();
        self.settle();
        Ok(())
    }

    /// Writes memory as a processor sees it, page by page, up to the first byte that cannot be written.
    pub(super) fn poke(&mut self, processor: u16, at: Gva, bytes: &[u8]) -> Result<usize, Status> {
        if let [INT3] = bytes
            && self.point_by_hand(processor, self.address(at))
        {
            return Ok(1);
        }
        self.restore_by_hand(self.address(at), bytes.len())?;
        let mut done = 0usize;
        while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
            let Some(place) = at.0.checked_add(done as u64) else {
                break;
            };
            let place = self.address(Gva(place));
            let left = usize::try_from(0x1000 - place.offset())
                .unwrap_or_default()
                .min(rest.len());
            let piece = rest.get(..left).unwrap_or_default();
            let free = self.patches.distance(place.0, piece.len());
            let found = self
                .translate(processor, place)
                .filter(|found| found.kind == Kind::Present);
            let (Some(found), Some(piece)) = (found, piece.get(..free).filter(|piece| !piece.is_empty())) else {
                break;
            };
            let written = self.put(found.gpa, piece);
            match written {
                Ok(count) => {
                    done = done.saturating_add(count);
                    if count < left {
                        break;
                    }
                }
                Err(_) if done > 0 => break,
                Err(status) => return Err(status),
            }
        }
        Ok(done)
    }

    /// Writes physical memory up to what is laid over it.
    pub(super) fn put(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, Status> {
        let free = self.physical_patches.distance(at.0, bytes.len());
        let Some(piece) = bytes.get(..free).filter(|piece| !piece.is_empty()) else {
            return Ok(0);
        };
        let done = self.control(|control| control.write_physical(at, piece));
        // It may have been a page table.
        self.cache.clear();
        done
    }

    /// A breakpoint instruction that the debugger writes itself is a breakpoint: the guest alone would make an
    /// exception of its own of it.
    fn point_by_hand(&mut self, processor: u16, at: Gva) -> bool {
        let mut seen = [0];
        let there = self.read_virtual(processor, at, &mut seen) == 1;
        let executable = self.translate(processor, at).is_some_and(|found| found.executable);
        if !there || seen == [INT3] || !executable || self.patches.covers(at.0) {
            return false;
        }
        let Some(point) = self.software(processor, at) else {
            return false;
        };
        let inserted = self.control(|control| control.insert(&point)).is_ok();
        if let Some(live) = self.live.as_mut().filter(|_| inserted) {
            live.by_hand.insert(at.0, point);
        }
        inserted
    }

    fn restore_by_hand(&mut self, at: Gva, length: usize) -> Result<(), Status> {
        let Some(live) = &self.live else { return Ok(()) };
        let end = at.0.saturating_add(length as u64);
        let places: BTreeSet<u64> = live.by_hand.range(at.0..end).map(|(place, _)| *place).collect();
        for place in places {
            let point = self.live.as_mut().and_then(|live| live.by_hand.remove(&place));
            if let Some(point) = point {
                self.control(|control| control.remove(&point))?;
            }
        }
        Ok(())
    }

    /// KSPECIAL_REGISTERS of a processor with the debugger's debug registers in them.
    pub(super) fn special_registers(&self, processor: u16, vcpu: &Vcpu) -> Vec<u8> {
        let Some(live) = &self.live else {
            return context::special(vcpu, self.architecture);
        };
        let mut shown = vcpu.clone();
        let mut registers = live.debug.registers;
        if processor != self.stopped_on() || registers[6] == 0 {
            // Nothing of the debugger's happened there: its own, but for hits of before.
            registers[6] = vcpu.dr.map_or(0, |own| without_hits(own[6]));
        }
        shown.dr = Some(registers);
        context::special(&shown, self.architecture)
    }

    /// Why a live guest stands still, in words.
    pub(super) fn cause(&self) -> Option<String> {
        let live = self.live.as_ref()?;
        let processor = self.stopped_on();
        let rip = self.program_counter(processor);
        let words = match live.why.cause {
            Cause::Step => return None,
            Cause::Asked => format!("as asked, at {rip}"),
            Cause::Breakpoint => format!("breakpoint at {rip}"),
            Cause::Watch(kind, at) => {
                let what = match kind {
                    BreakKind::Read => "read",
                    BreakKind::Write => "write",
                    BreakKind::Access => "access",
                    BreakKind::Software | BreakKind::Hardware => "execution",
                };
                format!("{what} at {at}, instruction pointer {rip}")
            }
        };
        Some(format!("{words} on CPU {processor}"))
    }
}

/// Takes the registers that differ between two states of a vCPU into a third.
fn change(vcpu: &mut Vcpu, from: &Vcpu, to: &Vcpu) {
    fn take<T: PartialEq + Clone>(place: &mut T, from: &T, to: &T) {
        if from != to {
            place.clone_from(to);
        }
    }
    for (place, (from, to)) in vcpu.gpr.iter_mut().zip(from.gpr.iter().zip(&to.gpr)) {
        take(place, from, to);
    }
    take(&mut vcpu.rip, &from.rip, &to.rip);
    take(&mut vcpu.rflags, &from.rflags, &(to.rflags & !(TRAP & !from.rflags)));
    let (s, a, b) = (&mut vcpu.segments, &from.segments, &to.segments);
    take(&mut s.es, &a.es, &b.es);
    take(&mut s.cs, &a.cs, &b.cs);
    take(&mut s.ss, &a.ss, &b.ss);
    take(&mut s.ds, &a.ds, &b.ds);
    take(&mut s.fs, &a.fs, &b.fs);
    take(&mut s.gs, &a.gs, &b.gs);
    take(&mut s.ldt, &a.ldt, &b.ldt);
    take(&mut s.tr, &a.tr, &b.tr);
    take(&mut vcpu.gdt, &from.gdt, &to.gdt);
    take(&mut vcpu.idt, &from.idt, &to.idt);
    take(&mut vcpu.cr0, &from.cr0, &to.cr0);
    take(&mut vcpu.cr2, &from.cr2, &to.cr2);
    take(&mut vcpu.cr3, &from.cr3, &to.cr3);
    take(&mut vcpu.cr4, &from.cr4, &to.cr4);
    take(&mut vcpu.cr8, &from.cr8, &to.cr8);
    take(&mut vcpu.xcr0, &from.xcr0, &to.xcr0);
    take(&mut vcpu.fxsave, &from.fxsave, &to.fxsave);
    for (number, value) in &to.msrs {
        if from.msrs.get(number) != Some(value) {
            vcpu.msrs.insert(*number, *value);
        }
    }
}

/// What a debugger was shown, and what it wants, as states of the same vCPU: the flags of the new CONTEXT say which
/// parts of both count.
pub(super) fn contexts(vcpu: &Vcpu, wanted: &[u8], architecture: Architecture) -> (Vcpu, Vcpu) {
    let flags = match architecture {
        Architecture::X64 => 0x30,
        Architecture::X86 => 0,
    };
    let mut bytes = context::context(vcpu, architecture);
    let new = wanted.get(flags..flags + 4);
    if let (Some(place), Some(new)) = (bytes.get_mut(flags..flags + 4), new) {
        place.copy_from_slice(new);
    }
    let of = |bytes: &[u8]| {
        let mut vcpu = vcpu.clone();
        context::apply_context(&mut vcpu, bytes, architecture);
        // Debug registers of a CONTEXT are those of user mode, which a kernel loads only for a thread that has some.
        vcpu.dr = None;
        vcpu
    };
    (of(&bytes), of(wanted))
}

impl Patches {
    /// Bytes from `at` on, at most `length`, up to the first that a piece covers.
    fn distance(&self, at: u64, length: usize) -> usize {
        (0..length)
            .find(|skip| at.checked_add(*skip as u64).is_none_or(|at| self.covers(at)))
            .unwrap_or(length)
    }
}
