//! Triage dumps ("small memory dumps"): the stack of the thread that crashed, its KTHREAD, EPROCESS and
//! KPRCB, the list of drivers, the debugger's data block, and blocks of memory by virtual address.
//!
//! TRIAGE_DUMP32 and TRIAGE_DUMP64 of the Windows SDK (`mindumpdef.h`), one page or two behind the
//! begin of the file. Every offset in it counts from the begin of the file.

use super::context;
use super::drivers::{TriageDriver, drivers, unloaded};
use super::header::Header;
use super::layout::Layout;
use crate::damage::Damage;
use crate::memory::{Backing, Gpa, Gva, PhysicalMemory, Segment, Source, Sparse, VirtualMemory};
use crate::target::fields::Fields;

/// What a triage dump holds.
#[derive(Default)]
pub(super) struct Triage {
    pub memory: Option<Box<dyn VirtualMemory + Send>>,
    pub kdbg: Option<Vec<u8>>,
    pub kprcb: Option<Vec<u8>>,
    /// CONTEXT of the processor that crashed, as its KPRCB has it: where it was when it stopped. The one
    /// in the header is where the exception was.
    pub context: Option<Vec<u8>>,
    pub drivers: Vec<TriageDriver>,
    pub facts: Vec<(String, String)>,
    pub damage: Vec<Damage>,
}

/// TRIAGE_DUMP32 or TRIAGE_DUMP64; offsets of 0 mean that the part is not there.
pub(super) struct Parts {
    service_pack: u32,
    size: u32,
    valid: u32,
    unloaded: u32,
    kprcb: u32,
    process: u32,
    thread: u32,
    stack: u32,
    stack_size: u32,
    pub(super) drivers: u32,
    pub(super) driver_count: u32,
    pub(super) strings: u32,
    pub(super) strings_size: u32,
    top_of_stack: u64,
    page_address: u64,
    page: u32,
    page_size: u32,
    kdbg: u32,
    kdbg_size: u32,
    blocks: u32,
    block_count: u32,
}

impl Parts {
    fn decode(bytes: &[u8], width: usize) -> Option<Self> {
        let fields = Fields(bytes);
        let (page_address, page, kdbg, blocks) = if width == 8 {
            (0x60, 0x68, 0x70, 0x78)
        } else {
            (0x4c, 0x50, 0x58, 0x60)
        };
        Some(Self {
            service_pack: fields.u32(0)?,
            size: fields.u32(4)?,
            valid: fields.u32(8)?,
            unloaded: fields.u32(0x18)?,
            kprcb: fields.u32(0x1c)?,
            process: fields.u32(0x20)?,
            thread: fields.u32(0x24)?,
            stack: fields.u32(0x28)?,
            stack_size: fields.u32(0x2c)?,
            drivers: fields.u32(0x30)?,
            driver_count: fields.u32(0x34)?,
            strings: fields.u32(0x38)?,
            strings_size: fields.u32(0x3c)?,
            top_of_stack: fields.word(0x48, width == 8)?,
            page_address: fields.word(page_address, width == 8)?,
            page: fields.u32(page)?,
            page_size: fields.u32(page + 4)?,
            kdbg: fields.u32(kdbg)?,
            kdbg_size: fields.u32(kdbg + 4)?,
            blocks: fields.u32(blocks)?,
            block_count: fields.u32(blocks + 4)?,
        })
    }
}

/// Largest KDDEBUGGER_DATA64, KPRCB and list of blocks that are believed.
const MOST_KDBG: u32 = 0x4000;
const MOST_KPRCB: u32 = 0x2_0000;
const MOST_BLOCKS: u32 = 0x10_0000;

/// Reads the part of a triage dump behind the header.
pub(super) fn read(source: &Source, header: &Header, layout: &Layout) -> Triage {
    let at = u64::try_from(layout.length).unwrap_or(u64::MAX);
    let bytes = source.bytes(at, 0x80);
    let mut triage = Triage::default();
    let Some(parts) = Parts::decode(&bytes, layout.pointer) else {
        let seen = format!("{:#x} bytes", bytes.len());
        triage
            .damage
            .push(Damage::file("dump-triage", at, "a triage header", seen));
        return triage;
    };
    if source.array(parts.valid.into()) != Some(*b"TRGD") {
        let seen = super::printable(&source.bytes(parts.valid.into(), 4), 4);
        triage
            .damage
            .push(Damage::file("dump-triage", parts.valid.into(), "TRGD at the end", seen));
    }
    if u64::from(parts.size) > source.len() {
        let expected = format!("{:#x} bytes", parts.size);
        let seen = format!("the end at {:#x}", source.len());
        triage.damage.push(Damage::file("dump-length", at, expected, seen));
    }
    triage.kdbg = part(source, parts.kdbg, parts.kdbg_size.min(MOST_KDBG));
    let kdbg = Fields(triage.kdbg.as_deref().unwrap_or_default());
    triage.kprcb = kprcb(source, &parts, kdbg);
    let kprcb = Fields(triage.kprcb.as_deref().unwrap_or_default());
    let blocks = Blocks::of(source, header, layout, &parts, kdbg, kprcb, &mut triage.damage);
    let listed = drivers(source, &parts, layout.pointer, &mut triage.damage);
    triage.context = context(&blocks.0, header, kdbg, kprcb, layout.pointer);
    triage.facts = facts(source, &parts, layout.pointer, blocks.0.runs().len());
    triage.drivers = listed;
    triage.memory = Some(Box::new(blocks));
    triage
}

