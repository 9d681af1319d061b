//! A dump of a guest: what the dump writer is told, and which bytes of memory stand there differently.
//!
//! A debugger takes the registers of each processor from where the kernel saves them when it crashes:
//! KSPECIAL_REGISTERS and CONTEXT in the KPRCB, and the CONTEXT that the KPRCB points to. A guest that was
//! captured while it ran has nothing there, so the registers of its vCPUs are laid over these places.

use std::fs::File;

use super::Guest;
use crate::dump_writer::{Exception, Kind, PageSet, Plan, WriteError, Written, write};
use crate::kd::debuggee::Debuggee as _;
use crate::memory::address::PAGE;
use crate::memory::paging::Piece;
use crate::memory::{Gpa, Gva, Run, VirtualMemory};
use crate::windows::fields::{debugger_pointer, read, read_pointer, read_some, u32_at, u64_at};
use crate::windows::kdbg::pieces;
use crate::windows::processors::{self, places};
use crate::windows::{Overlay, PagingMode, context, shared_data};

/// Most runs of memory that a guest's own list may have.
const RUNS: usize = 0x1000;

/// Fields of KDDEBUGGER_DATA64.
mod field {
    pub const LOADED_MODULES: usize = 0x48;
    pub const ACTIVE_PROCESSES: usize = 0x50;
    pub const BUG_CHECK: usize = 0x88;
    pub const PFN_DATABASE: usize = 0xc0;
    pub const MEMORY_BLOCK: usize = 0x270;
}

/// Which pages go into a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// All; runs in the header where there is room for them.
    Full,
    /// All, by a bitmap.
    Bitmap,
    /// Those that the kernel's half of the page tables maps, and the tables.
    Kernel,
}

impl Guest {
    /// Writes a dump of the guest. `progress` is told the bytes done and in all.
    ///
    /// # Errors
    /// When there is no memory to write, or the output fails.
    pub fn dump(&self, pages: Pages, out: &File, progress: &mut dyn FnMut(u64, u64)) -> Result<Written, WriteError> {
        let memory = Seen(self);
        let size = self.windows.pointer_size();
        let kdbg = self.windows.kdbg.as_ref();
        let kdbg_field = |at| {
            let value = u64_at(&kdbg?.bytes, at).filter(|value| *value != 0)?;
            Some(debugger_pointer(value, size))
        };
        let pointed = |at| read_pointer(&memory, kdbg_field(at)?, size);
        let hints = self.target.hints();
        let exception = self.exception();
        let context = self.vcpu(exception.processor);
        let context = context.map_or_else(Vec::new, |vcpu| context::context(vcpu, self.architecture));
        let overlays: Vec<Overlay> = self
            .windows
            .overlays
            .iter()
            .cloned()
            .chain(self.saved_registers())
            .collect();
        let block = kdbg_field(field::MEMORY_BLOCK).map_or_else(Vec::new, |at| memory_block(&memory, at, size));
        let build = self.windows.build.as_ref();
        let up_time = read(&memory, shared_data::address(self.architecture).plus(8)).map(u64::from_le_bytes);
        let mut plan = Plan::new(self.architecture, self.target.memory()).hinted(hints);
        plan.context = if context.is_empty() { plan.context } else { &context };
        plan.exception = Exception::breakpoint(exception.address);
        plan.exception.code = exception.code;
        plan.processors = u32::try_from(self.cpus.len()).unwrap_or(1);
        plan.physical_block = &block;
        plan.overlays = &overlays;
        plan.comment = Some("written by delid kdd");
        plan.pae |= self.paging.is_some_and(|paging| paging.mode == PagingMode::Pae);
        plan.directory = self
            .windows
            .directory
            .as_ref()
            .map_or(plan.directory, |found| found.value);
        plan.version = build.map_or(plan.version, |build| {
            (if build.checked { 12 } else { 15 }, build.number)
        });
        plan.kdbg = kdbg.map(|kdbg| kdbg.at).or(plan.kdbg);
        plan.loaded_modules = kdbg_field(field::LOADED_MODULES).or(plan.loaded_modules);
        plan.active_processes = kdbg_field(field::ACTIVE_PROCESSES).or(plan.active_processes);
        plan.pfn_database = pointed(field::PFN_DATABASE).or(plan.pfn_database);
        plan.bug_check = kdbg_field(field::BUG_CHECK)
            .and_then(|at| bug_check(&memory, at, size))
            .or(hints.bug_check)
            .unwrap_or_default();
        plan.system_time = build.and_then(|build| build.system_time);
        plan.up_time = up_time;
        plan.product_type = build.and_then(|build| build.product_type);
        let kernel = match pages {
            Pages::Kernel => self.kernel_pages(),
            _ => PageSet::default(),
        };
        let kind = match pages {
            Pages::Full => Kind::Full,
            Pages::Bitmap => Kind::Bitmap,
            Pages::Kernel => Kind::Kernel(&kernel),
        };
        write(&plan, &kind, out, progress)
    }

