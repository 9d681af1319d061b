//! The header of a dump and its bitmap, as Windows writes them: filled with `PAGE`, then the fields.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt as _;

use super::pages::Placed;
use super::{Form, Plan, WriteError};
use crate::memory::address::PAGE;
use crate::memory::{Gpa, Gva, Run};
use crate::target::windows_dump::layout::{COMMENT_ROOM, Layout, SIGNATURE, bitmap, kind};
use crate::windows::Architecture;

/// Where the bitmap begins behind the header.
pub(super) const BITMAP_AT: u64 = 0x38;

/// Bits of a bitmap for addresses below `top`. LeechCore reads whole words of 64 bits only.
pub(super) fn bits(top: Gpa) -> u64 {
    (top.0 / PAGE).next_multiple_of(64)
}

/// A header that is being filled.
struct Header {
    bytes: Vec<u8>,
    pointer: usize,
}

impl Header {
    fn put(&mut self, at: usize, bytes: &[u8]) {
        let room = self.bytes.get_mut(at..).unwrap_or_default();
        room.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
    }

    fn u32(&mut self, at: usize, value: u32) {
        self.put(at, &value.to_le_bytes());
    }

    fn u64(&mut self, at: usize, value: u64) {
        self.put(at, &value.to_le_bytes());
    }

    /// A pointer, of which a 32-bit dump has the lower half.
    fn word(&mut self, at: usize, value: u64) {
        let bytes = value.to_le_bytes();
        self.put(at, bytes.get(..self.pointer).unwrap_or(&bytes));
    }

    fn address(&mut self, at: usize, value: Option<Gva>) {
        self.word(at, value.unwrap_or_default().0);
    }
}

/// The header of a dump.
pub(super) fn build(
    plan: &Plan<'_>,
    layout: &Layout,
    form: Form,
    placed: &Placed,
    length: u64,
) -> Result<Vec<u8>, WriteError> {
    if plan.context.len() > layout.context_room {
        return Err(WriteError::Context(plan.context.len()));
    }
    let mut header = Header {
        bytes: SIGNATURE.repeat(layout.length / SIGNATURE.len()),
        pointer: layout.pointer,
    };
    header.put(SIGNATURE.len(), &layout.valid);
    system(&mut header, plan, layout);
    state(&mut header, plan, layout);
    let runs = if form == Form::Full {
        placed.runs()
    } else {
        plan.physical_block
    };
    if !runs.is_empty() && runs.len() <= layout.most_runs() {
        block(&mut header, layout, runs);
    }
    let dump_type = match form {
        Form::Full => kind::FULL,
        Form::Bitmap => kind::BITMAP_FULL,
        Form::BitmapKernel => kind::BITMAP_KERNEL,
    };
    header.u32(layout.dump_type, dump_type);
    header.u64(layout.required, length);
    Ok(header.bytes)
}

fn system(header: &mut Header, plan: &Plan<'_>, layout: &Layout) {
    header.u32(layout.major, plan.version.0);
    header.u32(layout.minor, plan.version.1);
    header.word(layout.directory, plan.directory.0);
    header.address(layout.pfn_database, plan.pfn_database);
    header.address(layout.loaded_modules, plan.loaded_modules);
    header.address(layout.active_processes, plan.active_processes);
    header.address(layout.kdbg, plan.kdbg);
    let (machine, secondary_version) = match plan.architecture {
        Architecture::X64 => (0x8664, 2),
        Architecture::X86 => (0x14c, 0),
    };
    header.u32(layout.machine, machine);
    header.u32(layout.processors, plan.processors);
    header.put(layout.secondary_version, &[secondary_version]);
    if let Some(at) = layout.pae {
        header.put(at, &[u8::from(plan.pae)]);
    }
    let fields = [
        (layout.product_type, plan.product_type),
        (layout.suite_mask, plan.suite_mask),
    ];
    for (at, value) in fields {
        header.u32(at, value.unwrap_or(0));
    }
    header.u32(layout.writer_status, 0);
    header.u32(layout.attributes, 0);
    header.u64(layout.system_time, plan.system_time.unwrap_or(0));
    header.u64(layout.up_time, plan.up_time.unwrap_or(0));
    if let Some(comment) = plan.comment {
        let mut text = [0; COMMENT_ROOM];
        let room = text.iter_mut().take(COMMENT_ROOM - 1);
        room.zip(comment.bytes()).for_each(|(to, from)| *to = from);
        header.put(layout.comment, &text);
    }
}

