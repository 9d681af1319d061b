//! What a KPRCB keeps of its processor's registers, for sources without vCPU state.

use std::collections::HashMap;

use super::{Context, Offsets};
use crate::memory::{Gva, VirtualMemory};
use crate::target::vcpu::msr;
use crate::target::{Table, Vcpu};
use crate::windows::record::{Record, kdbg_offset};
use crate::windows::{Architecture, Processor, context};

/// KPROCESSOR_STATE and the pointer to the CONTEXT that newer kernels save to.
#[derive(Clone, Copy, Debug)]
struct Saved {
    special: usize,
    context: usize,
    pointer: Option<usize>,
}

impl Saved {
    /// Length of KSPECIAL_REGISTERS: before 1703 the CONTEXT stands where the longest form would end.
    fn special_length(&self, architecture: Architecture) -> usize {
        let longest = match architecture {
            Architecture::X64 => context::SPECIAL_X64_SIZE,
            Architecture::X86 => context::SPECIAL_X86_SIZE,
        };
        match self.context.checked_sub(self.special) {
            Some(distance) => longest.min(distance),
            None => longest,
        }
    }
}

/// Places of the saved state in KPRCB: what the KDBG says, else by build, else both that there were.
fn saved(context: Context<'_>) -> Vec<Saved> {
    let kdbg = |at| kdbg_offset(context.kdbg, at);
    let pointer = kdbg(0x338);
    let of = |special, context| Saved {
        special,
        context,
        pointer,
    };
    if let (Some(special), Some(context)) = (kdbg(0x2f2), kdbg(0x2bc)) {
        return vec![of(special, context)];
    }
    match context.architecture {
        Architecture::X64 => {
            let (new, old) = (of(0x100, 0x1f0), of(0x40, 0x120));
            match context.build {
                Some(build) if build >= 15063 => vec![new],
                Some(_) => vec![old],
                None => vec![new, old],
            }
        }
        Architecture::X86 => {
            let at = |state: usize| of(state + context::CONTEXT_X86_SIZE, state);
            match context.build {
                Some(build) if build >= 7600 => vec![at(0x18)],
                Some(_) => vec![at(0x1c)],
                None => vec![at(0x18), at(0x1c)],
            }
        }
    }
}

/// A vCPU made of what the kernel saved in the KPRCB of a processor (ProcessorState, and the CONTEXT that
/// the KPRCB points to). `None` when it holds no CONTEXT.
#[must_use]
pub fn vcpu_from_kprcb(space: &dyn VirtualMemory, processor: &Processor, context: Context<'_>) -> Option<Vcpu> {
    saved(context)
        .into_iter()
        .find_map(|saved| one(space, processor, context, saved))
}

fn one(space: &dyn VirtualMemory, processor: &Processor, context: Context<'_>, saved: Saved) -> Option<Vcpu> {
    let architecture = context.architecture;
    let length = match architecture {
        Architecture::X64 => context::CONTEXT_X64_SIZE,
        Architecture::X86 => context::CONTEXT_X86_SIZE,
    };
    let read = |at: Gva, length| Record::read(space, at, length, architecture);
    let kprcb = processor.kprcb;
    let mut vcpu = saved
        .pointer
        .and_then(|pointer| read(kprcb.plus(pointer as u64), 8).pointer(0))
        .filter(|at| architecture.is_kernel(*at))
        .and_then(|at| context::from_context(read(at, length).bytes(), architecture))
        .or_else(|| context::from_context(read(kprcb.plus(saved.context as u64), length).bytes(), architecture))?;
    vcpu.number = processor.number;
    special(space, &mut vcpu, processor, architecture, saved);
    Some(vcpu)
}

/// Fills the control registers and descriptor tables of a vCPU that knows none (that of a Windows dump's
/// CONTEXT) from what the kernel saved in the KPRCB. Gives whether there was something.
pub fn complete_from_kprcb(
    space: &dyn VirtualMemory,
    vcpu: &mut Vcpu,
    processor: &Processor,
    context: Context<'_>,
) -> bool {
    let bare = vcpu.cr0.is_none() && vcpu.gdt.is_none() && vcpu.msrs.is_empty();
    bare && saved(context)
        .into_iter()
        .any(|saved| special(space, vcpu, processor, context.architecture, saved))
}

