//! Entries of page tables: the processor's, and those in which Windows keeps what is not present.
//!
//! Software entries: bit 10 prototype, bit 11 transition (meaningful where bit 10 is clear), otherwise
//! a place in a page file. Since the mitigation of L1TF such an entry may carry a set high physical
//! address bit so that it points to no memory; KDDEBUGGER_DATA64 has the number of that bit and of the
//! bit that says that an entry was left alone.

use std::fmt;

use crate::memory::{Gpa, Gva};
use crate::windows::PagingMode;

/// Bits of a frame in 64-bit entries. Bits above the processor's physical address width are reserved
/// zeroes, so that the width need not be known.
const FRAME: u64 = 0x000f_ffff_ffff_f000;

/// A level of page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// Page map level 5.
    Pml5,
    /// Page map level 4.
    Pml4,
    /// Page directory pointer table.
    Pdpt,
    /// Page directory.
    Pd,
    /// Page table.
    Pt,
}

impl Level {
    fn name(self) -> &'static str {
        match self {
            Self::Pml5 => "PML5",
            Self::Pml4 => "PML4",
            Self::Pdpt => "PDPT",
            Self::Pd => "page directory",
            Self::Pt => "page table",
        }
    }
}

/// Why an address does not translate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The address.
    pub at: Gva,
    /// Level, place and value of the entry where it ended; `None` where no table was looked at.
    pub entry: Option<(Level, Gpa, u64)>,
    /// The reason.
    pub reason: Reason,
}

/// Reason of a [`Fault`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The address has upper bits that no page table can hold.
    NotCanonical,
    /// The entry is zero.
    NotPresent,
    /// The entry's table is not in the source.
    TableMissing,
    /// The page is in a page file.
    PageFile,
    /// The page would be made of zeroes when used first.
    DemandZero,
    /// A prototype entry at this address would tell, but does not lead to memory.
    Prototype(Gva),
    /// The page belongs to a range whose prototype entry only the process' VAD tree knows.
    VadPrototype,
    /// The page is in a mapped file.
    MappedFile,
    /// The page should be in this frame, which the source does not hold.
    TransitionMissing(Gpa),
}

impl Fault {
    pub(super) fn new(at: Gva, entry: Option<(Level, Gpa, u64)>, reason: Reason) -> Self {
        Self { at, entry, reason }
    }

    /// First address behind the range that cannot translate for the same reason; `None` at the end of
    /// the space, or where the address is not canonical.
    #[must_use]
    pub fn next(&self, mode: PagingMode) -> Option<Gva> {
        let span = self.span(mode)?;
        (self.at.0 & !(span - 1)).checked_add(span).map(Gva)
    }

    /// Last address before that range.
    #[must_use]
    pub fn previous(&self, mode: PagingMode) -> Option<Gva> {
        let span = self.span(mode)?;
        (self.at.0 & !(span - 1)).checked_sub(1).map(Gva)
    }

    fn span(&self, mode: PagingMode) -> Option<u64> {
        self.entry.map(|(level, _, _)| Format::of(mode).span(level))
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} does not translate: ", self.at)?;
        if let Some((level, place, entry)) = self.entry {
            write!(f, "{} entry at {place} is {entry:#x}: ", level.name())?;
        }
        match self.reason {
            Reason::NotCanonical => write!(f, "not canonical"),
            Reason::NotPresent => write!(f, "not present"),
            Reason::TableMissing => write!(f, "the table is not in the source"),
            Reason::PageFile => write!(f, "in a page file"),
            Reason::DemandZero => write!(f, "a page of zeroes on demand"),
            Reason::Prototype(address) => write!(f, "prototype entry at {address}, which leads to no memory"),
            Reason::VadPrototype => write!(f, "prototype entry that only the VAD tree knows"),
            Reason::MappedFile => write!(f, "in a mapped file"),
            Reason::TransitionMissing(frame) => write!(f, "the frame at {frame} is not in the source"),
        }
    }
}

/// How Windows keeps frames out of entries that are not present (L1TF).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Swizzle {
    /// Physical address bit that is set in an entry to make it point to no memory.
    pub high_bit: u8,
    /// Bit of an entry that says that the high bit was left alone.
    pub swizzle_bit: u8,
}

impl Swizzle {
    /// From the two bytes of KDDEBUGGER_DATA64 (since build 18362); zero means that the kernel needs none.
    #[must_use]
    pub fn new(high_bit: u8, swizzle_bit: u8) -> Option<Self> {
        ((12..52).contains(&high_bit) && (1..12).contains(&swizzle_bit)).then_some(Self { high_bit, swizzle_bit })
    }

    fn plain(self, entry: u64) -> u64 {
        if entry >> self.swizzle_bit & 1 == 0 {
            entry & !(1 << self.high_bit)
        } else {
            entry
        }
    }
}

/// What an entry that is not present holds.
pub(super) enum Software {
    /// The page is still in this frame.
    Transition(Gpa),
    /// It is not in memory, or cannot be told.
    Not(Reason),
}

