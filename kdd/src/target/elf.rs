//! Headers, program headers, sections and notes of ELF files, read by offset.
//!
//! Follows the System V ABI (gABI 4.1), chapters 4 and 5, and its extension for more than 65,534 program
//! headers: `e_phnum` is then 0xffff (PN_XNUM) and the number stands in `sh_info` of section 0. Only
//! little-endian files of x86 machines hold guests that are read here.

use super::fields::Fields;
use crate::damage::Damage;
use crate::memory::Source;

/// PT_LOAD.
pub(crate) const LOAD: u32 = 1;
/// PT_NOTE.
pub(crate) const NOTE: u32 = 4;
/// EM_386.
pub(crate) const MACHINE_386: u16 = 3;
/// EM_X86_64.
pub(crate) const MACHINE_X86_64: u16 = 62;
/// ET_CORE.
const CORE: u16 = 4;
/// PN_XNUM.
const EXTENDED: u16 = 0xffff;
/// Headers that are read at a time.
const BLOCK: u64 = 0x1_0000;

/// Whether a file is ELF.
pub(crate) fn recognise(head: &[u8]) -> bool {
    head.starts_with(b"\x7fELF")
}

/// The ELF header.
pub(crate) struct Elf {
    /// 64-bit structures.
    pub wide: bool,
    /// Machine.
    pub machine: u16,
    programs: Table,
    sections: Table,
    names: u64,
}

/// Where a table of headers stands.
struct Table {
    offset: u64,
    entry: u64,
    count: u64,
}

impl Table {
    /// Calls `take` with each entry that lies in the file whole and its offset.
    fn each(&self, source: &Source, mut take: impl FnMut(u64, Fields<'_>)) {
        let Ok(entry) = usize::try_from(self.entry) else { return };
        let whole = source.len().saturating_sub(self.offset) / self.entry.max(1);
        let count = self.count.min(whole);
        let batch = (BLOCK / self.entry.max(1)).max(1);
        let mut first = 0;
        while first < count && entry > 0 {
            let now = batch.min(count.saturating_sub(first));
            let start = self.offset.saturating_add(first.saturating_mul(self.entry));
            let length = usize::try_from(now.saturating_mul(self.entry)).unwrap_or(0);
            let bytes = source.bytes(start, length);
            let mut at = start;
            for piece in bytes.chunks_exact(entry) {
                take(at, Fields(piece));
                at = at.saturating_add(self.entry);
            }
            first = first.saturating_add(now);
        }
    }

    /// Damage when the table does not fit in the file.
    fn fits(&self, source: &Source, rule: &'static str) -> Option<Damage> {
        let whole = source.len().saturating_sub(self.offset) / self.entry.max(1);
        (self.count > whole).then(|| {
            let expected = format!("{} entries of {} bytes", self.count, self.entry);
            Damage::file(rule, self.offset, expected, format!("{whole} before the file ends"))
        })
    }
}

/// A program header.
pub(crate) struct Program {
    /// Where the header stands.
    pub header: u64,
    /// Type.
    pub kind: u32,
    /// Offset of the bytes in the file.
    pub offset: u64,
    /// Virtual address.
    pub virtual_address: u64,
    /// Physical address.
    pub physical: u64,
    /// Bytes in the file.
    pub file_size: u64,
    /// Bytes in memory.
    pub memory_size: u64,
}

/// A section header.
pub(crate) struct Section {
    /// Its name; `None` when the string table is not in the file.
    pub name: Option<String>,
    /// Type.
    pub kind: u32,
    /// Offset of the bytes.
    pub offset: u64,
    /// Number of bytes.
    pub size: u64,
    /// Bytes of an entry.
    pub entry: u64,
}

/// A note.
pub(crate) struct Note<'a> {
    /// Offset of its header.
    pub header: u64,
    /// Name without the NUL.
    pub name: &'a [u8],
    /// Type.
    pub kind: u32,
    /// Bytes, at most [`Note::LIMIT`].
    pub bytes: &'a [u8],
}

