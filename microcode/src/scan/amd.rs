//! Whether an AMD patch or container stands at an offset of unknown data.
//!
//! A patch outside a container says its length only from data id 8005h on (in units of 16 bytes
//! behind the data id); for older ones the length goes with the family. What ties the fields of a
//! header to each other: from family 14h on the patch level begins with the family, from 17h on it
//! repeats the whole CPU; up to 12h there is a checksum, and from then to 17h its field is zero.

use crate::amd::{self, EquivalentId, PATCH_HEADER, Patch};
use crate::bytes::{size, sum, u8_at, u16_at, u32_at};
use crate::damage::Damage;
use crate::ids::Signature;

use super::LARGEST;
use super::intel::digits;

const SECTION_HEAD: usize = 8;
const CONTAINER_HEAD: usize = 12;
/// No equivalence table is longer; published ones have less than 1 KiB.
const LARGEST_TABLE: usize = 64 << 10;
/// No patch is longer; the longest published one has 14 KiB.
const LARGEST_PATCH: usize = 256 << 10;

/// CPU signature that a name of the equivalence table encodes: base family 15 put between its bytes.
fn signature_of(id: EquivalentId) -> Signature {
    let [low, high] = id.0.to_le_bytes();
    Signature(u32::from(high) << 16 | 0xf00 | u32::from(low))
}

/// How sure a header of a patch is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Likely {
    /// Its fields agree with each other.
    Agrees,
    /// All but its checksum is as it should be.
    Damaged,
}

/// Length of a patch by its header; `None` for families never seen that do not say it.
fn length(head: &[u8]) -> Option<usize> {
    let id = EquivalentId(u16_at(head, 24)?);
    let model = id.0 >> 8 & 15;
    match (id.family(), u8_at(head, 10)?) {
        (0x0f..=0x12, 0x10) => Some(512),
        (0x0f..=0x12, 0x20) => Some(960),
        (0x14, 0) => Some(if model == 8 { 1383 } else { 1568 }),
        (0x15, 0) => Some(if matches!(model, 8 | 9) { 2432 } else { 2592 }),
        (0x16, 0) => Some(3424),
        (0x17.., _) => match (id.family(), usize::from(u16_at(head, 10)?)) {
            (0x17, 0) => Some(3200),
            (0x19, 0) => Some(5568),
            (_, units) => units.checked_mul(16).filter(|length| *length > PATCH_HEADER),
        },
        _ => None,
    }
}

/// Whether the fields that have no meaning of their own are such as published patches have.
fn plausible(head: &[u8]) -> Option<bool> {
    let [low, high, day, month] = u32_at(head, 0)?.to_le_bytes();
    // In a published patch day and month are swapped.
    let dated = digits(day, 0x31) && digits(month, 0x12) || digits(day, 0x12) && digits(month, 0x31);
    let bridge = |at| u32_at(head, at).is_some_and(|device| device == 0 || device & 0xffff == 0x1022);
    let reserved = head.get(29..32)?;
    Some(
        dated
            && high == 0x20
            && low & 15 <= 9
            && low >> 4 <= 9
            && u16_at(head, 8)? & 0xffc0 == 0x8000
            && bridge(16)
            && bridge(20)
            && u8_at(head, 28)? <= 1
            && matches!(reserved, [0..=15, 0, 0] | [0xaa, 0xaa, 0xaa])
            && u32_at(head, 4)? != 0,
    )
}

fn likely(bytes: &[u8]) -> Option<Likely> {
    let head = bytes.get(..PATCH_HEADER)?;
    if !plausible(head)? {
        return None;
    }
    let (level, id) = (u32_at(head, 4)?, EquivalentId(u16_at(head, 24)?));
    let [_, model_stepping, ext_model, ext_family] = level.to_le_bytes();
    let [low, high] = id.0.to_le_bytes();
    let same_family = ext_family == high >> 4;
    let agrees = match id.family() {
        0x14..=0x16 => same_family && u32_at(head, 12)? == 0,
        0x17.. => same_family && ext_model >> 4 == high & 15 && model_stepping == low,
        _ => {
            let data = bytes.get(PATCH_HEADER..length(head)?);
            let right = data.is_some_and(|data| u32_at(head, 12) == Some(sum(data)));
            let whole = head.get(29..32)? == [0xaa; 3] && u8_at(head, 11)? <= 1;
            return match (right, whole) {
                (true, _) => Some(Likely::Agrees),
                (false, true) => Some(Likely::Damaged),
                (false, false) => None,
            };
        }
    };
    let filled = bytes.get(PATCH_HEADER..)?.iter().take(16).any(|byte| *byte != 0);
    (agrees && filled).then_some(Likely::Agrees)
}

