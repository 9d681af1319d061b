//! Registers of a vCPU by name, for tables of them: where each stands in a [`Vcpu`], read and set by one function.

use super::vcpu::{Hidden, Segment, Table, Vcpu};
use crate::fields::u32_at;

/// A segment register.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seg {
    /// ES.
    Es,
    /// CS.
    Cs,
    /// SS.
    Ss,
    /// DS.
    Ds,
    /// FS.
    Fs,
    /// GS.
    Gs,
    /// LDTR.
    Ldt,
    /// TR.
    Tr,
}

/// A register of a vCPU, or a part of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// By its number in [`Vcpu::gpr`].
    Gpr(usize),
    /// Instruction pointer.
    Rip,
    /// Flags.
    Flags,
    /// CR0.
    Cr0,
    /// CR2.
    Cr2,
    /// CR3.
    Cr3,
    /// CR4.
    Cr4,
    /// CR8.
    Cr8,
    /// XCR0.
    Xcr0,
    /// By its number in [`Vcpu::dr`].
    Dr(usize),
    /// Base of GDTR.
    GdtBase,
    /// Limit of GDTR.
    GdtLimit,
    /// Base of IDTR.
    IdtBase,
    /// Limit of IDTR.
    IdtLimit,
    /// Selector of a segment register.
    Selector(Seg),
    /// MXCSR of the FXSAVE image.
    MxCsr,
    /// Base of FS or GS, which is a model-specific register too.
    Base(Seg, u32),
    /// A model-specific register by its number.
    Msr(u32),
}

/// Offset of MXCSR in an FXSAVE image.
const FXSAVE_MXCSR: usize = 24;

impl Register {
    /// Its value, where the vCPU knows it.
    #[must_use]
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
                let image = vcpu.fxsave.as_mut();
                let place = image.and_then(|image| image.get_mut(FXSAVE_MXCSR..FXSAVE_MXCSR + 4));
                if let (Some(place), Some(bytes)) = (place, value.to_le_bytes().get(..4)) {
                    place.copy_from_slice(bytes);
                }
            }
            Self::Base(seg, number) => {
                let hidden = segment_mut(vcpu, seg).hidden.as_mut();
                let alone = hidden.is_none();
                hidden.into_iter().for_each(|hidden: &mut Hidden| hidden.base = value);
                if alone || vcpu.msrs.contains_key(&number) {
                    vcpu.msrs.insert(number, value);
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
