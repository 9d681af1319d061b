//! Registers of a processor from a CONTEXT of Windows.
//!
//! A CONTEXT says in its flags which groups of registers it holds; the others are not known.

use super::layout::Fields;
use crate::target::vcpu::{Segment, Segments, Vcpu};

/// Length of a CONTEXT of a machine.
pub(super) fn length(machine: u16) -> Option<usize> {
    match machine {
        0x8664 => Some(0x4d0),
        0x14c => Some(0x2cc),
        0xaa64 => Some(0x390),
        _ => None,
    }
}

/// Bits of ContextFlags that are the same on both machines.
mod flag {
    pub(super) const CONTROL: u32 = 1;
    pub(super) const INTEGER: u32 = 2;
    pub(super) const SEGMENTS: u32 = 4;
    pub(super) const FLOATING_POINT: u32 = 8;
    pub(super) const DEBUG: u32 = 0x10;
    /// i386 only.
    pub(super) const EXTENDED: u32 = 0x20;
    pub(super) const AMD64: u32 = 0x10_0000;
    pub(super) const I386: u32 = 0x1_0000;
}

/// The vCPU with these registers; `None` when the flags are not those of the machine, or hold neither
/// an instruction pointer nor general registers.
pub(super) fn vcpu(bytes: &[u8], machine: u16) -> Option<Vcpu> {
    match machine {
        0x8664 => x64(Fields(bytes)),
        0x14c => x86(Fields(bytes)),
        _ => None,
    }
}

fn x64(context: Fields<'_>) -> Option<Vcpu> {
    let flags = context.u32(0x30)?;
    let wanted = flag::CONTROL | flag::INTEGER;
    if flags & flag::AMD64 == 0 || flags & wanted != wanted {
        return None;
    }
    let mut vcpu = Vcpu {
        rip: context.u64(0xf8)?,
        rflags: context.u32(0x44)?.into(),
        ..Vcpu::default()
    };
    for (register, at) in vcpu.gpr.iter_mut().zip((0x78..).step_by(8)) {
        *register = context.u64(at)?;
    }
    let selectors = (0..6).map(|number| context.u16(0x38 + number * 2));
    let selectors: Option<Vec<u16>> = selectors.collect();
    if let [cs, ds, es, fs, gs, ss] = selectors?.as_slice() {
        vcpu.segments = segments([*cs, *ss], [*ds, *es, *fs, *gs], flags);
    }
    if flags & flag::DEBUG != 0 {
        vcpu.dr = debug(|number| context.u64(0x48 + number * 8));
    }
    if flags & flag::FLOATING_POINT == flag::FLOATING_POINT {
        vcpu.fxsave = context.array::<512>(0x100).map(Box::new);
    }
    Some(vcpu)
}

fn x86(context: Fields<'_>) -> Option<Vcpu> {
    let flags = context.u32(0)?;
    let wanted = flag::CONTROL | flag::INTEGER;
    if flags & flag::I386 == 0 || flags & wanted != wanted {
        return None;
    }
    let mut vcpu = Vcpu {
        rip: context.u32(0xb8)?.into(),
        rflags: context.u32(0xc0)?.into(),
        ..Vcpu::default()
    };
    // eax ecx edx ebx esp ebp esi edi
    let places = [0xb0, 0xac, 0xa8, 0xa4, 0xc4, 0xb4, 0xa0, 0x9c];
    for (register, at) in vcpu.gpr.iter_mut().zip(places) {
        *register = context.u32(at)?.into();
    }
    let selector = |at| context.u16(at);
    vcpu.segments = segments(
        [selector(0xbc)?, selector(0xc8)?],
        [selector(0x98)?, selector(0x94)?, selector(0x90)?, selector(0x8c)?],
        flags,
    );
    if flags & flag::DEBUG != 0 {
        vcpu.dr = debug(|number| context.u32(4 + number * 4).map(u64::from));
    }
    if flags & flag::EXTENDED != 0 {
        vcpu.fxsave = context.array::<512>(0xcc).map(Box::new);
    }
    Some(vcpu)
}

/// CS and SS belong to the control registers, the others are a group of their own.
fn segments([cs, ss]: [u16; 2], [ds, es, fs, gs]: [u16; 4], flags: u32) -> Segments {
    let segment = |selector| Segment { selector, hidden: None };
    let mut segments = Segments {
        cs: segment(cs),
        ss: segment(ss),
        ..Segments::default()
    };
    if flags & flag::SEGMENTS != 0 {
        segments.ds = segment(ds);
        segments.es = segment(es);
        segments.fs = segment(fs);
        segments.gs = segment(gs);
    }
    segments
}

/// DR0 to DR3, DR6, DR7 stand one after the other.
fn debug(read: impl Fn(usize) -> Option<u64>) -> Option<[u64; 8]> {
    Some([read(0)?, read(1)?, read(2)?, read(3)?, 0, 0, read(4)?, read(5)?])
}