/// Gives a vCPU the descriptor tables that its source does not know: those that the kernel saved in the KPRCB,
/// when they are the ones that the KPCR names. A processor's tables stay where they are as long as Windows runs.
pub fn tables_from_kprcb(space: &dyn VirtualMemory, vcpu: &mut Vcpu, processor: &Processor, context: Context<'_>) {
    if vcpu.gdt.is_some() && vcpu.idt.is_some() {
        return;
    }
    let (gdt, idt) = match context.architecture {
        Architecture::X64 => (0, 0x38),
        Architecture::X86 => (0x3c, 0x38),
    };
    let kpcr = Record::read(space, processor.kpcr, 0x40, context.architecture);
    for saved in saved(context) {
        let mut kept = Vcpu::default();
        special(space, &mut kept, processor, context.architecture, saved);
        let named = |table: Option<Table>, at| table.filter(|table| kpcr.pointer(at) == Some(Gva(table.base)));
        vcpu.gdt = vcpu.gdt.or(named(kept.gdt, gdt));
        vcpu.idt = vcpu.idt.or(named(kept.idt, idt));
    }
}

fn special(
    space: &dyn VirtualMemory,
    vcpu: &mut Vcpu,
    processor: &Processor,
    architecture: Architecture,
    saved: Saved,
) -> bool {
    let length = saved.special_length(architecture);
    let bytes = Record::read(space, processor.kprcb.plus(saved.special as u64), length, architecture);
    let there = context::apply_saved_special(vcpu, bytes.bytes(), architecture);
    // In the kernel GS points to the KPCR; a saved 0 only says that nobody saved it.
    if architecture == Architecture::X64 && vcpu.segments.cs.selector & 3 == 0 {
        vcpu.msrs.entry(msr::GS_BASE).or_insert(processor.kpcr.0);
    }
    there
}

/// No KPRCB is believed with fewer empty lists.
const LISTS: usize = 4;

/// A processor from a copy of its KPRCB, as triage dumps hold it without its address. The address follows
/// from the lists in it: the head of an empty one points to itself.
#[must_use]
pub fn from_copy(bytes: &[u8], context: Context<'_>) -> Option<Processor> {
    let architecture = context.architecture;
    let offsets = Offsets::of(context);
    let record = Record::of(bytes.to_vec(), architecture);
    let width = usize::try_from(architecture.width()).ok()?;
    let mut votes: HashMap<u64, usize> = HashMap::new();
    for at in (0..bytes.len()).step_by(width) {
        let Some(link) = record.pointer(at).filter(|link| architecture.is_kernel(*link)) else {
            continue;
        };
        let begin = link.0.checked_sub(at as u64);
        let kpcr = begin.and_then(|begin| begin.checked_sub(offsets.contained as u64));
        if record.pointer(at.checked_add(width)?) == Some(link)
            && let (Some(begin), Some(0)) = (begin, kpcr.map(|kpcr| kpcr & 0x1f))
        {
            *votes.entry(begin).or_default() += 1;
        }
    }
    let all: usize = votes.values().sum();
    let (begin, count) = votes.into_iter().max_by_key(|(_, count)| *count)?;
    if count < LISTS || count.checked_mul(2)? <= all {
        return None;
    }
    let number = if offsets.number_is_byte {
        record.u8(offsets.number).map(u32::from)
    } else {
        record.u32(offsets.number)
    };
    Some(Processor {
        number: number?,
        kpcr: Gva(begin.checked_sub(offsets.contained as u64)?),
        kprcb: Gva(begin),
        thread: record
            .pointer(offsets.thread)
            .filter(|thread| architecture.is_kernel(*thread)),
        vcpu: None,
        from_kprcb: false,
    })
}

/// Where a kernel saves the registers of a processor.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Places {
    /// CONTEXT in the KPRCB.
    pub own: Gva,
    /// CONTEXT that the KPRCB points to.
    pub pointed: Option<Gva>,
    /// KSPECIAL_REGISTERS and its length.
    pub special: (Gva, usize),
}

/// The places of a processor. `None` when two are possible and nothing tells which.
#[must_use]
pub fn places(space: &dyn VirtualMemory, processor: &Processor, context: Context<'_>) -> Option<Places> {
    let [saved] = saved(context)[..] else { return None };
    let architecture = context.architecture;
    let kprcb = processor.kprcb;
    let pointed = saved.pointer.and_then(|at| {
        let width = usize::try_from(architecture.width()).ok()?;
        Record::read(space, kprcb.plus(at as u64), width, architecture).pointer(0)
    });
    Some(Places {
        own: kprcb.plus(saved.context as u64),
        pointed: pointed.filter(|at| architecture.is_kernel(*at)),
        special: (kprcb.plus(saved.special as u64), saved.special_length(architecture)),
    })
}
