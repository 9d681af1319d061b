//! Registers of a CPU as Windows has them, and CONTEXT and KSPECIAL_REGISTERS made of them.

use super::super::machine::Cpu;
use super::Builder;
use super::kernel::rva;
use super::layout::Architecture;
use super::processors::{Place, five_levels, segment};

/// A CPU; instruction, stack and frame pointers are still to be set.
pub fn cpu(b: &Builder, number: u64, place: &Place, user: bool, cr3: u64) -> Cpu {
    if b.config.architecture.is_64() {
        cpu_64(b, number, place, user, cr3)
    } else {
        cpu_32(b, number, place, cr3)
    }
}

fn cpu_64(b: &Builder, number: u64, place: &Place, user: bool, cr3: u64) -> Cpu {
    let data = |selector| segment(selector, 0, 0xffff_ffff, 0xc0f3);
    let pattern = Cpu::pattern(number);
    let system_call = if b.config.kpti {
        rva::SHADOW_CALL
    } else {
        rva::SYSTEM_CALL
    };
    let mut cr4 = 0x35_0678;
    if b.config.kpti {
        cr4 |= 1 << 17;
    }
    if five_levels(b) {
        cr4 |= 1 << 12;
    }
    let (cs, ss) = if user {
        (segment(0x33, 0, 0, 0x20fb), data(0x2b))
    } else {
        (segment(0x10, 0, 0, 0x209b), segment(0x18, 0, 0, 0x4093))
    };
    let (gs, kernel_gs_base) = if user {
        (place.teb, place.kpcr)
    } else {
        (place.kpcr, place.teb)
    };
    Cpu {
        rflags: 0x246,
        es: data(0x2b),
        cs,
        ss,
        ds: data(0x2b),
        fs: segment(0x53, 0, 0x3c00, 0x40f3),
        gs: segment(0x2b, gs, 0xffff_ffff, 0xc0f3),
        tr: segment(0x40, place.tss, 0x67, 0x008b),
        gdt: (place.gdt, 0x57),
        idt: (place.idt, 0xfff),
        cr0: 0x8005_0033,
        cr2: 0x7ff6_1f2c_8000 + number,
        cr3,
        cr4,
        cr8: if user { 0 } else { 2 + number % 2 },
        dr: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
        efer: 0xd01,
        star: 0x0023_0010_0000_0000,
        lstar: b.nt(system_call),
        cstar: b.nt(rva::SYSTEM_CALL_32),
        sfmask: 0x4700,
        kernel_gs_base,
        sysenter: [0; 3],
        ..pattern
    }
}

fn cpu_32(b: &Builder, number: u64, place: &Place, cr3: u64) -> Cpu {
    let flat = |selector, access| segment(selector, 0, 0xffff_ffff, access);
    let mut pattern = Cpu::pattern(number);
    for register in &mut pattern.gpr[8..] {
        *register = 0;
    }
    for register in &mut pattern.gpr[..8] {
        *register &= 0xffff_ffff;
    }
    let pae = b.config.architecture == Architecture::X86Pae;
    Cpu {
        rflags: 0x246,
        es: flat(0x23, 0xc0f3),
        cs: flat(0x8, 0xc09b),
        ss: flat(0x10, 0xc093),
        ds: flat(0x23, 0xc0f3),
        fs: segment(0x30, place.kpcr, 0x3748, 0x4093),
        gs: segment(0, 0, 0, 0),
        tr: segment(0x28, place.tss, 0x20ab, 0x008b),
        gdt: (place.gdt, 0x3ff),
        idt: (place.idt, 0x7ff),
        cr0: 0x8001_003b,
        cr2: 0x0040_5000 + number,
        cr3,
        cr4: if pae { 0x6f9 } else { 0x6d9 },
        cr8: 0,
        dr: [0, 0, 0, 0, 0, 0, 0xffff_0ff0, 0x400],
        efer: if pae && b.config.build > 2600 { 0x800 } else { 0 },
        star: 0,
        lstar: 0,
        cstar: 0,
        sfmask: 0,
        kernel_gs_base: 0,
        sysenter: [8, place.tss - 0x10, b.nt(rva::FAST_CALL_ENTRY)],
        ..pattern
    }
}

fn put(out: &mut [u8], at: usize, value: &[u8]) {
    out[at..at + value.len()].copy_from_slice(value);
}

/// CONTEXT and KSPECIAL_REGISTERS as the build has them.
pub fn saved(b: &Builder, cpu: &Cpu) -> (Vec<u8>, Vec<u8>) {
    let mut special = if b.config.architecture.is_64() {
        special_64(cpu, b.config.build)
    } else {
        special_32(cpu)
    };
    special.truncate(b.layout.special_size as usize);
    let context = if b.config.architecture.is_64() {
        context_64(cpu)
    } else {
        context_32(cpu)
    };
    (context, special)
}

