//! kdump-compressed files: QEMU's dump-guest-memory and makedumpfile, plain and flattened; also the
//! older diskdump.
//!
//! Follows makedumpfile's IMPLEMENTATION and diskdump_mod.h. A page that the bitmap of dumped pages does
//! not hold is missing, also where makedumpfile left it out because it was all zeroes: the file does not
//! tell that from pages left out for other reasons.

mod flattened;
mod header;
mod pages;

use std::sync::Arc;

use self::flattened::Flattened;
use self::header::{DISKDUMP, Header, INCOMPLETE, KDUMP, WITHOUT_VMEMMAP};
use self::pages::{Pages, compression};
use super::elf_core::{self, FromNotes};
use super::fields::{Fields, Found, size};
use super::{Capture, Container, Input, OpenError, Vcpu};
use crate::damage::Damage;
use crate::memory::Source;

/// Notes behind this are not read: a CPU takes about a kilobyte.
const NOTES: u64 = 64 << 20;

/// Whether the first bytes are those of a kdump-compressed file, plain or flattened.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    [KDUMP, DISKDUMP, flattened::MAGIC]
        .iter()
        .any(|mark| head.starts_with(mark))
}

/// Opens it. What else was flattened is opened as what it is.
///
/// # Errors
/// When a header is damaged so that the pages cannot be found.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    if !input.bytes.bytes(0, 16).starts_with(flattened::MAGIC) {
        return plain(input, input.bytes.clone(), "");
    }
    let mut view = Flattened::new(input.bytes.clone());
    let damage = view.damage.take();
    let bytes: Source = Arc::new(view);
    let head = bytes.bytes(0, 16);
    let mut capture = if head.starts_with(b"\x7fELF") {
        let name = input.name.clone();
        let mut capture = super::open(&Input {
            name,
            bytes,
            beside: Vec::new(),
            registers: None,
        })?;
        capture.container.description.push_str(", flattened");
        capture
    } else {
        plain(input, bytes, ", flattened")?
    };
    // Offsets of what else is wrong count in the file that the pieces make.
    capture.damage.splice(0..0, damage);
    Ok(capture)
}

fn plain(input: &Input, source: Source, form: &str) -> Result<Capture, OpenError> {
    let head = source.bytes(0, 8);
    if head != KDUMP && head != DISKDUMP {
        return Err(OpenError::Damaged {
            name: input.name.clone(),
            damage: Damage::file("kdump-header", 0, "KDUMP or DISKDUMP", format!("{head:02x?}")),
        });
    }
    let header = header::read(&source).map_err(|damage| OpenError::Damaged {
        name: input.name.clone(),
        damage,
    })?;
    let mut damage = Vec::new();
    let notes = notes(&source, &header, &mut damage);
    let mut container = Container {
        format: "kdump",
        description: describe(&header, form),
        facts: facts(&source, &header),
    };
    container.facts.extend(notes.facts);
    let memory = Pages::new(source, &header, input.bytes.len(), &mut damage);
    Ok(Capture {
        container,
        memory: Box::new(memory),
        vcpus: notes.vcpus,
        hints: notes.hints,
        virtual_memory: None,
        damage,
    })
}

/// What the notes of an ELF core tell, which the file holds as they are. Unlike a core it does not say
/// whether the CPUs are in long mode: QEMU uses 64-bit words for every machine with memory up to 4 GiB.
fn notes(source: &Source, header: &Header, damage: &mut Vec<Damage>) -> FromNotes {
    let (offset, length) = header.notes.unwrap_or((0, 0));
    let read = |long| {
        let mut found = Found::default();
        let notes = elf_core::from_notes(source, (offset, length.min(NOTES)), long, &mut found);
        (notes, found)
    };
    let mut read_as = read(header.wide);
    if header.wide && header.machine != "x86_64" && !read_as.0.vcpus.iter().any(long) {
        read_as = read(false);
    }
    damage.extend(read_as.1.finish());
    read_as.0
}

/// Whether a CPU can only be in long mode: 64-bit code, or an upper half in use.
fn long(vcpu: &Vcpu) -> bool {
    let code = vcpu.segments.cs.hidden.is_some_and(|cs| cs.access & 0x2000 != 0);
    code || vcpu.gpr.iter().chain([&vcpu.rip]).any(|value| value >> 32 != 0)
}

fn describe(header: &Header, form: &str) -> String {
    let kind = if header.diskdump {
        "diskdump"
    } else {
        "kdump-compressed"
    };
    let words = if header.wide { 64 } else { 32 };
    let packed = compression(header.status);
    format!("{kind}, header version {}, {words}-bit, {packed}{form}", header.version)
}

/// What makedumpfile's dump level leaves out, by its bits.
const LEFT_OUT: [(u32, &str); 5] = [
    (1, "zeroes"),
    (2, "page cache"),
    (4, "private page cache"),
    (8, "user data"),
    (16, "free pages"),
];

fn facts(source: &Source, header: &Header) -> Vec<(String, String)> {
    let mut facts: Vec<(String, String)> = Vec::new();
    let mut fact = |name: &str, value: String| facts.push((name.to_owned(), value));
    fact("page size", header.block.to_string());
    let texts = [
        ("machine", &header.machine),
        ("release", &header.release),
        ("node", &header.node),
    ];
    for (name, text) in texts.iter().filter(|(_, text)| !text.is_empty() && *text != "Unknown") {
        fact(name, (*text).clone());
    }
    if header.seconds > 0 {
        fact("time", format!("{} seconds since 1970", header.seconds));
    }
    if header.cpus > 0 {
        fact("processors", header.cpus.to_string());
    }
    if let Some(base) = header.phys_base.filter(|base| *base != 0) {
        fact("physical base of the kernel", format!("{base:#x}"));
    }
    // QEMU writes level 1 though it leaves no page out: the bitmaps tell.
    if let Some(level) = header.dump_level {
        let left = LEFT_OUT.iter().filter(|(bit, _)| level & bit != 0);
        let left: Vec<&str> = left.map(|(_, name)| *name).collect();
        let left = if left.is_empty() {
            "nothing".to_owned()
        } else {
            left.join(", ")
        };
        fact(
            "dump level",
            format!("{level} (may leave out: {left}; pages left out are missing)"),
        );
    }
    if let Some((start, end)) = header.split {
        fact("part of a split dump", format!("frames {start:#x} to {end:#x}"));
    }
    if header.status & INCOMPLETE != 0 {
        fact("incomplete", "the writer ran out of space".to_owned());
    }
    if header.status & WITHOUT_VMEMMAP != 0 {
        fact("unused memory map", "left out".to_owned());
    }
    if let Some((offset, length)) = header.vmcoreinfo {
        let bytes = source.bytes(offset, size(length.min(0x1_0000)));
        let text = Fields(&bytes).text(0, bytes.len());
        if let Some(release) = text.lines().find_map(|line| line.strip_prefix("OSRELEASE=")) {
            fact("kernel", release.to_owned());
        }
    }
    if let Some((_, length)) = header.eraseinfo {
        fact("erased data", format!("list of {length} bytes"));
    }
    facts
}
