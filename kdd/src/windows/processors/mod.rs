//! Processors: KPCR and KPRCB of each, its current thread, and which vCPU of the source it is.
//!
//! Two sources: the array KiProcessorBlock, which the KDBG points to, and the vCPUs themselves (the KPCR
//! is at the base of GS or FS when the kernel runs, and where SWAPGS will take it from otherwise). Where a
//! source has no vCPU state, [`vcpu_from_kprcb`] makes it of what the kernel saved.

mod saved;

pub use saved::{Places, complete_from_kprcb, from_copy, places, tables_from_kprcb, vcpu_from_kprcb};

use super::record::{Record, kdbg_address, kdbg_offset};
use super::{Architecture, Processor};
use crate::damage::{Damage, Place};
use crate::memory::{Gva, VirtualMemory};
use crate::target::Vcpu;
use crate::target::vcpu::msr;

const RULE: &str = "processor";

/// MAXIMUM_PROCESSORS of the largest Windows.
const LIMIT_X64: u64 = 2048;
/// The same on x86.
const LIMIT_X86: u64 = 32;

/// What processors are read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Plain bytes of the KDBG.
    pub kdbg: Option<&'a [u8]>,
    /// Machine code of the kernel.
    pub architecture: Architecture,
    /// Build number.
    pub build: Option<u32>,
}

/// Places in KPCR and KPRCB.
#[derive(Clone, Copy, Debug)]
struct Offsets {
    /// In KPCR.
    own: usize,
    current: usize,
    contained: usize,
    /// In KPRCB.
    thread: usize,
    number: usize,
    /// The number is a byte (`Number` before Windows 7, `LegacyNumber` after).
    number_is_byte: bool,
}

impl Offsets {
    fn of(context: Context<'_>) -> Self {
        let kdbg = |at| kdbg_offset(context.kdbg, at);
        let groups = context.build.is_none_or(|build| build >= 7600);
        match context.architecture {
            Architecture::X64 => {
                let number = kdbg(0x2be).unwrap_or(if groups { 0x24 } else { 4 });
                Self {
                    own: kdbg(0x2e2).unwrap_or(0x18),
                    current: kdbg(0x2e4).unwrap_or(0x20),
                    contained: kdbg(0x2e6).unwrap_or(0x180),
                    thread: kdbg(0x2b4).unwrap_or(8),
                    number,
                    number_is_byte: number == 4,
                }
            }
            Architecture::X86 => {
                let number = kdbg(0x2be).unwrap_or(0x10);
                Self {
                    own: kdbg(0x2e2).unwrap_or(0x1c),
                    current: kdbg(0x2e4).unwrap_or(0x20),
                    contained: kdbg(0x2e6).unwrap_or(0x120),
                    thread: kdbg(0x2b4).unwrap_or(4),
                    number,
                    number_is_byte: number == 0x10,
                }
            }
        }
    }
}

/// Reads the processors, by number.
#[must_use]
pub fn read(space: &dyn VirtualMemory, vcpus: &[Vcpu], context: Context<'_>) -> (Vec<Processor>, Vec<Damage>) {
    let reader = Reader {
        space,
        context,
        offsets: Offsets::of(context),
    };
    let mut found = Vec::new();
    let mut processors = match kdbg_address(context.kdbg, 0x218, context.architecture) {
        Some(array) => reader.block(array, &mut found),
        None => Vec::new(),
    };
    for vcpu in vcpus {
        if let Some(kpcr) = reader.kpcr_of(vcpu) {
            reader.assign(&mut processors, vcpu, kpcr, &mut found);
        }
    }
    for vcpu in vcpus {
        if processors.iter().all(|processor| processor.vcpu != Some(vcpu.number)) {
            reader.assign_by_tables(&mut processors, vcpu);
        }
    }
    for vcpu in vcpus {
        if processors.iter().all(|processor| processor.vcpu != Some(vcpu.number)) {
            reader.assign_by_stack(&mut processors, vcpu, vcpus.len() == 1);
        }
    }
    processors.sort_by_key(|processor| processor.number);
    for processor in &mut processors {
        processor.from_kprcb = processor.vcpu.is_none() && vcpu_from_kprcb(space, processor, context).is_some();
    }
    (processors, found)
}