fn context_64(cpu: &Cpu) -> Vec<u8> {
    let mut out = vec![0; 0x4d0];
    put(&mut out, 0x30, &0x0010_001fu32.to_le_bytes());
    put(&mut out, 0x34, &cpu.fxsave[24..28]);
    let segments = [cpu.cs, cpu.ds, cpu.es, cpu.fs, cpu.gs, cpu.ss];
    for (number, segment) in segments.iter().enumerate() {
        put(&mut out, 0x38 + 2 * number, &segment.selector.to_le_bytes());
    }
    put(&mut out, 0x44, &(cpu.rflags as u32).to_le_bytes());
    let debug = [cpu.dr[0], cpu.dr[1], cpu.dr[2], cpu.dr[3], cpu.dr[6], cpu.dr[7]];
    for (number, value) in debug.iter().chain(&cpu.gpr).chain(&[cpu.rip]).enumerate() {
        put(&mut out, 0x48 + 8 * number, &value.to_le_bytes());
    }
    put(&mut out, 0x100, &cpu.fxsave);
    out
}

fn special_64(cpu: &Cpu, build: u32) -> Vec<u8> {
    let mut out = vec![0; 0xf0];
    let mut xcr0 = 0;
    if build >= 9200 {
        xcr0 = 3;
    }
    for (at, value) in [
        (0, cpu.cr0),
        (0x8, cpu.cr2),
        (0x10, cpu.cr3),
        (0x18, cpu.cr4),
        (0x20, cpu.dr[0]),
        (0x28, cpu.dr[1]),
        (0x30, cpu.dr[2]),
        (0x38, cpu.dr[3]),
        (0x40, cpu.dr[6]),
        (0x48, cpu.dr[7]),
        (0x58, cpu.gdt.0),
        (0x68, cpu.idt.0),
        (0xa0, cpu.cr8),
        (0xa8, cpu.gs.base),
        (0xb0, cpu.kernel_gs_base),
        (0xb8, cpu.star),
        (0xc0, cpu.lstar),
        (0xc8, cpu.cstar),
        (0xd0, cpu.sfmask),
        (0xd8, xcr0),
        (0xe0, cpu.fs.base),
    ] {
        put(&mut out, at, &value.to_le_bytes());
    }
    put(&mut out, 0x56, &cpu.gdt.1.to_le_bytes());
    put(&mut out, 0x66, &cpu.idt.1.to_le_bytes());
    put(&mut out, 0x70, &cpu.tr.selector.to_le_bytes());
    put(&mut out, 0x72, &cpu.ldt.selector.to_le_bytes());
    put(&mut out, 0x74, &cpu.fxsave[24..28]);
    out
}

fn context_32(cpu: &Cpu) -> Vec<u8> {
    let mut out = vec![0; 0x2cc];
    let [eax, ecx, edx, ebx, esp, ebp, esi, edi] = [0, 1, 2, 3, 4, 5, 6, 7].map(|register| cpu.gpr[register]);
    let selector = |segment: super::super::machine::Seg| u64::from(segment.selector);
    for (at, value) in [
        (0, 0x1_003f),
        (0x4, cpu.dr[0]),
        (0x8, cpu.dr[1]),
        (0xc, cpu.dr[2]),
        (0x10, cpu.dr[3]),
        (0x14, cpu.dr[6]),
        (0x18, cpu.dr[7]),
        (0x8c, selector(cpu.gs)),
        (0x90, selector(cpu.fs)),
        (0x94, selector(cpu.es)),
        (0x98, selector(cpu.ds)),
        (0x9c, edi),
        (0xa0, esi),
        (0xa4, ebx),
        (0xa8, edx),
        (0xac, ecx),
        (0xb0, eax),
        (0xb4, ebp),
        (0xb8, cpu.rip),
        (0xbc, selector(cpu.cs)),
        (0xc0, cpu.rflags),
        (0xc4, esp),
        (0xc8, selector(cpu.ss)),
    ] {
        put(&mut out, at, &(value as u32).to_le_bytes());
    }
    put(&mut out, 0xcc, &cpu.fxsave);
    out
}

fn special_32(cpu: &Cpu) -> Vec<u8> {
    let mut out = vec![0; 0x54];
    for (at, value) in [
        (0, cpu.cr0),
        (0x4, cpu.cr2),
        (0x8, cpu.cr3),
        (0xc, cpu.cr4),
        (0x10, cpu.dr[0]),
        (0x14, cpu.dr[1]),
        (0x18, cpu.dr[2]),
        (0x1c, cpu.dr[3]),
        (0x20, cpu.dr[6]),
        (0x24, cpu.dr[7]),
        (0x2c, cpu.gdt.0),
        (0x34, cpu.idt.0),
    ] {
        put(&mut out, at, &(value as u32).to_le_bytes());
    }
    put(&mut out, 0x2a, &cpu.gdt.1.to_le_bytes());
    put(&mut out, 0x32, &cpu.idt.1.to_le_bytes());
    put(&mut out, 0x38, &cpu.tr.selector.to_le_bytes());
    put(&mut out, 0x3a, &cpu.ldt.selector.to_le_bytes());
    out
}
