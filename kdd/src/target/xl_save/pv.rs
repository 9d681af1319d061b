//! CPUs of a PV guest: `vcpu_guest_context` (public/arch-x86/xen.h), of 64-bit and of 32-bit guests.
//!
//! A PV guest does not own the CPU: GDT, IDT and most model-specific registers are Xen's. CR3 holds a
//! frame number of the guest: saving renames the frames in it and in the page tables.

use crate::target::fields::Fields;
use crate::target::vcpu::msr;
use crate::target::{Segment, Vcpu};

/// Order of the general registers of a 64-bit guest, as numbers of the encoding.
const ORDER: [usize; 15] = [15, 14, 13, 12, 5, 3, 11, 10, 9, 8, 0, 1, 2, 6, 7];
/// The same of a 32-bit guest.
const ORDER_32: [usize; 7] = [3, 1, 2, 6, 7, 5, 0];

/// Flag: the guest's kernel runs, not a user program.
const IN_KERNEL: u64 = 4;

/// The vCPU of a context.
pub(super) fn vcpu(number: u32, bytes: &[u8], wide: bool) -> Option<Vcpu> {
    let mut vcpu = if wide {
        long(Fields(bytes))
    } else {
        short(Fields(bytes))
    }?;
    vcpu.number = number;
    vcpu.fxsave = Fields(bytes).array(0).map(Box::new);
    Some(vcpu)
}

fn segment(fields: Fields<'_>, at: usize) -> Option<Segment> {
    Some(Segment {
        selector: fields.u16(at)?,
        hidden: None,
    })
}

/// Context of a 64-bit guest.
fn long(fields: Fields<'_>) -> Option<Vcpu> {
    let mut vcpu = Vcpu::default();
    let flags = fields.u64(512)?;
    for (index, register) in ORDER.into_iter().enumerate() {
        *vcpu.gpr.get_mut(register)? = fields.u64(index.checked_mul(8)?.checked_add(520)?)?;
    }
    vcpu.rip = fields.u64(648)?;
    vcpu.rflags = fields.u64(664)?;
    *vcpu.gpr.get_mut(4)? = fields.u64(672)?;
    vcpu.segments.cs = segment(fields, 656)?;
    vcpu.segments.ss = segment(fields, 680)?;
    vcpu.segments.es = segment(fields, 688)?;
    vcpu.segments.ds = segment(fields, 696)?;
    vcpu.segments.fs = segment(fields, 704)?;
    vcpu.segments.gs = segment(fields, 712)?;
    vcpu.cr0 = fields.u64(4984);
    vcpu.cr3 = fields.u64(5008);
    vcpu.cr4 = fields.u64(5016);
    vcpu.dr = debug(|index| fields.u64(index.checked_mul(8)?.checked_add(5048)?));
    let (kernel, user) = (fields.u64(5152)?, fields.u64(5160)?);
    let (active, other) = if flags & IN_KERNEL != 0 {
        (kernel, user)
    } else {
        (user, kernel)
    };
    vcpu.msrs.insert(msr::FS_BASE, fields.u64(5144)?);
    vcpu.msrs.insert(msr::GS_BASE, active);
    vcpu.msrs.insert(msr::KERNEL_GS_BASE, other);
    Some(vcpu)
}

/// Context of a 32-bit guest.
fn short(fields: Fields<'_>) -> Option<Vcpu> {
    let mut vcpu = Vcpu::default();
    let word = |at: usize| fields.u32(at).map(u64::from);
    for (index, register) in ORDER_32.into_iter().enumerate() {
        *vcpu.gpr.get_mut(register)? = word(index.checked_mul(4)?.checked_add(516)?)?;
    }
    vcpu.rip = word(548)?;
    vcpu.rflags = word(556)?;
    *vcpu.gpr.get_mut(4)? = word(560)?;
    vcpu.segments.cs = segment(fields, 552)?;
    vcpu.segments.ss = segment(fields, 564)?;
    vcpu.segments.es = segment(fields, 568)?;
    vcpu.segments.ds = segment(fields, 572)?;
    vcpu.segments.fs = segment(fields, 576)?;
    vcpu.segments.gs = segment(fields, 580)?;
    vcpu.cr0 = word(2716);
    // The frame number stands with its upper bits folded under the lower ones.
    vcpu.cr3 = word(2728).map(|folded| folded & 0xffff_f000 | (folded & 0xfff) << 32);
    vcpu.cr4 = word(2732);
    vcpu.dr = debug(|index| word(index.checked_mul(4)?.checked_add(2748)?));
    Some(vcpu)
}

fn debug(register: impl Fn(usize) -> Option<u64>) -> Option<[u64; 8]> {
    let mut registers = [0; 8];
    for (index, to) in registers.iter_mut().enumerate() {
        *to = register(index)?;
    }
    Some(registers)
}
