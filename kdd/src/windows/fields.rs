//! Little-endian fields of structures, in bytes and in memory.

pub(crate) use crate::fields::{array, u16_at, u32_at, u64_at};
use crate::memory::{Gva, VirtualMemory};

/// Exactly `N` bytes of memory.
pub(crate) fn read<const N: usize>(space: &dyn VirtualMemory, at: Gva) -> Option<[u8; N]> {
    let mut bytes = [0; N];
    (space.read(at, &mut bytes) == N).then_some(bytes)
}

/// As many bytes of memory as there are, at most `length`.
pub(crate) fn read_some(space: &dyn VirtualMemory, at: Gva, length: usize) -> Vec<u8> {
    let mut bytes = vec![0; length];
    let count = space.read(at, &mut bytes);
    bytes.truncate(count);
    bytes
}

/// Four bytes of memory.
pub(crate) fn read_u32(space: &dyn VirtualMemory, at: Gva) -> Option<u32> {
    read(space, at).map(u32::from_le_bytes)
}

/// A pointer of 4 or 8 bytes.
pub(crate) fn read_pointer(space: &dyn VirtualMemory, at: Gva, size: usize) -> Option<Gva> {
    if size == 4 {
        read_u32(space, at).map(|value| Gva(u64::from(value)))
    } else {
        read(space, at).map(u64::from_le_bytes).map(Gva)
    }
}

/// A pointer as structures of the debugger hold it: 64 bits, of a 32-bit kernel with the sign in the
/// upper half, which the address itself does not have.
pub(crate) fn debugger_pointer(value: u64, size: usize) -> Gva {
    Gva(if size == 4 { value & 0xffff_ffff } else { value })
}

/// The reverse of [`debugger_pointer`].
pub(crate) fn to_debugger_pointer(at: Gva, size: usize) -> u64 {
    if size == 4 && at.0 >> 31 == 1 {
        at.0 | 0xffff_ffff_0000_0000
    } else {
        at.0
    }
}
