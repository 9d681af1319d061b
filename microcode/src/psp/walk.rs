//! From one directory to the next.

use crate::bytes::{size, u32_at};
use crate::scan::{Finding, patch_likely_at};

use super::address::{Origin, offsets};
use super::directory::{self, Directory, Entry, Kind};
use super::{MOST_DIRECTORIES, MOST_FINDINGS, MOST_MICROCODE, Microcode};

/// Rows that lead to a directory of the second level: of the PSP, of the BIOS from there, of the BIOS.
const LEVEL_2: [u8; 3] = [0x40, 0x49, 0x70];
/// Rows of the PSP that lead to the two copies of the second level, by a header of 32 bytes or directly.
const SLOTS: [u8; 2] = [0x48, 0x4a];
/// In that header: where the pointer to the directory stands.
const SLOT_POINTER: usize = 16;
const SLOT_GENERATION: usize = 20;
const MICROCODE: u8 = 0x66;
/// Header of a signed file: `$PS1` at 10h, length of the content at 14h, whether it is compressed at 48h.
const SIGNED_HEADER: usize = 256;

/// What was reached so far.
#[derive(Debug)]
pub(super) struct Walk<'a> {
    data: &'a [u8],
    base: usize,
    pub(super) directories: Vec<Directory>,
    pub(super) microcode: Vec<Microcode>,
    pub(super) findings: Vec<Finding>,
}

impl<'a> Walk<'a> {
    pub(super) fn new(data: &'a [u8], base: usize) -> Self {
        Self {
            data,
            base,
            directories: Vec::new(),
            microcode: Vec::new(),
            findings: Vec::new(),
        }
    }

    /// Follow a pointer of the embedded firmware structure.
    pub(super) fn root(&mut self, pointer: u64) {
        let origin = self.origin(self.base, self.base);
        if let Some(offset) = self.directory_at(&offsets(pointer, 0, &origin)) {
            self.reach(vec![(offset, offset, None)]);
        }
    }

    fn say(&mut self, finding: Finding) {
        if self.findings.len() < MOST_FINDINGS {
            self.findings.push(finding);
        }
    }

    fn origin(&self, directory: usize, slot: usize) -> Origin {
        Origin {
            base: self.base,
            directory,
            slot,
            length: self.data.len(),
        }
    }

    /// The first of these offsets where a directory stands.
    fn directory_at(&self, offsets: &[usize]) -> Option<usize> {
        let mut found = offsets.iter().copied();
        found.find(|offset| self.data.get(*offset..).and_then(Kind::of).is_some())
    }

    /// Read directories (offset, slot, generation) and all that they lead to.
    fn reach(&mut self, mut open: Vec<(usize, usize, Option<u32>)>) {
        while let Some((offset, slot, generation)) = open.pop() {
            let known = self.directories.iter().any(|directory| directory.offset == offset);
            if known || self.directories.len() >= MOST_DIRECTORIES {
                continue;
            }
            let Some(mut directory) = directory::read(self.data, offset) else {
                continue;
            };
            directory.generation = generation;
            self.check(&directory);
            for (number, entry) in directory.entries.iter().enumerate() {
                if directory.kind.is_combo() {
                    let next = self.follow(&directory, slot, entry);
                    open.extend(next.map(|next| (next, next, Some(entry.size))));
                } else if SLOTS.contains(&entry.kind) && !directory.kind.is_bios() {
                    let next = self.slot(&directory, slot, entry);
                    open.extend(next.map(|(next, own)| (next, next, own.or(generation))));
                } else if LEVEL_2.contains(&entry.kind) {
                    let next = self.follow(&directory, slot, entry);
                    let same_slot = |next| if entry.kind == 0x40 { next } else { slot };
                    open.extend(next.map(|next| (next, same_slot(next), generation)));
                } else if directory.kind.is_bios() && entry.kind == MICROCODE {
                    self.patch(&directory, slot, number, entry);
                }
            }
            self.directories.push(directory);
        }
    }

    fn check(&mut self, directory: &Directory) {
        let (at, cookie) = (directory.offset, directory.kind.cookie());
        if !directory.checksum_ok {
            let text = format!("directory {cookie}: wrong checksum");
            self.say(Finding::broken("psp-checksum", at, text));
        }
        if directory.stated != directory.entries.len() {
            let text = format!(
                "directory {cookie} says {} rows; {} can be read",
                directory.stated,
                directory.entries.len()
            );
            self.say(Finding::broken("psp-rows", at, text));
        }
    }

