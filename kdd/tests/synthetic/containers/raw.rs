//! Raw image and register file.

use std::fmt::Write as _;

use crate::synthetic::machine::{Cpu, Machine, Seg};

/// Bytes that grow by little-endian numbers.
#[derive(Default)]
pub struct Out(pub Vec<u8>);

impl Out {
    pub fn u16(&mut self, value: u16) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u32(&mut self, value: u32) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u64(&mut self, value: u64) -> &mut Self {
        self.bytes(&value.to_le_bytes())
    }

    pub fn u64s(&mut self, values: &[u64]) -> &mut Self {
        values.iter().for_each(|value| {
            self.u64(*value);
        });
        self
    }

    pub fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// Zeroes up to an offset.
    pub fn to(&mut self, offset: usize) -> &mut Self {
        assert!(offset >= self.0.len(), "{offset:#x} is behind us");
        self.0.resize(offset, 0);
        self
    }

    /// Zeroes up to a multiple.
    pub fn align(&mut self, step: usize) -> &mut Self {
        let end = self.0.len().next_multiple_of(step);
        self.to(end)
    }
}

/// Each byte at its physical address; holes are zeroes, for this form cannot leave them out.
pub fn write(machine: &Machine) -> Vec<u8> {
    let mut image = vec![0; machine.top as usize];
    for (page, bytes) in &machine.pages {
        image[*page as usize..][..4096].copy_from_slice(bytes);
    }
    image
}

/// The text of `info registers -a` in the 64-bit layout, as QEMU 10 prints it.
pub fn registers(machine: &Machine) -> String {
    let mut text = String::new();
    for (number, cpu) in machine.cpus.iter().enumerate() {
        cpu_text(&mut text, number, cpu).unwrap();
    }
    text
}

fn cpu_text(text: &mut String, number: usize, cpu: &Cpu) -> std::fmt::Result {
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
    write!(text, "\r\nCPU#{number}\r\n")?;
    write!(text, "RAX={rax:016x} RBX={rbx:016x} RCX={rcx:016x} RDX={rdx:016x}\r\n")?;
    write!(text, "RSI={rsi:016x} RDI={rdi:016x} RBP={rbp:016x} RSP={rsp:016x}\r\n")?;
    write!(text, "R8 ={r8:016x} R9 ={r9:016x} R10={r10:016x} R11={r11:016x}\r\n")?;
    write!(text, "R12={r12:016x} R13={r13:016x} R14={r14:016x} R15={r15:016x}\r\n")?;
    let (rip, flags) = (cpu.rip, cpu.rflags);
    write!(
        text,
        "RIP={rip:016x} RFL={flags:08x} [---Z-P-] CPL=0 II=0 A20=1 SMM=0 HLT=0\r\n"
    )?;
    let names = ["ES", "CS", "SS", "DS", "FS", "GS", "LDT", "TR"];
    let segments = [cpu.es, cpu.cs, cpu.ss, cpu.ds, cpu.fs, cpu.gs, cpu.ldt, cpu.tr];
    for (name, seg) in names.into_iter().zip(segments) {
        let Seg {
            selector,
            base,
            limit,
            access,
        } = seg;
        // The second word of the descriptor, with upper bits of the limit.
        let flags = u32::from(access) << 8 | (limit & 0xf_0000);
        write!(
            text,
            "{name:<3}={selector:04x} {base:016x} {limit:08x} {flags:08x} DPL=0 DS   [-WA]\r\n"
        )?;
    }
    let ((gdt, gdt_limit), (idt, idt_limit)) = (cpu.gdt, cpu.idt);
    write!(
        text,
        "GDT=     {gdt:016x} {gdt_limit:08x}\r\nIDT=     {idt:016x} {idt_limit:08x}\r\n"
    )?;
    let (cr0, cr2, cr3, cr4) = (cpu.cr0, cpu.cr2, cpu.cr3, cpu.cr4);
    write!(text, "CR0={cr0:08x} CR2={cr2:016x} CR3={cr3:016x} CR4={cr4:08x}\r\n")?;
    for register in 0..4 {
        write!(text, "DR{register}={:016x} ", cpu.dr[register])?;
    }
    write!(text, "\r\nDR6={:016x} DR7={:016x}\r\n", cpu.dr[6], cpu.dr[7])?;
    write!(
        text,
        "CCS=0000000000000000 CCD=0000000000000001 CCO=EFLAGS\r\nEFER={:016x}\r\n",
        cpu.efer
    )?;
    float_text(text, &cpu.fxsave)?;
    write!(text, "Code=00 11 22 <33> 44 ?? \r\n")
}

/// x87 registers are printed as they stand in the register file; the image has them from the top.
fn float_text(text: &mut String, image: &[u8]) -> std::fmt::Result {
    let word = |at: usize| u64::from_le_bytes(image[at..at + 8].try_into().unwrap());
    let (control, status, tags) = (word(0) & 0xffff, word(2) & 0xffff, word(4) & 0xff);
    let top = (status >> 11 & 7) as usize;
    let mxcsr = word(24) & 0xffff_ffff;
    write!(
        text,
        "FCW={control:04x} FSW={status:04x} [ST={top}] FTW={tags:02x} MXCSR={mxcsr:08x}\r\n"
    )?;
    for physical in 0..8usize {
        let at = 32 + 16 * (physical.wrapping_sub(top) & 7);
        let end = if physical % 2 == 1 { "\r\n" } else { " " };
        write!(
            text,
            "FPR{physical}={:016x} {:04x}{end}",
            word(at),
            word(at + 8) & 0xffff
        )?;
    }
    for register in 0..16usize {
        let at = 160 + 16 * register;
        let end = if register % 2 == 1 { "\r\n" } else { " " };
        write!(text, "XMM{register:02}={:016x} {:016x}{end}", word(at + 8), word(at))?;
    }
    Ok(())
}

/// What the monitor does not print, for the same vCPUs.
pub fn model_specific(machine: &Machine) -> String {
    let mut text = "# read in the guest\n".to_owned();
    for (number, cpu) in machine.cpus.iter().enumerate() {
        let [cs, esp, eip] = cpu.sysenter;
        writeln!(text, "cpu={number}\nlstar=0x{:x} star={:x}", cpu.lstar, cpu.star).unwrap();
        writeln!(text, "CSTAR={:x}\nsfmask={:#x} # flags", cpu.cstar, cpu.sfmask).unwrap();
        writeln!(text, "msr:0xc0000102={:x}\ncr8={:x}", cpu.kernel_gs_base, cpu.cr8).unwrap();
        writeln!(text, "sysenter_cs={cs:x} sysenter_esp={esp:x} sysenter_eip={eip:x}").unwrap();
    }
    text
}
