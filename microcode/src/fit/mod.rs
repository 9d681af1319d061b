//! Firmware Interface Table of Intel images: Intel document 599500, "Firmware Interface Table BIOS
//! Specification" 1.4.
//!
//! The CPU reads the table before its first instruction and loads the updates that entries of type 1
//! point to. The last byte of the image is at address 4 GiB - 1; at 4 GiB - 40h stands the address of
//! the table. An image with something around it (a capsule, a second copy) does not end there: then
//! the table is found by its name, and the place of the pointer to it gives the addresses.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{u8_at, u16_at, u32_at};
use crate::intel::{HEADER, Target, Update};
use crate::scan::{Finding, likely_at, update_at};

const NAME: &[u8; 8] = b"_FIT_   ";
const ENTRY: usize = 16;
/// Address of the pointer to the table.
const POINTER: u64 = 0xffff_ffc0;
const FOUR_GIB: u64 = 1 << 32;
/// Tables of published images have less than 100 entries.
const MOST_ENTRIES: usize = 256;
/// Tables that are read; an image has one, or two that take turns.
const MOST_TABLES: usize = 8;

/// Updates already read, by offset: tables can point to the same one again and again.
type Known = BTreeMap<usize, Option<Update>>;

/// What an entry of type 1 points to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case", tag = "state")]
pub enum Slot {
    /// An update.
    Update {
        /// Its offset in the image.
        offset: usize,
    },
    /// An empty slot: its first word is 0xffffffff.
    Empty,
    /// Something else.
    Other,
    /// An address outside the image.
    Outside,
}

/// One entry.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Entry {
    /// Number; the header is entry 0.
    pub number: usize,
    /// Type.
    pub kind: u8,
    /// Name of the type.
    pub name: &'static str,
    /// Address of the component; in types with a format of their own, other data.
    pub address: u64,
    /// Length of the component in bytes; 0 for updates, which say it themselves.
    pub size: usize,
    /// Version, two digits each for the major and the minor one.
    pub version: u16,
    /// Checksum byte, where the entry says that it has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum: Option<u8>,
    /// Type 1: what it points to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slot: Option<Slot>,
}

impl Entry {
    /// Offset in the image of the update it points to.
    #[must_use]
    pub fn update_offset(&self) -> Option<usize> {
        match self.slot {
            Some(Slot::Update { offset }) => Some(offset),
            _ => None,
        }
    }
}

/// A table.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Fit {
    /// Offset in the image.
    pub offset: usize,
    /// Offset of the pointer to it; none leads there in some images.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pointer: Option<usize>,
    /// Address of the first byte of the image.
    pub image_address: i64,
    /// Version of the table.
    pub version: u16,
    /// Whether its bytes sum to zero; only where it says that it has a checksum.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub checksum_ok: Option<bool>,
    /// Entries behind the header.
    pub entries: Vec<Entry>,
    /// Rules it breaks, and remarks.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub findings: Vec<Finding>,
}

/// Tables of an image: the one that the pointer leads to, then those at `candidates`, the offsets
/// where the name stands.
#[must_use]
pub fn read(image: &[u8], candidates: &[usize]) -> Vec<Fit> {
    let end = image_end(image);
    let by_pointer = offset_of(POINTER, end)
        .and_then(|pointer| u32_at(image, pointer))
        .and_then(|address| offset_of(u64::from(address), end))
        .filter(|offset| image.get(*offset..).is_some_and(|rest| rest.starts_with(NAME)));
    let mut offsets: Vec<usize> = by_pointer.into_iter().collect();
    offsets.extend(candidates.iter().filter(|offset| Some(**offset) != by_pointer));
    let mut known = Known::new();
    let tables = offsets
        .into_iter()
        .filter_map(|offset| table(image, offset, &mut known));
    tables.take(MOST_TABLES).collect()
}

/// Address of the first byte when the image ends at 4 GiB.
fn image_end(image: &[u8]) -> i64 {
    let length = i64::try_from(image.len()).unwrap_or(i64::MAX);
    0x1_0000_0000i64.saturating_sub(length)
}

/// Offset of an address when the image begins at address `start`.
fn offset_of(address: u64, start: i64) -> Option<usize> {
    let address = i64::try_from(address).ok()?;
    usize::try_from(address.checked_sub(start)?).ok()
}

/// Where the pointer to a table at `offset` stands: an address there that is as far from its own
/// place as the table is. Both stand at multiples of 16 of the image.
fn pointer_to(image: &[u8], offset: usize) -> Option<usize> {
    (offset..image.len()).step_by(16).find(|place| {
        let distance = u64::try_from(place.saturating_sub(offset)).unwrap_or(u64::MAX);
        let address = POINTER.saturating_sub(distance);
        u32_at(image, *place).is_some_and(|word| u64::from(word) == address)
    })
}

