//! Processes: PsActiveProcessHead, a list through ActiveProcessLinks of the EPROCESSes.
//!
//! The KDBG says where EPROCESS keeps its PEB, its parent and its page directory, but not where the list
//! runs through it. That is taken from the guest itself, from the System process: UniqueProcessId stands
//! right before ActiveProcessLinks and is 4; the begin of the EPROCESS is a dispatcher header of type 3
//! with an empty profile list and the page directory behind it; ImageFileName holds "System". A table by
//! build is the second source, and the only one where the System process is not in memory.

use super::list::List;
use super::record::{Record, kdbg_offset};
use super::{Architecture, Process, offsets};
use crate::damage::{Damage, Place};
use crate::memory::{Gpa, Gva, VirtualMemory};

/// More than process ids allow in practice.
const LIMIT: usize = 65_536;
/// Length of ImageFileName.
const NAME: usize = 15;
const RULE: &str = "process-list";

/// What the list is read with.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Plain bytes of the KDBG.
    pub kdbg: Option<&'a [u8]>,
    /// Machine code of the kernel.
    pub architecture: Architecture,
    /// Build number.
    pub build: Option<u32>,
    /// Page directory of the kernel, which the System process has.
    pub directory: Option<Gpa>,
}

/// Offsets in EPROCESS.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Offsets {
    links: usize,
    name: Option<usize>,
    parent: Option<usize>,
    peb: Option<usize>,
    directory: usize,
}

/// Places in KPROCESS that never moved: ProfileListHead, DirectoryTableBase.
fn fixed(architecture: Architecture) -> (usize, usize) {
    match architecture {
        Architecture::X64 => (0x18, 0x28),
        Architecture::X86 => (0x10, 0x18),
    }
}

/// Page directory without flags and PCID.
fn directory(value: u64, architecture: Architecture) -> Gpa {
    Gpa(match architecture {
        Architecture::X64 => value & 0x000f_ffff_ffff_f000,
        // A PAE directory is aligned to 32 bytes.
        Architecture::X86 => value & 0xffff_ffe0,
    })
}

/// Reads the processes of the list at `head` (PsActiveProcessHead).
#[must_use]
pub fn read(space: &dyn VirtualMemory, head: Gva, context: Context<'_>) -> (Vec<Process>, Vec<Damage>) {
    let list = List {
        space,
        head,
        architecture: context.architecture,
        rule: RULE,
        limit: LIMIT,
    };
    let listed = list.walk();
    let mut found = listed.damage;
    if listed.entries.is_empty() {
        return (Vec::new(), found);
    }
    let Some(offsets) = places(space, &listed.entries, context, &mut found) else {
        let seen = format!(
            "build {}",
            context
                .build
                .map_or_else(|| "unknown".to_owned(), |build| build.to_string())
        );
        found.push(damage(
            head,
            "the System process, or a build whose EPROCESS is known",
            seen,
        ));
        return (Vec::new(), found);
    };
    let mut processes = Vec::with_capacity(listed.entries.len());
    for links in listed.entries {
        let process = links
            .0
            .checked_sub(offsets.links as u64)
            .and_then(|at| process(space, Gva(at), offsets, context.architecture));
        match process {
            Some(process) => processes.push(process),
            None => found.push(damage(links, "an EPROCESS around its links", "no memory before them")),
        }
    }
    (processes, found)
}

fn process(space: &dyn VirtualMemory, at: Gva, offsets: Offsets, architecture: Architecture) -> Option<Process> {
    let width = usize::try_from(architecture.width()).unwrap_or(8);
    let last = [offsets.name, offsets.parent, offsets.peb, Some(offsets.links)];
    let length = last
        .into_iter()
        .flatten()
        .max()
        .unwrap_or_default()
        .saturating_add(NAME + 1);
    let record = Record::read(space, at, length, architecture);
    let name = offsets
        .name
        .and_then(|name| record.slice(name, NAME))
        .unwrap_or_default();
    Some(Process {
        at,
        id: record.word(offsets.links.checked_sub(width)?),
        parent: offsets.parent.and_then(|parent| record.word(parent)),
        name: text(name),
        directory: directory(record.word(offsets.directory)?, architecture),
        peb: offsets.peb.and_then(|peb| record.pointer(peb)),
    })
}

/// ImageFileName: bytes up to the first zero; those that are no ASCII become `?`.
fn text(name: &[u8]) -> String {
    let end = name.iter().position(|byte| *byte == 0).unwrap_or(name.len());
    let visible = |byte: &u8| {
        if (b' '..0x7f).contains(byte) {
            char::from(*byte)
        } else {
            '?'
        }
    };
    name.iter().take(end).map(visible).collect()
}

