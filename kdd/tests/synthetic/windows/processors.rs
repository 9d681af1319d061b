//! Processors: GDT, IDT, KPCR, KPRCB, the threads that run, stacks, registers.

use super::super::machine::{Cpu, Seg};
use super::Builder;
use super::kernel::{DRIVER, INNER, MIDDLE, OUTER, rva};
use super::layout::Architecture;
use super::lists::user_code;
use super::pages::{PAGE, Right};
use super::registers;
use super::truth::Processor;

/// Addresses that belong to a CPU.
pub struct Place {
    pub kpcr: u64,
    pub kprcb: u64,
    pub gdt: u64,
    pub idt: u64,
    pub tss: u64,
    pub stack: u64,
    pub stack_size: u64,
    pub thread: u64,
    pub idle: u64,
    pub teb: u64,
}

/// All CPUs.
pub fn all(b: &mut Builder) -> Vec<Cpu> {
    let cpus = (0..b.config.cpus).map(|number| one(b, u64::from(number))).collect();
    link_threads(b);
    cpus
}

fn one(b: &mut Builder, number: u64) -> Cpu {
    let user = b.config.kpti && number + 1 == u64::from(b.config.cpus);
    let last = b.truth.processes.len() - 1;
    let process = if user {
        last
    } else {
        number as usize % b.truth.processes.len()
    };
    let process = b.truth.processes[process].clone();
    let place = place(b, number, process.peb);
    descriptors(b, &place);
    b.threads.push((place.thread, process.at));
    let system = b.truth.processes[0].at;
    b.threads.push((place.idle, system));
    thread(b, place.thread, process.at, process.id, 0x1000 + number * 4, &place);
    thread(b, place.idle, system, 0, 0, &place);
    let (frames, rsp, rbp) = if user {
        let code = user_code(b.config.architecture.is_64()) + 0x234;
        (vec![code], process.peb - 0x1_f000 + 0x180, 0)
    } else {
        stack(b, &place, number)
    };
    let mut cr3 = process.directory;
    if b.config.kpti {
        cr3 |= 2;
    }
    let kernel_cr3 = cr3;
    if user {
        let shadow = b.memory.page();
        b.memory.shadows.push((shadow, process.directory));
        shadow_pages(b, shadow, &place);
        cr3 = shadow | 1;
    }
    let mut cpu = registers::cpu(b, number, &place, user, cr3);
    cpu.rip = frames[0];
    cpu.gpr[4] = rsp;
    cpu.gpr[5] = rbp;
    let (context, special) = registers::saved(b, &cpu);
    control_region(b, number, &place, (&context, &special), kernel_cr3);
    let processor = Processor {
        kpcr: place.kpcr,
        kprcb: place.kprcb,
        thread: place.thread,
        process: process.at,
        rip: cpu.rip,
        rsp,
        cr3: cpu.cr3,
        user,
        frames,
        context,
        special,
    };
    b.truth.processors.push(processor);
    cpu
}

fn place(b: &mut Builder, number: u64, peb: u64) -> Place {
    let is_64 = b.config.architecture.is_64();
    let kernel = b.memory.kernel;
    let kpcr = match (is_64, number, b.config.build) {
        (false, 0, 2600) => 0xffdf_f000,
        (false, 0, _) => b.nt(rva::INITIAL_PCR) + 0xc00,
        (true, 0, _) => b.nt(rva::INITIAL_PCR),
        (false, ..) => 0x8a40_0000 + number * 0x1_0000,
        (true, ..) => 0xffff_8480_3a1c_0000 + number * 0x2_0000,
    };
    let size = b.layout.kpcr;
    b.memory.map(kernel, kpcr, size, Right::Data);
    let (tables, table_size) = if is_64 {
        (0xffff_f805_5e00_0000 + number * 0x1_0000, 3 * PAGE)
    } else {
        (0x80b9_5000 + number * PAGE, PAGE)
    };
    b.memory.map(kernel, tables, table_size, Right::Data);
    let (stack, stack_size) = if is_64 {
        (0xffff_f805_7c40_0000 + number * 0x8000, 6 * PAGE)
    } else {
        (0x8d80_0000 + number * 0x4000, 3 * PAGE)
    };
    b.memory.map(kernel, stack, stack_size, Right::Data);
    let size = b.layout.ethread.size;
    Place {
        kpcr,
        kprcb: kpcr + b.layout.contained,
        gdt: if is_64 { tables + 0x1fb0 } else { tables },
        idt: if is_64 { tables } else { tables + 0x400 },
        tss: if is_64 { tables + 0x1000 } else { tables + 0xd00 },
        stack,
        stack_size,
        thread: b.pool(size),
        idle: b.pool(size),
        teb: if peb == 0 { 0 } else { peb + 0x1000 },
    }
}

/// GDT, IDT and TSS.
fn descriptors(b: &mut Builder, place: &Place) {
    if b.config.architecture.is_64() {
        descriptors_64(b, place);
    } else {
        descriptors_32(b, place);
    }
}

