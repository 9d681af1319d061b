//! x64: CONTEXT (1232 bytes) and KSPECIAL_REGISTERS (0xd8 bytes to Windows 7, 0xe0 to Windows 10 1607,
//! 0xf0 from 1703 on; fields only came at the end).

use super::layout::{
    FS_BASE, GS_BASE, Part, RBP, RSP, Register, Row, Seg, apply, row, slice, slice_mut, u32_at, write,
};
use crate::target::Vcpu;
use crate::target::vcpu::msr;

/// Size of CONTEXT.
pub const CONTEXT_SIZE: usize = 0x4d0;
/// Size of KSPECIAL_REGISTERS in its longest form.
pub const SPECIAL_SIZE: usize = 0xf0;

/// Offset of ContextFlags.
pub const FLAGS: usize = 0x30;
/// CONTEXT_AMD64.
pub const MARK: u32 = 0x10_0000;
/// Control, integer, segments, floating point, debug registers.
const ALL: u32 = MARK | 0x1f;
/// Offset and length of FltSave, the FXSAVE image.
const FLT_SAVE: (usize, usize) = (0x100, 512);

/// Fields of CONTEXT.
pub const CONTEXT: &[Row] = &[
    row(0x34, 4, Part::FLOATING, "MxCsr", Register::MxCsr),
    row(0x38, 2, Part::CONTROL, "SegCs", Register::Selector(Seg::Cs)),
    row(0x3a, 2, Part::SEGMENTS, "SegDs", Register::Selector(Seg::Ds)),
    row(0x3c, 2, Part::SEGMENTS, "SegEs", Register::Selector(Seg::Es)),
    row(0x3e, 2, Part::SEGMENTS, "SegFs", Register::Selector(Seg::Fs)),
    row(0x40, 2, Part::SEGMENTS, "SegGs", Register::Selector(Seg::Gs)),
    row(0x42, 2, Part::CONTROL, "SegSs", Register::Selector(Seg::Ss)),
    row(0x44, 4, Part::CONTROL, "EFlags", Register::Flags),
    row(0x48, 8, Part::DEBUG, "Dr0", Register::Dr(0)),
    row(0x50, 8, Part::DEBUG, "Dr1", Register::Dr(1)),
    row(0x58, 8, Part::DEBUG, "Dr2", Register::Dr(2)),
    row(0x60, 8, Part::DEBUG, "Dr3", Register::Dr(3)),
    row(0x68, 8, Part::DEBUG, "Dr6", Register::Dr(6)),
    row(0x70, 8, Part::DEBUG, "Dr7", Register::Dr(7)),
    row(0x78, 8, Part::INTEGER, "Rax", Register::Gpr(0)),
    row(0x80, 8, Part::INTEGER, "Rcx", Register::Gpr(1)),
    row(0x88, 8, Part::INTEGER, "Rdx", Register::Gpr(2)),
    row(0x90, 8, Part::INTEGER, "Rbx", Register::Gpr(3)),
    row(0x98, 8, Part::CONTROL, "Rsp", RSP),
    row(0xa0, 8, Part::INTEGER, "Rbp", RBP),
    row(0xa8, 8, Part::INTEGER, "Rsi", Register::Gpr(6)),
    row(0xb0, 8, Part::INTEGER, "Rdi", Register::Gpr(7)),
    row(0xb8, 8, Part::INTEGER, "R8", Register::Gpr(8)),
    row(0xc0, 8, Part::INTEGER, "R9", Register::Gpr(9)),
    row(0xc8, 8, Part::INTEGER, "R10", Register::Gpr(10)),
    row(0xd0, 8, Part::INTEGER, "R11", Register::Gpr(11)),
    row(0xd8, 8, Part::INTEGER, "R12", Register::Gpr(12)),
    row(0xe0, 8, Part::INTEGER, "R13", Register::Gpr(13)),
    row(0xe8, 8, Part::INTEGER, "R14", Register::Gpr(14)),
    row(0xf0, 8, Part::INTEGER, "R15", Register::Gpr(15)),
    row(0xf8, 8, Part::CONTROL, "Rip", Register::Rip),
];