/// A kind of page tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Bits32,
    Pae,
    Four,
    Five,
}

impl Format {
    pub(super) fn of(mode: PagingMode) -> Self {
        match mode {
            PagingMode::Bits32 => Self::Bits32,
            PagingMode::Pae => Self::Pae,
            PagingMode::FourLevel => Self::Four,
            PagingMode::FiveLevel => Self::Five,
        }
    }

    pub(super) fn root_mask(self) -> u64 {
        match self {
            Self::Bits32 => 0xffff_f000,
            Self::Pae => 0xffff_ffe0,
            Self::Four | Self::Five => FRAME,
        }
    }

    pub(super) fn levels(self) -> &'static [Level] {
        match self {
            Self::Bits32 => &[Level::Pd, Level::Pt],
            Self::Pae => &[Level::Pdpt, Level::Pd, Level::Pt],
            Self::Four => &[Level::Pml4, Level::Pdpt, Level::Pd, Level::Pt],
            Self::Five => &[Level::Pml5, Level::Pml4, Level::Pdpt, Level::Pd, Level::Pt],
        }
    }

    pub(super) fn canonical(self, at: Gva) -> bool {
        let unused = |bits: u32| {
            let upper = at.0 >> (bits - 1);
            upper == 0 || upper == u64::MAX >> (bits - 1)
        };
        match self {
            Self::Bits32 | Self::Pae => at.0 >> 32 == 0,
            Self::Four => unused(48),
            Self::Five => unused(57),
        }
    }

    /// Bytes of an entry.
    pub(super) fn width(self) -> usize {
        if self == Self::Bits32 { 4 } else { 8 }
    }

    fn shift(self, level: Level) -> u32 {
        match (self, level) {
            (_, Level::Pml5) => 48,
            (_, Level::Pml4) => 39,
            (_, Level::Pdpt) => 30,
            (Self::Bits32, Level::Pd) => 22,
            (_, Level::Pd) => 21,
            (_, Level::Pt) => 12,
        }
    }

    /// Entries in a table.
    pub(super) fn entries(self, level: Level) -> u64 {
        match (self, level) {
            (Self::Bits32, _) => 1024,
            (Self::Pae, Level::Pdpt) => 4,
            _ => 512,
        }
    }

    /// Bytes that an entry of a level stands for.
    pub(super) fn span(self, level: Level) -> u64 {
        1 << self.shift(level)
    }

    /// Index of an address in a table.
    pub(super) fn index(self, level: Level, at: Gva) -> u64 {
        (at.0 >> self.shift(level)) & (self.entries(level) - 1)
    }

    pub(super) fn entry_at(self, table: Gpa, level: Level, at: Gva) -> Gpa {
        let width = if self == Self::Bits32 { 4 } else { 8 };
        table.plus(self.index(level, at) * width)
    }

    pub(super) fn frame(self, entry: u64) -> Gpa {
        Gpa(entry & FRAME)
    }

    /// Frame of a large page, where an entry that is present maps one.
    pub(super) fn large(self, level: Level, entry: u64) -> Option<Gpa> {
        if entry & 0x80 == 0 {
            return None;
        }
        match (self, level) {
            // PSE-36: bits 13 to 20 are address bits 32 to 39.
            (Self::Bits32, Level::Pd) => Some(Gpa((entry & 0xffc0_0000) | (entry >> 13 & 0xff) << 32)),
            (Self::Pae | Self::Four | Self::Five, Level::Pd) | (Self::Four | Self::Five, Level::Pdpt) => {
                Some(Gpa(entry & FRAME & !(self.span(level) - 1)))
            }
            _ => None,
        }
    }

    /// What Windows keeps in an entry that is not present.
    pub(super) fn software(self, entry: u64, swizzle: Option<Swizzle>) -> Software {
        let (prototype, transition) = (entry >> 10 & 1 != 0, entry >> 11 & 1 != 0);
        let plain = swizzle.map_or(entry, |swizzle| swizzle.plain(entry));
        if entry == 0 {
            Software::Not(Reason::NotPresent)
        } else if prototype {
            Software::Not(self.prototype(plain))
        } else if transition {
            Software::Transition(self.frame(plain))
        } else {
            let place = if self == Self::Bits32 { plain >> 12 } else { plain >> 32 };
            Software::Not(if place == 0 {
                Reason::DemandZero
            } else {
                Reason::PageFile
            })
        }
    }

    fn prototype(self, entry: u64) -> Reason {
        match self {
            // The address is packed relative to the start of paged pool, which is not known here.
            Self::Bits32 => Reason::VadPrototype,
            Self::Pae => match entry >> 32 {
                0xffff_ffff => Reason::VadPrototype,
                address => Reason::Prototype(Gva(address)),
            },
            Self::Four | Self::Five => match entry >> 16 {
                0xffff_ffff_0000 => Reason::VadPrototype,
                address if address >> 47 != 0 => Reason::Prototype(Gva(address | 0xffff_0000_0000_0000)),
                address => Reason::Prototype(Gva(address)),
            },
        }
    }
}
