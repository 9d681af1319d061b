//! The processors of a guest: which vCPU each is, its registers, its page directory.

use crate::memory::paging::{AddressSpace, Cache};
use crate::memory::{Gpa, Gva, VirtualMemory};
use crate::target::{Target, Vcpu};
use crate::windows::processors::{self, complete_from_kprcb, from_copy, tables_from_kprcb, vcpu_from_kprcb};
use crate::windows::{Architecture, Missing, Overlay, Processor, Windows, shared_data};

/// A processor.
#[derive(Clone, Debug, Default)]
pub struct Cpu {
    /// Its registers; `None` where neither the source nor the kernel keeps them.
    pub vcpu: Option<Vcpu>,
    /// What the kernel keeps of it.
    pub processor: Option<Processor>,
    /// Page directory of the process it runs, with the kernel in it; `None` where only the kernel's own is
    /// known.
    pub directory: Option<Gpa>,
    /// Whether its own CR3 is one of user mode without the kernel (KVA shadow).
    pub shadow: bool,
}

/// No Windows has more.
const LIMIT: usize = 2048;

/// All of them, and the KPRCB of a triage dump as an overlay, which makes a processor where there was none.
pub(super) fn all(target: &dyn Target, windows: &mut Windows) -> (Vec<Cpu>, Option<Overlay>) {
    let copy = copied(target, windows);
    let kdbg = windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.clone());
    let context = processors::Context {
        kdbg: kdbg.as_deref(),
        architecture: windows.architecture.unwrap_or(Architecture::X64),
        build: windows.build.as_ref().map(|build| build.number),
    };
    let cache = Cache::default();
    let memory = Memory {
        target,
        space: windows.space(target).map(|space| space.cached(&cache)),
        copy: copy.as_ref(),
    };
    let mut cpus: Vec<Cpu> = Vec::new();
    for processor in &windows.processors {
        let vcpu = registers(&memory, target, processor, context);
        place(&mut cpus, processor.number, Some(processor.clone()), vcpu);
    }
    // Where Windows has as many processors as the source has vCPUs, one that nothing leads to is none besides.
    let whole = windows.processors.len() >= target.vcpus().len();
    for vcpu in target.vcpus() {
        let known = |processor: &Processor| processor.vcpu == Some(vcpu.number);
        if windows.processors.iter().any(known) {
            continue;
        }
        if whole {
            windows.missing.push(Missing {
                what: "processor of a vCPU",
                why: format!(
                    "nothing in Windows leads to vCPU {}: no base of its KPCR, no descriptor tables, a stack that no current thread has; its registers are not used",
                    vcpu.number
                ),
            });
        } else {
            stray(&mut cpus, vcpu);
        }
    }
    if cpus.is_empty() {
        cpus.push(Cpu::default());
    }
    for cpu in &mut cpus {
        own_directory(&memory, windows, context, cpu);
    }
    (cpus, copy)
}

/// Memory of the kernel.
struct Memory<'a> {
    target: &'a dyn Target,
    space: Option<AddressSpace<'a>>,
    copy: Option<&'a Overlay>,
}

impl VirtualMemory for Memory<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        if let Some(copy) = self.copy
            && let Some(skip) = at.0.checked_sub(copy.at.0).and_then(|skip| usize::try_from(skip).ok())
            && let Some(rest) = copy.bytes.get(skip..).filter(|rest| !rest.is_empty())
        {
            let count = rest.len().min(buffer.len());
            if let (Some(to), Some(from)) = (buffer.get_mut(..count), rest.get(..count)) {
                to.copy_from_slice(from);
            }
            return count;
        }
        let paged = self.space.map_or(0, |space| space.read(at, buffer));
        match self.target.virtual_memory() {
            Some(blocks) if paged < buffer.len() => blocks.read(at, buffer).max(paged),
            _ => paged,
        }
    }
}

/// The processor whose KPRCB a triage dump holds apart from its memory.
fn copied(target: &dyn Target, windows: &mut Windows) -> Option<Overlay> {
    let bytes = target
        .hints()
        .kprcb_bytes
        .as_ref()
        .filter(|_| windows.processors.is_empty())?;
    let context = processors::Context {
        kdbg: windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.as_slice()),
        architecture: windows.architecture?,
        build: windows.build.as_ref().map(|build| build.number),
    };
    let mut processor = from_copy(bytes, context)?;
    if let [vcpu] = target.vcpus() {
        processor.vcpu = Some(vcpu.number);
    }
    let at = processor.kprcb;
    windows.processors.push(processor);
    windows.missing.retain(|missing| missing.what != "processors");
    Some(Overlay {
        at,
        physical: Vec::new(),
        bytes: bytes.clone(),
    })
}

