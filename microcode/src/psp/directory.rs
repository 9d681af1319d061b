//! One directory.

use schemars::JsonSchema;
use serde::Serialize;

use crate::bytes::{size, u8_at, u32_at};

/// Rows of a directory: published ones have less than 150.
const MOST_ENTRIES: usize = 256;

/// Kind of a directory, by the four letters that it begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// `$PSP`: files of the security processor.
    Psp,
    /// `$PL2`: the second level of it.
    PspLevel2,
    /// `$BHD`: files of the BIOS.
    Bios,
    /// `$BL2`: the second level of it.
    BiosLevel2,
    /// `2PSP`: a `$PSP` directory per generation.
    ComboPsp,
    /// `2BHD`: a `$BHD` directory per generation.
    ComboBios,
}

impl Kind {
    /// Of the directory at the start of these bytes.
    pub(super) fn of(bytes: &[u8]) -> Option<Self> {
        Some(match bytes.get(..4)? {
            b"$PSP" => Self::Psp,
            b"$PL2" => Self::PspLevel2,
            b"$BHD" => Self::Bios,
            b"$BL2" => Self::BiosLevel2,
            b"2PSP" => Self::ComboPsp,
            b"2BHD" => Self::ComboBios,
            _ => return None,
        })
    }

    /// The four letters.
    #[must_use]
    pub fn cookie(self) -> &'static str {
        match self {
            Self::Psp => "$PSP",
            Self::PspLevel2 => "$PL2",
            Self::Bios => "$BHD",
            Self::BiosLevel2 => "$BL2",
            Self::ComboPsp => "2PSP",
            Self::ComboBios => "2BHD",
        }
    }

    /// Whether its rows are those of a BIOS directory.
    #[must_use]
    pub fn is_bios(self) -> bool {
        matches!(self, Self::Bios | Self::BiosLevel2)
    }

    /// Whether its rows are directories.
    #[must_use]
    pub fn is_combo(self) -> bool {
        matches!(self, Self::ComboPsp | Self::ComboBios)
    }

    /// Length of the head and of a row.
    fn lengths(self) -> (usize, usize) {
        match self {
            Self::Psp | Self::PspLevel2 => (16, 16),
            Self::Bios | Self::BiosLevel2 => (16, 24),
            Self::ComboPsp | Self::ComboBios => (32, 16),
        }
    }
}

/// One row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Entry {
    /// Type; 0 in combo directories.
    pub kind: u8,
    /// Sub-program.
    pub subprogram: u8,
    /// Instance.
    pub instance: u8,
    /// Length of the file in bytes; in combo directories the number of the generation.
    pub size: u32,
    /// Pointer as it stands, without its mode.
    pub pointer: u64,
    /// What the pointer counts from, by the row itself.
    #[serde(skip)]
    pub(super) mode: u8,
    /// Whether the file is compressed; only BIOS directories say it.
    #[serde(skip)]
    pub(super) compressed: bool,
}

/// A directory.
#[derive(Clone, Debug, PartialEq, Eq, JsonSchema, Serialize)]
pub struct Directory {
    /// Offset in the data.
    pub offset: usize,
    /// Kind.
    pub kind: Kind,
    /// Whether its Fletcher checksum is right.
    pub checksum_ok: bool,
    /// Number of the generation that it is for, where a combo row or the header of a slot says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<u32>,
    /// Rows.
    pub entries: Vec<Entry>,
    /// What pointers count from where the row has no say.
    #[serde(skip)]
    pub(super) mode: u8,
    /// Rows that its head says.
    #[serde(skip)]
    pub(super) stated: usize,
}

/// The directory at `offset`.
pub(super) fn read(data: &[u8], offset: usize) -> Option<Directory> {
    let rest = data.get(offset..)?;
    let kind = Kind::of(rest)?;
    let (head, row) = kind.lengths();
    let stated = size(u32_at(rest, 8)?);
    let count = stated.min(MOST_ENTRIES);
    let end = count.checked_mul(row)?.checked_add(head)?;
    let own = rest.get(..end).unwrap_or(rest);
    let info = u32_at(rest, 12)?;
    // Bit 31 tells two layouts of this word apart.
    let mode = if info >> 31 == 1 { info >> 24 } else { info >> 29 };
    let rows = own.get(head..).unwrap_or_default().chunks_exact(row);
    Some(Directory {
        offset,
        kind,
        checksum_ok: stated == count && own.len() == end && u32_at(rest, 4) == own.get(8..).map(fletcher32),
        generation: None,
        entries: rows.filter_map(|row| entry(kind, row)).collect(),
        mode: if kind.is_combo() { 0 } else { low(mode) & 3 },
        stated,
    })
}

fn low(word: u32) -> u8 {
    let [low, ..] = word.to_le_bytes();
    low
}

fn entry(kind: Kind, row: &[u8]) -> Option<Entry> {
    let pointer = u64::from(u32_at(row, 8)?) | u64::from(u32_at(row, 12)?) << 32;
    let [.., highest] = pointer.to_le_bytes();
    let (mut entry, flags) = (
        Entry {
            kind: u8_at(row, 0)?,
            subprogram: u8_at(row, 1)?,
            instance: 0,
            size: u32_at(row, 4)?,
            pointer: pointer & (u64::MAX >> 2),
            mode: highest >> 6,
            compressed: false,
        },
        u8_at(row, 2)?,
    );
    if kind.is_combo() {
        (entry.kind, entry.subprogram) = (0, 0);
    } else if kind.is_bios() {
        entry.subprogram = u8_at(row, 3)? & 7;
        entry.instance = flags >> 4;
        entry.compressed = flags & 8 != 0;
    } else {
        entry.instance = flags >> 3 & 15;
    }
    Some(entry)
}

/// Fletcher's checksum over 16-bit words, both sums begun with all ones.
pub(super) fn fletcher32(bytes: &[u8]) -> u32 {
    let (words, _) = bytes.as_chunks::<2>();
    let fold = |sum: u32| (sum & 0xffff).saturating_add(sum >> 16);
    let (mut first, mut second) = (0xffffu32, 0xffffu32);
    // More words than this could overflow the second sum.
    for part in words.chunks(359) {
        for word in part {
            first = first.wrapping_add(u32::from(u16::from_le_bytes(*word)));
            second = second.wrapping_add(first);
        }
        (first, second) = (fold(first), fold(second));
    }
    fold(second) << 16 | fold(first)
}
