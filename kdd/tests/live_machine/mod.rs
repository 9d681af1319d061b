//! A machine with Windows in its memory that runs a few instructions, behind [`Control`]: what a running guest is to
//! its debugger, without a hypervisor.
//!
//! Each processor runs `inc rax; mov [rbx], rax; nop; jmp` around for ever, in the kernel's code. Time passes in
//! [`Control::stopped`] only, so that what happens does not depend on the clock.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing
)]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use kdd::memory::paging::AddressSpace;
use kdd::memory::{Gpa, Gva, PhysicalMemory, Run};
use kdd::target::{
    BreakKind, Breakpoint, Cause, Container, Control, ControlError, Hints, Resume, StopReason, Target, Vcpu,
};
use kdd::windows::PagingMode;

use crate::captured;

/// Rounds of all processors in one look.
const ROUNDS: usize = 50;
/// Code of a processor: inc rax; mov [rbx], rax; nop; jmp.
pub const CODE: [u8; 9] = [0x48, 0xff, 0xc0, 0x48, 0x89, 0x03, 0x90, 0xeb, 0xf7];
/// Offset of each instruction in it.
pub const STORE: u64 = 3;
pub const NOP: u64 = 6;
pub const JUMP: u64 = 7;

/// Pages by physical address.
type AllPages = BTreeMap<u64, Vec<u8>>;

/// What the test sees of the machine while the guest owns it.
#[derive(Default)]
pub struct State {
    pub pages: BTreeMap<u64, Vec<u8>>,
    /// Registers as they really are.
    pub cpus: Vec<Vcpu>,
    pub points: Vec<Breakpoint>,
    pub runs: bool,
    step: Option<u32>,
    told: Option<StopReason>,
    /// What was asked for, in order.
    pub log: Vec<String>,
    /// The guest vanishes at the next look.
    pub vanishes: bool,
    /// Breakpoint instructions that nobody inserted and the guest ran over.
    pub own_breakpoints: usize,
    /// A register that cannot be set.
    pub fixed: Option<&'static str>,
    /// No watchpoints.
    pub no_watchpoints: bool,
    /// Memory and registers of the Windows that comes up when the guest is let run.
    pub boots: Option<(AllPages, Vec<Vcpu>)>,
    pub resets: usize,
}

/// The machine's state, shared with the test.
#[derive(Clone, Default)]
pub struct Shared(Arc<Mutex<State>>);

impl Shared {
    pub fn get(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

struct Memory {
    shared: Shared,
    runs: Vec<Run>,
}

impl PhysicalMemory for Memory {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        read(&self.shared.get().pages, at, buffer)
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }
}

fn read(pages: &BTreeMap<u64, Vec<u8>>, at: Gpa, buffer: &mut [u8]) -> usize {
    for (index, byte) in buffer.iter_mut().enumerate() {
        let place = Gpa(at.0 + index as u64);
        let Some(page) = pages.get(&place.page().0) else {
            return index;
        };
        *byte = page[place.offset() as usize];
    }
    buffer.len()
}

fn write(pages: &mut BTreeMap<u64, Vec<u8>>, at: Gpa, bytes: &[u8]) -> usize {
    for (index, byte) in bytes.iter().enumerate() {
        let place = Gpa(at.0 + index as u64);
        let Some(page) = pages.get_mut(&place.page().0) else {
            return index;
        };
        page[place.offset() as usize] = *byte;
    }
    bytes.len()
}

/// Pages without the lock.
struct Pages<'a>(&'a BTreeMap<u64, Vec<u8>>);

impl PhysicalMemory for Pages<'_> {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        read(self.0, at, buffer)
    }

    fn runs(&self) -> &[Run] {
        &[]
    }
}

impl State {
    pub fn physical(&self, cpu: usize, at: u64) -> Option<Gpa> {
        let root = Gpa(self.cpus[cpu].cr3?);
        let pages = Pages(&self.pages);
        let space = AddressSpace::new(&pages, PagingMode::FourLevel, root);
        Some(space.translate(Gva(at)).ok()?.gpa)
    }