fn registers(
    memory: &Memory<'_>,
    target: &dyn Target,
    processor: &Processor,
    context: processors::Context<'_>,
) -> Option<Vcpu> {
    let known = target
        .vcpus()
        .iter()
        .find(|vcpu| Some(vcpu.number) == processor.vcpu)
        .cloned();
    match known {
        Some(mut vcpu) => {
            complete_from_kprcb(memory, &mut vcpu, processor, context);
            tables_from_kprcb(memory, &mut vcpu, processor, context);
            Some(vcpu)
        }
        None => vcpu_from_kprcb(memory, processor, context),
    }
}

fn place(cpus: &mut Vec<Cpu>, number: u32, processor: Option<Processor>, vcpu: Option<Vcpu>) {
    let Some(index) = usize::try_from(number).ok().filter(|index| *index < LIMIT) else {
        return;
    };
    if cpus.len() <= index {
        cpus.resize_with(index + 1, Cpu::default);
    }
    if let Some(cpu) = cpus.get_mut(index) {
        cpu.processor = processor.or_else(|| cpu.processor.take());
        cpu.vcpu = vcpu.or_else(|| cpu.vcpu.take());
    }
}

/// A vCPU that nothing in Windows leads to keeps its own number if that is free, or the next one.
fn stray(cpus: &mut Vec<Cpu>, vcpu: &Vcpu) {
    let free = |cpu: &Cpu| cpu.vcpu.is_none() && cpu.processor.is_none();
    let own = usize::try_from(vcpu.number).unwrap_or(usize::MAX);
    let number = match cpus.get(own) {
        None if cpus.len() == own => own,
        Some(cpu) if free(cpu) => own,
        _ => cpus.len(),
    };
    if let Ok(number) = u32::try_from(number) {
        place(cpus, number, None, Some(vcpu.clone()));
    }
}

/// CR3, if the kernel is mapped there; else (KVA shadow, in user mode) the directory of the process that
/// the processor runs.
fn own_directory(memory: &Memory<'_>, windows: &Windows, context: processors::Context<'_>, cpu: &mut Cpu) {
    let (Some(kernel), Some(cr3)) = (memory.space, cpu.vcpu.as_ref().and_then(|vcpu| vcpu.cr3)) else {
        return;
    };
    let base = windows.kernel.as_ref().map(|kernel| kernel.base);
    let witnesses = [base, Some(shared_data::address(context.architecture))];
    let has_kernel = |root: Gpa| {
        let space = AddressSpace::new(kernel.memory(), kernel.mode(), root);
        let same = |at: &Gva| Some(space.translate(*at).ok()?.gpa == kernel.translate(*at).ok()?.gpa);
        witnesses.iter().flatten().find_map(same).unwrap_or(false)
    };
    let own = AddressSpace::new(kernel.memory(), kernel.mode(), Gpa(cr3)).root();
    // Where nothing of the kernel translates, there is nothing to compare.
    let comparable = witnesses.iter().flatten().any(|at| kernel.translate(*at).is_ok());
    if !comparable || has_kernel(own) {
        cpu.directory = Some(own);
        return;
    }
    cpu.shadow = true;
    let thread = cpu.processor.as_ref().and_then(|processor| processor.thread);
    cpu.directory = thread
        .and_then(|thread| of_thread(memory, thread, context))
        .filter(|root| has_kernel(*root))
        .or_else(|| of_shadow(memory, windows, own).filter(|root| has_kernel(*root)));
}

/// DirectoryTableBase of the process that a thread is attached to.
fn of_thread(memory: &Memory<'_>, thread: Gva, context: processors::Context<'_>) -> Option<Gpa> {
    let offset = |at: usize| {
        let bytes = context.kdbg?.get(at..at.checked_add(2)?)?;
        let value = u16::from_le_bytes(bytes.try_into().ok()?);
        (value != 0).then_some(u64::from(value))
    };
    let process = pointer(memory, thread.plus(offset(0x2a0)?), context.architecture)?;
    let directory = pointer(memory, Gva(process).plus(offset(0x2ae)?), context.architecture)?;
    Some(Gpa(directory & !0x1f))
}

/// The process whose KPROCESS holds the directory of user mode (UserDirectoryTableBase, whose place changed
/// from release to release).
fn of_shadow(memory: &Memory<'_>, windows: &Windows, shadow: Gpa) -> Option<Gpa> {
    let mut bytes = [0; 0x480];
    windows.processes.iter().find_map(|process| {
        let count = memory.read(process.at, &mut bytes);
        let words = bytes
            .get(..count)?
            .chunks_exact(8)
            .filter_map(|word| word.try_into().ok());
        words
            .map(u64::from_le_bytes)
            .any(|word| word & 0x000f_ffff_ffff_f000 == shadow.0)
            .then_some(process.directory)
    })
}

fn pointer(memory: &Memory<'_>, at: Gva, architecture: Architecture) -> Option<u64> {
    let mut bytes = [0; 8];
    let width = match architecture {
        Architecture::X64 => 8,
        Architecture::X86 => 4,
    };
    let wanted = bytes.get_mut(..width)?;
    (memory.read(at, wanted) == width).then(|| u64::from_le_bytes(bytes))
}
