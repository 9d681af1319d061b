//! Streams of Xen's tools: xl's and libvirt's header, libxl stream version 2, libxc stream version 3.

use super::raw::Out;
use crate::synthetic::machine::{Cpu, Machine, Seg};

/// What stands around the libxc stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Around {
    Xl,
    Libvirt,
    Libxl,
    Nothing,
}

/// How the stream is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Form {
    /// Length of a CPU's record: 1016, 1024 or 1032.
    pub cpu: usize,
    /// A first pass with other bytes, pages that go away again, and a checkpoint.
    pub live: bool,
}

fn record(out: &mut Out, kind: u32, body: &[u8]) {
    out.u32(kind).u32(body.len() as u32).bytes(body).align(8);
}

/// Rights as SVM keeps them: 12 bits.
fn rights(seg: Seg) -> u32 {
    u32::from(seg.access & 0xff) | u32::from(seg.access >> 12) << 8
}

fn cpu(cpu: &Cpu, length: usize) -> Vec<u8> {
    let [
        rax,
        rcx,
        rdx,
        rbx,
        rsp,
        rbp,
        rsi,
        rdi,
        r8,
        r9,
        r10,
        r11,
        r12,
        r13,
        r14,
        r15,
    ] = cpu.gpr;
    let mut out = Out::default();
    out.bytes(&cpu.fxsave).u64s(&[
        rax, rbx, rcx, rdx, rbp, rsi, rdi, rsp, r8, r9, r10, r11, r12, r13, r14, r15,
    ]);
    out.u64s(&[cpu.rip, cpu.rflags, cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4]);
    out.u64s(&cpu.dr[..4]).u64s(&cpu.dr[6..]);
    let segments = [cpu.cs, cpu.ds, cpu.es, cpu.fs, cpu.gs, cpu.ss, cpu.tr, cpu.ldt];
    for seg in segments {
        out.u32(seg.selector.into());
    }
    for seg in segments {
        out.u32(seg.limit);
    }
    out.u32(cpu.idt.1.into()).u32(cpu.gdt.1.into());
    for seg in segments {
        out.u64(seg.base);
    }
    out.u64s(&[cpu.idt.0, cpu.gdt.0]);
    for seg in segments {
        out.u32(rights(seg));
    }
    out.u64s(&cpu.sysenter).u64s(&[
        cpu.kernel_gs_base,
        0,
        cpu.lstar,
        cpu.star,
        cpu.cstar,
        cpu.sfmask,
        cpu.efer,
    ]);
    if length > 1016 {
        out.u64(0x77);
    }
    out.u64(123).u32(0).u32(0);
    if length > 1024 {
        out.u32(1).u32(0);
    }
    assert_eq!(out.0.len(), length);
    out.0
}

/// The hypervisor's context of all CPUs.
fn context(machine: &Machine, form: Form) -> Vec<u8> {
    let mut out = Out::default();
    let entry = |out: &mut Out, kind: u16, instance: usize, body: &[u8]| {
        out.u16(kind).u16(instance as u16).u32(body.len() as u32).bytes(body);
    };
    entry(&mut out, 1, 0, &[0x86; 24]);
    for (number, state) in machine.cpus.iter().enumerate() {
        entry(&mut out, 2, number, &cpu(state, form.cpu));
    }
    for (number, state) in machine.cpus.iter().enumerate() {
        let mut page = vec![0; 1024];
        page[0x80] = (state.cr8 as u8) << 4;
        entry(&mut out, 6, number, &page);
        let mut xsave = Out::default();
        xsave.u64s(&[0, 7, 7]).to(24 + 576);
        entry(&mut out, 16, number, &xsave.0);
        let mut msrs = Out::default();
        msrs.u32(1).u32(0).u32(0xda0).u32(0).u64(5);
        entry(&mut out, 20, number, &msrs.0);
    }
    entry(&mut out, 0, 0, &[]);
    out.0
}

/// A record of pages: none of bytes is a page that went away.
fn pages(out: &mut Out, pages: &[(u64, Option<&[u8]>)]) {
    let mut body = Out::default();
    body.u32(pages.len() as u32).u32(0);
    for (page, bytes) in pages {
        let kind = if bytes.is_some() { 0 } else { 0xf };
        body.u64((page / 4096) | (kind << 60));
    }
    for bytes in pages.iter().filter_map(|(_, bytes)| *bytes) {
        body.bytes(bytes);
    }
    record(out, 1, &body.0);
}

fn head(out: &mut Out, kind: u32) {
    out.bytes(&[0xff; 8]).bytes(b"XENF").bytes(&3u32.to_be_bytes()).u64(0);
    out.u32(kind).u16(12).u16(0).u32(4).u32(20);
    record(out, 0x10, &[]);
}