/// A descriptor of a segment or TSS.
fn descriptor(base: u64, limit: u64, access: u64, flags: u64) -> u64 {
    (limit & 0xffff)
        | ((base & 0xff_ffff) << 16)
        | (access << 40)
        | (((limit >> 16) & 0xf) << 48)
        | (flags << 52)
        | (((base >> 24) & 0xff) << 56)
}

fn descriptors_64(b: &mut Builder, place: &Place) {
    for (selector, value) in [
        (0x10, 0x0020_9b00_0000_0000),
        (0x18, 0x0040_9300_0000_0000),
        (0x20, 0x00cf_fb00_0000_ffff),
        (0x28, 0x00cf_f300_0000_ffff),
        (0x30, 0x0020_fb00_0000_0000),
        (0x40, descriptor(place.tss, 0x67, 0x8b, 0)),
        (0x48, place.tss >> 32),
        (0x50, descriptor(0, 0x3c00, 0xf3, 4)),
    ] {
        b.memory.write_u64(place.gdt + selector, value);
    }
    for vector in 0..256u64 {
        let handler = if b.config.kpti {
            b.nt(rva::SHADOW_HANDLERS) + vector * 16
        } else {
            b.nt(rva::HANDLERS) + vector * 32
        };
        let rights = if vector == 3 { 0xee00 } else { 0x8e00 };
        let low = (handler & 0xffff) | (0x10 << 16) | (rights << 32) | (((handler >> 16) & 0xffff) << 48);
        b.memory.write_u64(place.idt + vector * 16, low);
        b.memory.write_u64(place.idt + vector * 16 + 8, handler >> 32);
    }
    b.memory.write_u64(place.tss + 4, place.stack + place.stack_size);
}

fn descriptors_32(b: &mut Builder, place: &Place) {
    for (selector, value) in [
        (0x08, descriptor(0, 0xf_ffff, 0x9b, 0xc)),
        (0x10, descriptor(0, 0xf_ffff, 0x93, 0xc)),
        (0x18, descriptor(0, 0xf_ffff, 0xfb, 0xc)),
        (0x20, descriptor(0, 0xf_ffff, 0xf3, 0xc)),
        (0x28, descriptor(place.tss, 0x20ab, 0x8b, 0)),
        (0x30, descriptor(place.kpcr, 0x3748, 0x93, 4)),
        (0x38, descriptor(place.teb, 0xfff, 0xf3, 4)),
    ] {
        b.memory.write_u64(place.gdt + selector, value);
    }
    for vector in 0..256u64 {
        let handler = b.nt(rva::HANDLERS) + vector * 32;
        let rights = if vector == 3 { 0xee00 } else { 0x8e00 };
        let gate = (handler & 0xffff) | (8 << 16) | (rights << 32) | ((handler >> 16) << 48);
        b.memory.write_u64(place.idt + vector * 8, gate);
    }
}

/// ETHREAD.
fn thread(b: &mut Builder, at: u64, process: u64, process_id: u64, id: u64, place: &Place) {
    let layout = b.layout.ethread;
    let end = place.stack + place.stack_size;
    let words = (layout.size / 4).min(0x7f) as u8;
    b.memory.write(at, &[6, 0, words, 0]);
    b.memory.write_pointer(at + layout.initial_stack, end - 0x10);
    b.memory.write_pointer(at + layout.stack_limit, place.stack);
    b.memory.write_pointer(at + layout.stack_base, end);
    b.memory.write_pointer(at + layout.kernel_stack, end - 0x800);
    b.memory
        .write_pointer(at + layout.teb, if id == 0 { 0 } else { place.teb });
    b.memory.write(at + layout.state, &[2]);
    b.memory.write_pointer(at + layout.apc_process, process);
    if layout.process != 0 {
        b.memory.write_pointer(at + layout.process, process);
    }
    b.memory.write_pointer(at + layout.cid, process_id);
    b.memory.write_pointer(at + layout.cid + b.pointer(), id);
}

/// The lists of threads of each process.
fn link_threads(b: &mut Builder) {
    let (process, thread) = (b.layout.eprocess, b.layout.ethread);
    for at in b.truth.processes.iter().map(|process| process.at).collect::<Vec<u64>>() {
        let own: Vec<u64> = b
            .threads
            .iter()
            .filter(|(_, owner)| *owner == at)
            .map(|(thread, _)| *thread)
            .collect();
        let entries: Vec<u64> = own.iter().map(|at| at + thread.entry).collect();
        b.link(at + process.threads, &entries);
        let entries: Vec<u64> = own.iter().map(|at| at + thread.executive_entry).collect();
        b.link(at + process.executive_threads, &entries);
    }
}

