//! A structure in the guest's memory, read once, and its fields by offset.

use super::Architecture;
use super::fields::{read_some, u16_at, u32_at, u64_at};
use crate::fields::slice;
use crate::memory::{Gva, VirtualMemory};

impl Architecture {
    /// Size of a pointer.
    pub(super) fn width(self) -> u64 {
        match self {
            Self::X64 => 8,
            Self::X86 => 4,
        }
    }

    /// An address as this machine has it: KDBG and version block of a 32-bit kernel hold sign-extended ones.
    pub(super) fn address(self, at: Gva) -> Gva {
        match self {
            Self::X64 => at,
            Self::X86 => Gva(at.0 & 0xffff_ffff),
        }
    }

    /// Whether an address belongs to the kernel's half.
    pub(super) fn is_kernel(self, at: Gva) -> bool {
        match self {
            // 57 bits of address at most.
            Self::X64 => at.0 >= 0xff00_0000_0000_0000,
            Self::X86 => (0x8000_0000..=0xffff_ffff).contains(&at.0),
        }
    }
}

/// A structure. Where memory ends before it does, the fields behind that are not there.
pub(super) struct Record {
    bytes: Vec<u8>,
    architecture: Architecture,
}

impl Record {
    /// Reads what is there of `length` bytes from `at` on.
    pub fn read(space: &dyn VirtualMemory, at: Gva, length: usize, architecture: Architecture) -> Self {
        let end = at.0.checked_add(length as u64);
        let bytes = end.map(|_| read_some(space, at, length)).unwrap_or_default();
        Self { bytes, architecture }
    }

    /// A structure whose bytes are at hand.
    pub fn of(bytes: Vec<u8>, architecture: Architecture) -> Self {
        Self { bytes, architecture }
    }

    /// What could be read.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// `length` bytes from `at` on.
    pub fn slice(&self, at: usize, length: usize) -> Option<&[u8]> {
        slice(&self.bytes, at, length)
    }

    /// A byte.
    pub fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// A 16-bit value.
    pub fn u16(&self, at: usize) -> Option<u16> {
        u16_at(&self.bytes, at)
    }

    /// A 32-bit value.
    pub fn u32(&self, at: usize) -> Option<u32> {
        u32_at(&self.bytes, at)
    }

    /// A value as wide as a pointer.
    pub fn word(&self, at: usize) -> Option<u64> {
        match self.architecture {
            Architecture::X64 => u64_at(&self.bytes, at),
            Architecture::X86 => self.u32(at).map(u64::from),
        }
    }

    /// A pointer.
    pub fn pointer(&self, at: usize) -> Option<Gva> {
        self.word(at).map(Gva)
    }
}

/// A 16-bit offset of the KDBG; `None` where it is 0 or behind its end.
pub(super) fn kdbg_offset(kdbg: Option<&[u8]>, at: usize) -> Option<usize> {
    let value = u16_at(kdbg?, at)?;
    (value != 0).then_some(value.into())
}

/// An address of the KDBG, in the same way.
pub(super) fn kdbg_address(kdbg: Option<&[u8]>, at: usize, architecture: Architecture) -> Option<Gva> {
    let value = architecture.address(Gva(u64_at(kdbg?, at)?));
    (value.0 != 0).then_some(value)
}
