//! `vcpu_guest_context` of Xen's public headers (`xen/include/public/arch-x86/xen.h`), as
//! `arch_get_info_guest` of Xen 4.20 fills it.
//!
//! It knows no GDTR, IDTR and TR, no EFER and no SYSCALL registers. Of an HVM guest the debug and control
//! registers, selectors and bases of FS and GS are the CPU's own; of a paravirtualised one CR3 is the
//! machine's frame.

use super::super::Vcpu;
use super::super::fields::Fields;
use super::super::vcpu::{Segment, Segments, msr};

/// Length on 64-bit Xen.
pub(super) const SIZE_64: u64 = 0x1430;
/// Length on 32-bit Xen, and of what a 32-bit paravirtualised guest fills.
pub(super) const SIZE_32: u64 = 0xaf0;

/// VGCF_i387_valid.
const FLOAT: u64 = 1;
/// VGCF_in_kernel.
const KERNEL: u64 = 4;

/// Reads the state of a vCPU.
pub(super) fn read(number: u32, bytes: &[u8], narrow: bool, paravirtual: bool) -> Option<Vcpu> {
    let fields = Fields(bytes);
    if narrow {
        read32(number, fields)
    } else {
        read64(number, fields, paravirtual)
    }
}

fn read64(number: u32, fields: Fields<'_>, paravirtual: bool) -> Option<Vcpu> {
    let flags = fields.u64(512)?;
    let [r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi] = fields.u64s(520)?;
    // Error code and vector stand between.
    let rip = fields.u64(648)?;
    let cs = fields.u16(656)?;
    let [rflags, rsp] = fields.u64s(664)?;
    let [cr0, _, cr2, cr3, cr4, ..] = fields.u64s::<8>(4984)?;
    let [fs_base, gs_kernel, gs_user] = fields.u64s(5144)?;
    let kernel = if paravirtual { flags & KERNEL != 0 } else { cs & 3 == 0 };
    let (gs_base, other) = if kernel {
        (gs_kernel, gs_user)
    } else {
        (gs_user, gs_kernel)
    };
    let bases = [
        (msr::FS_BASE, fs_base),
        (msr::GS_BASE, gs_base),
        (msr::KERNEL_GS_BASE, other),
    ];
    Some(Vcpu {
        number,
        gpr: [
            rax, rcx, rdx, rbx, rsp, rbp, rsi, rdi, r8, r9, r10, r11, r12, r13, r14, r15,
        ],
        rip,
        rflags,
        segments: Segments {
            cs: selector(cs),
            ss: selector(fields.u16(680)?),
            es: selector(fields.u16(688)?),
            ds: selector(fields.u16(696)?),
            fs: selector(fields.u16(704)?),
            gs: selector(fields.u16(712)?),
            ..Segments::default()
        },
        cr0: Some(cr0),
        cr2: Some(cr2),
        cr3: Some(cr3),
        cr4: Some(cr4),
        dr: fields.u64s(5048),
        fxsave: (flags & FLOAT != 0).then(|| fields.fxsave(0)).flatten(),
        msrs: bases.into_iter().collect(),
        ..Vcpu::default()
    })
}

fn read32(number: u32, fields: Fields<'_>) -> Option<Vcpu> {
    let field = |offset: usize| fields.u32(offset).map(u64::from);
    // ebx ecx edx esi edi ebp eax, error code and vector, eip, cs, eflags, esp, ss es ds fs gs
    let general = [540, 520, 524, 516, 560, 536, 528, 532].map(field);
    let mut gpr = [0; 16];
    for (to, from) in gpr.iter_mut().zip(general) {
        *to = from?;
    }
    let mut dr = [0; 8];
    for (index, to) in dr.iter_mut().enumerate() {
        *to = field(2748usize.checked_add(index.checked_mul(4)?)?)?;
    }
    Some(Vcpu {
        number,
        gpr,
        rip: field(548)?,
        rflags: field(556)?,
        segments: Segments {
            cs: selector(fields.u16(552)?),
            ss: selector(fields.u16(564)?),
            es: selector(fields.u16(568)?),
            ds: selector(fields.u16(572)?),
            fs: selector(fields.u16(576)?),
            gs: selector(fields.u16(580)?),
            ..Segments::default()
        },
        cr0: field(2716),
        cr2: field(2724),
        cr3: field(2728).map(unfolded),
        cr4: field(2732),
        dr: Some(dr),
        fxsave: (field(512)? & FLOAT != 0).then(|| fields.fxsave(0)).flatten(),
        ..Vcpu::default()
    })
}

/// CR3 of a 32-bit paravirtualised guest: a frame of 32 bits, of which the upper 12 stand below
/// (`xen_cr3_to_pfn` of `xen-x86_32.h`).
fn unfolded(cr3: u64) -> u64 {
    ((cr3 >> 12) | ((cr3 & 0xfff) << 20)) << 12
}

fn selector(selector: u16) -> Segment {
    Segment { selector, hidden: None }
}
