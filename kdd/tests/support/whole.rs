//! What a container of a made-up machine must give back: all of its memory, and as much of each CPU as
//! the container can hold.
#![allow(dead_code)]

use std::sync::Arc;

use kdd::memory::Gpa;
use kdd::target::vcpu::{Hidden, Segments, msr};
use kdd::target::{self, Capture, Input, Segment, Table, Target as _, Vcpu};

use crate::synthetic::machine::{Cpu, Machine, Seg};

pub fn input(bytes: Vec<u8>) -> Input {
    Input {
        name: "made up".to_owned(),
        bytes: Arc::new(bytes),
        beside: Vec::new(),
        registers: None,
    }
}

pub fn open(bytes: Vec<u8>) -> Capture {
    target::open(&input(bytes)).expect("the container opens")
}

pub fn segment(seg: Seg) -> Segment {
    Segment {
        selector: seg.selector,
        hidden: Some(Hidden {
            base: seg.base,
            limit: seg.limit,
            access: seg.access,
        }),
    }
}

pub fn table((base, limit): (u64, u16)) -> Option<Table> {
    Some(Table { base, limit })
}

/// All that a source can know of a CPU.
pub fn whole(number: u32, cpu: &Cpu) -> Vcpu {
    let msrs = [
        (0x174, cpu.sysenter[0]),
        (0x175, cpu.sysenter[1]),
        (0x176, cpu.sysenter[2]),
        (0xc000_0080, cpu.efer),
        (0xc000_0081, cpu.star),
        (0xc000_0082, cpu.lstar),
        (0xc000_0083, cpu.cstar),
        (0xc000_0084, cpu.sfmask),
        (0xc000_0100, cpu.fs.base),
        (0xc000_0101, cpu.gs.base),
        (0xc000_0102, cpu.kernel_gs_base),
    ];
    Vcpu {
        number,
        gpr: cpu.gpr,
        rip: cpu.rip,
        rflags: cpu.rflags,
        segments: Segments {
            es: segment(cpu.es),
            cs: segment(cpu.cs),
            ss: segment(cpu.ss),
            ds: segment(cpu.ds),
            fs: segment(cpu.fs),
            gs: segment(cpu.gs),
            ldt: segment(cpu.ldt),
            tr: segment(cpu.tr),
        },
        gdt: table(cpu.gdt),
        idt: table(cpu.idt),
        cr0: Some(cpu.cr0),
        cr2: Some(cpu.cr2),
        cr3: Some(cpu.cr3),
        cr4: Some(cpu.cr4),
        cr8: Some(cpu.cr8),
        xcr0: None,
        dr: Some(cpu.dr),
        fxsave: Some(cpu.fxsave.clone().into_boxed_slice().try_into().unwrap()),
        msrs: msrs.into_iter().collect(),
    }
}

pub fn vcpus(machine: &Machine, change: impl Fn(&mut Vcpu)) -> Vec<Vcpu> {
    let numbered = machine.cpus.iter().zip(0..);
    let mut list: Vec<Vcpu> = numbered.map(|(cpu, number)| whole(number, cpu)).collect();
    list.iter_mut().for_each(change);
    list
}

/// Keeps the MSRs with these numbers.
pub fn keep(vcpu: &mut Vcpu, numbers: &[u32]) {
    vcpu.msrs.retain(|number, _| numbers.contains(number));
}

/// Takes the hidden parts away.
pub fn selectors(vcpu: &mut Vcpu) {
    let segments = &mut vcpu.segments;
    for segment in [
        &mut segments.es,
        &mut segments.cs,
        &mut segments.ss,
        &mut segments.ds,
        &mut segments.fs,
        &mut segments.gs,
        &mut segments.ldt,
        &mut segments.tr,
    ] {
        segment.hidden = None;
    }
}

pub const BASES: [u32; 3] = [msr::FS_BASE, msr::GS_BASE, msr::KERNEL_GS_BASE];

/// Each page is there with its bytes, and nothing else.
pub fn same_memory(capture: &Capture, machine: &Machine) {
    let runs: Vec<(u64, u64)> = capture
        .memory()
        .runs()
        .iter()
        .map(|run| (run.start.0, run.length))
        .collect();
    assert_eq!(runs, machine.runs());
    let mut buffer = vec![0; 4096];
    for (page, bytes) in &machine.pages {
        assert_eq!(capture.memory().read(Gpa(*page), &mut buffer), 4096, "page {page:#x}");
        assert!(buffer == *bytes, "page {page:#x}");
    }
    for (start, length) in machine.runs() {
        let end = start + length;
        assert_eq!(capture.memory().read(Gpa(end), &mut buffer), 0, "nothing at {end:#x}");
        // A read across the end gives what is before it.
        assert_eq!(capture.memory().read(Gpa(end - 100), &mut buffer), 100);
        assert_eq!(buffer[..100], machine.pages[&(end - 4096)][3996..]);
    }
}