    /// Registers of each processor, laid over the places where a kernel saves them.
    fn saved_registers(&self) -> Vec<Overlay> {
        let context = processors::Context {
            kdbg: self.windows.kdbg.as_ref().map(|kdbg| kdbg.bytes.as_slice()),
            architecture: self.architecture,
            build: self.windows.build.as_ref().map(|build| build.number),
            kernel: self.windows.kernel.as_ref().map(|kernel| kernel.base),
        };
        let space = self.paging.and_then(|paging| self.space_of(paging.root));
        let mut overlays = Vec::new();
        for cpu in &self.cpus {
            let (Some(vcpu), Some(processor), Some(space)) = (&cpu.vcpu, &cpu.processor, space) else {
                continue;
            };
            // What came from the KPRCB stands there.
            if processor.from_kprcb {
                continue;
            }
            let Some(places) = places(&Seen(self), processor, context) else {
                continue;
            };
            let mut lay = |at: Gva, bytes: Vec<u8>| {
                let physical = pieces(&space, at, bytes.len());
                overlays.push(Overlay { at, physical, bytes });
            };
            for at in places.contexts {
                lay(at, context::context(vcpu, self.architecture));
            }
            let mut special = context::special(vcpu, self.architecture);
            special.truncate(places.special.1);
            lay(places.special.0, special);
        }
        overlays
    }

    /// Pages that the kernel's half of the page tables maps, and the tables; of every process its directory,
    /// without which a debugger cannot go to another processor or process.
    fn kernel_pages(&self) -> PageSet {
        let Some(paging) = self.paging else {
            return PageSet::default();
        };
        let page = |start: Gpa| Run { start, length: PAGE };
        let half = self.space_of(paging.root).into_iter().flat_map(|space| {
            let half = space.walk(space.kernel_half(), space.last());
            half.map(|piece| match piece {
                Piece::Page { to, size, .. } => Run {
                    start: to,
                    length: size,
                },
                Piece::Table { at } => page(at),
            })
        });
        let processes = self.windows.processes.iter().map(|process| process.directory);
        let roots = processes.chain(self.cpus.iter().filter_map(|cpu| cpu.directory));
        let directories = roots.flat_map(|root| {
            let mut tables = [0; 32];
            let pae = paging.mode == PagingMode::Pae && self.target.memory().read(root, &mut tables) == tables.len();
            let (tables, _) = tables.as_chunks::<8>();
            let below = tables.iter().map(|entry| u64::from_le_bytes(*entry));
            let below = below
                .filter(|entry| pae && entry & 1 != 0)
                .map(|entry| Gpa(entry & 0x000f_ffff_ffff_f000));
            [root].into_iter().chain(below.collect::<Vec<_>>())
        });
        half.chain(directories.map(page)).collect()
    }
}

/// Memory as a debugger sees it.
struct Seen<'a>(&'a Guest);

impl VirtualMemory for Seen<'_> {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        self.0.read_in(self.0.space(0), at, buffer)
    }
}

/// PHYSICAL_MEMORY_DESCRIPTOR behind a variable that points to it.
fn memory_block(memory: &dyn VirtualMemory, variable: Gva, size: usize) -> Vec<Run> {
    let Some(at) = read_pointer(memory, variable, size) else {
        return Vec::new();
    };
    let Some(count) = read_some(memory, at, 4)
        .first_chunk()
        .map(|bytes| u32::from_le_bytes(*bytes))
    else {
        return Vec::new();
    };
    let count = usize::try_from(count).unwrap_or(RUNS).min(RUNS);
    // Count and pages take a pointer's size each, then pairs of first page and count.
    let bytes = read_some(memory, at.plus(2 * size as u64), count.saturating_mul(2 * size));
    let word = |index: usize| match size {
        4 => u32_at(&bytes, index * 4).map(u64::from),
        _ => u64_at(&bytes, index * 8),
    };
    let runs = (0..count).map_while(|index| {
        let start = Gpa(word(2 * index)?.checked_mul(0x1000)?);
        let length = word(2 * index + 1)?.checked_mul(0x1000)?;
        Some(Run { start, length })
    });
    runs.collect()
}

/// KiBugcheckData: the code and four parameters.
fn bug_check(memory: &dyn VirtualMemory, at: Gva, size: usize) -> Option<[u64; 5]> {
    let mut values = [0; 5];
    for (index, value) in values.iter_mut().enumerate() {
        *value = read_pointer(memory, at.plus((index * size) as u64), size)?.0;
    }
    Some(values)
}