fn facts(source: &Source, parts: &Parts, width: usize, runs: usize) -> Vec<(String, String)> {
    let mut facts = vec![
        ("runs of virtual memory".to_owned(), runs.to_string()),
        ("data blocks".to_owned(), parts.block_count.to_string()),
    ];
    if parts.service_pack != 0 {
        facts.push(("service pack build".to_owned(), parts.service_pack.to_string()));
    }
    let unloaded = unloaded(source, parts.unloaded, width);
    if !unloaded.is_empty() {
        facts.push(("unloaded drivers".to_owned(), unloaded.join(", ")));
    }
    facts
}

/// Bytes of a part, none when it is not there.
fn part(source: &Source, offset: u32, size: u32) -> Option<Vec<u8>> {
    let bytes = source.bytes(offset.into(), usize::try_from(size).ok()?);
    (offset != 0 && !bytes.is_empty()).then_some(bytes)
}

/// The KPRCB, as long as the KDBG says; without one, up to the part that follows.
fn kprcb(source: &Source, parts: &Parts, kdbg: Fields<'_>) -> Option<Vec<u8>> {
    let said = kdbg.u16(kdbg::SIZE_PRCB).filter(|size| *size != 0);
    let next = [parts.process, parts.thread, parts.stack, parts.kdbg, parts.drivers];
    let next = next.into_iter().filter(|next| *next > parts.kprcb).min();
    let gap = next.and_then(|next| next.checked_sub(parts.kprcb));
    let size = said.map(u32::from).or(gap)?.min(MOST_KPRCB);
    part(source, parts.kprcb, size)
}

/// Offsets in KDDEBUGGER_DATA64.
mod kdbg {
    pub(super) const PROCESSOR_BLOCK: usize = 0x218;
    pub(super) const THREAD_PROCESS: usize = 0x2a0;
    pub(super) const SIZE_PROCESS: usize = 0x2a8;
    pub(super) const SIZE_PRCB: usize = 0x2b0;
    pub(super) const PRCB_THREAD: usize = 0x2b4;
    pub(super) const PRCB_NUMBER: usize = 0x2be;
    pub(super) const SIZE_THREAD: usize = 0x2c0;
    pub(super) const PRCB_FRAME: usize = 0x2bc;
    pub(super) const PRCB_CONTEXT: usize = 0x338;
}

/// The CONTEXT that the KPRCB points to (Windows 7 on), else the one in it.
fn context(known: &Sparse, header: &Header, kdbg: Fields<'_>, kprcb: Fields<'_>, width: usize) -> Option<Vec<u8>> {
    let length = context::length(header.machine?)?;
    let offset = |at| kdbg.u16(at).filter(|offset| *offset != 0).map(usize::from);
    let pointed = || {
        let at = kprcb.word(offset(kdbg::PRCB_CONTEXT)?, width == 8)?;
        let mut bytes = vec![0; length];
        (known.read(Gpa(at), &mut bytes) == length).then_some(bytes)
    };
    let inside = || kprcb.slice(offset(kdbg::PRCB_FRAME)?, length).map(<[u8]>::to_vec);
    [pointed(), inside()].into_iter().flatten().find(|bytes| {
        header
            .machine
            .is_some_and(|machine| context::vcpu(bytes, machine).is_some())
    })
}

/// Memory by virtual address: segments of the file, in an address space of their own.
struct Blocks(Sparse);

impl VirtualMemory for Blocks {
    fn read(&self, at: Gva, buffer: &mut [u8]) -> usize {
        self.0.read(Gpa(at.0), buffer)
    }
}