impl Note<'_> {
    /// More bytes of a note are not read: no note that is understood here is longer.
    const LIMIT: usize = 0x1_0000;
}

impl Elf {
    /// Reads the header of a core.
    ///
    /// # Errors
    /// What is wrong when it is none that is read here.
    pub(crate) fn read(source: &Source) -> Result<Self, Damage> {
        let head = source.bytes(0, 64);
        let fields = Fields(&head);
        let identity: [u8; 6] = fields
            .array(0)
            .ok_or_else(|| Damage::file("elf-header", 0, "an ELF header", "the end of the file"))?;
        let wide = match identity {
            [.., 1, 1] => false,
            [.., 2, 1] => true,
            [.., class, data] => {
                let seen = format!("class {class}, encoding {data}");
                return Err(Damage::file("elf-header", 4, "class 1 or 2, little endian", seen));
            }
        };
        Self::fields(fields, wide, source)
            .ok_or_else(|| Damage::file("elf-header", 0, "a whole ELF header", "the end of the file"))?
    }

    fn fields(fields: Fields<'_>, wide: bool, source: &Source) -> Option<Result<Self, Damage>> {
        let kind = fields.u16(16)?;
        if kind != CORE {
            let seen = format!("type {kind}");
            return Some(Err(Damage::file("elf-type", 16, "type 4 (core)", seen)));
        }
        let machine = fields.u16(18)?;
        if machine != MACHINE_386 && machine != MACHINE_X86_64 {
            let seen = format!("machine {machine}");
            return Some(Err(Damage::file(
                "elf-machine",
                18,
                "machine 3 (i386) or 62 (x86-64)",
                seen,
            )));
        }
        let (offsets, sizes) = if wide { (32, 54) } else { (28, 42) };
        let step = if wide { 8 } else { 4 };
        let phnum = fields.u16(sizes + 2)?;
        let shnum = fields.u16(sizes + 6)?;
        let sections = Table {
            offset: fields.word(offsets + step, wide)?,
            entry: u64::from(fields.u16(sizes + 4)?),
            count: u64::from(shnum),
        };
        // Section 0 holds the numbers that do not fit in the header.
        let first = source.bytes(sections.offset, if wide { 64 } else { 40 });
        let first = Fields(&first);
        let (size, info) = if wide {
            (first.u64(32), first.u32(44))
        } else {
            (first.u32(20).map(u64::from), first.u32(28))
        };
        let programs = Table {
            offset: fields.word(offsets, wide)?,
            entry: u64::from(fields.u16(sizes)?),
            count: match (phnum, info) {
                (EXTENDED, Some(count)) if sections.offset != 0 => u64::from(count),
                _ => u64::from(phnum),
            },
        };
        let count = match (shnum, size) {
            (0, Some(size)) if sections.offset != 0 => size,
            _ => sections.count,
        };
        Some(Ok(Self {
            wide,
            machine,
            programs,
            sections: Table { count, ..sections },
            names: u64::from(fields.u16(sizes + 8)?),
        }))
    }

    /// Calls `take` with each program header that is in the file.
    pub(crate) fn programs(&self, source: &Source, mut take: impl FnMut(Program)) -> Option<Damage> {
        self.programs.each(source, |header, fields| {
            let program = if self.wide {
                program64(header, fields)
            } else {
                program32(header, fields)
            };
            if let Some(program) = program {
                take(program);
            }
        });
        self.programs.fits(source, "elf-program-headers")
    }

    /// Number of program headers that the file says it has.
    pub(crate) fn program_count(&self) -> u64 {
        self.programs.count
    }

