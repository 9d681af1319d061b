//! A KDBG put together from what was found, where the guest's own cannot be read.
//!
//! It holds only fields that are known: the base, the two lists, what the kernel exports, the array of
//! processors, and offsets that are the same in every build of a machine or known of this one. Four fields are addresses of
//! variables that a debugger reads on its own (KiBugcheckData, KiProcessorBlock, CmNtCSDVersion,
//! MmPhysicalMemoryBlock); where the guest's are not known, variables of the same shape stand behind the
//! block. With them the debugger's own `.dump` works.
//!
//! It is placed where it hides nothing of the guest: in the zeroes between the last section header and
//! the end of the image's first page. That page is never written after loading, has a physical address
//! (so that a dump that is made of physical memory holds the block too), and no structure of the kernel
//! is there. Where the headers are missing or leave too little room, it is placed in pages of the image
//! that are not mapped, which read as nothing before.

use super::{Place, pieces};
use crate::memory::paging::AddressSpace;
use crate::memory::{Gva, Run};
use crate::windows::fields::{read_some, to_debugger_pointer};
use crate::windows::{Architecture, Kdbg, KdbgState, Overlay, Processor, offsets};

/// What the block is made of.
#[derive(Clone, Copy, Default)]
pub struct Parts<'a> {
    /// Build number.
    pub build: Option<u32>,
    /// PsLoadedModuleList.
    pub loaded_modules: Option<Gva>,
    /// PsActiveProcessHead.
    pub active_processes: Option<Gva>,
    /// KiProcessorBlock.
    pub processor_block: Option<Gva>,
    /// Processors, by number: for an array in place of KiProcessorBlock.
    pub processors: &'a [Processor],
    /// Bug check code and its parameters.
    pub bug_check: Option<[u64; 5]>,
    /// Physical memory.
    pub runs: &'a [Run],
}

/// Offsets of fields that are addresses.
mod field {
    pub const BREAKPOINT_WITH_STATUS: usize = 0x20;
    pub const LOADED_MODULES: usize = 0x48;
    pub const ACTIVE_PROCESSES: usize = 0x50;
    pub const BUGCHECK: usize = 0x88;
    pub const PAGE_SIZE: usize = 0x138;
    pub const HIGHEST_USER_ADDRESS: usize = 0x1c8;
    pub const SYSTEM_RANGE_START: usize = 0x1d0;
    pub const USER_PROBE_ADDRESS: usize = 0x1d8;
    pub const PROCESSOR_BLOCK: usize = 0x218;
    pub const CSD_VERSION: usize = 0x268;
    pub const PHYSICAL_MEMORY_BLOCK: usize = 0x270;
    pub const LOADER_BLOCK: usize = 0x2d8;
}

/// Offsets of 16-bit fields: OffsetPrcbCurrentThread, SizePcr … with values that hold for every build.
const X64: &[(usize, u16)] = &[(0x2b4, 8), (0x2e2, 0x18), (0x2e4, 0x20), (0x2e6, 0x180)];
const X86: &[(usize, u16)] = &[(0x2b4, 4), (0x2e2, 0x1c), (0x2e4, 0x20), (0x2e6, 0x120)];
/// Selectors of the GDT: GdtR0Code, R0Data, R0Pcr, R3Code, R3Data, R3Teb, Ldt, Tss.
const GDT_X64: [u16; 8] = [0x10, 0x18, 0, 0x33, 0x2b, 0, 0, 0x40];
const GDT_X86: [u16; 8] = [0x08, 0x10, 0x30, 0x1b, 0x23, 0x3b, 0x48, 0x28];

struct Writer {
    bytes: Vec<u8>,
    at: Gva,
    pointer: usize,
}

impl Writer {
    fn put(&mut self, offset: usize, bytes: &[u8]) {
        let end = offset.saturating_add(bytes.len());
        if self.bytes.len() < end {
            self.bytes.resize(end, 0);
        }
        if let Some(to) = self.bytes.get_mut(offset..end) {
            to.copy_from_slice(bytes);
        }
    }

    /// A pointer of the block itself.
    fn address(&mut self, offset: usize, at: Gva) {
        let value = to_debugger_pointer(at, self.pointer);
        self.put(offset, &value.to_le_bytes());
    }

    /// A variable behind the block, with its address in a field: words of the machine's size.
    fn variable(&mut self, offset: usize, words: &[u64]) {
        let start = self.bytes.len().next_multiple_of(8);
        let word = |word: &u64| word.to_le_bytes().into_iter().take(self.pointer).collect::<Vec<u8>>();
        let bytes: Vec<u8> = words.iter().flat_map(word).collect();
        self.put(start, &bytes);
        let at = self.at.plus(u64::try_from(start).unwrap_or_default());
        self.address(offset, at);
    }
}

/// Makes the block, with the overlay that a debugger reads it from. `None` where there is no place.
#[must_use]
pub fn make(place: &Place<'_>, paging: Option<&AddressSpace<'_>>, parts: &Parts<'_>) -> Option<(Kdbg, Overlay)> {
    let size = if parts.build.is_some_and(|build| build < 9200) {
        0x340
    } else {
        0x380
    };
    // The list of physical memory is as long as there is room for.
    let fixed = size + 0x80 + 8 * parts.processors.len().max(1);
    let wanted = fixed.saturating_add(16 * parts.runs.len());
    let (at, room) = room(place, paging, wanted).or_else(|| room(place, paging, fixed + 16))?;
    let runs = parts.runs.get(..room.saturating_sub(fixed) / 16).unwrap_or(parts.runs);
    let bytes = block(place, at, size, &Parts { runs, ..*parts });
    let kdbg = Kdbg {
        at,
        from: "put together from what was found".to_owned(),
        state: KdbgState::Synthesised,
        bytes: bytes.get(..size)?.to_vec(),
    };
    let overlay = Overlay {
        at,
        physical: paging.map(|space| pieces(space, at, bytes.len())).unwrap_or_default(),
        bytes,
    };
    Some((kdbg, overlay))
}

