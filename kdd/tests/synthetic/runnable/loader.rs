//! The ROM: starts the other CPUs, goes to the mode of the guest on page tables in the ROM that hold the ROM and
//! the guest's kernel, loads what the machine says of the CPU, and jumps into the guest's kernel.
//!
//! Intel SDM volume 3: 10.1.4 (state after reset), 9.4 (starting processors), 4 (paging), 10.8.5 (to IA-32e mode).

use super::assembler::Assembler;
use super::{Places, walk};
use crate::synthetic::machine::{Cpu, Seg};
use crate::synthetic::windows::{Architecture, Built};

/// Most CPUs that the ROM has room for.
pub const CPUS: usize = 40;

/// The ROM as it stands below 1 MiB.
const ROM: u32 = 0xf_0000;
const SIZE: usize = 0x1_0000;
/// Offsets of its parts; code begins at 0, where CPUs start that are sent there.
const DESCRIPTORS: usize = 0xf00;
const TABLES: usize = 0x1000;
const RECORDS: usize = 0x5000;
const RESET: usize = 0xfff0;
/// Page directory pointers of PAE stand in RAM, at 0, where the guest has no page: they have no bit that says they
/// were accessed, and QEMU sets it none the less.
const LOW_TABLE: u64 = 0;
/// Size of a CPU's record.
const RECORD: usize = 0x400;

/// Offsets in a CPU's record.
mod at {
    pub const FXSAVE: u32 = 0;
    pub const GPR: u32 = 0x200;
    pub const RIP: u32 = 0x280;
    pub const RFLAGS: u32 = 0x288;
    pub const CS: u32 = 0x290;
    pub const SS: u32 = 0x298;
    pub const CR0: u32 = 0x2a0;
    pub const CR2: u32 = 0x2a8;
    pub const CR3: u32 = 0x2b0;
    pub const CR4: u32 = 0x2b8;
    pub const CR8: u32 = 0x2c0;
    pub const DR: u32 = 0x2c8;
    pub const GDT: u32 = 0x2f8;
    pub const IDT: u32 = 0x308;
    pub const SELECTORS: u32 = 0x318;
    /// Address of the byte with the type of the task's descriptor.
    pub const BUSY: u32 = 0x328;
    /// Number of an MSR and its value, 16 bytes each.
    pub const MSRS: u32 = 0x330;
}

/// Selectors in a record, in turn, and how each is loaded from `[rsi+disp32]`.
const LOAD_SELECTORS: [&[u8]; 7] = [
    &[0x8e, 0x9e],       // ds
    &[0x8e, 0x86],       // es
    &[0x8e, 0xa6],       // fs
    &[0x8e, 0xae],       // gs
    &[0x8e, 0x96],       // ss
    &[0x0f, 0x00, 0x96], // ldt
    &[0x0f, 0x00, 0x9e], // tr
];

/// Selectors of the ROM's own descriptors.
const CODE_32: u16 = 0x08;
const DATA: u8 = 0x10;
const CODE_64: u16 = 0x18;

const EFER: u32 = 0xc000_0080;

/// How long to wait for other CPUs, in turns of a loop.
const PATIENCE: u32 = 200_000;

/// Puts into RAM what the ROM cannot hold.
pub fn low_memory(built: &mut Built) {
    let architecture = built.truth.architecture.expect("made by the builder");
    if architecture == Architecture::X86Pae {
        let table = tables(built, architecture).swap_remove(0);
        let before = built.machine.pages.insert(LOW_TABLE, table);
        assert!(before.is_none(), "the guest uses the first page");
    }
}

/// Makes the ROM.
pub fn rom(built: &Built, places: &Places) -> Vec<u8> {
    let mut rom = vec![0; SIZE];
    let mut put = |at: usize, bytes: &[u8]| rom[at..at + bytes.len()].copy_from_slice(bytes);
    let architecture = built.truth.architecture.expect("made by the builder");
    let code = code(built, places, architecture);
    assert!(code.len() <= DESCRIPTORS, "the code is too long");
    put(0, &code);
    put(DESCRIPTORS, &descriptors());
    for (number, table) in tables(built, architecture).iter().enumerate() {
        put(TABLES + number * 0x1000, table);
    }
    for (number, cpu) in built.machine.cpus.iter().enumerate() {
        put(RECORDS + number * RECORD, &record(cpu, architecture.is_64()));
    }
    // jmp to 0
    put(RESET, &[0xe9, 0x0d, 0x00]);
    rom
}

