//! Made-up machines as a container would give them.
#![allow(
    dead_code,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use kdd::memory::{Gpa, PhysicalMemory, Run};
use kdd::target::vcpu::{Hidden, Table, msr};
use kdd::target::{Capture, Container, Hints, Vcpu};

use crate::synthetic::machine::{Cpu, Machine, Seg};
use crate::synthetic::windows::{Built, Config, build};

fn segment(of: Seg) -> kdd::target::Segment {
    kdd::target::Segment {
        selector: of.selector,
        hidden: Some(Hidden {
            base: of.base,
            limit: of.limit,
            access: of.access,
        }),
    }
}

/// A vCPU with all registers of a made-up one.
pub fn vcpu(number: usize, cpu: &Cpu) -> Vcpu {
    let mut vcpu = Vcpu {
        number: number as u32,
        gpr: cpu.gpr,
        rip: cpu.rip,
        rflags: cpu.rflags,
        gdt: Some(Table {
            base: cpu.gdt.0,
            limit: cpu.gdt.1,
        }),
        idt: Some(Table {
            base: cpu.idt.0,
            limit: cpu.idt.1,
        }),
        cr0: Some(cpu.cr0),
        cr2: Some(cpu.cr2),
        cr3: Some(cpu.cr3),
        cr4: Some(cpu.cr4),
        cr8: Some(cpu.cr8),
        xcr0: Some(7),
        dr: Some(cpu.dr),
        fxsave: cpu.fxsave.clone().try_into().ok().map(Box::new),
        ..Vcpu::default()
    };
    let s = &mut vcpu.segments;
    (s.es, s.cs, s.ss, s.ds) = (segment(cpu.es), segment(cpu.cs), segment(cpu.ss), segment(cpu.ds));
    (s.fs, s.gs, s.ldt, s.tr) = (segment(cpu.fs), segment(cpu.gs), segment(cpu.ldt), segment(cpu.tr));
    vcpu.msrs = [
        (msr::EFER, cpu.efer),
        (msr::STAR, cpu.star),
        (msr::LSTAR, cpu.lstar),
        (msr::CSTAR, cpu.cstar),
        (msr::SFMASK, cpu.sfmask),
        (msr::KERNEL_GS_BASE, cpu.kernel_gs_base),
        (msr::GS_BASE, cpu.gs.base),
        (msr::FS_BASE, cpu.fs.base),
        (msr::SYSENTER_EIP, cpu.sysenter[2]),
    ]
    .into();
    vcpu
}

/// Pages that are shared by all copies, so that a copy without one of them costs little.
#[derive(Clone)]
pub struct Pages {
    pub pages: BTreeMap<u64, Arc<Vec<u8>>>,
    runs: Vec<Run>,
}

impl Pages {
    pub fn of(machine: &Machine) -> Self {
        let pages = machine.pages.iter().map(|(at, bytes)| (*at, Arc::new(bytes.clone())));
        Self {
            pages: pages.collect(),
            runs: Vec::new(),
        }
        .told()
    }

    /// With its runs told anew.
    pub fn told(mut self) -> Self {
        self.runs.clear();
        for page in self.pages.keys() {
            match self.runs.last_mut() {
                Some(run) if run.end() == Gpa(*page) => run.length += 4096,
                _ => self.runs.push(Run {
                    start: Gpa(*page),
                    length: 4096,
                }),
            }
        }
        self
    }
}

impl PhysicalMemory for Pages {
    fn read(&self, at: Gpa, buffer: &mut [u8]) -> usize {
        let mut done = 0;
        while done < buffer.len() {
            let here = Gpa(at.0 + done as u64);
            let Some(page) = self.pages.get(&here.page().0) else {
                break;
            };
            let rest = &page[here.offset() as usize..];
            let count = rest.len().min(buffer.len() - done);
            buffer[done..done + count].copy_from_slice(&rest[..count]);
            done += count;
        }
        done
    }

    fn runs(&self) -> &[Run] {
        &self.runs
    }
}

/// The machine as a container would give it, with or without registers.
pub fn capture(machine: &Machine, registers: bool) -> Capture {
    capture_of(Pages::of(machine), machine, registers)
}

/// The same with other memory.
pub fn capture_of(pages: Pages, machine: &Machine, registers: bool) -> Capture {
    let cpus = machine.cpus.iter().enumerate().filter(|_| registers);
    Capture {
        container: Container::default(),
        memory: Box::new(pages),
        vcpus: cpus.map(|(number, cpu)| vcpu(number, cpu)).collect(),
        hints: Hints::default(),
        virtual_memory: None,
        damage: Vec::new(),
    }
}

/// A ready guest.
pub fn preset(name: &str) -> (Config, Built) {
    let config = Config::preset(name).unwrap();
    let built = build(&config);
    (config, built)
}
