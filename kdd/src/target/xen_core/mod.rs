//! Xen's core of a guest (`xl dump-core`): an ELF file whose sections hold pages, their frame numbers and
//! the vCPUs. Follows Xen 4.20, `docs/misc/dump-core-format.txt` and `tools/libs/guest/xg_core.c`.
//!
//! A paravirtualised guest has two numberings of its frames: its own (pseudo-physical, `pfn`) and the
//! machine's (`gmfn`), which CR3 and page tables hold. [`Frames`] says which one is the address of the
//! memory. The frame table and the names of the sections stand at the end of the file, so a file that ends
//! early lacks them: its sections are then told by the size of their entries, and its pages are numbered
//! in the order in which they are written.

mod context;

use super::elf::{self, Elf, Section};
use super::fields::{Fields, Found};
use super::{Capture, Container, Hints, Input, OpenError, Vcpu};
use crate::damage::Damage;
use crate::memory::address::PAGE;
use crate::memory::{Backing, Gpa, Segment, Source, Sparse};

/// Which number of a frame is its address. HVM and PVH guests have one only.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Frames {
    /// The guest's own.
    #[default]
    Guest,
    /// The machine's: the one that CR3 and the page tables of a paravirtualised guest hold.
    Machine,
}

/// SHT_NOTE.
const NOTE: u32 = 7;
/// Types of the notes: header, version of Xen, version of the format.
const HEADER: u32 = 0x200_0001;
const XEN_VERSION: u32 = 0x200_0002;
const FORMAT: u32 = 0x200_0003;
/// `xch_magic` of a paravirtualised guest.
const PARAVIRTUAL: u64 = 0xf00f_ebed;
/// `xch_magic` of an HVM or PVH guest.
const HARDWARE: u64 = 0xf00f_ebee;

/// Whether a file begins as such a core: no program headers, a section of notes named "Xen".
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    if !elf::recognise(head) {
        return false;
    }
    let source: Source = std::sync::Arc::new(head.to_vec());
    let Ok(elf) = Elf::read(&source) else { return false };
    let (sections, _) = elf.sections(&source);
    let mut xen = false;
    for section in sections.iter().filter(|section| section.kind == NOTE).take(4) {
        elf::notes(&source, section.offset, section.size.min(0x1000), |note| {
            xen |= note.name == b"Xen"
        });
    }
    xen && elf.program_count() == 0
}

/// Opens a core; addresses are the guest's own.
///
/// # Errors
/// When it has no pages.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    open_with(input, Frames::Guest)
}

/// What the notes say.
#[derive(Default)]
struct Notes {
    magic: u64,
    vcpus: u64,
    pages: u64,
    page_size: u64,
    narrow: bool,
    facts: Vec<(String, String)>,
}

/// The sections that matter.
#[derive(Default)]
struct Sections {
    notes: Option<(u64, u64)>,
    vcpus: Option<Section>,
    pages: Option<(u64, u64)>,
    /// Offset and length, and bytes of an entry: 8 (.xen_pfn) or 16 (.xen_p2m).
    frames: Option<(u64, u64, u64)>,
}

/// Opens a core with one of the numberings.
///
/// # Errors
/// When it has no pages.
pub fn open_with(input: &Input, view: Frames) -> Result<Capture, OpenError> {
    let source = &input.bytes;
    let damaged = |damage| OpenError::Damaged {
        name: input.name.clone(),
        damage,
    };
    let elf = Elf::read(source).map_err(damaged)?;
    let mut found = Found::default();
    let (list, damage) = elf.sections(source);
    damage.into_iter().for_each(|damage| found.push(damage));
    let sections = sections(list);
    let notes = notes(source, sections.notes, &mut found);
    let Some(pages) = sections.pages else {
        return Err(damaged(Damage::file("xen-pages", 0, "a section .xen_pages", "none")));
    };
    let segments = match sections.frames {
        Some(frames) if frames.0 < source.len() => table(source, pages, frames, view, &mut found),
        _ => in_order(source, pages, &notes, &mut found),
    };
    let vcpus = sections
        .vcpus
        .map(|section| vcpus(source, &section, &notes, &mut found));
    Ok(Capture {
        container: container(&elf, notes, view),
        memory: Box::new(Sparse::new(source.clone(), segments)),
        vcpus: vcpus.unwrap_or_default(),
        hints: Hints::default(),
        virtual_memory: None,
        damage: found.finish(),
    })
}

