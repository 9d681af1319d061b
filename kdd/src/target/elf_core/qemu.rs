//! Notes of QEMU's cores: NT_PRSTATUS for each CPU, then `QEMUCPUState` for each, then the note of the
//! guest. Follows `target/i386/arch_dump.c` of QEMU 10.0.
//!
//! The MSRs but for the base of GS in the other ring are not in these notes: no LSTAR, no EFER.

use super::super::fields::Fields;
use super::super::vcpu::{Hidden, Segment, Segments, Table, msr};
use super::super::{Hints, Vcpu};
use crate::memory::{Gpa, Gva};

/// Length of an NT_PRSTATUS of x86-64 and where its registers begin.
const STATUS_64: (usize, usize) = (0x150, 112);
/// The same of i386.
const STATUS_32: (usize, usize) = (0x90, 72);

/// Registers of an NT_PRSTATUS: selectors have no hidden part there.
pub(super) fn status(number: u32, bytes: &[u8]) -> Option<Vcpu> {
    if bytes.len() >= STATUS_64.0 {
        status64(number, Fields(bytes).at(STATUS_64.1))
    } else if bytes.len() >= STATUS_32.0 {
        status32(number, Fields(bytes).at(STATUS_32.1))
    } else {
        None
    }
}

fn status64(number: u32, fields: Fields<'_>) -> Option<Vcpu> {
    // r15 r14 r13 r12 rbp rbx r11 r10 r9 r8 rax rcx rdx rsi rdi orig_rax rip cs eflags rsp ss fs_base
    // gs_base ds es fs gs
    let [
        r15,
        r14,
        r13,
        r12,
        rbp,
        rbx,
        r11,
        r10,
        r9,
        r8,
        rax,
        rcx,
        rdx,
        rsi,
        rdi,
        _,
    ] = fields.u64s(0)?;
    let [rip, cs, rflags, rsp, ss, fs_base, gs_base, ds, es, fs, gs] = fields.u64s(128)?;
    let mut vcpu = Vcpu {
        number,
        gpr: [
            rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
        ],
        rip,
        rflags,
        segments: selectors([es, cs, ss, ds, fs, gs]),
        ..Vcpu::default()
    };
    vcpu.msrs.extend([(msr::FS_BASE, fs_base), (msr::GS_BASE, gs_base)]);
    Some(vcpu)
}

fn status32(number: u32, fields: Fields<'_>) -> Option<Vcpu> {
    let field = |index: usize| fields.u32(index.checked_mul(4)?).map(u64::from);
    // ebx ecx edx esi edi ebp eax ds es fs gs orig_eax eip cs eflags esp ss
    let general = [
        field(6)?,
        field(1)?,
        field(2)?,
        field(0)?,
        field(15)?,
        field(5)?,
        field(3)?,
        field(4)?,
    ];
    let mut gpr = [0; 16];
    gpr.iter_mut().zip(general).for_each(|(to, from)| *to = from);
    Some(Vcpu {
        number,
        gpr,
        rip: field(12)?,
        rflags: field(14)?,
        segments: selectors([field(8)?, field(13)?, field(16)?, field(7)?, field(9)?, field(10)?]),
        ..Vcpu::default()
    })
}

fn selectors([es, cs, ss, ds, fs, gs]: [u64; 6]) -> Segments {
    let selector = |value: u64| Segment {
        selector: u16::try_from(value & 0xffff).unwrap_or_default(),
        hidden: None,
    };
    Segments {
        es: selector(es),
        cs: selector(cs),
        ss: selector(ss),
        ds: selector(ds),
        fs: selector(fs),
        gs: selector(gs),
        ..Segments::default()
    }
}

