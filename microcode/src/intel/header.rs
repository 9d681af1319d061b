//! The header of an update: its twelve words, the sizes they mean, and how much it looks like one.

use crate::bytes::{size, u32_at};
use crate::ids::{Date, PlatformMask, Signature};
use crate::intel::Target;

/// Length of the header in bytes.
pub const HEADER: usize = 48;
/// An update whose data size is 0 has 2000 bytes of data and 2048 in all.
const DEFAULT_DATA: usize = 2000;

/// The words of a header.
#[derive(Clone, Copy)]
pub(super) struct Header {
    pub version: u32,
    pub revision: u32,
    pub date: u32,
    pub signature: u32,
    pub checksum: u32,
    pub loader: u32,
    pub platforms: u32,
    pub data_field: u32,
    pub total_field: u32,
    pub metadata: u32,
    pub minimum: u32,
    pub reserved: u32,
}

impl Header {
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let field = |at| u32_at(bytes, at);
        Some(Self {
            version: field(0)?,
            revision: field(4)?,
            date: field(8)?,
            signature: field(12)?,
            checksum: field(16)?,
            loader: field(20)?,
            platforms: field(24)?,
            data_field: field(28)?,
            total_field: field(32)?,
            metadata: field(36)?,
            minimum: field(40)?,
            reserved: field(44)?,
        })
    }

    /// Bytes of data.
    pub(super) fn data(&self) -> usize {
        if self.data_field == 0 {
            DEFAULT_DATA
        } else {
            size(self.data_field)
        }
    }

    /// Bytes in all: the field counts only when the data size is not 0.
    pub(super) fn total(&self) -> usize {
        if self.data_field == 0 {
            HEADER.saturating_add(DEFAULT_DATA)
        } else {
            size(self.total_field)
        }
    }

    /// Bytes of header and data.
    pub(super) fn body(&self) -> usize {
        HEADER.saturating_add(self.data())
    }

    pub(super) fn target(&self) -> Target {
        Target {
            signature: Signature(self.signature),
            platforms: PlatformMask(self.platforms),
        }
    }

    pub(super) fn date(&self) -> Date {
        Date::from_field(self.date)
    }

    fn known_version(&self) -> bool {
        matches!(self.version, 1 | 2)
    }

    fn plausible_year(&self) -> bool {
        (0x1990..=0x2099).contains(&self.date().year)
    }

    /// Versions, a signature and a year as every update has them.
    pub(super) fn looks_like_one(&self) -> bool {
        self.known_version() && self.loader == 1 && self.signature != 0 && self.plausible_year()
    }

    /// Header, data and the whole are of sizes that an update may have, within `room` bytes.
    pub(super) fn fits(&self, room: usize) -> bool {
        self.body() <= self.total() && self.total() <= room
    }

    /// Looks like one and has nothing at all that an update does not have.
    pub(super) fn is_in_order(&self, room: usize) -> bool {
        let sizes = self.total().is_multiple_of(1024) && self.data().is_multiple_of(4);
        self.looks_like_one() && self.fits(room) && sizes && self.platforms <= 0xff && self.reserved == 0
    }

    /// One with a damaged word: sizes in order, and of seven other signs all but two there (all but
    /// one where both size words are 0 and say little).
    pub(super) fn resembles_one(&self, room: usize) -> bool {
        let [_, _, day, month] = self.date.to_le_bytes();
        let signs = [
            self.known_version(),
            self.loader == 1,
            self.plausible_year(),
            (1..=0x12).contains(&month) && (1..=0x31).contains(&day),
            self.signature != 0 && self.signature <= 0x0fff_3fff,
            self.platforms <= 0xff,
            self.reserved == 0,
        ];
        let there = signs.iter().filter(|sign| **sign).count();
        let needed = if self.data_field == 0 { 6 } else { 5 };
        let sizes = self.total().is_multiple_of(1024) && self.data().is_multiple_of(4);
        sizes && self.fits(room) && there >= needed
    }
}