fn container(elf: &Elf, notes: Notes, view: Frames) -> Container {
    let kind = match notes.magic {
        PARAVIRTUAL => "paravirtualised guest",
        HARDWARE => "HVM or PVH guest",
        _ => "guest of unknown kind",
    };
    let width = if elf.wide { "ELF64" } else { "ELF32" };
    let mut facts = notes.facts;
    if notes.magic == PARAVIRTUAL {
        let addresses = match view {
            Frames::Guest => "the guest's own frames; CR3 and page tables hold frames of the machine",
            Frames::Machine => "frames of the machine, as in CR3 and page tables",
        };
        facts.push(("physical addresses".to_owned(), addresses.to_owned()));
    }
    Container {
        format: "xen-core",
        description: format!("xl dump-core, {width}, {kind}, {} pages", notes.pages),
        facts,
    }
}

/// Sorts the sections: by name; without names, by the size of their entries.
fn sections(list: Vec<Section>) -> Sections {
    let mut seen = Sections::default();
    for section in list {
        let place = (section.offset, section.size);
        match (section.name.as_deref(), section.kind, section.entry) {
            (Some(".note.Xen"), ..) | (None, NOTE, _) => seen.notes = Some(place),
            (Some(".xen_prstatus"), ..) | (None, 1, context::SIZE_64 | context::SIZE_32) => seen.vcpus = Some(section),
            (Some(".xen_pages"), ..) => seen.pages = Some(place),
            // The shared info page has entries of this size too, and stands before.
            (None, 1, PAGE) => seen.pages = Some(place),
            (Some(".xen_p2m"), ..) | (None, 1, 16) => seen.frames = Some((section.offset, section.size, 16)),
            (Some(".xen_pfn"), ..) | (None, 1, 8) => seen.frames = Some((section.offset, section.size, 8)),
            _ => {}
        }
    }
    seen
}

fn notes(source: &Source, place: Option<(u64, u64)>, found: &mut Found) -> Notes {
    let mut notes = Notes::default();
    let Some((offset, size)) = place else {
        found.push(Damage::file("xen-notes", 0, "a section .note.Xen", "none"));
        return notes;
    };
    let damage = elf::notes(source, offset, size, |note| {
        let fields = Fields(note.bytes);
        match (note.name, note.kind) {
            (b"Xen", HEADER) => {
                if let Some([magic, vcpus, pages, page_size]) = fields.u64s(0) {
                    notes = Notes {
                        magic,
                        vcpus,
                        pages,
                        page_size,
                        narrow: notes.narrow,
                        facts: std::mem::take(&mut notes.facts),
                    };
                }
            }
            (b"Xen", XEN_VERSION) => version(&mut notes, fields),
            (b"Xen", FORMAT) => {
                let version = fields
                    .u64(0)
                    .map(|version| format!("{}.{}", version >> 32, version & 0xffff_ffff));
                notes
                    .facts
                    .extend(version.map(|version| ("format".to_owned(), version)));
            }
            _ => {}
        }
    });
    damage.into_iter().for_each(|damage| found.push(damage));
    if notes.page_size != 0 && notes.page_size != PAGE {
        let seen = format!("{:#x}", notes.page_size);
        found.push(Damage::file("xen-page-size", offset, format!("{PAGE:#x}"), seen));
    }
    notes
}

/// Version of Xen: major, minor, extra version, how it was built, capabilities, changeset, where Xen's
/// addresses begin, page size. For 32-bit guests the last field stands four bytes earlier.
fn version(notes: &mut Notes, fields: Fields<'_>) {
    let text = |offset: usize, length: usize| {
        let bytes = fields.0.get(offset..offset.checked_add(length)?)?;
        let text = bytes.split(|byte| *byte == 0).next()?;
        (!text.is_empty()).then(|| String::from_utf8_lossy(text).trim().to_owned())
    };
    if let (Some(major), Some(minor)) = (fields.u64(0), fields.u64(8)) {
        let extra = text(16, 16).unwrap_or_default();
        notes.facts.push(("Xen".to_owned(), format!("{major}.{minor}{extra}")));
    }
    notes
        .facts
        .extend(text(176, 1024).map(|text| ("capabilities".to_owned(), text)));
    notes.narrow = fields.u64(1268) == Some(PAGE) && fields.u64(1272) != Some(PAGE);
}

/// Pages that the file holds whole.
fn whole_pages(source: &Source, (offset, size): (u64, u64), found: &mut Found) -> u64 {
    let there = size.min(source.len().saturating_sub(offset));
    if there < size {
        let expected = format!("{} pages", size / PAGE);
        found.push(Damage::file(
            "xen-pages",
            offset,
            expected,
            format!("{} before the file ends", there / PAGE),
        ));
    }
    there / PAGE
}