fn block(place: &Place<'_>, at: Gva, size: usize, parts: &Parts<'_>) -> Vec<u8> {
    let mut writer = Writer {
        bytes: vec![0; size],
        at,
        pointer: place.pointer(),
    };
    // The block is its own list: its address is given as that of the list's head.
    let link = at.0.to_le_bytes();
    let link = link.get(..place.pointer()).unwrap_or_default();
    writer.put(0, &[link, link].concat());
    writer.put(0x10, b"KDBG");
    writer.put(0x14, &u32::try_from(size).unwrap_or_default().to_le_bytes());
    writer.address(0x18, place.base);
    for (offset, found) in [
        (field::LOADED_MODULES, parts.loaded_modules),
        (field::ACTIVE_PROCESSES, parts.active_processes),
        (field::BREAKPOINT_WITH_STATUS, breakpoint(place)),
        (field::HIGHEST_USER_ADDRESS, exported(place, "MmHighestUserAddress")),
        (field::SYSTEM_RANGE_START, exported(place, "MmSystemRangeStart")),
        (field::USER_PROBE_ADDRESS, exported(place, "MmUserProbeAddress")),
        (field::LOADER_BLOCK, exported(place, "KeLoaderBlock")),
    ] {
        if let Some(found) = found {
            writer.address(offset, found);
        }
    }
    writer.put(field::PAGE_SIZE, &0x1000u64.to_le_bytes());
    let (offsets, gdt) = match place.architecture {
        Architecture::X64 => (X64, GDT_X64),
        Architecture::X86 => (X86, GDT_X86),
    };
    for (offset, value) in offsets {
        writer.put(*offset, &value.to_le_bytes());
    }
    let by_build = parts.build.map(|build| offsets::of_kdbg(place.architecture, build));
    for (offset, value) in by_build.into_iter().flatten() {
        writer.put(offset, &value.to_le_bytes());
    }
    let selectors: Vec<u8> = gdt.into_iter().flat_map(u16::to_le_bytes).collect();
    writer.put(0x2f4, &selectors);
    writer.variable(field::BUGCHECK, &parts.bug_check.unwrap_or_default());
    let prcbs: Vec<u64> = parts.processors.iter().map(|processor| processor.kprcb.0).collect();
    match parts.processor_block {
        Some(at) => writer.address(field::PROCESSOR_BLOCK, at),
        None => writer.variable(field::PROCESSOR_BLOCK, &prcbs),
    }
    writer.variable(field::CSD_VERSION, &[0, 0]);
    memory_block(&mut writer, parts.runs);
    writer.bytes
}

/// PHYSICAL_MEMORY_DESCRIPTOR and the pointer to it: number of runs, of pages, then first page and count
/// of each run.
fn memory_block(writer: &mut Writer, runs: &[Run]) {
    let pages = |run: &Run| run.length >> 12;
    let total = runs.iter().map(pages).fold(0, u64::saturating_add);
    let count = u64::try_from(runs.len()).unwrap_or_default();
    let pairs = runs.iter().flat_map(|run| [run.start.0 >> 12, pages(run)]);
    let words: Vec<u64> = [count, total].into_iter().chain(pairs).collect();
    writer.variable(field::PHYSICAL_MEMORY_BLOCK, &words);
    let start = writer.bytes.len() - words.len() * writer.pointer;
    let descriptor = writer.at.plus(u64::try_from(start).unwrap_or_default());
    writer.variable(field::PHYSICAL_MEMORY_BLOCK, &[descriptor.0]);
}

fn exported(place: &Place<'_>, name: &str) -> Option<Gva> {
    place.image?.export(place.space, name)
}

/// The breakpoint in DbgBreakPointWithStatus: its first byte on x64, behind a load of the argument on x86.
fn breakpoint(place: &Place<'_>) -> Option<Gva> {
    let at = exported(place, "DbgBreakPointWithStatus")?;
    let code = read_some(place.space, at, 8);
    let offset = code.iter().position(|byte| *byte == 0xcc)?;
    matches!(offset, 0 | 4).then(|| at.plus(u64::try_from(offset).unwrap_or_default()))
}

/// A place for `wanted` bytes and the room there is.
fn room(place: &Place<'_>, paging: Option<&AddressSpace<'_>>, wanted: usize) -> Option<(Gva, usize)> {
    let padding = || {
        let start = usize::try_from(place.image?.headers).ok()?.next_multiple_of(16);
        let length = 0x1000usize.checked_sub(start).filter(|length| *length >= wanted)?;
        let at = place.base.plus(u64::try_from(start).ok()?);
        let bytes = read_some(place.space, at, length);
        (bytes.len() == length && bytes.iter().all(|byte| *byte == 0)).then_some((at, length))
    };
    let hole = || {
        let space = paging?;
        let size = place.image.map_or(0x100_0000, |image| image.size);
        let pages = u64::try_from(wanted.div_ceil(0x1000)).ok()?;
        let missing = |page: u64| space.translate(place.base.plus(page << 12)).is_err();
        let last = (u64::from(size) >> 12).checked_sub(pages)?;
        let first = (1..last).find(|first| (*first..first + pages).all(missing))?;
        Some((place.base.plus(first << 12), usize::try_from(pages << 12).ok()?))
    };
    padding().or_else(hole)
}
