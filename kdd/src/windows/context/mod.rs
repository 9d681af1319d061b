//! CONTEXT and KSPECIAL_REGISTERS of x64 and x86: made of a vCPU, and taken into one.
//!
//! The layouts are those of `winnt.h` and `ntddk.h`; a row of a table for each field, see `x64` and
//! `x86`. A register that the vCPU does not know is 0 in the structure; [`unknown`] names them.
//!
//! ```
//! use kdd::target::Vcpu;
//! use kdd::windows::Architecture;
//! use kdd::windows::context::{apply_context_x64, context_x64, unknown};
//!
//! let vcpu = Vcpu { rip: 0xffff_f800_0000_1000, ..Vcpu::default() };
//! let context = context_x64(&vcpu);
//! assert_eq!(context[0xf8..0x100], vcpu.rip.to_le_bytes());
//!
//! let mut other = Vcpu::default();
//! apply_context_x64(&mut other, &context);
//! assert_eq!(other.rip, vcpu.rip);
//! assert!(unknown(&vcpu, Architecture::X64).contains(&"Cr3".to_owned()));
//! ```

mod layout;
mod x64;
mod x86;

use layout::{Part, Row};

use super::Architecture;
use crate::target::Vcpu;

pub use x64::{
    CONTEXT_SIZE as CONTEXT_X64_SIZE, SPECIAL_SIZE as SPECIAL_X64_SIZE, apply_context_x64, apply_special_x64,
    context_x64, special_x64,
};
pub use x86::{
    CONTEXT_SIZE as CONTEXT_X86_SIZE, SPECIAL_SIZE as SPECIAL_X86_SIZE, apply_context_x86, apply_special_x86,
    context_x86, special_x86,
};

/// CONTEXT for the kernel's machine code.
#[must_use]
pub fn context(vcpu: &Vcpu, architecture: Architecture) -> Vec<u8> {
    match architecture {
        Architecture::X64 => context_x64(vcpu),
        Architecture::X86 => context_x86(vcpu),
    }
}

/// KSPECIAL_REGISTERS for the kernel's machine code, the longest form.
#[must_use]
pub fn special(vcpu: &Vcpu, architecture: Architecture) -> Vec<u8> {
    match architecture {
        Architecture::X64 => special_x64(vcpu),
        Architecture::X86 => special_x86(vcpu),
    }
}

/// Takes a CONTEXT into a vCPU: the parts that its ContextFlags name.
pub fn apply_context(vcpu: &mut Vcpu, bytes: &[u8], architecture: Architecture) {
    match architecture {
        Architecture::X64 => apply_context_x64(vcpu, bytes),
        Architecture::X86 => apply_context_x86(vcpu, bytes),
    }
}

/// Takes the first bytes of KSPECIAL_REGISTERS into a vCPU: every field that is whole.
pub fn apply_special(vcpu: &mut Vcpu, bytes: &[u8], architecture: Architecture) {
    match architecture {
        Architecture::X64 => apply_special_x64(vcpu, bytes),
        Architecture::X86 => apply_special_x86(vcpu, bytes),
    }
}

/// A vCPU from a CONTEXT, as a Windows dump or a KPRCB holds it. `None` when its ContextFlags do not say
/// that it is one with the control registers (CS, the instruction pointer, flags, stack) and the general ones.
#[must_use]
pub fn from_context(bytes: &[u8], architecture: Architecture) -> Option<Vcpu> {
    let (flags_at, mark) = match architecture {
        Architecture::X64 => (x64::FLAGS, x64::MARK),
        Architecture::X86 => (x86::FLAGS, x86::MARK),
    };
    let flags = layout::u32_at(bytes, flags_at)?;
    let wanted = Part::CONTROL | Part::INTEGER;
    if flags & 0x001f_0000 != mark || flags & wanted != wanted {
        return None;
    }
    let mut vcpu = Vcpu::default();
    apply_context(&mut vcpu, bytes, architecture);
    Some(vcpu)
}

/// Takes KSPECIAL_REGISTERS that the kernel saved, where 0 can mean "not saved": without CR0 nothing of
/// it holds, and of the rest a 0 in a model-specific register says nothing.
pub(super) fn apply_saved_special(vcpu: &mut Vcpu, bytes: &[u8], architecture: Architecture) -> bool {
    if layout::u32_at(bytes, 0).unwrap_or_default() == 0 {
        return false;
    }
    apply_special(vcpu, bytes, architecture);
    vcpu.msrs.retain(|_, value| *value != 0);
    true
}

/// Names of the registers that are 0 in CONTEXT and KSPECIAL_REGISTERS because the vCPU does not know
/// them, as the fields are called there.
#[must_use]
pub fn unknown(vcpu: &Vcpu, architecture: Architecture) -> Vec<String> {
    let (context, special): (&[Row], &[Row]) = match architecture {
        Architecture::X64 => (x64::CONTEXT, x64::SPECIAL),
        Architecture::X86 => (x86::CONTEXT, x86::SPECIAL),
    };
    let mut names: Vec<String> = Vec::new();
    for row in context.iter().chain(special) {
        if row.register.get(vcpu).is_none() && !names.iter().any(|name| name == row.name) {
            names.push(row.name.to_owned());
        }
    }
    if vcpu.fxsave.is_none() {
        names.push("floating point and XMM registers".to_owned());
    }
    names
}