/// Looks again at the processors of a guest that ran: their threads, processors that were started since, vCPUs
/// that nothing led to then. A processor stays the vCPU that it was found to be.
pub fn again(space: &dyn VirtualMemory, vcpus: &[Vcpu], context: Context<'_>, known: &mut Vec<Processor>) {
    let offsets = Offsets::of(context);
    let reader = Reader {
        space,
        context,
        offsets,
    };
    let mut unused = Vec::new();
    if let Some(array) = kdbg_address(context.kdbg, 0x218, context.architecture) {
        for processor in reader.block(array, &mut unused) {
            if known.iter().all(|other| other.number != processor.number) {
                known.push(processor);
            }
        }
    }
    let free = |known: &[Processor], vcpu: &&Vcpu| known.iter().all(|other| other.vcpu != Some(vcpu.number));
    for vcpu in vcpus {
        if free(known, &vcpu)
            && let Some(kpcr) = reader.kpcr_of(vcpu)
        {
            reader.assign(known, vcpu, kpcr, &mut unused);
        }
    }
    for vcpu in vcpus {
        if free(known, &vcpu) {
            reader.assign_by_tables(known, vcpu);
        }
    }
    known.sort_by_key(|processor| processor.number);
    for processor in known {
        processor.thread = reader.thread(processor.kprcb);
        processor.from_kprcb = processor.vcpu.is_none() && vcpu_from_kprcb(space, processor, context).is_some();
    }
}

struct Reader<'a> {
    space: &'a dyn VirtualMemory,
    context: Context<'a>,
    offsets: Offsets,
}