/// GDT, and what LGDT reads, behind it.
fn descriptors() -> Vec<u8> {
    let mut out = Vec::new();
    for value in [
        0u64,
        0x00cf_9b00_0000_ffff,
        0x00cf_9300_0000_ffff,
        0x00af_9b00_0000_ffff,
    ] {
        out.extend_from_slice(&value.to_le_bytes());
    }
    let limit = out.len() as u16 - 1;
    out.extend_from_slice(&limit.to_le_bytes());
    out.extend_from_slice(&(ROM + DESCRIPTORS as u32).to_le_bytes());
    out
}

/// Page tables: the first 2 MiB (4 MiB without PAE) by one entry, and the kernel's half of the guest. Accessed and
/// dirty are set, for a ROM takes no writes.
fn tables(built: &Built, architecture: Architecture) -> Vec<Vec<u8>> {
    let next = |number: usize| u64::from(ROM) + (TABLES + number * 0x1000) as u64;
    let kernel = walk::bytes(built, built.truth.directory, architecture);
    let table = |width: usize, first: u64| {
        let mut out = vec![0; 0x1000];
        out[..width].copy_from_slice(&first.to_le_bytes()[..width]);
        out
    };
    let with_kernel = |mut out: Vec<u8>| {
        let half = kernel.len() / 2;
        out[half..kernel.len()].copy_from_slice(&kernel[half..]);
        out
    };
    match architecture {
        Architecture::X64FiveLevel => vec![
            with_kernel(table(8, next(1) | 0x23)),
            table(8, next(2) | 0x23),
            table(8, next(3) | 0x23),
            table(8, 0xe3),
        ],
        Architecture::X64FourLevel => vec![
            with_kernel(table(8, next(1) | 0x23)),
            table(8, next(2) | 0x23),
            table(8, 0xe3),
        ],
        Architecture::X86Pae => vec![with_kernel(table(8, next(1) | 1)), table(8, 0xe3)],
        Architecture::X86 => vec![with_kernel(table(4, 0xe3))],
    }
}

/// What the code loads into a CPU.
fn record(cpu: &Cpu, is_64: bool) -> Vec<u8> {
    let mut out = vec![0; RECORD];
    let mut put = |at: u32, bytes: &[u8]| out[at as usize..at as usize + bytes.len()].copy_from_slice(bytes);
    put(at::FXSAVE, &cpu.fxsave);
    for (at, values) in [
        (at::GPR, &cpu.gpr[..]),
        (
            at::RIP,
            &[
                cpu.rip,
                cpu.rflags,
                u64::from(cpu.cs.selector),
                u64::from(cpu.ss.selector),
            ],
        ),
        (at::CR0, &[cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4, cpu.cr8]),
        (
            at::DR,
            &[cpu.dr[0], cpu.dr[1], cpu.dr[2], cpu.dr[3], cpu.dr[6], cpu.dr[7]],
        ),
        (at::BUSY, &[cpu.gdt.0 + u64::from(cpu.tr.selector) + 5]),
    ] {
        for (number, value) in (0..).zip(values) {
            put(at + 8 * number, &value.to_le_bytes());
        }
    }
    for (at, (base, limit)) in [(at::GDT, cpu.gdt), (at::IDT, cpu.idt)] {
        put(at, &limit.to_le_bytes());
        put(at + 2, &base.to_le_bytes());
    }
    let segments: [Seg; 7] = [cpu.ds, cpu.es, cpu.fs, cpu.gs, cpu.ss, cpu.ldt, cpu.tr];
    for (number, segment) in (0..).zip(segments) {
        put(at::SELECTORS + 2 * number, &segment.selector.to_le_bytes());
    }
    for (number, (index, value)) in (0..).zip(msrs(cpu, is_64)) {
        put(at::MSRS + 16 * number, &index.to_le_bytes());
        put(at::MSRS + 16 * number + 8, &value.to_le_bytes());
    }
    out
}

/// MSRs of a CPU, the same for all CPUs of a guest.
fn msrs(cpu: &Cpu, is_64: bool) -> Vec<(u32, u64)> {
    let [cs, esp, eip] = cpu.sysenter;
    // Page tables of all guests with PAE say what is not to be executed.
    let efer = cpu.efer | if cpu.cr4 & 0x20 != 0 { 0x800 } else { 0 };
    let mut out = vec![(0x174, cs), (0x175, esp), (0x176, eip), (EFER, efer)];
    if is_64 {
        out.extend([
            (0xc000_0081, cpu.star),
            (0xc000_0082, cpu.lstar),
            (0xc000_0083, cpu.cstar),
            (0xc000_0084, cpu.sfmask),
            (0xc000_0100, cpu.fs.base),
            (0xc000_0101, cpu.gs.base),
            (0xc000_0102, cpu.kernel_gs_base),
        ]);
    }
    out
}