    pub fn peek(&self, cpu: usize, at: u64, length: usize) -> Vec<u8> {
        let mut bytes = vec![0; length];
        let at = self.physical(cpu, at).unwrap();
        assert_eq!(read(&self.pages, at, &mut bytes), length);
        bytes
    }

    fn at_point(&self, cpu: usize) -> bool {
        let rip = Gva(self.cpus[cpu].rip);
        let physical = self.physical(cpu, rip.0);
        self.points.iter().any(|point| match point.kind {
            BreakKind::Software => point.physical == physical,
            BreakKind::Hardware => point.at == rip,
            _ => false,
        })
    }

    /// One instruction; what it stops at.
    fn instruction(&mut self, cpu: usize) -> Option<Cause> {
        let rip = self.cpus[cpu].rip;
        let code = self.physical(cpu, rip).map_or(Vec::new(), |_| self.peek(cpu, rip, 3));
        let registers = &mut self.cpus[cpu];
        match code[..] {
            [0x48, 0xff, 0xc0] => {
                registers.gpr[0] = registers.gpr[0].wrapping_add(1);
                registers.rip += 3;
            }
            [0x48, 0x89, 0x03] => {
                registers.rip += 3;
                let (at, value) = (registers.gpr[3], registers.gpr[0]);
                let place = self.physical(cpu, at).expect("data that is mapped");
                write(&mut self.pages, place, &value.to_le_bytes());
                let hit = self.points.iter().find(|point| {
                    let watches = matches!(point.kind, BreakKind::Write | BreakKind::Access);
                    watches && point.at.0 < at + 8 && at < point.at.0 + point.length
                });
                return hit.map(|point| Cause::Watch(point.kind, point.at));
            }
            [0x90, ..] => registers.rip += 1,
            [0xeb, back, _] => registers.rip = (registers.rip + 2).wrapping_add_signed(i64::from(back as i8)),
            [0xcc, ..] => {
                registers.rip += 1;
                self.own_breakpoints += 1;
            }
            // It hangs there.
            _ => {}
        }
        None
    }

    fn run(&mut self) -> Option<StopReason> {
        let reason = |cpu: usize, cause| StopReason {
            vcpu: cpu as u32,
            cause,
        };
        if let Some(vcpu) = self.step.take() {
            let cause = self.instruction(vcpu as usize);
            return Some(reason(vcpu as usize, cause.unwrap_or(Cause::Step)));
        }
        for _ in 0..ROUNDS {
            for cpu in 0..self.cpus.len() {
                if self.at_point(cpu) {
                    return Some(reason(cpu, Cause::Breakpoint));
                }
                if let Some(cause) = self.instruction(cpu) {
                    return Some(reason(cpu, cause));
                }
            }
        }
        None
    }
}

/// The machine as a target.
pub struct Machine {
    shared: Shared,
    memory: Memory,
    vcpus: Vec<Vcpu>,
    container: Container,
    hints: Hints,
    ran: bool,
}

/// Where the processors run and what they write: address of the code, address of the counter, by processor.
pub type Places = Vec<(u64, u64)>;

/// A made-up Windows that ran when it was opened, and now stands still.
pub fn windows(preset: &str) -> (Machine, Shared, Places) {
    let (_, built) = captured::preset(preset);
    let capture = captured::capture(&built.machine, true);
    let shared = Shared::default();
    let mut state = shared.get();
    state.pages = built.machine.pages;
    state.cpus = capture.vcpus;
    let mut places = Vec::new();
    let page = state.cpus[0].rip & !0xfff;
    for number in 0..state.cpus.len() {
        let code = page + 0xe00 + 0x40 * number as u64;
        let counter = state.cpus[number].gpr[4] & !0xfff;
        let at = state.physical(0, code).unwrap();
        write(&mut state.pages, at, &CODE);
        let cpu = &mut state.cpus[number];
        (cpu.rip, cpu.gpr[0], cpu.gpr[3]) = (code, 0, counter);
        places.push((code, counter));
    }
    let vcpus = state.cpus.clone();
    let runs = capture.memory.runs().to_vec();
    drop(state);
    let machine = Machine {
        shared: shared.clone(),
        memory: Memory {
            shared: shared.clone(),
            runs,
        },
        vcpus,
        container: Container::default(),
        hints: Hints::default(),
        ran: true,
    };
    (machine, shared, places)
}

