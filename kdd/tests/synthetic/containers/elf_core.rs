//! QEMU's and VirtualBox's ELF cores.

use super::raw::Out;
use crate::synthetic::machine::{Cpu, Machine, Seg};

/// Program headers: type, offset, virtual address, physical address, bytes in the file, bytes in memory.
type Program = (u32, u64, u64, u64, u64, u64);

fn header64(out: &mut Out, phoff: u64, phnum: u16, shoff: u64, shnum: u16, shstrndx: u16) {
    out.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0");
    out.u16(4).u16(62).u32(1).u64s(&[0, phoff, shoff]).u32(0);
    out.u16(64).u16(56).u16(phnum).u16(64).u16(shnum).u16(shstrndx);
}

fn program64(out: &mut Out, (kind, offset, virt, phys, file, memory): Program) {
    out.u32(kind).u32(0).u64s(&[offset, virt, phys, file, memory, 0]);
}

/// Name with its NUL counted, as QEMU does.
fn note(out: &mut Out, name: &[u8], kind: u32, bytes: &[u8]) {
    out.u32(name.len() as u32 + 1).u32(bytes.len() as u32).u32(kind);
    out.bytes(name).bytes(&[0]).align(4).bytes(bytes).align(4);
}

fn prstatus(number: u32, cpu: &Cpu) -> Vec<u8> {
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
    out.to(32).u32(number + 1).to(112);
    out.u64s(&[
        r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi, 0,
    ]);
    let selector = |seg: Seg| u64::from(seg.selector);
    out.u64s(&[
        cpu.rip,
        selector(cpu.cs),
        cpu.rflags,
        rsp,
        selector(cpu.ss),
        cpu.fs.base,
        cpu.gs.base,
    ]);
    out.u64s(&[selector(cpu.ds), selector(cpu.es), selector(cpu.fs), selector(cpu.gs)]);
    out.to(0x150);
    out.0
}

fn prstatus32(number: u32, cpu: &Cpu) -> Vec<u8> {
    let [eax, ecx, edx, ebx, esp, ebp, esi, edi, ..] = cpu.gpr.map(|value| value as u32);
    let mut out = Out::default();
    out.to(24).u32(number + 1).to(72);
    for value in [ebx, ecx, edx, esi, edi, ebp, eax] {
        out.u32(value);
    }
    for seg in [cpu.ds, cpu.es, cpu.fs, cpu.gs] {
        out.u32(u32::from(seg.selector));
    }
    out.u32(0).u32(cpu.rip as u32).u32(u32::from(cpu.cs.selector));
    out.u32(cpu.rflags as u32)
        .u32(esp)
        .u32(u32::from(cpu.ss.selector))
        .u32(0);
    assert_eq!(out.0.len(), 0x90);
    out.0
}

fn cpu_state(cpu: &Cpu) -> Vec<u8> {
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
    out.u32(1).u32(440).u64s(&[rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp]);
    out.u64s(&[r8, r9, r10, r11, r12, r13, r14, r15, cpu.rip, cpu.rflags]);
    let table = |(base, limit): (u64, u16)| Seg {
        base,
        limit: limit.into(),
        ..Seg::default()
    };
    let segments = [
        cpu.cs,
        cpu.ds,
        cpu.es,
        cpu.fs,
        cpu.gs,
        cpu.ss,
        cpu.ldt,
        cpu.tr,
        table(cpu.gdt),
        table(cpu.idt),
    ];
    for seg in segments {
        // The second word of the descriptor has parts of base and limit too.
        let flags = u32::from(seg.access) << 8 | (seg.limit & 0xf_0000) | (seg.base as u32 >> 16 & 0xff);
        out.u32(seg.selector.into())
            .u32(seg.limit)
            .u32(flags)
            .u32(0)
            .u64(seg.base);
    }
    out.u64s(&[cpu.cr0, 0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.kernel_gs_base]);
    out.0
}

/// The note that the guest left for QEMU: a header of a Windows dump in one of 64-bit Windows.
pub fn guest_note() -> Vec<u8> {
    let mut out = Out::default();
    out.bytes(b"PAGEDU64").u32(15).u32(19041);
    out.u64s(&[
        0x1a_d000,
        0xffff_fa80_0000_0000,
        0xffff_f800_0c42_a2d0,
        0xffff_f800_0c41_e1e0,
    ]);
    out.u32(0x8664).u32(2).to(0x80).u64(0xffff_f800_0c40_0b20).to(0x2000);
    out.0
}

/// The notes of a core of QEMU.
pub fn notes(machine: &Machine) -> Out {
    let mut notes = Out::default();
    for (number, cpu) in machine.cpus.iter().enumerate() {
        note(&mut notes, b"CORE", 1, &prstatus(number as u32, cpu));
    }
    for cpu in &machine.cpus {
        note(&mut notes, b"QEMU", 0, &cpu_state(cpu));
    }
    note(&mut notes, b"VMCOREINFO", 0, &guest_note());
    notes
}