fn code(built: &Built, places: &Places, architecture: Architecture) -> Vec<u8> {
    let mut code = Assembler::new(u64::from(ROM));
    to_protected(&mut code);
    start_others(&mut code);
    own_record(&mut code, built.machine.cpus.len() as u32);
    to_paging(&mut code, architecture, &built.machine.cpus[0]);
    let is_64 = architecture.is_64();
    if is_64 {
        // Far jump to 64-bit code; mov esi, esi
        let there = code.here() as u32 + 7;
        code.with(&[0xea], there).put(&CODE_64.to_le_bytes());
        code.put(&[0x89, 0xf6]);
    }
    system(&mut code, is_64, &msrs(&built.machine.cpus[0], is_64));
    enter(&mut code, is_64, places.gate);
    code.finish()
}

/// Real mode: cli; cld; lgdt cs:[…]; or al, 1 in CR0; far jump to 32-bit code.
fn to_protected(code: &mut Assembler) {
    code.put(&[0xfa, 0xfc, 0x2e, 0x66, 0x0f, 0x01, 0x16]);
    code.put(&(DESCRIPTORS as u16 + 0x20).to_le_bytes());
    code.put(&[0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0]);
    let there = code.here() as u32 + 8;
    code.with(&[0x66, 0xea], there).put(&CODE_32.to_le_bytes());
    // mov ax, DATA; mov ds, es, ss
    code.put(&[0x66, 0xb8, DATA, 0, 0x8e, 0xd8, 0x8e, 0xc0, 0x8e, 0xd0]);
}

/// The CPU that the machine started with masks both interrupt controllers and sends INIT and twice SIPI to all
/// others, which begin at the ROM's start.
fn start_others(code: &mut Assembler) {
    // rdmsr APIC_BASE; test eax, BSP; jz
    code.with(&[0xb9], 0x1b).put(&[0x0f, 0x32]).with(&[0xa9], 0x100);
    let other = code.forward(&[0x0f, 0x84]);
    // mov al, 0xff; out 0x21, al; out 0xa1, al; mov edi, ICR
    code.put(&[0xb0, 0xff, 0xe6, 0x21, 0xe6, 0xa1])
        .with(&[0xbf], 0xfee0_0300);
    for command in [0x000c_4500, 0x000c_4600 | (ROM >> 12), 0x000c_4600 | (ROM >> 12)] {
        // mov dword [edi], command; mov ecx, PATIENCE; loop
        code.with(&[0xc7, 0x07], command);
        code.with(&[0xb9], PATIENCE).put(&[0xe2, 0xfe]);
    }
    code.land(other);
}

/// ESI is the record of this CPU, by its APIC ID; a CPU that has none halts.
fn own_record(code: &mut Assembler, cpus: u32) {
    // mov eax, 1; cpuid; shr ebx, 24; cmp ebx, cpus; jb over; hlt; jmp to hlt
    code.with(&[0xb8], 1).put(&[0x0f, 0xa2, 0xc1, 0xeb, 24]);
    code.with(&[0x81, 0xfb], cpus).put(&[0x72, 3, 0xf4, 0xeb, 0xfd]);
    // imul esi, ebx, RECORD; add esi, records
    code.with(&[0x69, 0xf3], RECORD as u32);
    code.with(&[0x81, 0xc6], ROM + RECORDS as u32);
}

