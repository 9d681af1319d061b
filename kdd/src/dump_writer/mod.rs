//! Windows dumps, written from a guest: what WinDbg, kdmp-parser and MemProcFS open.
//!
//! | kind | type | memory |
//! |---|---|---|
//! | [`Kind::Full`] | 1 | runs in the header: what `.dump /f` writes |
//! | [`Kind::Bitmap`] | 5, `FDMP` | bitmap: what Windows 8 and later write as a complete dump |
//! | [`Kind::Kernel`] | 6, `SDMP` | bitmap of a chosen part: what they write as a kernel dump |
//!
//! Every page that the source has and no other is in the dump: runs are cut where pages are missing.
//! The header has room for few runs (42 in 64-bit dumps, 86 in 32-bit dumps); where that is not enough, a
//! full dump is written with a bitmap instead, and [`Written::form`] says so.
//!
//! A debugger takes the registers of each processor from its KPRCB in memory, not from the header. Bytes
//! that differ from the guest's, such as a plain KDBG or registers in a KPRCB, are given as overlays.
//!
//! Pages are copied by the kernel from file to file where they stand in one; holes of the file stay
//! holes. Memory does not grow with the guest's.

mod copy;
mod header;
mod pages;

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use thiserror::Error;

pub use pages::PageSet;

use crate::memory::address::PAGE;
use crate::memory::{Gpa, Gva, PhysicalMemory, Run};
use crate::target::Hints;
use crate::target::windows_dump::layout::{Layout, NARROW, WIDE};
use crate::windows::{Architecture, Overlay};
use pages::Placed;

/// What a dump is made of. What is not known is `None` and is left as Windows leaves it, unwritten.
#[derive(Clone)]
pub struct Plan<'a> {
    /// Machine code of the kernel: the width of the dump.
    pub architecture: Architecture,
    /// Major version (15 free, 12 checked) and build number.
    pub version: (u32, u32),
    /// Page directory of the kernel.
    pub directory: Gpa,
    /// MmPfnDatabase: the value of the variable.
    pub pfn_database: Option<Gva>,
    /// PsLoadedModuleList.
    pub loaded_modules: Option<Gva>,
    /// PsActiveProcessHead.
    pub active_processes: Option<Gva>,
    /// KDDEBUGGER_DATA64; it must be plain in the dump.
    pub kdbg: Option<Gva>,
    /// Number of processors.
    pub processors: u32,
    /// Code and parameters; all zero for a guest that did not crash.
    pub bug_check: [u64; 5],
    /// Page tables with 64-bit entries (32-bit dumps).
    pub pae: bool,
    /// CONTEXT of the processor that stopped.
    pub context: &'a [u8],
    /// Why it stopped.
    pub exception: Exception,
    /// MmPhysicalMemoryBlock of the guest, for the header of a bitmap dump. A full dump has the runs that
    /// it holds there.
    pub physical_block: &'a [Run],
    /// Time, in 100 ns since 1601.
    pub system_time: Option<u64>,
    /// Time since the start, in 100 ns.
    pub up_time: Option<u64>,
    /// Product type: 1 workstation, 2 domain controller, 3 server.
    pub product_type: Option<u32>,
    /// Suite mask.
    pub suite_mask: Option<u32>,
    /// A comment of at most 127 bytes.
    pub comment: Option<&'a str>,
    /// The guest's memory.
    pub memory: &'a dyn PhysicalMemory,
    /// Bytes in place of the guest's, by their physical pieces; the later hold.
    pub overlays: &'a [Overlay],
}

/// EXCEPTION_RECORD of a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exception {
    /// Code: 80000003 for a guest that was stopped.
    pub code: u32,
    /// Flags: 0 continuable, 1 not.
    pub flags: u32,
    /// Where.
    pub address: Gva,
    /// Number of parameters.
    pub count: u32,
    /// Parameters.
    pub parameters: [u64; 15],
}