/// The kernel's stack: instruction pointers of the frames, stack pointer, frame pointer.
fn stack(b: &mut Builder, place: &Place, number: u64) -> (Vec<u64>, u64, u64) {
    let rip = b.nt(INNER.rva) + 0x18 + number;
    let mut frames = vec![rip, b.nt(MIDDLE.after_call())];
    frames.extend(b.driver.map(|base| base + u64::from(DRIVER.after_call())));
    frames.push(b.nt(OUTER.after_call()));
    let top = place.stack + place.stack_size - 0x400 - number * 0x20;
    let junk = b.memory.random.bytes(0x300);
    b.memory.write(top, &junk);
    if !b.config.architecture.is_64() {
        // Frames chained by EBP.
        let mut ebp = top + 0x40;
        let first = ebp;
        for (at, frame) in frames[1..].iter().chain(&[0]).enumerate() {
            let next = if at + 1 == frames.len() { 0 } else { ebp + 0x38 };
            b.memory.write_u32(ebp, next as u32);
            b.memory.write_u32(ebp + 4, *frame as u32);
            ebp = next;
        }
        return (frames, top, first);
    }
    let mut functions = vec![INNER, MIDDLE, OUTER];
    if b.driver.is_some() {
        functions.insert(2, DRIVER);
    }
    let mut rsp = top;
    for (function, next) in functions.iter().zip(frames[1..].iter().chain(&[0])) {
        rsp += function.above_return();
        b.memory.write_u64(rsp, *next);
        rsp += 8;
    }
    (frames, top, 0x5555_0000 + number)
}

/// KPCR and KPRCB.
fn control_region(b: &mut Builder, number: u64, place: &Place, state: (&[u8], &[u8]), kernel_cr3: u64) {
    let (context, special) = state;
    let layout = b.layout.kprcb;
    let (kpcr, kprcb) = (place.kpcr, place.kprcb);
    if b.config.architecture.is_64() {
        for (offset, value) in [
            (0, place.gdt),
            (0x8, place.tss),
            (0x18, kpcr),
            (0x20, kprcb),
            (0x38, place.idt),
        ] {
            b.memory.write_u64(kpcr + offset, value);
        }
        b.memory.write_u16(kpcr + 0x60, 1);
        b.memory.write_u16(kpcr + 0x62, 1);
        b.memory.write_u32(kprcb, 0x1f80);
        if layout.number != 4 {
            b.memory.write(kprcb + 4, &[number as u8]);
        }
    } else {
        let block = b.nt(rva::VERSION_BLOCK);
        for (offset, value) in [
            (0, 0xffff_ffff),
            (0x1c, kpcr),
            (0x20, kprcb),
            (0x34, block),
            (0x38, place.idt),
            (0x3c, place.gdt),
            (0x40, place.tss),
        ] {
            b.memory.write_u32(kpcr + offset, value as u32);
        }
        b.memory.write_u16(kpcr + 0x44, 1);
        b.memory.write_u16(kpcr + 0x46, 1);
        b.memory.write_u16(kprcb, 1);
        b.memory.write_u16(kprcb + 2, 1);
    }
    b.memory.write_pointer(kprcb + layout.current_thread, place.thread);
    b.memory.write_pointer(kprcb + layout.idle_thread, place.idle);
    b.memory.write(kprcb + layout.number, &[number as u8]);
    b.memory.write(kprcb + layout.cpu_type, &[6, 1]);
    b.memory.write_u32(kprcb + layout.mhz, 2808);
    b.memory.write(kprcb + layout.vendor, b"GenuineIntel\0");
    b.memory.write(kprcb + layout.context, context);
    b.memory.write(kprcb + layout.special, special);
    if b.config.kpti {
        b.memory.write_u64(kprcb + layout.kernel_directory, kernel_cr3);
    }
    if layout.context_pointer != 0 {
        let copy = b.pool(context.len() as u64);
        b.memory.write(copy, context);
        b.memory.write_pointer(kprcb + layout.context_pointer, copy);
    }
    let block = b.nt(rva::PROCESSOR_BLOCK);
    b.memory.write_pointer(block + number * b.pointer(), kprcb);
}

/// What the page tables of user mode hold of the kernel: entry points and descriptor tables.
fn shadow_pages(b: &mut Builder, shadow: u64, place: &Place) {
    let kernel = b.memory.kernel;
    let entry = b.nt(rva::SHADOW_CALL) & !(PAGE - 1);
    for at in [
        entry,
        entry + PAGE,
        place.idt,
        place.idt + PAGE,
        place.idt + 2 * PAGE,
        place.kprcb + b.layout.kprcb.kernel_directory,
    ] {
        let at = at & !(PAGE - 1);
        let pa = b.memory.translate(kernel, at).expect("a page of the kernel");
        b.memory.map_to(shadow, at, pa, Right::Code);
    }
}

/// Segments of the machine, for 64-bit and 32-bit kernels.
pub fn segment(selector: u16, base: u64, limit: u32, access: u16) -> Seg {
    Seg {
        selector,
        base,
        limit,
        access,
    }
}

/// Whether the tables have five levels.
pub fn five_levels(b: &Builder) -> bool {
    b.config.architecture == Architecture::X64FiveLevel
}
