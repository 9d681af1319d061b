//! Dumps that Windows writes when it crashes (`MEMORY.DMP`, minidumps of the kernel) and those of the
//! debugger's `.dump`: a header of one or two pages, then memory.
//!
//! | type | memory |
//! |---|---|
//! | 1 full | runs in the header |
//! | 2 kernel summary | bitmap, 32-bit lengths |
//! | 3 header | none |
//! | 4 triage | blocks by virtual address |
//! | 5 bitmap full, 6 bitmap kernel | bitmap, 64-bit lengths |
//! | 8 kernel, 9 kernel and user, 10 complete | list of ranges |
//!
//! Offsets are those of the Windows SDK's `mindumpdef.h`; types 5 and above are in no header file.

mod context;
mod drivers;
mod header;
pub(crate) mod layout;
mod packed;
mod pages;
mod triage;

pub use drivers::TriageDriver;

use super::{Capture, Container, Hints, Input, OpenError};
use crate::damage::Damage;
use crate::memory::Source;
use header::Header;
use layout::{Layout, kind};

/// Whether the first bytes are those of a kernel's dump.
#[must_use]
pub fn recognise(head: &[u8]) -> bool {
    Layout::of(head).is_some()
}

/// Opens a dump.
///
/// # Errors
/// When the header is not all there.
pub fn open(input: &Input) -> Result<Capture, OpenError> {
    let source = &input.bytes;
    let damaged = |damage| OpenError::Damaged {
        name: input.name.clone(),
        damage,
    };
    let head = source.bytes(0, 0x2000);
    let layout = Layout::of(&head).ok_or_else(|| {
        damaged(Damage::file(
            "dump-header",
            0,
            "PAGEDUMP or PAGEDU64",
            printable(&head, 8),
        ))
    })?;
    let header = Header::decode(&head, layout).ok_or_else(|| {
        let expected = format!("a header of {:#x} bytes", layout.length);
        damaged(Damage::file(
            "dump-header",
            0,
            expected,
            format!("{:#x} bytes", head.len()),
        ))
    })?;
    Ok(capture(source, &head, layout, &header))
}

fn capture(source: &Source, head: &[u8], layout: &Layout, header: &Header) -> Capture {
    let pages = pages::read(source, head, layout, header.dump_type);
    let mut damage = pages.damage;
    let mut container = container(header, layout);
    container.facts.extend(pages.facts);
    let mut hints = hints(header);
    let mut virtual_memory = None;
    let mut context = header.context.clone();
    if header.dump_type == kind::TRIAGE {
        let triage = triage::read(source, header, layout);
        container.facts.extend(triage.facts);
        damage.extend(triage.damage);
        hints.kdbg_bytes = triage.kdbg;
        hints.kprcb_bytes = triage.kprcb;
        hints.drivers = triage.drivers;
        virtual_memory = triage.memory;
        context = triage.context.or(context);
    }
    let vcpu = context.zip(header.machine);
    let vcpu = vcpu.and_then(|(context, machine)| context::vcpu(&context, machine));
    Capture {
        container,
        memory: pages.memory,
        vcpus: vcpu.into_iter().collect(),
        hints,
        virtual_memory,
        damage,
    }
}

fn hints(header: &Header) -> Hints {
    Hints {
        directory: header.directory,
        kdbg: header.kdbg,
        loaded_modules: header.loaded_modules,
        active_processes: header.active_processes,
        pfn_database: header.pfn_database,
        machine: header.machine,
        version: header.version,
        processors: header.processors,
        bug_check: header.bug_check,
        pae: header.pae,
        context: header.context.clone(),
        ..Hints::default()
    }
}

fn container(header: &Header, layout: &Layout) -> Container {
    let (format, what) = match header.dump_type {
        kind::FULL => ("windows-full", "all memory, by runs"),
        kind::SUMMARY => ("windows-summary", "memory of the kernel, by a bitmap"),
        kind::HEADER => ("windows-header", "nothing but the header"),
        kind::TRIAGE => ("windows-triage", "stack, structures and blocks of memory"),
        kind::BITMAP_FULL => ("windows-bitmap", "all memory, by a bitmap"),
        kind::BITMAP_KERNEL => ("windows-bitmap-kernel", "memory of the kernel, by a bitmap"),
        kind::AUTOMATIC => ("windows-automatic", "memory that Windows chose"),
        kind::RANGES_KERNEL => ("windows-ranges-kernel", "memory of the kernel, by ranges"),
        kind::RANGES_USER => ("windows-ranges-user", "memory of the kernel and of programs, by ranges"),
        kind::RANGES_FULL => ("windows-ranges", "all memory, by ranges"),
        _ => ("windows-dump", "of a type that is not known"),
    };
    let width = layout.pointer * 8;
    Container {
        format,
        description: format!("Windows dump, {width}-bit, type {}: {what}", header.dump_type),
        facts: facts(header),
    }
}

/// What has no place among the hints.
fn facts(header: &Header) -> Vec<(String, String)> {
    let mut facts = Vec::new();
    let mut fact = |name: &str, value: Option<String>| facts.extend(value.map(|value| (name.to_owned(), value)));
    let hex = |value: u32| format!("{value:#x}");
    let exception = |(code, flags, address)| format!("{code:#010x} at {address}, flags {flags:#x}");
    fact("exception", header.exception.map(exception));
    fact("system time", header.system_time.map(|time| time.to_string()));
    fact("system up time", header.up_time.map(|time| time.to_string()));
    fact("product type", header.product_type.map(|value| value.to_string()));
    fact("suite mask", header.suite_mask.map(hex));
    fact("required space", header.required.map(|space| space.to_string()));
    fact("minidump fields", header.fields.map(hex));
    fact("secondary data state", header.secondary_data.map(hex));
    fact("writer status", header.writer_status.map(hex));
    fact("attributes", header.attributes.map(hex));
    fact("comment", header.comment.clone());
    facts
}

/// The first bytes as text, for messages.
fn printable(bytes: &[u8], count: usize) -> String {
    let bytes = bytes.get(..count).unwrap_or(bytes);
    if bytes.is_empty() {
        return "the end".to_owned();
    }
    bytes.escape_ascii().to_string()
}
