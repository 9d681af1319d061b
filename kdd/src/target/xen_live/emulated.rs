//! Instructions that the hypervisor does in place of the CPU.
//!
//! Those that leave the guest always under SVM (AMD64 manual 2, 15.9, as Xen sets the intercepts): after one of
//! them, Xen itself gives the guest the debug exception of the flag TF, and reports nothing.

use crate::memory::paging::AddressSpace;
use crate::memory::{Gpa, Gva, PhysicalMemory};
use crate::target::Vcpu;
use crate::windows::PagingMode;

/// Where the instruction behind the one at the instruction pointer lies, when the hypervisor does that one.
pub(super) fn behind(memory: &dyn PhysicalMemory, vcpu: &Vcpu) -> Option<Gpa> {
    let at = linear(vcpu);
    let mut bytes = [0; 15];
    let mut length = 0u64;
    for (index, byte) in (0u64..).zip(&mut bytes) {
        let Some(place) = physical(memory, vcpu, at.wrapping_add(index)) else {
            break;
        };
        if memory.read(place, std::slice::from_mut(byte)) != 1 {
            break;
        }
        length = index.saturating_add(1);
    }
    let bytes = bytes.get(..usize::try_from(length).ok()?)?;
    let count = length_of(bytes)?;
    physical(memory, vcpu, at.wrapping_add(count))
}

/// Linear address of the instruction pointer.
fn linear(vcpu: &Vcpu) -> u64 {
    let hidden = vcpu.segments.cs.hidden.unwrap_or_default();
    if vcpu.long_mode() == Some(true) && hidden.access & 0x2000 != 0 {
        vcpu.rip
    } else {
        hidden.base.wrapping_add(vcpu.rip)
    }
}

fn physical(memory: &dyn PhysicalMemory, vcpu: &Vcpu, at: u64) -> Option<Gpa> {
    let (cr0, cr3, cr4) = (vcpu.cr0?, vcpu.cr3?, vcpu.cr4?);
    if cr0 >> 31 & 1 == 0 {
        return Some(Gpa(at));
    }
    let mode = match (vcpu.long_mode()?, cr4 >> 12 & 1, cr4 >> 5 & 1) {
        (true, 1, _) => PagingMode::FiveLevel,
        (true, ..) => PagingMode::FourLevel,
        (false, _, 1) => PagingMode::Pae,
        (false, ..) => PagingMode::Bits32,
    };
    let found = AddressSpace::new(memory, mode, Gpa(cr3)).translate(Gva(at));
    found.ok().map(|found| found.gpa)
}

/// Length of an instruction that the hypervisor does; none of others.
fn length_of(bytes: &[u8]) -> Option<u64> {
    let prefix = |byte: &u8| matches!(byte, 0x26 | 0x2e | 0x36 | 0x3e | 0x40..=0x4f | 0x64..=0x67 | 0xf2 | 0xf3);
    let prefixes = bytes.iter().take_while(|byte| prefix(byte)).count();
    let length = match bytes.get(prefixes..)? {
        // HLT, IN and OUT.
        [0xf4 | 0xec..=0xef | 0x6c..=0x6f, ..] => 1,
        [0xe4..=0xe7, ..] => 2,
        // CLTS, INVD, WBINVD, WRMSR, RDTSC, RDMSR, RDPMC, CPUID.
        [0x0f, 0x06 | 0x08 | 0x09 | 0x30..=0x33 | 0xa2, ..] => 2,
        // Moves from and to control and debug registers; VMCALL, XSETBV, VMMCALL, RDTSCP, MONITOR, MWAIT.
        [0x0f, 0x20..=0x23, ..] => 3,
        [0x0f, 0x01, 0xc1 | 0xc8 | 0xc9 | 0xd1 | 0xd9 | 0xf9, ..] => 3,
        _ => return None,
    };
    u64::try_from(prefixes).ok()?.checked_add(length)
}

#[cfg(test)]
mod tests {
    use super::length_of;

    #[test]
    fn instructions_of_the_hypervisor_are_known_with_their_prefixes() {
        assert_eq!(length_of(&[0xf4, 0x90]), Some(1));
        assert_eq!(length_of(&[0x0f, 0xa2]), Some(2));
        assert_eq!(length_of(&[0x66, 0x48, 0x0f, 0x22, 0xd8]), Some(5));
        assert_eq!(length_of(&[0x0f, 0x01, 0xd9]), Some(3));
        assert_eq!(length_of(&[0x0f, 0x01, 0xf8]), None, "SWAPGS");
        assert_eq!(length_of(&[0x90]), None);
        assert_eq!(length_of(&[0x0f]), None);
        assert_eq!(length_of(&[]), None);
    }
}