/// Fields of KSPECIAL_REGISTERS. A KDESCRIPTOR is 16 bytes: limit at 6, base at 8.
pub const SPECIAL: &[Row] = &[
    row(0x00, 8, Part::ALWAYS, "Cr0", Register::Cr0),
    row(0x08, 8, Part::ALWAYS, "Cr2", Register::Cr2),
    row(0x10, 8, Part::ALWAYS, "Cr3", Register::Cr3),
    row(0x18, 8, Part::ALWAYS, "Cr4", Register::Cr4),
    row(0x20, 8, Part::ALWAYS, "KernelDr0", Register::Dr(0)),
    row(0x28, 8, Part::ALWAYS, "KernelDr1", Register::Dr(1)),
    row(0x30, 8, Part::ALWAYS, "KernelDr2", Register::Dr(2)),
    row(0x38, 8, Part::ALWAYS, "KernelDr3", Register::Dr(3)),
    row(0x40, 8, Part::ALWAYS, "KernelDr6", Register::Dr(6)),
    row(0x48, 8, Part::ALWAYS, "KernelDr7", Register::Dr(7)),
    row(0x56, 2, Part::ALWAYS, "Gdtr.Limit", Register::GdtLimit),
    row(0x58, 8, Part::ALWAYS, "Gdtr.Base", Register::GdtBase),
    row(0x66, 2, Part::ALWAYS, "Idtr.Limit", Register::IdtLimit),
    row(0x68, 8, Part::ALWAYS, "Idtr.Base", Register::IdtBase),
    row(0x70, 2, Part::ALWAYS, "Tr", Register::Selector(Seg::Tr)),
    row(0x72, 2, Part::ALWAYS, "Ldtr", Register::Selector(Seg::Ldt)),
    row(0x74, 4, Part::ALWAYS, "MxCsr", Register::MxCsr),
    row(0x78, 8, Part::ALWAYS, "DebugControl", Register::Msr(DEBUG_CONTROL)),
    row(0x80, 8, Part::ALWAYS, "LastBranchToRip", Register::Msr(0x1dc)),
    row(0x88, 8, Part::ALWAYS, "LastBranchFromRip", Register::Msr(0x1db)),
    row(0x90, 8, Part::ALWAYS, "LastExceptionToRip", Register::Msr(0x1de)),
    row(0x98, 8, Part::ALWAYS, "LastExceptionFromRip", Register::Msr(0x1dd)),
    row(0xa0, 8, Part::ALWAYS, "Cr8", Register::Cr8),
    row(0xa8, 8, Part::ALWAYS, "MsrGsBase", GS_BASE),
    row(0xb0, 8, Part::ALWAYS, "MsrGsSwap", Register::Msr(msr::KERNEL_GS_BASE)),
    row(0xb8, 8, Part::ALWAYS, "MsrStar", Register::Msr(msr::STAR)),
    row(0xc0, 8, Part::ALWAYS, "MsrLStar", Register::Msr(msr::LSTAR)),
    row(0xc8, 8, Part::ALWAYS, "MsrCStar", Register::Msr(msr::CSTAR)),
    row(0xd0, 8, Part::ALWAYS, "MsrSyscallMask", Register::Msr(msr::SFMASK)),
    row(0xd8, 8, Part::ALWAYS, "Xcr0", Register::Xcr0),
    row(0xe0, 8, Part::ALWAYS, "MsrFsBase", FS_BASE),
];

/// IA32_DEBUGCTL.
const DEBUG_CONTROL: u32 = 0x1d9;

/// CONTEXT of a vCPU, all parts.
#[must_use]
pub fn context_x64(vcpu: &Vcpu) -> Vec<u8> {
    let mut bytes = vec![0; CONTEXT_SIZE];
    if let Some(place) = slice_mut(&mut bytes, FLAGS, 4) {
        place.copy_from_slice(&ALL.to_le_bytes());
    }
    if let (Some(image), Some(place)) = (&vcpu.fxsave, slice_mut(&mut bytes, FLT_SAVE.0, FLT_SAVE.1)) {
        place.copy_from_slice(&**image);
    }
    write(CONTEXT, vcpu, &mut bytes);
    bytes
}

/// KSPECIAL_REGISTERS of a vCPU in its longest form; older kernels hold less, cut at the end.
#[must_use]
pub fn special_x64(vcpu: &Vcpu) -> Vec<u8> {
    let mut bytes = vec![0; SPECIAL_SIZE];
    write(SPECIAL, vcpu, &mut bytes);
    bytes
}

/// Takes the parts of a CONTEXT that its ContextFlags name.
pub fn apply_context_x64(vcpu: &mut Vcpu, bytes: &[u8]) {
    let parts = match u32_at(bytes, FLAGS) {
        Some(flags) if flags & MARK != 0 => flags & 0xffff,
        _ => return,
    };
    if parts & Part::FLOATING != 0
        && let Some(image) = slice(bytes, FLT_SAVE.0, FLT_SAVE.1).and_then(|image| image.try_into().ok())
    {
        vcpu.fxsave = Some(Box::new(image));
    }
    apply(CONTEXT, parts, vcpu, bytes);
}

/// Takes the fields of KSPECIAL_REGISTERS that are whole in `bytes`.
pub fn apply_special_x64(vcpu: &mut Vcpu, bytes: &[u8]) {
    apply(SPECIAL, Part::ALWAYS, vcpu, bytes);
}