impl Exception {
    /// A breakpoint.
    #[must_use]
    pub fn breakpoint(address: Gva) -> Self {
        Self {
            code: 0x8000_0003,
            flags: 0,
            address,
            count: 1,
            parameters: [0; 15],
        }
    }
}

impl<'a> Plan<'a> {
    /// A plan that knows nothing but the memory.
    #[must_use]
    pub fn new(architecture: Architecture, memory: &'a dyn PhysicalMemory) -> Self {
        Self {
            architecture,
            version: (15, 0),
            directory: Gpa(0),
            pfn_database: None,
            loaded_modules: None,
            active_processes: None,
            kdbg: None,
            processors: 1,
            bug_check: [0; 5],
            pae: false,
            context: &[],
            exception: Exception::breakpoint(Gva(0)),
            physical_block: &[],
            system_time: None,
            up_time: None,
            product_type: None,
            suite_mask: None,
            comment: None,
            memory,
            overlays: &[],
        }
    }

    /// The same with all that a container says, where it says it.
    #[must_use]
    pub fn hinted(mut self, hints: &'a Hints) -> Self {
        self.version = hints.version.unwrap_or(self.version);
        self.directory = hints.directory.unwrap_or(self.directory);
        self.pfn_database = hints.pfn_database.or(self.pfn_database);
        self.loaded_modules = hints.loaded_modules.or(self.loaded_modules);
        self.active_processes = hints.active_processes.or(self.active_processes);
        self.kdbg = hints.kdbg.or(self.kdbg);
        self.processors = hints.processors.unwrap_or(self.processors);
        self.bug_check = hints.bug_check.unwrap_or(self.bug_check);
        self.pae = hints.pae.unwrap_or(self.pae);
        self.context = hints.context.as_deref().unwrap_or(self.context);
        self
    }

    fn layout(&self) -> &'static Layout {
        match self.architecture {
            Architecture::X64 => &WIDE,
            Architecture::X86 => &NARROW,
        }
    }
}

/// What goes into a dump.
#[derive(Clone, Copy, Debug)]
pub enum Kind<'a> {
    /// All memory, by runs; by a bitmap where the header has no room for them.
    Full,
    /// All memory, by a bitmap.
    Bitmap,
    /// These pages, as far as the source has them: those that the kernel's half of the address space
    /// maps, with its page tables.
    Kernel(&'a PageSet),
}

/// Form in which a dump was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Type 1: runs in the header.
    Full,
    /// Type 5: a bitmap of all memory.
    Bitmap,
    /// Type 6: a bitmap of the kernel's memory.
    BitmapKernel,
}

/// A dump that was written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// Its form.
    pub form: Form,
    /// Its length in bytes.
    pub length: u64,
    /// Pages in it.
    pub pages: u64,
    /// Runs of pages in it.
    pub runs: usize,
    /// Bytes of the source that make no whole page and are left out.
    pub torn: u64,
    /// Pages that the source says it has but that cannot be read. They are filled with the four bytes
    /// `ed ef ad de`, as the debugger's own `.dump` does, and the first one is named.
    pub unreadable: u64,
    /// The first of them.
    pub first_unreadable: Option<Gpa>,
    /// Overlays of which a part lies in no page of the dump.
    pub left_out: Vec<Gva>,
}

/// Why no dump was written.
#[derive(Debug, Error)]
pub enum WriteError {
    /// No page at all.
    #[error("the source has no page of memory to write")]
    NoMemory,
    /// A page so far up that the bitmap would be larger than any reader takes.
    #[error("page at {0}: too high for a dump's bitmap")]
    TooHigh(Gpa),
    /// CONTEXT longer than its room.
    #[error("CONTEXT of {0} bytes: no room in the header")]
    Context(usize),
    /// The output.
    #[error("{what}: {error}")]
    Output {
        /// What was done.
        what: &'static str,
        /// What the system says.
        error: io::Error,
    },
}

fn output(what: &'static str) -> impl Fn(io::Error) -> WriteError {
    move |error| WriteError::Output { what, error }
}

/// Highest address of a page in a bitmap: 8 TiB, 2³¹ bits.
const TOP: u64 = 1 << 43;

