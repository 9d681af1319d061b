//! Whether an Intel update stands at an offset of unknown data.
//!
//! In a file of updates a header is trusted; here it has to be likely first: versions, a date that
//! exists, a size in steps of four bytes that fits, platforms in the lowest byte, reserved fields of zero.

use crate::bytes::{size, u32_at};
use crate::intel::{self, HEADER, Update};

use super::LARGEST;

/// What a likely header says of its sizes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Header {
    /// Length of header and data, which the checksum covers.
    pub(super) covered: usize,
    /// All sizes and fields are such as published updates have: enough to report it without a checksum.
    pub(super) convincing: bool,
}

/// Binary coded decimal from 1 to `last`, both as the digits stand.
pub(super) fn digits(byte: u8, last: u8) -> bool {
    byte & 15 <= 9 && (1..=last).contains(&byte)
}

/// Header of an update at the start of these bytes, if it is likely one.
pub(super) fn header(bytes: &[u8]) -> Option<Header> {
    let head = bytes.get(..HEADER)?;
    let field = |at| u32_at(head, at);
    let [low, high, day, month] = field(8)?.to_le_bytes();
    let year = u16::from_le_bytes([low, high]);
    let dated = (0x1993..=0x2099).contains(&year) && digits(day, 0x31) && digits(month, 0x12);
    let (revision, signature, platforms) = (field(4)?, field(12)?, field(24)?);
    let (data, total) = match (size(field(28)?), size(field(32)?)) {
        (0, _) => (2000, 2048),
        sizes => sizes,
    };
    let covered = HEADER.checked_add(data)?;
    let likely = dated
        && matches!(field(0)?, 1 | 2)
        && field(20)? == 1
        && signature != 0
        && signature >> 28 == 0
        && platforms <= 0xff
        && data.is_multiple_of(4)
        && total.is_multiple_of(4)
        && (covered..=LARGEST).contains(&total);
    let convincing = total.is_multiple_of(1024) && revision != 0 && field(16)? != 0 && field(44)? == 0 && data > 64;
    likely.then_some(Header { covered, convincing })
}

/// Whether the header of an update is likely at `offset`.
pub(crate) fn likely_at(data: &[u8], offset: usize) -> bool {
    data.get(offset..).and_then(header).is_some()
}

/// The update at `offset`, if its header is likely one.
pub(crate) fn update_at(data: &[u8], offset: usize) -> Option<Update> {
    header(data.get(offset..)?)?;
    intel::read_at(data, offset)
}

/// Count all offsets from `by` bytes further ahead.
pub(super) fn shift(update: &mut Update, by: usize) {
    let remarks = update.remarks.iter_mut();
    let damage = update.damage.iter_mut().chain(remarks).map(|damage| &mut damage.offset);
    let blocks = update.metadata.iter_mut().map(|block| &mut block.offset);
    for offset in damage.chain(blocks).chain([&mut update.offset]) {
        *offset = offset.saturating_add(by);
    }
}