/// The same before it has booted: processors in real mode. It comes up when it is let run.
pub fn booting(preset: &str) -> (Machine, Shared, Places) {
    let (mut machine, shared, places) = windows(preset);
    let mut state = shared.get();
    let empty = state.pages.keys().map(|at| (*at, vec![0; 4096])).collect();
    let up = (std::mem::replace(&mut state.pages, empty), state.cpus.clone());
    for cpu in &mut state.cpus {
        *cpu = Vcpu {
            number: cpu.number,
            rip: 0xfff0,
            cr0: Some(0x10),
            cr3: Some(0),
            cr4: Some(0),
            msrs: [(kdd::target::vcpu::msr::EFER, 0)].into(),
            ..Vcpu::default()
        };
    }
    machine.vcpus = state.cpus.clone();
    state.boots = Some(up);
    drop(state);
    (machine, shared, places)
}

impl Target for Machine {
    fn container(&self) -> &Container {
        &self.container
    }

    fn memory(&self) -> &dyn PhysicalMemory {
        &self.memory
    }

    fn vcpus(&self) -> &[Vcpu] {
        &self.vcpus
    }

    fn hints(&self) -> &Hints {
        &self.hints
    }

    fn damage(&self) -> &[kdd::damage::Damage] {
        &[]
    }

    fn control(&mut self) -> Option<&mut dyn Control> {
        Some(self)
    }
}

impl Control for Machine {
    fn is_running(&self) -> bool {
        self.shared.get().runs
    }

    fn stop(&mut self) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        state.log.push("stop".to_owned());
        if state.runs {
            state.runs = false;
            self.vcpus = state.cpus.clone();
        }
        Ok(())
    }

    fn resume(&mut self, how: Resume) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        assert!(!state.runs, "it stands still");
        state.log.push(format!("{how:?}"));
        state.runs = true;
        state.step = match how {
            Resume::Run => None,
            Resume::Step(vcpu) => Some(vcpu),
        };
        if let Some(up) = state.boots.take() {
            (state.pages, state.cpus) = up;
        }
        Ok(())
    }

    fn stopped(&mut self, _wait: Duration) -> Result<Option<StopReason>, ControlError> {
        let mut state = self.shared.get();
        if state.vanishes {
            return Err(ControlError::Gone("the process ended".to_owned()));
        }
        if let Some(reason) = state.told.take() {
            return Ok(Some(reason));
        }
        if !state.runs {
            return Ok(None);
        }
        let reason = state.run();
        if reason.is_some() {
            state.runs = false;
            self.vcpus = state.cpus.clone();
        }
        Ok(reason)
    }

    fn write_physical(&mut self, at: Gpa, bytes: &[u8]) -> Result<usize, ControlError> {
        Ok(write(&mut self.shared.get().pages, at, bytes))
    }

    fn set_vcpu(&mut self, vcpu: &Vcpu) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        assert!(!state.runs, "registers of a guest that stands still");
        if let Some(name) = state.fixed {
            return Err(ControlError::Unsupported(name));
        }
        let index = vcpu.number as usize;
        state.log.push(format!("set {index}"));
        state.cpus[index] = vcpu.clone();
        self.vcpus[index] = vcpu.clone();
        Ok(())
    }

    fn insert(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        if state.no_watchpoints && point.kind != BreakKind::Software {
            return Err(ControlError::Unsupported("watchpoints"));
        }
        assert!(!state.points.contains(point), "inserted twice");
        state.points.push(*point);
        Ok(())
    }

    fn remove(&mut self, point: &Breakpoint) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        let index = state.points.iter().position(|other| other == point);
        state.points.remove(index.expect("a breakpoint that was inserted"));
        Ok(())
    }

    fn reset(&mut self) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        assert!(state.points.is_empty(), "no breakpoint outlives the guest");
        (state.runs, state.resets) = (true, state.resets + 1);
        Ok(())
    }

    fn release(&mut self) -> Result<(), ControlError> {
        let mut state = self.shared.get();
        state.log.push("release".to_owned());
        state.points.clear();
        (state.runs, state.step) = (self.ran, None);
        Ok(())
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = self.release();
    }
}
