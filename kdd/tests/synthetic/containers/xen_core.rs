//! xl dump-core.

use super::raw::Out;
use crate::synthetic::machine::{Cpu, Machine};

/// Length of a vcpu_guest_context.
const CONTEXT: usize = 5168;

fn context(cpu: &Cpu, paravirtual: bool) -> Vec<u8> {
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
    // Floating point is valid, the vCPU online; a paravirtualised one in its kernel.
    out.bytes(&cpu.fxsave).u64(if paravirtual { 0x25 } else { 0x21 });
    out.u64s(&[r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi]);
    out.u32(0).u32(0).u64(cpu.rip).u64(cpu.cs.selector.into());
    out.u64s(&[cpu.rflags, rsp]);
    for seg in [cpu.ss, cpu.es, cpu.ds, cpu.fs, cpu.gs] {
        out.u64(seg.selector.into());
    }
    // Trap table, LDT, GDT, kernel stack.
    out.to(720 + 256 * 16 + 2 * 8 + 17 * 8 + 2 * 8);
    out.u64s(&[cpu.cr0, 0, cpu.cr2, cpu.cr3, cpu.cr4, 0, 0, 0])
        .u64s(&cpu.dr);
    // Callbacks and assists.
    out.u64s(&[0; 4]).u64s(&[cpu.fs.base, cpu.gs.base, cpu.kernel_gs_base]);
    assert_eq!(out.0.len(), CONTEXT);
    out.0
}

/// The same for a 32-bit paravirtualised guest, in the room of a 64-bit one.
fn context32(cpu: &Cpu) -> Vec<u8> {
    let [eax, ecx, edx, ebx, esp, ebp, esi, edi, ..] = cpu.gpr.map(|value| value as u32);
    let mut out = Out::default();
    out.bytes(&cpu.fxsave).u32(0x25);
    for value in [ebx, ecx, edx, esi, edi, ebp, eax, 0, cpu.rip as u32] {
        out.u32(value);
    }
    out.u32(cpu.cs.selector.into()).u32(cpu.rflags as u32).u32(esp);
    for seg in [cpu.ss, cpu.es, cpu.ds, cpu.fs, cpu.gs] {
        out.u32(seg.selector.into());
    }
    out.to(584 + 256 * 8 + 4 * (2 + 17 + 2));
    // The frame is turned by 12 bits, so that those above 4 GiB fit in.
    let cr3 = ((cpu.cr3 >> 12) as u32).rotate_left(12);
    let control = [cpu.cr0, 0, cpu.cr2, cr3.into(), cpu.cr4, 0, 0, 0];
    for value in control.into_iter().chain(cpu.dr) {
        out.u32(value as u32);
    }
    out.to(CONTEXT);
    out.0
}

/// What a core is of.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Hardware,
    Paravirtual,
    Paravirtual32,
}

fn note(out: &mut Out, kind: u32, bytes: &[u8]) {
    out.u32(4)
        .u32(bytes.len() as u32)
        .u32(kind)
        .bytes(b"Xen\0")
        .bytes(bytes);
}

fn notes(machine: &Machine, kind: Kind, pages: u64) -> Vec<u8> {
    let magic = if kind == Kind::Hardware {
        0xf00f_ebee
    } else {
        0xf00f_ebed
    };
    let mut header = Out::default();
    header.u64s(&[magic, machine.cpus.len() as u64, pages, 4096]);
    let mut version = Out::default();
    version
        .u64s(&[4, 20])
        .bytes(b".3")
        .to(176)
        .bytes(b"xen-3.0-x86_64 hvm-3.0-x86_64 ")
        .to(1264);
    if kind == Kind::Paravirtual32 {
        version.u32(0xf580_0000).u64(4096);
    } else {
        version.u64(0xffff_8000_0000_0000).u64(4096);
    }
    version.to(1280);
    let mut out = Out::default();
    note(&mut out, 0x200_0000, &[]);
    note(&mut out, 0x200_0001, &header.0);
    note(&mut out, 0x200_0002, &version.0);
    note(&mut out, 0x200_0003, &1u64.to_le_bytes());
    out.0
}

/// Frame of the machine behind a frame of the guest: in another order, and far up.
pub fn machine_frame(frame: u64) -> u64 {
    0x10_0000 + (frame ^ 5)
}

/// A core; `lost` pages at the end of the table of frames are not of any frame.
pub fn write(machine: &Machine, kind: Kind, lost: u64) -> Vec<u8> {
    let frames: Vec<u64> = machine.pages.keys().map(|page| page / 4096).collect();
    let count = frames.len() as u64 + lost;
    let notes = notes(machine, kind, count);
    let entry: u64 = if kind == Kind::Hardware { 8 } else { 16 };
    let contexts = (CONTEXT * machine.cpus.len()) as u64;
    let frame_name = if kind == Kind::Hardware { ".xen_pfn" } else { ".xen_p2m" };
    let names = [
        ".shstrtab",
        ".note.Xen",
        ".xen_prstatus",
        ".xen_shared_info",
        ".xen_pages",
        frame_name,
    ];
    let names = format!("\0{}\0", names.join("\0")).into_bytes();
    let name = |name: &str| {
        let at = names
            .windows(name.len() + 1)
            .position(|window| window == [name.as_bytes(), b"\0"].concat());
        at.unwrap() as u32
    };
    let status = 64 + 7 * 64 + notes.len() as u64;
    let shared = status + contexts;
    let pages = (shared + 4096).next_multiple_of(4096);
    let table = pages + count * 4096;
    let strings = table + count * entry;
    let mut out = Out::default();
    out.bytes(b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0")
        .u16(4)
        .u16(62)
        .u32(1);
    out.u64s(&[0, 0, 64])
        .u32(0)
        .u16(64)
        .u16(56)
        .u16(0)
        .u16(64)
        .u16(7)
        .u16(1);
    let mut section = |name: u32, kind: u32, offset: u64, size: u64, entry: u64| {
        out.u32(name)
            .u32(kind)
            .u64s(&[0, 0, offset, size])
            .u32(0)
            .u32(0)
            .u64s(&[8, entry]);
    };
    section(0, 0, 0, 0, 0);
    section(name(".shstrtab"), 3, strings, names.len() as u64, 0);
    section(name(".note.Xen"), 7, 64 + 7 * 64, notes.len() as u64, 0);
    section(name(".xen_prstatus"), 1, status, contexts, CONTEXT as u64);
    section(name(".xen_shared_info"), 1, shared, 4096, 4096);
    section(name(".xen_pages"), 1, pages, count * 4096, 4096);
    section(name(frame_name), 1, table, count * entry, entry);
    out.bytes(&notes);
    for cpu in &machine.cpus {
        let bytes = match kind {
            Kind::Paravirtual32 => context32(cpu),
            _ => context(cpu, kind == Kind::Paravirtual),
        };
        out.bytes(&bytes);
    }
    out.to(shared as usize + 4096).align(4096);
    machine.pages.values().for_each(|bytes| {
        out.bytes(bytes);
    });
    out.to(table as usize);
    for frame in frames {
        out.u64(frame);
        if kind != Kind::Hardware {
            out.u64(machine_frame(frame));
        }
    }
    (0..lost * entry / 8).for_each(|_| {
        out.u64(u64::MAX);
    });
    out.bytes(&names);
    out.0
}