/// Segments of the pages by the frame table.
fn table(source: &Source, pages: (u64, u64), frames: (u64, u64, u64), view: Frames, found: &mut Found) -> Vec<Segment> {
    let held = whole_pages(source, pages, found);
    let (offset, size, entry) = frames;
    let there = size.min(source.len().saturating_sub(offset)) / entry;
    if there < size / entry {
        let expected = format!("{} frame numbers", size / entry);
        found.push(Damage::file(
            "xen-frames",
            offset,
            expected,
            format!("{there} before the file ends"),
        ));
    }
    let field = if view == Frames::Machine && entry == 16 { 8 } else { 0 };
    let Ok(step) = usize::try_from(entry) else {
        return Vec::new();
    };
    let mut segments: Vec<Segment> = Vec::new();
    let mut index = 0;
    let count = held.min(there);
    while index < count {
        let batch = count.saturating_sub(index).min(4096);
        let start = offset.saturating_add(index.saturating_mul(entry));
        let bytes = source.bytes(start, usize::try_from(batch.saturating_mul(entry)).unwrap_or(0));
        for piece in bytes.chunks_exact(step) {
            let frame = Fields(piece).u64(field);
            let place = pages.0.saturating_add(index.saturating_mul(PAGE));
            match frame {
                Some(u64::MAX) | None => {}
                Some(frame) if frame >= 1 << 40 => {
                    let at = offset.saturating_add(index.saturating_mul(entry));
                    found.push(Damage::file(
                        "xen-frame",
                        at,
                        "a frame below 2^40",
                        format!("{frame:#x}"),
                    ));
                }
                Some(frame) => push(&mut segments, frame.saturating_mul(PAGE), place, PAGE),
            }
            index = index.saturating_add(1);
        }
        if bytes.len() < step {
            break;
        }
    }
    segments
}

/// Adds a page, joined to the last one where both go on.
fn push(segments: &mut Vec<Segment>, start: u64, place: u64, length: u64) {
    if let Some(last) = segments.last_mut()
        && last.start.0.saturating_add(last.length) == start
        && matches!(last.backing, Backing::File(from) if from.saturating_add(last.length) == place)
    {
        last.length = last.length.saturating_add(length);
        return;
    }
    segments.push(Segment {
        start: Gpa(start),
        length,
        backing: Backing::File(place),
    });
}

/// Frames of an HVM or PVH guest that are never written: the VGA window, and the window of devices below
/// 4 GiB.
const HOLES: [(u64, u64); 2] = [(0xa_0000, 0xc_0000), (0xf000_0000, 0x1_0000_0000)];

/// Segments of the pages without the frame table: in ascending order, without the frames that are never
/// written. Right as long as the guest has no other hole below.
fn in_order(source: &Source, pages: (u64, u64), notes: &Notes, found: &mut Found) -> Vec<Segment> {
    let held = whole_pages(source, pages, found);
    let seen = "none: pages are numbered in the order in which they stand";
    found.push(Damage::file(
        "xen-frames",
        source.len(),
        "a table of frame numbers",
        seen,
    ));
    let holes = if notes.magic == PARAVIRTUAL { &[][..] } else { &HOLES };
    let mut segments = Vec::new();
    let (mut start, mut place) = (0u64, pages.0);
    let mut left = held.saturating_mul(PAGE);
    for (hole, end) in holes {
        let length = left.min(hole.saturating_sub(start));
        push(&mut segments, start, place, length);
        place = place.saturating_add(length);
        left = left.saturating_sub(length);
        start = *end;
    }
    if left > 0 {
        push(&mut segments, start, place, left);
    }
    segments
}

fn vcpus(source: &Source, section: &Section, notes: &Notes, found: &mut Found) -> Vec<Vcpu> {
    let entry = section.entry.max(1);
    let there = section.size.min(source.len().saturating_sub(section.offset)) / entry;
    if notes.vcpus != 0 && there != notes.vcpus {
        let expected = format!("the state of {} vCPUs", notes.vcpus);
        found.push(Damage::file(
            "xen-vcpus",
            section.offset,
            expected,
            format!("of {there}"),
        ));
    }
    let mut list = Vec::new();
    for number in 0..u32::try_from(there.min(4096)).unwrap_or(0) {
        let start = section.offset.saturating_add(u64::from(number).saturating_mul(entry));
        let bytes = source.bytes(start, usize::try_from(entry.min(context::SIZE_64)).unwrap_or(0));
        let narrow = notes.narrow || entry == context::SIZE_32;
        match context::read(number, &bytes, narrow, notes.magic == PARAVIRTUAL) {
            Some(vcpu) => list.push(vcpu),
            None => {
                let seen = format!("{} bytes", bytes.len());
                found.push(Damage::file("xen-vcpu", start, "a vcpu_guest_context", seen));
            }
        }
    }
    list
}