impl Reader<'_> {
    fn record(&self, at: Gva, length: usize) -> Record {
        Record::read(self.space, at, length, self.context.architecture)
    }

    fn pointer(&self, at: Gva) -> Option<Gva> {
        self.record(at, 8).pointer(0)
    }

    fn limit(&self) -> u64 {
        match self.context.architecture {
            Architecture::X64 => LIMIT_X64,
            Architecture::X86 => LIMIT_X86,
        }
    }

    /// KiProcessorBlock: addresses of KPRCBs by number, up to the first that is none.
    fn block(&self, array: Gva, found: &mut Vec<Damage>) -> Vec<Processor> {
        let architecture = self.context.architecture;
        let mut processors = Vec::new();
        for number in 0..self.limit() {
            let at = array.plus(number * architecture.width());
            let Some(kprcb) = self.pointer(at) else {
                if number == 0 {
                    found.push(damage(at, "KiProcessorBlock", "no memory there"));
                }
                break;
            };
            if !architecture.is_kernel(kprcb) {
                break;
            }
            let Ok(number) = u32::try_from(number) else { break };
            match self.number(kprcb) {
                Some(seen) if seen == number => processors.push(self.processor(number, kprcb)),
                Some(_) if number > 0 => break,
                Some(seen) => {
                    found.push(damage(
                        kprcb,
                        format!("the KPRCB of processor {number}"),
                        format!("number {seen}"),
                    ));
                    break;
                }
                None => {
                    found.push(damage(
                        kprcb,
                        format!("the KPRCB of processor {number}"),
                        "no memory there",
                    ));
                    processors.push(self.processor(number, kprcb));
                }
            }
        }
        // Addresses without memory at the end may be what stands behind a shorter array.
        while processors.last().is_some_and(|last| self.number(last.kprcb).is_none()) {
            processors.pop();
        }
        processors
    }

    fn processor(&self, number: u32, kprcb: Gva) -> Processor {
        Processor {
            number,
            kpcr: Gva(kprcb.0.saturating_sub(self.offsets.contained as u64)),
            kprcb,
            thread: self.thread(kprcb),
            vcpu: None,
            from_kprcb: false,
        }
    }

    /// CurrentThread.
    fn thread(&self, kprcb: Gva) -> Option<Gva> {
        self.pointer(kprcb.plus(self.offsets.thread as u64))
            .filter(|thread| self.context.architecture.is_kernel(*thread))
    }

    fn number(&self, kprcb: Gva) -> Option<u32> {
        let record = self.record(kprcb.plus(self.offsets.number as u64), 4);
        if self.offsets.number_is_byte {
            record.u8(0).map(u32::from)
        } else {
            record.u32(0)
        }
    }

    /// The KPCR that a vCPU's registers point to.
    fn kpcr_of(&self, vcpu: &Vcpu) -> Option<Gva> {
        let base = |segment: &crate::target::Segment| segment.hidden.map(|hidden| hidden.base);
        let msr = |number| vcpu.msrs.get(&number).copied();
        let candidates = match self.context.architecture {
            Architecture::X64 => [msr(msr::GS_BASE), base(&vcpu.segments.gs), msr(msr::KERNEL_GS_BASE)],
            Architecture::X86 => [base(&vcpu.segments.fs), self.fs_descriptor(vcpu), None],
        };
        candidates.into_iter().flatten().map(Gva).find(|at| self.is_kpcr(*at))
    }

    /// Base of the descriptor 0x30, which 32-bit kernels load into FS.
    fn fs_descriptor(&self, vcpu: &Vcpu) -> Option<u64> {
        let record = self.record(Gva(vcpu.gdt?.base).plus(0x30), 8);
        let (low, middle, high) = (record.u16(2)?, record.u8(4)?, record.u8(7)?);
        Some(u64::from(u32::from_le_bytes([
            low.to_le_bytes()[0],
            low.to_le_bytes()[1],
            middle,
            high,
        ])))
    }

    /// Whether a KPCR stands there: it points to itself and to the KPRCB that is part of it.
    fn is_kpcr(&self, at: Gva) -> bool {
        let kprcb = at.plus(self.offsets.contained as u64);
        self.context.architecture.is_kernel(at)
            && self.pointer(at.plus(self.offsets.own as u64)) == Some(at)
            && self.pointer(at.plus(self.offsets.current as u64)) == Some(kprcb)
    }

    fn assign(&self, processors: &mut Vec<Processor>, vcpu: &Vcpu, kpcr: Gva, found: &mut Vec<Damage>) {
        let kprcb = kpcr.plus(self.offsets.contained as u64);
        if let Some(processor) = processors.iter_mut().find(|processor| processor.kprcb == kprcb) {
            match processor.vcpu {
                None => processor.vcpu = Some(vcpu.number),
                Some(other) => {
                    let expected = format!("a KPCR of its own for vCPU {}", vcpu.number);
                    found.push(damage(kpcr, expected, format!("that of vCPU {other}")));
                }
            }
            return;
        }
        let Some(number) = self.number(kprcb) else { return };
        if u64::from(number) >= self.limit() {
            let expected = format!("the number of a processor below {}", self.limit());
            found.push(damage(kprcb, expected, number.to_string()));
            return;
        }
        if processors.iter().any(|processor| processor.number == number) {
            let expected = format!("a number of its own in the KPRCB of vCPU {}", vcpu.number);
            found.push(damage(kprcb, expected, format!("number {number} again")));
            return;
        }
        let mut processor = self.processor(number, kprcb);
        processor.vcpu = Some(vcpu.number);
        processors.push(processor);
    }

    /// Where no base is known: the KPCR whose descriptor tables are those of the vCPU.
    fn assign_by_tables(&self, processors: &mut [Processor], vcpu: &Vcpu) {
        let (Some(gdt), Some(idt)) = (vcpu.gdt, vcpu.idt) else {
            return;
        };
        let (gdt_at, idt_at) = match self.context.architecture {
            Architecture::X64 => (0, 0x38),
            Architecture::X86 => (0x3c, 0x38),
        };
        let same = |processor: &&mut Processor| {
            processor.vcpu.is_none()
                && self.pointer(processor.kpcr.plus(gdt_at)) == Some(Gva(gdt.base))
                && self.pointer(processor.kpcr.plus(idt_at)) == Some(Gva(idt.base))
        };
        if let Some(processor) = processors.iter_mut().find(same) {
            processor.vcpu = Some(vcpu.number);
        }
    }

    /// Where nothing else is known (a Windows dump holds one CONTEXT and does not say whose it is, a core may
    /// have general registers only): the processor whose current thread's stack the stack pointer is on.
    fn assign_by_stack(&self, processors: &mut [Processor], vcpu: &Vcpu, alone: bool) {
        let stack = vcpu.gpr.get(crate::target::vcpu::gpr::RSP).copied().unwrap_or_default();
        if let ([processor], true) = (&mut *processors, alone) {
            processor.vcpu = Some(vcpu.number);
            return;
        }
        let own = |processor: &&mut Processor| {
            processor.vcpu.is_none() && processor.thread.is_some_and(|thread| self.on_stack(thread, stack))
        };
        if let Some(processor) = processors.iter_mut().find(own) {
            processor.vcpu = Some(vcpu.number);
        }
    }

    /// KTHREAD has StackLimit right behind InitialStack.
    fn on_stack(&self, thread: Gva, stack: u64) -> bool {
        let width = usize::try_from(self.context.architecture.width()).unwrap_or(8);
        let Some(at) = kdbg_offset(self.context.kdbg, 0x29e) else {
            return false;
        };
        let record = self.record(thread.plus(at as u64), 2 * width);
        match (record.word(0), record.word(width)) {
            (Some(top), Some(limit)) => (limit..top).contains(&stack),
            _ => false,
        }
    }
}

fn damage(at: Gva, expected: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::file(RULE, at.0, expected, seen).at(Place::Virtual)
}
