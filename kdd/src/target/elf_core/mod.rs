//! ELF cores of a guest's physical memory: of QEMU (`dump-guest-memory`, `virsh dump --memory-only`), of
//! VirtualBox (`dumpvmcore`), and of others with physical addresses in their program headers.
//!
//! Each PT_LOAD is a range at its physical address. With `paging=true` QEMU writes one for each range of
//! virtual addresses, so the same page stands in several: they agree, for they point to the same bytes of
//! the file. Registers are in notes (`qemu.rs`, `virtualbox.rs`).

mod qemu;
mod virtualbox;

use super::elf::{self, Elf};
use super::fields::Found;
use super::{Capture, Container, Hints, Input, OpenError, Vcpu};
use crate::damage::Damage;
use crate::memory::{Backing, Gpa, Segment, Source, Sparse};

/// Whether a file is ELF.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    elf::recognise(head)
}

/// What the program headers say.
#[derive(Default)]
struct Programs {
    segments: Vec<Segment>,
    notes: Vec<(u64, u64)>,
    loads: u64,
    /// Whether a PT_LOAD has a physical address, and whether one has a virtual one.
    physical: bool,
    mapped: bool,
}

/// What the notes say.
#[derive(Default)]
struct Notes {
    status: Vec<Vcpu>,
    qemu: Vec<Vcpu>,
    virtualbox: Option<virtualbox::Descriptor>,
    cpus: Vec<Vcpu>,
    hints: Hints,
    facts: Vec<(String, String)>,
}

/// Opens a core.
///
/// # Errors
/// When it is no core of an x86 machine, or one of a process.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let source = &input.bytes;
    let elf = Elf::read(source).map_err(|damage| OpenError::Damaged {
        name: input.name.clone(),
        damage,
    })?;
    let mut found = Found::default();
    let programs = programs(&elf, source, &mut found);
    let notes = notes(elf.machine == elf::MACHINE_X86_64, source, &programs.notes, &mut found);
    let guest = notes.virtualbox.is_some() || !notes.qemu.is_empty();
    if !guest && programs.mapped && !programs.physical && programs.loads > 1 {
        return Err(OpenError::NotAGuest {
            name: input.name.clone(),
            reason: "an ELF core without physical addresses: of a process, not of a guest".to_owned(),
        });
    }
    Ok(capture(&elf, source, programs, notes, found))
}

fn programs(elf: &Elf, source: &Source, found: &mut Found) -> Programs {
    let mut seen = Programs::default();
    let damage = elf.programs(source, |program| match program.kind {
        elf::LOAD => {
            seen.loads = seen.loads.saturating_add(1);
            seen.physical |= program.physical != 0;
            seen.mapped |= program.virtual_address != 0;
            let length = program.file_size.min(program.memory_size);
            let end = program.offset.saturating_add(length);
            if end > source.len() && length > 0 {
                let expected = format!("memory from {:#x} up to {end:#x} in the file", program.offset);
                let end = format!("the file ends at {:#x}", source.len());
                found.push(Damage::file("elf-load", program.header, expected, end));
            }
            if length > 0 && program.offset < source.len() {
                seen.segments.push(Segment {
                    start: Gpa(program.physical),
                    length,
                    backing: Backing::File(program.offset),
                });
            }
        }
        elf::NOTE => seen.notes.push((program.offset, program.file_size)),
        _ => {}
    });
    damage.into_iter().for_each(|damage| found.push(damage));
    seen
}

fn notes(long: bool, source: &Source, places: &[(u64, u64)], found: &mut Found) -> Notes {
    let mut seen = Notes::default();
    // One is usual; many over each other would be read many times.
    for (offset, size) in places.iter().take(16) {
        let damage = elf::notes(source, *offset, *size, |note| {
            if let Some(damage) = take(&mut seen, long, &note) {
                found.push(damage);
            }
        });
        damage.into_iter().for_each(|damage| found.push(damage));
    }
    seen
}