/// A `QEMUCPUState`: version, size, 18 registers, ten segments of 24 bytes, CR0 to CR4; the base of GS in
/// the other ring where the size says so. `long` is whether the core says that the CPUs are in long mode.
pub(super) fn state(number: u32, bytes: &[u8], long: bool) -> Option<Vcpu> {
    let fields = Fields(bytes);
    let size = usize::try_from(fields.u32(4)?).ok()?;
    if fields.u32(0)? != 1 {
        return None;
    }
    let [rax, rbx, rcx, rdx, rsi, rdi, rsp, rbp] = fields.u64s(8)?;
    let [r8, r9, r10, r11, r12, r13, r14, r15] = fields.u64s(72)?;
    let [rip, rflags] = fields.u64s(136)?;
    let at = |index: usize| fields.at(152usize.saturating_add(index.saturating_mul(24)));
    let [cr0, _, cr2, cr3, cr4] = fields.u64s(392)?;
    let segments = Segments {
        cs: segment(at(0))?,
        ds: segment(at(1))?,
        es: segment(at(2))?,
        fs: segment(at(3))?,
        gs: segment(at(4))?,
        ss: segment(at(5))?,
        ldt: segment(at(6))?,
        tr: segment(at(7))?,
    };
    let mut vcpu = Vcpu {
        number,
        gpr: [
            rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
        ],
        rip,
        rflags,
        segments,
        gdt: table(at(8)),
        idt: table(at(9)),
        cr0: Some(cr0),
        cr2: Some(cr2),
        cr3: Some(cr3),
        cr4: Some(cr4),
        ..Vcpu::default()
    };
    if long {
        let base = |segment: Segment| segment.hidden.map(|hidden| hidden.base);
        let other = (size >= 440).then(|| fields.u64(432)).flatten();
        let bases = [
            (msr::FS_BASE, base(segments.fs)),
            (msr::GS_BASE, base(segments.gs)),
            (msr::KERNEL_GS_BASE, other),
        ];
        let known = bases.into_iter().filter_map(|(number, value)| Some((number, value?)));
        vcpu.msrs.extend(known);
    }
    Some(vcpu)
}

/// Selector, limit, flags (second word of the descriptor, with parts of base and limit), padding, base.
fn segment(fields: Fields<'_>) -> Option<Segment> {
    let flags = fields.u32(8)?;
    Some(Segment {
        selector: u16::try_from(fields.u32(0)? & 0xffff).ok()?,
        hidden: Some(Hidden {
            base: fields.u64(16)?,
            limit: fields.u32(4)?,
            access: u16::try_from((flags >> 8) & 0xf0ff).ok()?,
        }),
    })
}

fn table(fields: Fields<'_>) -> Option<Table> {
    Some(Table {
        base: fields.u64(16)?,
        limit: u16::try_from(fields.u32(4)? & 0xffff).ok()?,
    })
}

/// The note that the guest left in its memory for QEMU: of Windows, with the fw_cfg driver of virtio-win,
/// it is the header of a Windows dump (QEMU, `dump/win_dump.c`).
pub(super) fn guest_note(bytes: &[u8], hints: &mut Hints, facts: &mut Vec<(String, String)>) {
    let fields = Fields(bytes);
    let (kind, wide) = match bytes.get(..8) {
        Some(b"PAGEDU64") => ("header of a Windows dump, 64 bit", Some(true)),
        Some(b"PAGEDUMP") => ("header of a Windows dump, 32 bit", Some(false)),
        _ => ("text of a Linux kernel", None),
    };
    facts.push(("note of the guest".to_owned(), format!("{kind}, {} bytes", bytes.len())));
    let Some(wide) = wide else { return };
    let known = |value: Option<u64>| value.filter(|value| *value != 0);
    let address = |value: Option<u64>| known(value).map(Gva);
    // Directory, PFN database, modules, processes: 8 or 4 bytes each; then machine and processors.
    let at = |index: usize| {
        let step = if wide { 8 } else { 4 };
        fields.word(16usize.saturating_add(index.saturating_mul(step)), wide)
    };
    let machine = fields.u32(if wide { 0x30 } else { 0x20 });
    *hints = Hints {
        directory: known(at(0)).map(Gpa),
        pfn_database: address(at(1)),
        loaded_modules: address(at(2)),
        active_processes: address(at(3)),
        machine: machine.and_then(|machine| u16::try_from(machine).ok()),
        processors: fields.u32(if wide { 0x34 } else { 0x24 }),
        version: fields.u32(8).zip(fields.u32(12)),
        kdbg: address(fields.word(if wide { 0x80 } else { 0x60 }, wide)),
        pae: if wide {
            None
        } else {
            fields.array(0x5c).map(|[pae]: [u8; 1]| pae == 1)
        },
        ..Hints::default()
    };
}