/// Writes a dump to an empty or overwritten file. `progress` is told the bytes done and in all.
///
/// # Errors
/// When there is nothing to write, or the output fails; the file then holds no dump.
pub fn write(
    plan: &Plan<'_>,
    kind: &Kind<'_>,
    out: &File,
    progress: &mut dyn FnMut(u64, u64),
) -> Result<Written, WriteError> {
    let layout = plan.layout();
    let (mut runs, torn) = pages::whole(plan.memory.runs());
    if let Kind::Kernel(set) = kind {
        runs = set.within(&runs);
    }
    let form = match kind {
        Kind::Full if runs.len() <= layout.most_runs() => Form::Full,
        Kind::Full | Kind::Bitmap => Form::Bitmap,
        Kind::Kernel(_) => Form::BitmapKernel,
    };
    let top = runs.last().ok_or(WriteError::NoMemory)?.end();
    if form != Form::Full && top.0 > TOP {
        return Err(WriteError::TooHigh(top));
    }
    let placed = Placed::new(runs, first_page(layout, form, top));
    let length = placed.end();
    let header = header::build(plan, layout, form, &placed, length)?;
    // ext4 writes a file out when it is closed if it was ever cut to nothing, even from nothing: a file
    // that is empty is left alone.
    if out.metadata().map_err(output("asking for the dump's length"))?.len() > 0 {
        out.set_len(0).map_err(output("emptying the dump"))?;
    }
    out.set_len(length).map_err(output("setting the dump's length"))?;
    if form != Form::Full {
        header::write_bitmap(layout, form, &placed, out).map_err(output("writing the bitmap"))?;
    }
    let mut copier = copy::Copier::new(plan.memory, out, progress, length);
    let mut offset = placed.first();
    for run in placed.runs() {
        copier.copy(*run, offset).map_err(output("writing memory"))?;
        offset = offset.saturating_add(run.length);
    }
    let (unreadable, first_unreadable) = copier.unreadable();
    let left_out = patch(plan.overlays, &placed, out).map_err(output("writing overlays"))?;
    // Last, so that what is cut short is no dump.
    out.write_all_at(&header, 0).map_err(output("writing the header"))?;
    progress(length, length);
    Ok(Written {
        form,
        length,
        pages: placed.pages(),
        runs: placed.runs().len(),
        torn,
        unreadable,
        first_unreadable,
        left_out,
    })
}

/// Offset of the first page: behind the header, or behind the bitmap on the next page.
fn first_page(layout: &Layout, form: Form, top: Gpa) -> u64 {
    let length = u64::try_from(layout.length).unwrap_or(u64::MAX);
    if form == Form::Full {
        return length;
    }
    let map = header::bits(top) / 8;
    length
        .saturating_add(header::BITMAP_AT)
        .saturating_add(map)
        .next_multiple_of(PAGE)
}

/// Writes overlays over the pages; gives those of which a part has no page.
fn patch(overlays: &[Overlay], placed: &Placed, out: &File) -> io::Result<Vec<Gva>> {
    let mut left_out = Vec::new();
    for overlay in overlays {
        let mut whole = !overlay.physical.is_empty();
        for (at, start, length) in &overlay.physical {
            let bytes = overlay.bytes.get(*start..).and_then(|rest| rest.get(..*length));
            let Some(mut bytes) = bytes else {
                whole = false;
                continue;
            };
            let mut at = *at;
            while !bytes.is_empty() {
                let room = usize::try_from(PAGE.saturating_sub(at.offset())).unwrap_or(usize::MAX);
                let (piece, rest) = bytes.split_at(room.min(bytes.len()));
                match placed.offset(at) {
                    Some(offset) => out.write_all_at(piece, offset)?,
                    None => whole = false,
                }
                at = at.plus(u64::try_from(piece.len()).unwrap_or(u64::MAX));
                bytes = rest;
            }
        }
        if !whole {
            left_out.push(overlay.at);
        }
    }
    Ok(left_out)
}