    /// The section headers that are in the file, with their names.
    pub(crate) fn sections(&self, source: &Source) -> (Vec<Section>, Option<Damage>) {
        let mut list = Vec::new();
        self.sections.each(source, |_, fields| {
            let section = if self.wide {
                section64(fields)
            } else {
                section32(fields)
            };
            list.extend(section);
        });
        let names = usize::try_from(self.names).ok().and_then(|index| list.get(index));
        let names = names.map(|(_, section)| (section.offset, section.size));
        let named = list.into_iter().map(|(name, section)| Section {
            name: names.and_then(|table| string(source, table, u64::from(name))),
            ..section
        });
        (named.collect(), self.sections.fits(source, "elf-section-headers"))
    }
}

fn program64(header: u64, fields: Fields<'_>) -> Option<Program> {
    Some(Program {
        header,
        kind: fields.u32(0)?,
        offset: fields.u64(8)?,
        virtual_address: fields.u64(16)?,
        physical: fields.u64(24)?,
        file_size: fields.u64(32)?,
        memory_size: fields.u64(40)?,
    })
}

fn program32(header: u64, fields: Fields<'_>) -> Option<Program> {
    let field = |offset| fields.u32(offset).map(u64::from);
    Some(Program {
        header,
        kind: fields.u32(0)?,
        offset: field(4)?,
        virtual_address: field(8)?,
        physical: field(12)?,
        file_size: field(16)?,
        memory_size: field(20)?,
    })
}

fn section64(fields: Fields<'_>) -> Option<(u32, Section)> {
    let section = Section {
        name: None,
        kind: fields.u32(4)?,
        offset: fields.u64(24)?,
        size: fields.u64(32)?,
        entry: fields.u64(56)?,
    };
    Some((fields.u32(0)?, section))
}

fn section32(fields: Fields<'_>) -> Option<(u32, Section)> {
    let section = Section {
        name: None,
        kind: fields.u32(4)?,
        offset: u64::from(fields.u32(16)?),
        size: u64::from(fields.u32(20)?),
        entry: u64::from(fields.u32(36)?),
    };
    Some((fields.u32(0)?, section))
}

/// A string of a string table, when its end is in the file too.
fn string(source: &Source, (table, size): (u64, u64), offset: u64) -> Option<String> {
    let left = usize::try_from(size.checked_sub(offset)?).unwrap_or(usize::MAX);
    let bytes = source.bytes(table.checked_add(offset)?, left.min(64));
    let end = bytes.iter().position(|byte| *byte == 0)?;
    let name = String::from_utf8_lossy(bytes.get(..end)?);
    (!name.is_empty()).then(|| name.into_owned())
}

/// Calls `take` with each note of `size` bytes at `offset`. Names and descriptors are padded to 4 bytes.
pub(crate) fn notes(source: &Source, offset: u64, size: u64, mut take: impl FnMut(Note<'_>)) -> Option<Damage> {
    let promised = offset.saturating_add(size);
    let end = promised.min(source.len());
    let mut at = offset;
    while end.saturating_sub(at) >= 12 {
        let head: [u8; 12] = source.array(at)?;
        let head = Fields(&head);
        let (name, bytes) = (u64::from(head.u32(0)?), u64::from(head.u32(4)?));
        let start = at.saturating_add(12).saturating_add(padded(name));
        let next = start.saturating_add(padded(bytes));
        if start.saturating_add(bytes) > end {
            let seen = format!("{name} + {bytes} bytes, of which {} are there", end.saturating_sub(at));
            return Some(Damage::file("elf-note", at, "a note in its segment", seen));
        }
        let read = usize::try_from(bytes).unwrap_or(usize::MAX).min(Note::LIMIT);
        let label = source.bytes(at.saturating_add(12), usize::try_from(name).unwrap_or(0).min(32));
        let body = source.bytes(start, read);
        take(Note {
            header: at,
            name: label.split(|byte| *byte == 0).next().unwrap_or_default(),
            kind: head.u32(8)?,
            bytes: &body,
        });
        at = next;
    }
    (promised > source.len()).then(|| {
        let seen = format!("the file ends at {:#x}", source.len());
        Damage::file("elf-note", offset, format!("notes up to {promised:#x}"), seen)
    })
}

fn padded(length: u64) -> u64 {
    length.saturating_add(3) & !3
}