/// The records of an HVM guest up to its end, or for one that lives up to a checkpoint and what follows.
fn hardware(out: &mut Out, machine: &Machine, form: Form, libxl: bool) {
    head(out, 2);
    let all: Vec<(u64, Option<&[u8]>)> = machine
        .pages
        .iter()
        .map(|(page, bytes)| (*page, Some(bytes.as_slice())))
        .collect();
    if form.live {
        let other = vec![0xcc; 4096];
        for part in all.chunks(7) {
            let old: Vec<(u64, Option<&[u8]>)> = part.iter().map(|(page, _)| (*page, Some(other.as_slice()))).collect();
            pages(out, &old);
        }
        // One that the guest gives back later, in its hole.
        pages(out, &[(0x20_0000, Some(&other)), (0x21_0000, Some(&other))]);
        record(
            out,
            9,
            &context(
                &Machine {
                    cpus: vec![Cpu::pattern(9)],
                    ..Machine::default()
                },
                form,
            ),
        );
        record(out, 0xe, &[]);
        if libxl {
            record(out, 4, &[]);
        }
    }
    for part in all.chunks(100) {
        pages(out, part);
    }
    pages(out, &[(0x20_0000, None), (0x21_0000, None)]);
    record(out, 8, &[0; 24]);
    record(out, 9, &context(machine, form));
    record(out, 0xa, &[0; 8]);
    record(out, 0, &[]);
}

/// An HVM guest.
pub fn write(machine: &Machine, around: Around, form: Form) -> Vec<u8> {
    wrapped(around, |out| hardware(out, machine, form, around != Around::Nothing))
}

fn wrapped(around: Around, stream: impl FnOnce(&mut Out)) -> Vec<u8> {
    let mut out = Out::default();
    match around {
        Around::Xl => {
            let json = br#"{"c_info": {"type": "hvm", "name": "made-up", "uuid": "1-2"}}"#;
            out.bytes(b"Xen saved domain, xl format\n \0 \r")
                .u32(0x0102_0304)
                .u32(3)
                .u32(0);
            out.u32(json.len() as u32 + 4).u32(json.len() as u32).bytes(json);
        }
        Around::Libvirt => {
            let xml = b"<domain type='xen'><name>made-up</name></domain>\0";
            out.bytes(b"libvirt-xml\n \0 \r")
                .u32(2)
                .u32(xml.len() as u32)
                .to(64)
                .bytes(xml);
        }
        Around::Libxl | Around::Nothing => {}
    }
    let mut inside = Out::default();
    if around != Around::Nothing {
        inside.bytes(b"LibxlFmt").bytes(&2u32.to_be_bytes()).u32(0);
        record(&mut inside, 1, &[]);
    }
    stream(&mut inside);
    if around != Around::Nothing {
        record(&mut inside, 2, &[0; 24]);
        let mut emulator = Out::default();
        emulator.u32(2).u32(0).bytes(b"QEVM");
        record(&mut inside, 3, &emulator.0);
        record(&mut inside, 0, &[]);
    }
    out.bytes(&inside.0);
    out.0
}

/// A PV guest of 64 bits: the second CPU runs a user program.
pub fn paravirtual(machine: &Machine) -> Vec<u8> {
    wrapped(Around::Xl, |out| {
        head(out, 1);
        record(out, 2, &[8, 4, 0, 0, 0, 0, 0, 0]);
        let all: Vec<(u64, Option<&[u8]>)> = machine
            .pages
            .iter()
            .map(|(page, bytes)| (*page, Some(bytes.as_slice())))
            .collect();
        for part in all.chunks(64) {
            pages(out, part);
        }
        for (number, cpu) in machine.cpus.iter().enumerate() {
            let [
                rax,
                rcx,
                rdx,
                rbx,
                rsp,
                rbp,
                rsi,
                rdi,
                r8,
                r9,
                r10,
                r11,
                r12,
                r13,
                r14,
                r15,
            ] = cpu.gpr;
            let mut basic = Out::default();
            basic
                .u32(number as u32)
                .u32(0)
                .bytes(&cpu.fxsave)
                .u64(if number == 0 { 5 } else { 1 });
            basic.u64s(&[
                r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, 0,
            ]);
            let selector = |seg: Seg| u64::from(seg.selector);
            basic.u64s(&[cpu.rip, selector(cpu.cs), cpu.rflags, rsp, selector(cpu.ss)]);
            basic.u64s(&[selector(cpu.es), selector(cpu.ds), selector(cpu.fs), selector(cpu.gs)]);
            basic
                .to(8 + 4984)
                .u64s(&[cpu.cr0, 0, 0, cpu.cr3, cpu.cr4, 0, 0, 0])
                .u64s(&cpu.dr);
            let (kernel, user) = if number == 0 {
                (cpu.gs.base, cpu.kernel_gs_base)
            } else {
                (cpu.kernel_gs_base, cpu.gs.base)
            };
            basic.to(8 + 5144).u64s(&[cpu.fs.base, kernel, user]);
            record(out, 4, &basic.0);
            record(out, 5, &[]);
            let mut xsave = Out::default();
            xsave.u32(number as u32).u32(0).u64s(&[7, 7]).to(8 + 16 + 576);
            record(out, 6, &xsave.0);
            let mut msrs = Out::default();
            msrs.u32(number as u32).u32(0).u32(0xc001_1027).u32(0).u64(9);
            record(out, 0xc, &msrs.0);
        }
        record(out, 0, &[]);
    })
}