impl Blocks {
    /// The data blocks, the stack, and the structures whose address can be told. The crash's own parts
    /// come last, so that they hold where a block covers them too.
    fn of(
        source: &Source,
        header: &Header,
        layout: &Layout,
        parts: &Parts,
        kdbg: Fields<'_>,
        kprcb: Fields<'_>,
        damage: &mut Vec<Damage>,
    ) -> Self {
        let width = layout.pointer;
        let mut segments = data_blocks(source, parts, damage);
        let mut add = |address: Option<u64>, offset: u32, size: u64| {
            segments.extend(address.and_then(|address| segment(address, offset, size)));
        };
        add(Some(parts.page_address), parts.page, parts.page_size.into());
        add(header.kdbg.map(|at| at.0), parts.kdbg, parts.kdbg_size.into());
        let size = |at| kdbg.u16(at).map_or(0, u64::from);
        let thread = kdbg
            .u16(kdbg::PRCB_THREAD)
            .and_then(|at| kprcb.word(at.into(), width == 8));
        add(thread, parts.thread, size(kdbg::SIZE_THREAD));
        let process = kdbg.u16(kdbg::THREAD_PROCESS).and_then(|at| {
            let bytes = source.bytes(u64::from(parts.thread).saturating_add(at.into()), width);
            Fields(&bytes).word(0, width == 8)
        });
        add(process, parts.process, size(kdbg::SIZE_PROCESS));
        add(Some(parts.top_of_stack), parts.stack, parts.stack_size.into());
        let known = Sparse::new(source.clone(), segments.clone());
        let length = u64::try_from(kprcb.0.len()).unwrap_or(0);
        let address = kprcb_address(&known, kdbg, kprcb, width);
        let Some(last) = address.and_then(|address| segment(address, parts.kprcb, length)) else {
            return Self(known);
        };
        segments.push(last);
        Self(Sparse::new(source.clone(), segments))
    }
}

/// KiProcessorBlock has the address of every KPRCB; the one in the dump knows its number.
fn kprcb_address(known: &Sparse, kdbg: Fields<'_>, kprcb: Fields<'_>, width: usize) -> Option<u64> {
    let at: usize = kdbg.u16(kdbg::PRCB_NUMBER)?.into();
    // A byte on i386, 32 bits on AMD64.
    let number = if width == 8 {
        u64::from(kprcb.u32(at)?)
    } else {
        kprcb.array(at).map(|[number]: [u8; 1]| u64::from(number))?
    };
    let entry = number.checked_mul(u64::try_from(width).ok()?)?;
    let block = kdbg.u64(kdbg::PROCESSOR_BLOCK).filter(|at| *at != 0)?;
    let block = if width == 8 { block } else { block & 0xffff_ffff };
    let mut bytes = [0; 8];
    let bytes = bytes.get_mut(..width)?;
    let read = known.read(Gpa(block.checked_add(entry)?), bytes);
    (read == width).then(|| Fields(bytes).word(0, width == 8)).flatten()
}

fn segment(address: u64, offset: u32, size: u64) -> Option<Segment> {
    (address != 0 && offset != 0 && size != 0).then_some(Segment {
        start: Gpa(address),
        length: size,
        backing: Backing::File(offset.into()),
    })
}

/// TRIAGE_DATA_BLOCK: address of 64 bits in both widths, offset, size.
fn data_blocks(source: &Source, parts: &Parts, damage: &mut Vec<Damage>) -> Vec<Segment> {
    let wanted = u64::from(parts.block_count.min(MOST_BLOCKS)).saturating_mul(16);
    let bytes = source.bytes(parts.blocks.into(), usize::try_from(wanted).unwrap_or(usize::MAX));
    let mut outside = 0u64;
    let blocks = bytes.chunks_exact(16).filter_map(|entry| {
        let entry = Fields(entry);
        let (address, offset, size) = (entry.u64(0)?, entry.u32(8)?, entry.u32(12)?);
        if u64::from(offset).saturating_add(size.into()) > source.len() {
            outside = outside.saturating_add(1);
        }
        segment(address, offset, size.into())
    });
    let blocks = blocks.collect();
    let seen = u64::try_from(bytes.len() / 16).unwrap_or(0);
    if seen < parts.block_count.into() {
        let expected = format!("{} data blocks", parts.block_count);
        damage.push(Damage::file(
            "dump-blocks",
            parts.blocks.into(),
            expected,
            seen.to_string(),
        ));
    }
    if outside > 0 {
        let seen = format!("{outside} that reach behind it");
        damage.push(Damage::file(
            "dump-blocks",
            parts.blocks.into(),
            "data blocks in the file",
            seen,
        ));
    }
    blocks
}