/// Offsets from the guest, the KDBG and the table; where guest and table disagree, the guest holds.
fn places(
    space: &dyn VirtualMemory,
    entries: &[Gva],
    context: Context<'_>,
    found: &mut Vec<Damage>,
) -> Option<Offsets> {
    let known = context.build.and_then(|build| offsets::of(context.architecture, build));
    let seen = observe(space, entries, context);
    let mut pick = |what: &str, seen: Option<usize>, known: Option<usize>| {
        if let (Some(seen), Some(known)) = (seen, known)
            && seen != known
        {
            let at = entries.first().copied().unwrap_or_default();
            let expected = format!(
                "{what} at {known:#x} of EPROCESS, as build {} has it",
                context.build.unwrap_or_default()
            );
            found.push(damage(at, expected, format!("{seen:#x}")));
        }
        seen.or(known)
    };
    let links = pick("ActiveProcessLinks", seen.links, known.map(|row| row.links))?;
    let name = seen.name_behind.and_then(|behind| links.checked_add(behind));
    let kdbg = |at| kdbg_offset(context.kdbg, at);
    Some(Offsets {
        links,
        name: pick("ImageFileName", name, known.map(|row| row.name)),
        parent: pick("InheritedFromUniqueProcessId", kdbg(0x2ac), known.map(|row| row.parent)),
        peb: pick("Peb", kdbg(0x2aa), known.map(|row| row.peb)),
        directory: kdbg(0x2ae).unwrap_or(fixed(context.architecture).1),
    })
}

/// What the processes themselves say.
#[derive(Default)]
struct Observed {
    /// ActiveProcessLinks from the begin.
    links: Option<usize>,
    /// ImageFileName from ActiveProcessLinks.
    name_behind: Option<usize>,
}

fn observe(space: &dyn VirtualMemory, entries: &[Gva], context: Context<'_>) -> Observed {
    let width = context.architecture.width();
    let id = |links: &&Gva| {
        let before = Gva(links.0.saturating_sub(width));
        Record::read(space, before, 8, context.architecture).word(0) == Some(4)
    };
    // The System process comes first, and each of the others has an EPROCESS just like it.
    let system = entries.iter().take(64).find(id);
    Observed {
        links: system
            .into_iter()
            .chain(entries.iter().take(4))
            .find_map(|links| begin(space, *links, context)),
        name_behind: system.and_then(|links| name_behind(space, *links, context.architecture)),
    }
}

/// Distance from ActiveProcessLinks to "System" behind it.
fn name_behind(space: &dyn VirtualMemory, links: Gva, architecture: Architecture) -> Option<usize> {
    let record = Record::read(space, links, 0x300, architecture);
    let step = 4;
    (0..record.bytes().len() / step)
        .map(|index| index * step)
        .find(|at| record.slice(*at, 7) == Some(b"System\0"))
}

/// Distance from the begin of the EPROCESS to its ActiveProcessLinks: the nearest place before them that
/// looks like a KPROCESS, with the kernel's page directory if one of them has it.
fn begin(space: &dyn VirtualMemory, links: Gva, context: Context<'_>) -> Option<usize> {
    let architecture = context.architecture;
    let width = architecture.width();
    let most = kdbg_offset(context.kdbg, 0x2a8).unwrap_or(0x800).min(0x2000) as u64;
    let mut plausible = None;
    for step in 4..most / (2 * width) {
        let distance = step * 2 * width;
        // EPROCESS is aligned to two pointers; the links need not be.
        let at = Gva((links.0 & !(2 * width - 1)).checked_sub(distance)?);
        let exact = usize::try_from(links.0 - at.0).ok()?;
        match kprocess(space, at, architecture) {
            Some((seen, _)) if Some(seen) == context.directory => return Some(exact),
            Some((_, true)) => plausible = plausible.or(Some(exact)),
            _ => {}
        }
    }
    plausible
}

/// The page directory of what may be a KPROCESS (a dispatcher header of type 3, process object), and
/// whether its list of profiles is empty, which makes it one.
fn kprocess(space: &dyn VirtualMemory, at: Gva, architecture: Architecture) -> Option<(Gpa, bool)> {
    let (profile, base) = fixed(architecture);
    let record = Record::read(space, at, base + 8, architecture);
    let directory = directory(record.word(base)?, architecture);
    if record.u8(0)? != 3 || directory.0 == 0 {
        return None;
    }
    let width = usize::try_from(architecture.width()).unwrap_or(8);
    let own = Some(at.plus(profile as u64));
    let empty = record.pointer(profile) == own && record.pointer(profile.checked_add(width)?) == own;
    Some((directory, empty))
}

fn damage(at: Gva, expected: impl Into<String>, seen: impl Into<String>) -> Damage {
    Damage::file(RULE, at.0, expected, seen).at(Place::Virtual)
}