/// Paging by the ROM's tables.
fn to_paging(code: &mut Assembler, architecture: Architecture, cpu: &Cpu) {
    let cr4 = match architecture {
        Architecture::X64FiveLevel => 0x1020,
        Architecture::X64FourLevel | Architecture::X86Pae => 0x20,
        Architecture::X86 => 0x10,
    };
    // mov eax, …; mov cr4, eax; mov eax, …; mov cr3, eax
    code.with(&[0xb8], cr4).put(&[0x0f, 0x22, 0xe0]);
    let top = match architecture {
        Architecture::X86Pae => LOW_TABLE as u32,
        _ => ROM + TABLES as u32,
    };
    code.with(&[0xb8], top).put(&[0x0f, 0x22, 0xd8]);
    // EFER without LMA, which the CPU sets itself.
    let efer = msrs(cpu, false)
        .iter()
        .find_map(|(msr, value)| (*msr == EFER).then_some(*value));
    let efer = efer.expect("one of the MSRs") as u32;
    code.with(&[0xb9], EFER).with(&[0xb8], efer & !0x400);
    code.put(&[0x31, 0xd2, 0x0f, 0x30]);
    // mov eax, [esi+CR0]; mov cr0, eax
    code.with(&[0x8b, 0x86], at::CR0).put(&[0x0f, 0x22, 0xc0]);
}

/// mov register, [rsi+offset]
fn load(code: &mut Assembler, is_64: bool, register: u8, offset: u32) {
    if is_64 {
        code.put(&[0x48 | (register >> 3 << 2)]);
    }
    code.with(&[0x8b, 0x86 | ((register & 7) << 3)], offset);
}

/// All that is not a general register.
fn system(code: &mut Assembler, is_64: bool, msrs: &[(u32, u64)]) {
    load(code, is_64, 0, at::CR4);
    code.put(&[0x0f, 0x22, 0xe0]);
    load(code, is_64, 0, at::CR2);
    code.put(&[0x0f, 0x22, 0xd0]);
    // lgdt, lidt
    code.with(&[0x0f, 0x01, 0x96], at::GDT)
        .with(&[0x0f, 0x01, 0x9e], at::IDT);
    // The task's descriptor is busy, and must not be when it is loaded: and byte [rax], ~2
    load(code, is_64, 0, at::BUSY);
    code.put(&[0x80, 0x20, 0xfd]);
    for (number, opcode) in (0..).zip(LOAD_SELECTORS) {
        code.with(opcode, at::SELECTORS + 2 * number);
    }
    for number in 0..msrs.len() as u32 {
        // mov ecx, eax, edx; wrmsr
        let at = at::MSRS + 16 * number;
        code.with(&[0x8b, 0x8e], at).with(&[0x8b, 0x86], at + 8);
        code.with(&[0x8b, 0x96], at + 12).put(&[0x0f, 0x30]);
    }
    for (number, register) in (0..).zip([0u8, 1, 2, 3, 6, 7]) {
        load(code, is_64, 0, at::DR + 8 * number);
        code.put(&[0x0f, 0x23, 0xc0 | (register << 3)]);
    }
    if is_64 {
        // mov cr8, rax; XCR0 with x87 and SSE
        load(code, is_64, 0, at::CR8);
        code.put(&[0x44, 0x0f, 0x22, 0xc0]);
        code.put(&[0x31, 0xc9, 0x31, 0xd2])
            .with(&[0xb8], 3)
            .put(&[0x0f, 0x01, 0xd1]);
    }
    // clts; fxrstor; CR0 again
    code.put(&[0x0f, 0x06]);
    if is_64 {
        code.put(&[0x48]);
    }
    code.with(&[0x0f, 0xae, 0x8e], at::FXSAVE);
    load(code, is_64, 0, at::CR0);
    code.put(&[0x0f, 0x22, 0xc0]);
}

/// What IRET takes and RAX below it on the guest's stack, the other registers, and to the gate, which changes the
/// page tables. In 32-bit mode IRET takes neither SS nor ESP here.
fn enter(code: &mut Assembler, is_64: bool, gate: u64) {
    let push = |code: &mut Assembler, offset: u32| {
        code.with(&[0xff, 0xb6], offset);
    };
    load(code, is_64, 4, at::GPR + 8 * 4);
    if is_64 {
        push(code, at::SS);
        push(code, at::GPR + 8 * 4);
    }
    for offset in [at::RFLAGS, at::CS, at::RIP, at::GPR] {
        push(code, offset);
    }
    // mov rax, gate; push rax
    if is_64 {
        code.put(&[0x48, 0xb8]).put(&gate.to_le_bytes());
    } else {
        code.with(&[0xb8], gate as u32);
    }
    code.put(&[0x50]);
    load(code, is_64, 0, at::CR3);
    let last = if is_64 { 16 } else { 8 };
    for register in (1..last).filter(|register| ![4, 6].contains(register)) {
        load(code, is_64, register, at::GPR + 8 * u32::from(register));
    }
    load(code, is_64, 6, at::GPR + 8 * 6);
    code.put(&[0xc3]);
}
