//! Registers of a vCPU by place in a structure: the tables of `x64` and `x86`, written and read by the
//! same few functions.

pub(super) use crate::fields::{slice, u16_at, u32_at};
use crate::target::Vcpu;
pub use crate::target::register::{Register, Seg};
use crate::target::vcpu::{gpr, msr};

/// Parts of a CONTEXT by their bit in ContextFlags.
pub struct Part;

impl Part {
    /// CS, SS, instruction pointer, flags, stack pointer (and EBP on x86).
    pub const CONTROL: u32 = 1;
    /// The other general registers.
    pub const INTEGER: u32 = 2;
    /// DS, ES, FS, GS.
    pub const SEGMENTS: u32 = 4;
    /// x87 and, on x64, SSE.
    pub const FLOATING: u32 = 8;
    /// Debug registers.
    pub const DEBUG: u32 = 0x10;
    /// The FXSAVE image on x86.
    pub const EXTENDED: u32 = 0x20;
    /// For structures without such flags.
    pub const ALWAYS: u32 = u32::MAX;
}

/// Base of FS.
pub const FS_BASE: Register = Register::Base(Seg::Fs, msr::FS_BASE);
/// Base of GS.
pub const GS_BASE: Register = Register::Base(Seg::Gs, msr::GS_BASE);
/// Stack pointer.
pub const RSP: Register = Register::Gpr(gpr::RSP);
/// Frame pointer.
pub const RBP: Register = Register::Gpr(gpr::RBP);

/// A field of a structure.
pub struct Row {
    /// Offset.
    pub at: usize,
    /// Bytes.
    pub size: usize,
    /// Part of the CONTEXT it belongs to.
    pub part: u32,
    /// The field's name.
    pub name: &'static str,
    /// What stands there.
    pub register: Register,
}

/// A row.
pub const fn row(at: usize, size: usize, part: u32, name: &'static str, register: Register) -> Row {
    Row {
        at,
        size,
        part,
        name,
        register,
    }
}

/// Writes all rows into `bytes`.
pub fn write(rows: &[Row], vcpu: &Vcpu, bytes: &mut [u8]) {
    for row in rows {
        let value = row.register.get(vcpu).unwrap_or_default().to_le_bytes();
        if let (Some(place), Some(value)) = (slice_mut(bytes, row.at, row.size), value.get(..row.size)) {
            place.copy_from_slice(value);
        }
    }
}

/// Takes the rows of the parts in `parts` that lie whole in `bytes`.
pub fn apply(rows: &[Row], parts: u32, vcpu: &mut Vcpu, bytes: &[u8]) {
    for row in rows.iter().filter(|row| row.part & parts != 0) {
        let mut value = [0; 8];
        if let (Some(from), Some(to)) = (slice(bytes, row.at, row.size), value.get_mut(..row.size)) {
            to.copy_from_slice(from);
            row.register.set(vcpu, u64::from_le_bytes(value));
        }
    }
}

/// `length` bytes from `at` on, to write.
pub fn slice_mut(bytes: &mut [u8], at: usize, length: usize) -> Option<&mut [u8]> {
    bytes.get_mut(at..at.checked_add(length)?)
}
