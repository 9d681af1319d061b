//! Registers of a vCPU by place in a structure: the tables of `x64` and `x86`, written and read by the
//! same few functions.

pub(super) use crate::fields::{slice, u16_at, u32_at};
use crate::target::vcpu::{Hidden, gpr, msr};
use crate::target::{Segment, Table, Vcpu};

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

/// A segment register.
#[derive(Clone, Copy, Debug)]
pub enum Seg {
    Es,
    Cs,
    Ss,
    Ds,
    Fs,
    Gs,
    Ldt,
    Tr,
}

/// A register of a vCPU, or a part of one.
#[derive(Clone, Copy, Debug)]
pub enum Register {
    /// By its number in [`Vcpu::gpr`].
    Gpr(usize),
    Rip,
    Flags,
    Cr0,
    Cr2,
    Cr3,
    Cr4,
    Cr8,
    Xcr0,
    /// By its number in [`Vcpu::dr`].
    Dr(usize),
    GdtBase,
    GdtLimit,
    IdtBase,
    IdtLimit,
    Selector(Seg),
    /// Of the FXSAVE image.
    MxCsr,
    /// Base of FS or GS, which is a model-specific register too.
    Base(Seg, u32),
    Msr(u32),
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

/// Offset of MXCSR in an FXSAVE image.
const FXSAVE_MXCSR: usize = 24;

impl Register {
    /// Its value, where the vCPU knows it.
    pub fn get(self, vcpu: &Vcpu) -> Option<u64> {
        match self {
            Self::Gpr(number) => vcpu.gpr.get(number).copied(),
            Self::Rip => Some(vcpu.rip),
            Self::Flags => Some(vcpu.rflags),
            Self::Cr0 => vcpu.cr0,
            Self::Cr2 => vcpu.cr2,
            Self::Cr3 => vcpu.cr3,
            Self::Cr4 => vcpu.cr4,
            Self::Cr8 => vcpu.cr8,
            Self::Xcr0 => vcpu.xcr0,
            Self::Dr(number) => vcpu.dr?.get(number).copied(),
            Self::GdtBase => vcpu.gdt.map(|table| table.base),
            Self::GdtLimit => vcpu.gdt.map(|table| table.limit.into()),
            Self::IdtBase => vcpu.idt.map(|table| table.base),
            Self::IdtLimit => vcpu.idt.map(|table| table.limit.into()),
            Self::Selector(seg) => Some(segment(vcpu, seg).selector.into()),
            Self::MxCsr => u32_at(&**vcpu.fxsave.as_ref()?, FXSAVE_MXCSR).map(u64::from),
            Self::Base(seg, number) => vcpu
                .msrs
                .get(&number)
                .copied()
                .or_else(|| Some(segment(vcpu, seg).hidden?.base)),
            Self::Msr(number) => vcpu.msrs.get(&number).copied(),
        }
    }

    /// Sets it. Values are cut to the register's size; MXCSR is set only where there is an image.
    pub fn set(self, vcpu: &mut Vcpu, value: u64) {
        let limit = u16::try_from(value & 0xffff).unwrap_or_default();
        match self {
            Self::Gpr(number) => put(vcpu.gpr.get_mut(number), value),
            Self::Rip => vcpu.rip = value,
            Self::Flags => vcpu.rflags = value,
            Self::Cr0 => vcpu.cr0 = Some(value),
            Self::Cr2 => vcpu.cr2 = Some(value),
            Self::Cr3 => vcpu.cr3 = Some(value),
            Self::Cr4 => vcpu.cr4 = Some(value),
            Self::Cr8 => vcpu.cr8 = Some(value),
            Self::Xcr0 => vcpu.xcr0 = Some(value),
            Self::Dr(number) => put(vcpu.dr.get_or_insert_default().get_mut(number), value),
            Self::GdtBase => table(&mut vcpu.gdt).base = value,
            Self::GdtLimit => table(&mut vcpu.gdt).limit = limit,
            Self::IdtBase => table(&mut vcpu.idt).base = value,
            Self::IdtLimit => table(&mut vcpu.idt).limit = limit,
            Self::Selector(seg) => set_selector(segment_mut(vcpu, seg), limit),
            Self::MxCsr => {
                let place = vcpu
                    .fxsave
                    .as_mut()
                    .and_then(|image| slice_mut(&mut **image, FXSAVE_MXCSR, 4));
                if let (Some(place), Some(bytes)) = (place, value.to_le_bytes().get(..4)) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Base(seg, number) => {
                vcpu.msrs.insert(number, value);
                if let Some(Hidden { base, .. }) = &mut segment_mut(vcpu, seg).hidden {
                    *base = value;
                }
            }
            Self::Msr(number) => {
                vcpu.msrs.insert(number, value);
            }
        }
    }
}

fn put(place: Option<&mut u64>, value: u64) {
    if let Some(place) = place {
        *place = value;
    }
}

fn table(table: &mut Option<Table>) -> &mut Table {
    table.get_or_insert_default()
}

/// The hidden part belongs to the old selector.
fn set_selector(segment: &mut Segment, selector: u16) {
    if segment.selector != selector {
        *segment = Segment { selector, hidden: None };
    }
}

fn segment(vcpu: &Vcpu, seg: Seg) -> &Segment {
    let segments = &vcpu.segments;
    match seg {
        Seg::Es => &segments.es,
        Seg::Cs => &segments.cs,
        Seg::Ss => &segments.ss,
        Seg::Ds => &segments.ds,
        Seg::Fs => &segments.fs,
        Seg::Gs => &segments.gs,
        Seg::Ldt => &segments.ldt,
        Seg::Tr => &segments.tr,
    }
}

fn segment_mut(vcpu: &mut Vcpu, seg: Seg) -> &mut Segment {
    let segments = &mut vcpu.segments;
    match seg {
        Seg::Es => &mut segments.es,
        Seg::Cs => &mut segments.cs,
        Seg::Ss => &mut segments.ss,
        Seg::Ds => &mut segments.ds,
        Seg::Fs => &mut segments.fs,
        Seg::Gs => &mut segments.gs,
        Seg::Ldt => &mut segments.ldt,
        Seg::Tr => &mut segments.tr,
    }
}