fn table(image: &[u8], offset: usize, known: &mut Known) -> Option<Fit> {
    let rest = image.get(offset..)?;
    let count = usize::from(u16_at(rest, 8)?).checked_add(usize::from(u8_at(rest, 10)?) << 16)?;
    let kind = u8_at(rest, 14)?;
    if !rest.starts_with(NAME) || kind & 0x7f != 0 || !(1..=MOST_ENTRIES).contains(&count) {
        return None;
    }
    let pointer = pointer_to(image, offset);
    let mut starts = vec![image_end(image)];
    let inferred = pointer.and_then(|place| i64::try_from(place).ok()).map(|place| {
        let pointer = i64::try_from(POINTER).unwrap_or(i64::MAX);
        pointer.saturating_sub(place)
    });
    starts.extend(inferred.filter(|start| *start != image_end(image)));
    let bytes = rest.get(..count.checked_mul(ENTRY)?).unwrap_or(rest);
    let (rows, _) = bytes.as_chunks::<ENTRY>();
    // A second table of a top-swap image has its pointer before the end, yet the addresses are those
    // of the whole image: the reading that leads to most updates counts.
    let start = starts
        .iter()
        .copied()
        .rev()
        .max_by_key(|start| led(image, rows, *start))?;
    let mut fit = Fit {
        offset,
        pointer,
        image_address: start,
        version: u16_at(rest, 12)?,
        checksum_ok: None,
        entries: Vec::new(),
        findings: Vec::new(),
    };
    if kind & 0x80 != 0 {
        let sum = bytes.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte));
        fit.checksum_ok = Some(sum == 0);
        if sum != 0 {
            let text = format!("the bytes of the table sum to {sum:#04x}, not to zero");
            fit.findings.push(Finding::broken("fit-checksum", offset, text));
        }
    }
    if rows.len() < count {
        let text = format!("the table says {count} entries; {} are in the data", rows.len());
        fit.findings.push(Finding::broken("fit-size", offset, text));
    }
    if pointer.is_none() {
        let text = "no pointer at 4 GiB - 40h leads to this table: a CPU does not find it";
        fit.findings.push(Finding::remark("fit-pointer", offset, text));
    }
    for (number, row) in rows.iter().enumerate().skip(1) {
        fit.entry(image, number, row, known);
    }
    fit.compare(image, known);
    Some(fit)
}

/// How many entries of type 1 lead to an update, and how many to an empty slot. Erased flash looks
/// like one, so the updates come first.
fn led(image: &[u8], rows: &[[u8; ENTRY]], start: i64) -> (usize, usize) {
    let rows = rows
        .iter()
        .skip(1)
        .filter(|row| u8_at(*row, 14).unwrap_or(0) & 0x7f == 1);
    rows.map(|row| slot(image, address(row), start))
        .fold((0, 0), |(updates, empty), slot| match slot {
            Slot::Update { .. } => (updates.saturating_add(1), empty),
            Slot::Empty => (updates, empty.saturating_add(1)),
            _ => (updates, empty),
        })
}

fn address(row: &[u8]) -> u64 {
    let half = |at| u64::from(u32_at(row, at).unwrap_or(0));
    half(0) | half(4) << 32
}

fn slot(image: &[u8], address: u64, start: i64) -> Slot {
    let Some(offset) = offset_of(address, start).filter(|offset| *offset < image.len()) else {
        return Slot::Outside;
    };
    if u32_at(image, offset) == Some(u32::MAX) {
        Slot::Empty
    } else if likely_at(image, offset) {
        Slot::Update { offset }
    } else {
        Slot::Other
    }
}