/// What the notes of a core tell that stand in another container.
pub(crate) struct FromNotes {
    pub(crate) vcpus: Vec<Vcpu>,
    pub(crate) hints: Hints,
    pub(crate) facts: Vec<(String, String)>,
}

/// Reads `size` bytes of notes at an offset, of a machine that may be in long mode or not.
pub(crate) fn from_notes(source: &Source, (offset, size): (u64, u64), long: bool, found: &mut Found) -> FromNotes {
    let notes = notes(long, source, &[(offset, size)], found);
    let vcpus = [notes.cpus, notes.qemu, notes.status];
    FromNotes {
        vcpus: vcpus.into_iter().find(|list| !list.is_empty()).unwrap_or_default(),
        hints: notes.hints,
        facts: notes.facts,
    }
}

/// Takes a note; damage when it is too short for what it says it is.
fn take(seen: &mut Notes, long: bool, note: &elf::Note<'_>) -> Option<Damage> {
    let short = |what: &str| Damage::file("elf-note", note.header, what, format!("{} bytes", note.bytes.len()));
    let number = |list: &[Vcpu]| u32::try_from(list.len()).unwrap_or(u32::MAX);
    match (note.name, note.kind) {
        (b"CORE", 1) => match qemu::status(number(&seen.status), note.bytes) {
            Some(vcpu) => seen.status.push(vcpu),
            None => return Some(short("an NT_PRSTATUS of i386 or x86-64")),
        },
        (b"QEMU", 0) => match qemu::state(number(&seen.qemu), note.bytes, long) {
            Some(vcpu) => seen.qemu.push(vcpu),
            None => return Some(short("a QEMUCPUState, version 1")),
        },
        (b"VMCOREINFO", 0) => qemu::guest_note(note.bytes, &mut seen.hints, &mut seen.facts),
        (b"VBCORE", virtualbox::CORE) => match virtualbox::descriptor(note.bytes) {
            Some(descriptor) => seen.virtualbox = Some(descriptor),
            None => return Some(short("a DBGFCOREDESCRIPTOR")),
        },
        (b"VBCPU", virtualbox::CPU) => {
            let version = seen.virtualbox.as_ref().map_or(0, |descriptor| descriptor.version);
            match virtualbox::cpu(number(&seen.cpus), note.bytes, version) {
                Some(vcpu) => seen.cpus.push(vcpu),
                None => return Some(short("a DBGFCORECPU of format 1.4 to 1.6")),
            }
        }
        _ => {}
    }
    None
}

fn capture(elf: &Elf, source: &Source, programs: Programs, notes: Notes, mut found: Found) -> Capture {
    let width = if elf.wide { "ELF64" } else { "ELF32" };
    let mut facts = notes.facts;
    facts.push(("program headers".to_owned(), elf.program_count().to_string()));
    let (format, writer) = match &notes.virtualbox {
        Some(descriptor) => {
            facts.extend(descriptor.facts());
            if usize::try_from(descriptor.cpus).ok() != Some(notes.cpus.len()) {
                let expected = format!("the state of {} CPUs", descriptor.cpus);
                found.push(Damage::file(
                    "virtualbox-cpus",
                    0,
                    expected,
                    format!("of {}", notes.cpus.len()),
                ));
            }
            ("virtualbox-elf", "core of VirtualBox")
        }
        None if !notes.qemu.is_empty() => ("qemu-elf", "core of QEMU"),
        None => ("elf-core", "core"),
    };
    let vcpus = [notes.cpus, notes.qemu, notes.status]
        .into_iter()
        .find(|list| !list.is_empty());
    Capture {
        container: Container {
            format,
            description: format!("{writer}, {width}, {} ranges", programs.loads),
            facts,
        },
        memory: Box::new(Sparse::new(source.clone(), programs.segments)),
        vcpus: vcpus.unwrap_or_default(),
        hints: notes.hints,
        virtual_memory: None,
        damage: found.finish(),
    }
}
