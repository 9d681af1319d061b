//! Migration streams of QEMU that were written to a file: by `migrate file:` or `migrate exec:`, with
//! pages in the stream or mapped into the file, and by libvirt's `virsh save`.
//!
//! Follows QEMU's migration/savevm.c, migration/ram.c and target/i386/machine.c, and libvirt's
//! qemu_saveimage.h. The sections of devices have no length: the description at the end of the stream
//! tells their fields. Without it the CPUs are not found; memory comes first and needs none.

mod cpu;
mod description;
mod layout;
mod nodes;
mod ram;
mod stream;

use self::stream::Stream;
use super::cursor::Cursor;
use super::fields::Fields;
use super::paged::Paged;
use super::{Capture, Container, Hints, Input, OpenError};
use crate::damage::Damage;

/// First bytes of a stream.
const MAGIC: &[u8; 4] = b"QEVM";
/// Version of the stream that is read.
const VERSION: u32 = 3;

/// First bytes of libvirt's file, whole and while it is being written.
const LIBVIRT: &[u8; 16] = b"LibvirtQemudSave";
const LIBVIRT_PART: &[u8; 16] = b"LibvirtQemudPart";
/// Bytes of its header.
const LIBVIRT_HEADER: u64 = 92;
/// Its formats by number.
const LIBVIRT_FORMATS: [&str; 7] = ["raw", "gzip", "bzip2", "xz", "lzop", "zstd", "sparse"];
/// Longest XML that is read.
const LIBVIRT_XML: u64 = 16 << 20;

/// Whether the first bytes are those of a migration stream, or of libvirt's file around one.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    [MAGIC.as_slice(), LIBVIRT, LIBVIRT_PART]
        .iter()
        .any(|mark| head.starts_with(mark))
}

/// Opens it.
///
/// # Errors
/// When it is compressed as a whole, or of another version.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let mut facts = Vec::new();
    let mut damage = Vec::new();
    let start = libvirt(input, &mut facts, &mut damage)?;
    let source = &input.bytes;
    let mut cursor = Cursor::new(source, start);
    let head = (cursor.array::<4>(), cursor.u32_be());
    if head != (Some(*MAGIC), Some(VERSION)) {
        return Err(damaged(
            input,
            start,
            "a migration stream of version 3",
            format!("{head:x?}"),
        ));
    }
    let description = description::find(source);
    let mut stream = Stream::default();
    stream.walk(&mut cursor, source, description.as_ref());
    stream.ram.finish();
    damage.append(&mut stream.damage);
    if stream.ram.blocks.is_empty() {
        let first = damage.into_iter().next();
        let damage = first.unwrap_or_else(|| Damage::file("qemu-ram", cursor.at(), "blocks of memory", "none"));
        return Err(OpenError::Damaged {
            name: input.name.clone(),
            damage,
        });
    }
    if description.is_none() {
        let seen = "none: the CPUs are not found".to_owned();
        damage.push(Damage::file(
            "qemu-description",
            source.len(),
            "a description of the devices",
            seen,
        ));
    }
    let machine = stream.machine.clone().unwrap_or_default();
    let nodes = nodes::lengths(&stream.ram.blocks, source);
    let layout = layout::place(&stream.ram.blocks, nodes.as_deref(), stream.cmos.as_deref(), &machine);
    if !machine.is_empty() {
        facts.push(("machine".to_owned(), machine));
    }
    if !stream.capabilities.is_empty() {
        facts.push(("capabilities".to_owned(), stream.capabilities.join(", ")));
    }
    facts.extend(layout.facts.iter().cloned());
    missing(&stream, &layout, cursor.at(), &mut damage);
    let form = if stream.ram.mapped {
        ", pages mapped into the file"
    } else {
        ""
    };
    Ok(Capture {
        container: Container {
            format: "qemu-migration",
            description: format!("QEMU migration stream, version {VERSION}{form}"),
            facts,
        },
        memory: Box::new(Paged::new(source.clone(), ram::PAGE, layout.pages)),
        vcpus: stream.vcpus,
        hints: Hints::default(),
        virtual_memory: None,
        damage,
    })
}