impl Fit {
    fn entry(&mut self, image: &[u8], number: usize, row: &[u8; ENTRY], known: &mut Known) {
        let kind = u8_at(row, 14).unwrap_or(0);
        let units = usize::from(u16_at(row, 8).unwrap_or(0)) | usize::from(u8_at(row, 10).unwrap_or(0)) << 16;
        let entry = Entry {
            number,
            kind: kind & 0x7f,
            name: name(kind & 0x7f),
            address: address(row),
            size: units.saturating_mul(16),
            version: u16_at(row, 12).unwrap_or(0),
            checksum: u8_at(row, 15).filter(|_| kind & 0x80 != 0),
            slot: (kind & 0x7f == 1).then(|| slot(image, address(row), self.image_address)),
        };
        let place = self.offset.saturating_add(number.saturating_mul(ENTRY));
        let at = format!("entry {number} (address {:#010x})", entry.address);
        let mut broken = |rule, text: String| self.findings.push(Finding::broken(rule, place, text));
        match entry.slot {
            Some(Slot::Other) => broken("fit-no-update", format!("{at} points to no update")),
            Some(Slot::Outside) if entry.address >= FOUR_GIB => {
                broken("fit-address", format!("{at} points beyond 4 GiB"));
            }
            Some(Slot::Outside) => broken("fit-address", format!("{at} points outside the image")),
            Some(Slot::Update { offset }) => {
                let update = known.entry(offset).or_insert_with(|| update_at(image, offset));
                if update.as_ref().is_some_and(|update| !update.damage.is_empty()) {
                    broken("fit-damaged-update", format!("{at} points to a damaged update"));
                }
            }
            Some(Slot::Empty) => {
                let text = format!("{at} points to an empty slot");
                self.findings.push(Finding::remark("fit-empty-slot", place, text));
            }
            None => {}
        }
        if entry.slot.is_some() && !entry.address.is_multiple_of(16) {
            let text = format!("{at}: updates stand at multiples of 16");
            self.findings.push(Finding::broken("fit-alignment", place, text));
        }
        if self.entries.last().is_some_and(|before| before.kind > entry.kind) {
            let text = format!("{at}: type {:#04x} stands behind a higher one", entry.kind);
            self.findings.push(Finding::broken("fit-order", place, text));
        }
        self.entries.push(entry);
    }

    /// Entries that lead to the same update, or to one that another one outdoes.
    fn compare(&mut self, image: &[u8], known: &Known) {
        let update = |entry: &Entry| known.get(&entry.update_offset()?)?.as_ref();
        let entries = self
            .entries
            .iter()
            .filter_map(|entry| Some((entry.number, update(entry)?)));
        let list: Vec<(usize, &Update)> = entries.collect();
        // The checksum in it stands for the data.
        let header = |update: &Update| image.get(update.offset..).and_then(|rest| rest.get(..HEADER));
        let same = |one: &Update, other: &Update| {
            one.offset == other.offset
                || one.damage.is_empty() && other.damage.is_empty() && header(one) == header(other)
        };
        let mut findings = Vec::new();
        for (position, (number, update)) in list.iter().enumerate() {
            let place = self.offset.saturating_add(number.saturating_mul(ENTRY));
            let mut before = list.iter().take(position);
            if let Some((first, _)) = before.find(|(_, other)| same(other, update)) {
                let text = format!("entry {number} points to the same update as entry {first}");
                findings.push(Finding::remark("fit-duplicate", place, text));
            } else if let Some((newer, other)) = list.iter().find(|(_, other)| outdoes(other, update)) {
                let text = format!(
                    "entry {number} (revision {}) is never chosen: entry {newer} has revision {} for the same CPUs",
                    update.revision, other.revision
                );
                findings.push(Finding::remark("fit-outdone", place, text));
            }
        }
        self.findings.extend(findings);
    }
}

/// Whether `newer` has a higher revision and is for all CPUs and platforms of `older`.
fn outdoes(newer: &Update, older: &Update) -> bool {
    let covers = |target: &Target| {
        let mut same = targets(newer).filter(|own| own.signature == target.signature);
        same.any(|own| target.platforms.0 != 0 && target.platforms.0 & !own.platforms.0 == 0)
    };
    newer.revision > older.revision && newer.damage.is_empty() && targets(older).all(covers)
}

fn targets(update: &Update) -> impl Iterator<Item = &Target> {
    std::iter::once(&update.target).chain(&update.extended)
}

fn name(kind: u8) -> &'static str {
    match kind {
        0x00 => "FIT header",
        0x01 => "microcode update",
        0x02 => "startup ACM",
        0x03 => "diagnostic ACM",
        0x04 => "platform boot policy",
        0x06 => "FIT reset state",
        0x07 => "BIOS startup module",
        0x08 => "TPM policy",
        0x09 => "BIOS policy",
        0x0a => "TXT policy",
        0x0b => "key manifest",
        0x0c => "boot policy manifest",
        0x10 => "CSE secure boot",
        0x1a => "VAB provisioning table",
        0x1b => "VAB key manifest",
        0x1c => "VAB image manifest",
        0x1d => "VAB image hash descriptors",
        0x2c => "SACM debug record",
        0x2d => "feature policy delivery record",
        0x2f => "JMP debug policy",
        0x7f => "unused",
        _ => "reserved",
    }
}

#[cfg(test)]
mod tests;