fn state(header: &mut Header, plan: &Plan<'_>, layout: &Layout) {
    let [code, parameters @ ..] = plan.bug_check;
    header.u32(layout.bug_check, low(code));
    for (value, number) in parameters.into_iter().zip(0..) {
        header.word(layout.parameters + layout.pointer * number, value);
    }
    if !plan.context.is_empty() {
        header.put(layout.context, &vec![0; layout.context_room]);
        header.put(layout.context, plan.context);
    }
    let exception = &plan.exception;
    let at = layout.exception;
    header.u32(at, exception.code);
    header.u32(at + 4, exception.flags);
    header.word(at + 8, 0);
    header.word(at + 8 + layout.pointer, exception.address.0);
    let count = at + 8 + 2 * layout.pointer;
    header.word(count, exception.count.into());
    for (value, number) in exception.parameters.into_iter().zip(1..) {
        header.word(count + layout.pointer * number, value);
    }
}

/// PHYSICAL_MEMORY_DESCRIPTOR; the rest of its room is zero.
fn block(header: &mut Header, layout: &Layout, runs: &[Run]) {
    let (first, each) = layout.runs();
    header.put(layout.block, &vec![0; layout.block_room]);
    header.u32(layout.block, u32::try_from(runs.len()).unwrap_or(u32::MAX));
    let pages = runs.iter().fold(0u64, |sum, run| sum.saturating_add(run.length / PAGE));
    header.word(layout.block + layout.pointer, pages);
    for (run, number) in runs.iter().zip(0..) {
        let at = layout.block + first + each * number;
        header.word(at, run.start.0 / PAGE);
        header.word(at + layout.pointer, run.length / PAGE);
    }
}

fn low(value: u64) -> u32 {
    u32::try_from(value & 0xffff_ffff).unwrap_or(0)
}

/// Writes the bitmap with its header behind the dump's header; the file has zeroes there.
pub(super) fn write_bitmap(layout: &Layout, form: Form, placed: &Placed, out: &File) -> io::Result<()> {
    let at = u64::try_from(layout.length).unwrap_or(u64::MAX);
    let top = placed.runs().last().map_or(Gpa(0), |run| run.end());
    let mut head = Header {
        bytes: vec![0; bitmap::MAP],
        pointer: 8,
    };
    head.put(
        0,
        if form == Form::Bitmap {
            &bitmap::FULL
        } else {
            &bitmap::KERNEL
        },
    );
    head.put(4, &bitmap::VALID);
    head.u64(bitmap::FIRST_PAGE, placed.first());
    head.u64(bitmap::PRESENT, placed.pages());
    head.u64(bitmap::BITS, bits(top));
    out.write_all_at(&head.bytes, at)?;
    let mut map = Bits::new(out, at.saturating_add(BITMAP_AT));
    for run in placed.runs() {
        map.set(run.start.0 / PAGE, run.length / PAGE)?;
    }
    map.flush()
}

/// Bits that are set in order, written in pieces.
struct Bits<'a> {
    out: &'a File,
    at: u64,
    piece: Vec<u8>,
    /// First byte of the piece.
    base: u64,
}

impl<'a> Bits<'a> {
    const PIECE: u64 = 0x1_0000;

    fn new(out: &'a File, at: u64) -> Self {
        let piece = vec![0; usize::try_from(Self::PIECE).unwrap_or(0)];
        Self {
            out,
            at,
            piece,
            base: 0,
        }
    }

    /// Sets `count` bits from `first` on.
    fn set(&mut self, first: u64, count: u64) -> io::Result<()> {
        let (mut bit, end) = (first, first.saturating_add(count));
        while bit < end {
            let byte = bit / 8;
            let (from, to) = (bit % 8, (end - byte * 8).min(8));
            let ones = (0xff_u16 >> (8 - (to - from))) << from;
            if byte >= self.base.saturating_add(Self::PIECE) {
                self.flush()?;
                self.base = byte / Self::PIECE * Self::PIECE;
            }
            let place = usize::try_from(byte - self.base).unwrap_or(usize::MAX);
            if let Some(value) = self.piece.get_mut(place) {
                *value |= u8::try_from(ones & 0xff).unwrap_or(0);
            }
            bit = byte * 8 + to;
        }
        Ok(())
    }

    /// Writes the piece up to its last set bit.
    fn flush(&mut self) -> io::Result<()> {
        let used = self
            .piece
            .iter()
            .rposition(|byte| *byte != 0)
            .map_or(0, |last| last + 1);
        let bytes = self.piece.get(..used).unwrap_or_default();
        self.out.write_all_at(bytes, self.at.saturating_add(self.base))?;
        self.piece.fill(0);
        Ok(())
    }
}