fn damaged(input: &Input, at: u64, expected: &str, seen: String) -> OpenError {
    OpenError::Damaged {
        name: input.name.clone(),
        damage: Damage::file("qemu-header", at, expected, seen),
    }
}

/// Says which pages of the guest's RAM the stream does not hold, and why.
fn missing(stream: &Stream, layout: &layout::Layout, at: u64, damage: &mut Vec<Damage>) {
    let ram = &stream.ram;
    let counted = [
        (ram.differences, "differences to older copies"),
        (ram.compressed, "compressed pages"),
    ];
    for (count, what) in counted.into_iter().filter(|(count, _)| *count > 0) {
        let seen = format!("{count} pages sent as {what}, which are missing here");
        damage.push(Damage::file("qemu-ram", at, "plain pages", seen));
    }
    let empty = |name: &String| {
        ram.blocks
            .iter()
            .any(|block| block.name == *name && block.pages.is_empty())
    };
    for name in layout.main.iter().filter(|name| empty(name)) {
        let seen = if ram.ignore_shared {
            "none: the stream leaves shared memory out; it is in the file that backs it"
        } else if ram.channels {
            "none: they went through channels of their own"
        } else {
            "none"
        };
        damage.push(Damage::file("qemu-ram", at, format!("pages of {name}"), seen));
    }
}

/// libvirt's header and the XML behind it; gives the offset of the stream.
fn libvirt(input: &Input, facts: &mut Vec<(String, String)>, damage: &mut Vec<Damage>) -> Result<u64, OpenError> {
    let source = &input.bytes;
    let header = source.bytes(0, 92);
    let part = header.starts_with(LIBVIRT_PART);
    if !part && !header.starts_with(LIBVIRT) {
        return Ok(0);
    }
    facts.push(("saved by".to_owned(), "libvirt".to_owned()));
    if part {
        damage.push(Damage::file(
            "libvirt-header",
            0,
            "a finished file",
            "the mark of one still being written",
        ));
    }
    let fields = Fields(&header);
    let (Some(length), Some(running), Some(format)) = (fields.u32(20), fields.u32(24), fields.u32(28)) else {
        return Err(damaged(
            input,
            0,
            "a header of 92 bytes",
            format!("{} bytes", header.len()),
        ));
    };
    let length = u64::from(length);
    let xml = source.bytes(LIBVIRT_HEADER, super::fields::size(length.min(LIBVIRT_XML)));
    facts.extend(super::fields::xml_name(&xml).map(|name| ("domain".to_owned(), name)));
    let state = if running != 0 { "running" } else { "paused" };
    facts.push(("saved while".to_owned(), state.to_owned()));
    let start = LIBVIRT_HEADER.saturating_add(length);
    let name = usize::try_from(format)
        .ok()
        .and_then(|format| LIBVIRT_FORMATS.get(format))
        .copied();
    match name {
        Some("raw" | "sparse") => Ok(stream_from(input, start)),
        name => {
            let name = name.map_or_else(|| format!("format {format}"), str::to_owned);
            let reason =
                format!("saved by libvirt and compressed ({name}): uncompress what follows byte {start} and open that");
            Err(OpenError::NotAGuest {
                name: input.name.clone(),
                reason,
            })
        }
    }
}

/// Where the stream begins: right there, or at the next page when the file is written around the cache.
fn stream_from(input: &Input, start: u64) -> u64 {
    let pages = (0..257u64).map(|page| {
        start
            .next_multiple_of(ram::PAGE)
            .saturating_add(page.saturating_mul(ram::PAGE))
    });
    let mut places = std::iter::once(start).chain(pages);
    places
        .find(|at| input.bytes.array::<4>(*at).as_ref() == Some(MAGIC))
        .unwrap_or(start)
}
