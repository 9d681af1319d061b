//! Loaded modules: PsLoadedModuleList, a list of KLDR_DATA_TABLE_ENTRY in the order in which the kernel
//! loaded them.

use super::list::List;
use super::pe::Image;
use super::record::Record;
use super::{Architecture, Module};
use crate::damage::{Damage, Place};
use crate::memory::{Gva, VirtualMemory};

/// No Windows loads more.
const LIMIT: usize = 4096;
/// Names are not read further than this many bytes.
const NAME: usize = 1024;
const RULE: &str = "module-list";

/// Offsets in KLDR_DATA_TABLE_ENTRY, the same in all versions from XP on.
struct Layout {
    base: usize,
    entry: usize,
    size: usize,
    path: usize,
    name: usize,
    /// Bytes to read.
    length: usize,
}

impl Layout {
    fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X64 => Self {
                base: 0x30,
                entry: 0x38,
                size: 0x40,
                path: 0x48,
                name: 0x58,
                length: 0x68,
            },
            Architecture::X86 => Self {
                base: 0x18,
                entry: 0x1c,
                size: 0x20,
                path: 0x24,
                name: 0x2c,
                length: 0x34,
            },
        }
    }
}

/// Reads the modules of the list at `head` (PsLoadedModuleList), with what their PE headers say where
/// those are in memory.
#[must_use]
pub fn read(space: &dyn VirtualMemory, head: Gva, architecture: Architecture) -> (Vec<Module>, Vec<Damage>) {
    let list = List {
        space,
        head,
        architecture,
        rule: RULE,
        limit: LIMIT,
    };
    let mut listed = list.walk();
    let mut modules = Vec::with_capacity(listed.entries.len());
    for at in listed.entries {
        match module(space, at, architecture, &mut listed.damage) {
            Some(module) => modules.push(module),
            None => listed
                .damage
                .push(damage(at, "a KLDR_DATA_TABLE_ENTRY", "no memory behind its links")),
        }
    }
    (modules, listed.damage)
}

fn module(space: &dyn VirtualMemory, at: Gva, architecture: Architecture, found: &mut Vec<Damage>) -> Option<Module> {
    let layout = Layout::of(architecture);
    let record = Record::read(space, at, layout.length, architecture);
    let mut text = |field: usize| match unicode_string(space, &record, field, architecture) {
        Ok(text) => text,
        Err((expected, seen)) => {
            found.push(damage(at.plus(field as u64), expected, seen));
            String::new()
        }
    };
    let base = record.pointer(layout.base)?;
    let entry = record.pointer(layout.entry)?;
    let size = record.u32(layout.size)?;
    let path = text(layout.path);
    let mut name = text(layout.name);
    if name.is_empty() {
        name = path.rsplit('\\').next().unwrap_or_default().to_owned();
    }
    let image = Image::read(space, base).ok();
    Some(Module {
        base,
        size,
        entry,
        name,
        path,
        record: at,
        timestamp: image.as_ref().map(|image| image.timestamp),
        checksum: image.as_ref().map(|image| image.checksum),
        pdb: image.and_then(|image| image.pdb(space)),
    })
}

/// The text of a UNICODE_STRING, or what was expected and seen.
fn unicode_string(
    space: &dyn VirtualMemory,
    record: &Record,
    at: usize,
    architecture: Architecture,
) -> Result<String, (&'static str, String)> {
    let short = || ("a UNICODE_STRING", "no memory there".to_owned());
    let length = usize::from(record.u16(at).ok_or_else(short)?);
    let width = usize::try_from(architecture.width()).unwrap_or(8);
    let buffer = record.pointer(at.saturating_add(width)).ok_or_else(short)?;
    if length > NAME {
        return Err(("a name of at most 1024 bytes", format!("{length} bytes")));
    }
    let text = Record::read(space, buffer, length & !1, architecture);
    if text.bytes().len() < length & !1 {
        return Err(("the characters of a name", format!("no memory at {buffer}")));
    }
    let units = text
        .bytes()
        .chunks_exact(2)
        .filter_map(|pair| pair.try_into().ok().map(u16::from_le_bytes));
    Ok(char::decode_utf16(units)
        .map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER))
        .filter(|character| *character != '\0')
        .collect())
}

fn damage(at: Gva, expected: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::file(RULE, at.0, expected, seen).at(Place::Virtual)
}
