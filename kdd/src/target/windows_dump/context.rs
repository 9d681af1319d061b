//! CONTEXT of Windows, by the machine type of a dump.

use crate::target::Vcpu;
use crate::windows::{Architecture, context};

/// Length of a CONTEXT of a machine.
pub(super) fn length(machine: u16) -> Option<usize> {
    match machine {
        0x8664 => Some(context::CONTEXT_X64_SIZE),
        0x14c => Some(context::CONTEXT_X86_SIZE),
        0xaa64 => Some(0x390),
        _ => None,
    }
}

/// The vCPU with these registers; `None` when the flags are not those of the machine, or hold neither
/// an instruction pointer nor general registers.
pub(super) fn vcpu(bytes: &[u8], machine: u16) -> Option<Vcpu> {
    let architecture = match machine {
        0x8664 => Architecture::X64,
        0x14c => Architecture::X86,
        _ => return None,
    };
    context::from_context(bytes, architecture)
}