/// A core of QEMU. With `paging` each page of a run stands in a program header of its own besides, at
/// another virtual address, and the number of headers stands in section 0.
pub fn qemu(machine: &Machine, paging: bool) -> Vec<u8> {
    let notes = notes(machine);
    let runs = machine.runs();
    let again: Vec<u64> = if paging {
        machine.pages.keys().copied().collect()
    } else {
        Vec::new()
    };
    let count = 1 + runs.len() + again.len();
    let start = 64 + 2 * 64 + 56 * count as u64;
    let data = start + notes.0.len() as u64;
    let mut out = Out::default();
    header64(&mut out, 192, if paging { 0xffff } else { count as u16 }, 64, 2, 1);
    // Section 0: the number of program headers in sh_info.
    out.to(64 + 44).u32(if paging { count as u32 } else { 0 });
    out.to(128).u32(0).u32(3).to(192);
    program64(&mut out, (4, start, 0, 0, notes.0.len() as u64, notes.0.len() as u64));
    let mut offset = data;
    let mut place = Vec::new();
    for (address, length) in &runs {
        program64(&mut out, (1, offset, *address, *address, *length, *length));
        place.push((*address, *length, offset));
        offset += length;
    }
    for page in again {
        let (address, _, offset) = place
            .iter()
            .find(|(at, length, _)| (*at..at + length).contains(&page))
            .unwrap();
        let virt = 0xffff_8000_0000_0000 + page * 16;
        program64(&mut out, (1, offset + page - address, virt, page, 4096, 4096));
    }
    out.bytes(&notes.0);
    machine.pages.values().for_each(|bytes| {
        out.bytes(bytes);
    });
    out.0
}

/// A 32-bit core of QEMU: lower halves of the registers in NT_PRSTATUS, and no QEMU notes.
pub fn qemu32(machine: &Machine) -> Vec<u8> {
    let mut notes = Out::default();
    for (number, cpu) in machine.cpus.iter().enumerate() {
        note(&mut notes, b"CORE", 1, &prstatus32(number as u32, cpu));
    }
    let runs = machine.runs();
    let start = 52 + 32 * (1 + runs.len() as u32);
    let mut out = Out::default();
    out.bytes(b"\x7fELF\x01\x01\x01\0\0\0\0\0\0\0\0\0").u16(4).u16(3).u32(1);
    out.u32(0).u32(52).u32(0).u32(0);
    out.u16(52).u16(32).u16(1 + runs.len() as u16).u16(0).u16(0).u16(0);
    let size = notes.0.len() as u32;
    let mut row = |row: [u32; 6]| {
        row.into_iter().for_each(|value| {
            out.u32(value);
        });
        out.u32(0).u32(0);
    };
    row([4, start, 0, 0, size, size]);
    let mut offset = start + size;
    for (address, length) in runs {
        row([1, offset, 0, address as u32, length as u32, length as u32]);
        offset += length as u32;
    }
    out.bytes(&notes.0);
    machine.pages.values().for_each(|bytes| {
        out.bytes(bytes);
    });
    out.0
}

fn virtualbox_cpu(cpu: &Cpu, format: u16) -> Vec<u8> {
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
    out.u64s(&[rax, rbx, rcx, rdx, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15]);
    out.u64s(&[cpu.rip, rsp, rbp, cpu.rflags]);
    let selector = |out: &mut Out, seg: Seg| {
        out.u64(seg.base)
            .u32(seg.limit)
            .u32(seg.access.into())
            .u16(seg.selector)
            .u16(0)
            .u32(0);
    };
    for seg in [cpu.cs, cpu.ds, cpu.es, cpu.fs, cpu.gs, cpu.ss] {
        selector(&mut out, seg);
    }
    out.u64s(&[cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4]).u64s(&cpu.dr);
    for (base, limit) in [cpu.gdt, cpu.idt] {
        out.u64(base).u32(limit.into()).u32(0);
    }
    selector(&mut out, cpu.ldt);
    selector(&mut out, cpu.tr);
    let [cs, esp, eip] = cpu.sysenter;
    let pat = 0x0007_0406_0007_0406;
    out.u64s(&[cs, eip, esp, cpu.efer, cpu.star, pat, cpu.lstar, cpu.cstar, cpu.sfmask]);
    out.u64s(&[cpu.kernel_gs_base, 0xfee0_0900]);
    if format >= 6 {
        out.u64(0x77);
    }
    // XCR0 and XCR1, length of the extended state, and that state.
    out.u64s(&[7, 0]).u32(0x340).u32(0);
    let state = out.0.len();
    out.bytes(&cpu.fxsave).to(state + 0x2000);
    out.0
}

/// A core of VirtualBox in the format 1.`format`. Names of notes are counted without the NUL and padded to
/// eight bytes; the version byte of the identity is zero.
pub fn virtualbox(machine: &Machine, format: u16) -> Vec<u8> {
    let mut notes = Out::default();
    let mut note = |name: &[u8], kind: u32, bytes: &[u8]| {
        notes.u32(name.len() as u32).u32(bytes.len() as u32).u32(kind);
        notes.bytes(name).bytes(&[0; 8][name.len()..]).bytes(bytes);
    };
    let mut descriptor = Out::default();
    descriptor.u32(0xc01a_c0de).u32(0x1_0000 | u32::from(format)).u32(24);
    descriptor
        .u32(7 << 24 | 1 << 16 | 12)
        .u32(168_389)
        .u32(machine.cpus.len() as u32);
    note(b"VBCORE", 0xb00, &descriptor.0);
    for cpu in &machine.cpus {
        note(b"VBCPU", 0xb01, &virtualbox_cpu(cpu, format));
    }
    let runs = machine.runs();
    let start = 64 + 56 * (2 + runs.len() as u64);
    let mut out = Out::default();
    header64(&mut out, 64, 2 + runs.len() as u16, 0, 0, 0);
    out.0[6] = 0;
    program64(&mut out, (4, start, 0, 0, notes.0.len() as u64, notes.0.len() as u64));
    // A range of devices has no bytes in the file.
    let mut offset = start + notes.0.len() as u64;
    program64(&mut out, (1, offset, 0, 0xfee0_0000, 0, 0x1000));
    for (address, length) in runs {
        program64(&mut out, (1, offset, 0, address, length, length));
        offset += length;
    }
    out.bytes(&notes.0);
    machine.pages.values().for_each(|bytes| {
        out.bytes(bytes);
    });
    out.0
}
