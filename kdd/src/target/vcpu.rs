//! State of a virtual CPU, as far as a source knows it.

use std::collections::BTreeMap;

/// A segment register with its hidden part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segment {
    /// Selector.
    pub selector: u16,
    /// Base, limit in bytes and access rights, where known. The rights are bits 8 to 23 of the
    /// descriptor's second word, shifted to bit 0 (as VMX has them: type, S, DPL, P, AVL, L, D/B, G at
    /// bit 15), without the four limit bits.
    pub hidden: Option<Hidden>,
}

/// The hidden part of a segment register.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hidden {
    /// Base address.
    pub base: u64,
    /// Limit in bytes.
    pub limit: u32,
    /// Access rights.
    pub access: u16,
}

/// GDTR or IDTR.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Table {
    /// Base address.
    pub base: u64,
    /// Limit in bytes.
    pub limit: u16,
}

/// Numbers of model-specific registers that have a name here.
pub mod msr {
    /// IA32_SYSENTER_CS.
    pub const SYSENTER_CS: u32 = 0x174;
    /// IA32_SYSENTER_ESP.
    pub const SYSENTER_ESP: u32 = 0x175;
    /// IA32_SYSENTER_EIP.
    pub const SYSENTER_EIP: u32 = 0x176;
    /// IA32_EFER.
    pub const EFER: u32 = 0xc000_0080;
    /// IA32_STAR.
    pub const STAR: u32 = 0xc000_0081;
    /// IA32_LSTAR: entry of SYSCALL in 64-bit mode.
    pub const LSTAR: u32 = 0xc000_0082;
    /// IA32_CSTAR.
    pub const CSTAR: u32 = 0xc000_0083;
    /// IA32_FMASK.
    pub const SFMASK: u32 = 0xc000_0084;
    /// IA32_FS_BASE.
    pub const FS_BASE: u32 = 0xc000_0100;
    /// IA32_GS_BASE.
    pub const GS_BASE: u32 = 0xc000_0101;
    /// IA32_KERNEL_GS_BASE.
    pub const KERNEL_GS_BASE: u32 = 0xc000_0102;
}

/// Segment registers, in the order of their encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Segments {
    /// ES.
    pub es: Segment,
    /// CS.
    pub cs: Segment,
    /// SS.
    pub ss: Segment,
    /// DS.
    pub ds: Segment,
    /// FS.
    pub fs: Segment,
    /// GS.
    pub gs: Segment,
    /// LDTR.
    pub ldt: Segment,
    /// TR.
    pub tr: Segment,
}

/// A vCPU. What a source does not hold is `None` or not in the map, never zero.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Vcpu {
    /// Number of the vCPU in the source, from 0.
    pub number: u32,
    /// RAX RCX RDX RBX RSP RBP RSI RDI R8 … R15: the order of the encoding.
    pub gpr: [u64; 16],
    /// Instruction pointer.
    pub rip: u64,
    /// Flags.
    pub rflags: u64,
    /// Segment registers.
    pub segments: Segments,
    /// GDTR.
    pub gdt: Option<Table>,
    /// IDTR.
    pub idt: Option<Table>,
    /// CR0.
    pub cr0: Option<u64>,
    /// CR2.
    pub cr2: Option<u64>,
    /// CR3, as the CPU holds it (with the PCID).
    pub cr3: Option<u64>,
    /// CR4.
    pub cr4: Option<u64>,
    /// CR8 (task priority).
    pub cr8: Option<u64>,
    /// XCR0.
    pub xcr0: Option<u64>,
    /// DR0 to DR7.
    pub dr: Option<[u64; 8]>,
    /// Image of FXSAVE, 512 bytes.
    pub fxsave: Option<Box<[u8; 512]>>,
    /// Model-specific registers by number; holds EFER, the SYSCALL registers and the segment bases too.
    pub msrs: BTreeMap<u32, u64>,
}

/// Numbers of the general registers in [`Vcpu::gpr`].
pub mod gpr {
    /// RSP.
    pub const RSP: usize = 4;
    /// RBP.
    pub const RBP: usize = 5;
}

impl Vcpu {
    /// Long mode: 64-bit or compatibility code, 4- or 5-level page tables. Where EFER is not known, what
    /// only long mode has (64-bit code, system tables above 4 GiB), or what it cannot do without (paging
    /// with 64-bit entries).
    #[must_use]
    pub fn long_mode(&self) -> Option<bool> {
        if let Some(efer) = self.msrs.get(&msr::EFER) {
            return Some(efer & 0x400 != 0);
        }
        let clear = |register: Option<u64>, bit: u64| register.is_some_and(|value| value & bit == 0);
        if clear(self.cr0, 1 << 31) || clear(self.cr4, 1 << 5) {
            return Some(false);
        }
        let wide = |table: Option<Table>| table.is_some_and(|table| table.base > u64::from(u32::MAX));
        let code = self
            .segments
            .cs
            .hidden
            .is_some_and(|hidden| hidden.access & 0x2000 != 0);
        let high = self.rip > u64::from(u32::MAX) || wide(self.gdt) || wide(self.idt);
        (code || high).then_some(true)
    }
}