/// The length that a section header right before the patch says, when a container's head is lost.
fn section_length(data: &[u8], offset: usize, least: usize) -> Option<usize> {
    let head = data.get(offset.checked_sub(SECTION_HEAD)?..offset)?;
    let stated = u32_at(head, 4).map(size)?;
    let most = least.checked_add(128)?;
    (u32_at(head, 0)? == 1 && (least..=most).contains(&stated)).then_some(stated)
}

/// A patch without a container at `offset`, with its length, if the header is likely one.
pub(super) fn raw(data: &[u8], offset: usize) -> Option<Patch> {
    let rest = data.get(offset..)?;
    likely(rest)?;
    let by_family = length(rest)?;
    patch_at(
        data,
        offset,
        section_length(data, offset, by_family).unwrap_or(by_family),
    )
}

/// Whether the header of a patch is plausible at `offset`.
pub(crate) fn patch_likely_at(data: &[u8], offset: usize) -> bool {
    let head = data.get(offset..).and_then(|rest| rest.get(..PATCH_HEADER));
    head.and_then(plausible).unwrap_or(false)
}

/// The patch of at most `limit` bytes at `offset`; its header has to be a plausible one. Where the
/// length goes with the family it is that, else `limit`.
pub(crate) fn patch_at(data: &[u8], offset: usize, limit: usize) -> Option<Patch> {
    let rest = data.get(offset..)?;
    if !plausible(rest.get(..PATCH_HEADER)?)? {
        return None;
    }
    let by_family = length(rest).filter(|length| limit > length.saturating_add(128));
    let stated = by_family.unwrap_or(limit.min(LARGEST_PATCH));
    let own = rest.get(..stated).unwrap_or(rest);
    let mut patch = amd::read_patch(own)?;
    if own.len() < stated {
        let damage = Damage::new(
            own.len(),
            format!("{stated} bytes of patch"),
            format!("{} bytes", own.len()),
        );
        patch.damage.push(damage.rule("amd-patch-size"));
    }
    shift(&mut patch, offset);
    if patch.signatures.is_empty() {
        patch.signatures.push(signature_of(patch.id));
    }
    Some(patch)
}

/// Count all offsets from `by` bytes further ahead.
pub(super) fn shift(patch: &mut Patch, by: usize) {
    let damage = patch.damage.iter_mut().map(|damage| &mut damage.offset);
    let notes = patch.notes.iter_mut().map(|note| &mut note.offset);
    for offset in damage.chain(notes).chain([&mut patch.offset]) {
        *offset = offset.saturating_add(by);
    }
}

/// Length of the container at `offset`: its table and all sections that hold a patch. `None` when
/// there is no table or not even one patch.
pub(super) fn container_length(data: &[u8], offset: usize) -> Option<usize> {
    let rest = data.get(offset..)?;
    let table = u32_at(rest, 8).map(size).filter(|length| *length <= LARGEST_TABLE)?;
    let mut end = CONTAINER_HEAD.checked_add(table)?;
    let first = end;
    rest.get(..end)?;
    while let (Some(1), Some(length)) = (u32_at(rest, end), u32_at(rest, end.checked_add(4)?).map(size)) {
        let start = end.checked_add(SECTION_HEAD)?;
        let head = rest.get(start..start.checked_add(PATCH_HEADER)?);
        let fits = (PATCH_HEADER..=LARGEST_PATCH).contains(&length) && start < LARGEST;
        if !fits || !head.and_then(plausible).unwrap_or(false) {
            break;
        }
        end = start.checked_add(length)?;
        if end > rest.len() {
            break;
        }
    }
    (end > first).then_some(end.min(rest.len()))
}