    /// Offsets that the pointer of a row can stand for. The mode of the row counts when that of the
    /// directory is 2 or 3.
    fn places(&self, directory: &Directory, slot: usize, entry: &Entry) -> Vec<usize> {
        let mode = if directory.mode >= 2 {
            entry.mode
        } else {
            directory.mode
        };
        let mut list = offsets(entry.pointer, mode, &self.origin(directory.offset, slot));
        let own = offsets(entry.pointer, entry.mode, &self.origin(directory.offset, slot));
        list.extend(own);
        list
    }

    fn follow(&mut self, directory: &Directory, slot: usize, entry: &Entry) -> Option<usize> {
        let next = self.directory_at(&self.places(directory, slot, entry));
        if next.is_none() && !matches!(entry.pointer, 0 | 0xffff_ffff) {
            let text = format!(
                "directory {}: the row of type {:#04x} with pointer {:#x} leads to no directory",
                directory.kind.cookie(),
                entry.kind,
                entry.pointer
            );
            self.findings
                .push(Finding::broken("psp-pointer", directory.offset, text));
        }
        next
    }

    /// The second level of one copy: directly, or by the header that says which copy is to be booted
    /// and for which generation it is.
    fn slot(&mut self, directory: &Directory, slot: usize, entry: &Entry) -> Option<(usize, Option<u32>)> {
        let places = self.places(directory, slot, entry);
        let direct = self.directory_at(&places).map(|next| (next, None));
        direct.or_else(|| {
            places.iter().find_map(|place| {
                let head = self.data.get(*place..)?;
                let pointer = u64::from(u32_at(head, SLOT_POINTER)?);
                let origin = self.origin(directory.offset, slot);
                let next = self.directory_at(&offsets(pointer, 1, &origin))?;
                Some((next, u32_at(head, SLOT_GENERATION)))
            })
        })
    }

    fn patch(&mut self, directory: &Directory, slot: usize, number: usize, entry: &Entry) {
        if matches!(entry.size, 0 | u32::MAX) || self.microcode.len() >= MOST_MICROCODE {
            return;
        }
        let places = self.places(directory, slot, entry);
        let found = places.iter().find_map(|place| {
            let signed = self.signed(*place);
            let (offset, length) = signed.unwrap_or((*place, size(entry.size)));
            patch_likely_at(self.data, offset).then_some((offset, length))
        });
        if let Some((offset, size)) = found {
            self.microcode.push(Microcode {
                directory: directory.offset,
                entry: number,
                instance: entry.instance,
                subprogram: entry.subprogram,
                offset,
                size,
            });
            return;
        }
        let at = places.first().copied().unwrap_or(directory.offset);
        let empty = self
            .data
            .get(at..)
            .is_some_and(|rest| rest.iter().take(64).all(|byte| *byte == 0xff));
        let row = format!(
            "directory {} at {:#x}: row {number}",
            directory.kind.cookie(),
            directory.offset
        );
        let compressed = entry.compressed || self.compressed(at);
        self.say(match (empty, compressed) {
            (true, _) => Finding::remark("psp-empty-slot", at, format!("{row} is an empty place for microcode")),
            (_, true) => Finding::remark(
                "psp-compressed",
                at,
                format!("{row} is compressed microcode, not read here"),
            ),
            _ => Finding::broken(
                "psp-no-patch",
                at,
                format!("{row} says microcode, but leads to no patch"),
            ),
        });
    }

    /// Place and length of the content of a signed file that is not compressed.
    fn signed(&self, place: usize) -> Option<(usize, usize)> {
        let rest = self.data.get(place..)?;
        let length = u32_at(rest, 0x14).map(size)?;
        let plain = rest.get(0x10..0x14)? == b"$PS1" && u32_at(rest, 0x48)? == 0;
        plain.then_some((place.checked_add(SIGNED_HEADER)?, length))
    }

    fn compressed(&self, place: usize) -> bool {
        let rest = self.data.get(place..).unwrap_or_default();
        rest.get(0x10..0x14) == Some(b"$PS1") && u32_at(rest, 0x48).is_some_and(|option| option != 0)
    }
}
