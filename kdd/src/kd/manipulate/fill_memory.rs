//! 315B FillMemory: u64 address at 16, u32 length at 24 (bytes filled in the reply), u16 flags at 28 (1 virtual,
//! 2 physical), u16 length of the pattern at 30; the pattern follows.
//!
//! One request fills at most 64 MiB, so that no request holds the session for long: the reply then says
//! how much was filled.

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::{Gpa, Gva};

use super::Exchange;

/// Most bytes of one request.
const MOST: u32 = 64 << 20;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (length, wanted) = (exchange.u32(24), usize::from(exchange.u16(30)));
    exchange.put_u32(24, 0);
    let pattern = exchange.take_data();
    let pattern = pattern.get(..wanted).filter(|pattern| !pattern.is_empty());
    let pattern = pattern.ok_or(Status::INVALID_PARAMETER)?;
    let (processor, physical, at) = match exchange.u16(28) {
        1 => (exchange.processor(), false, exchange.address(16).0),
        2 => (exchange.processor(), true, exchange.u64(16)),
        _ => return Err(Status::INVALID_PARAMETER),
    };
    let piece: Vec<u8> = pattern
        .iter()
        .copied()
        .cycle()
        .take(piece_length(pattern.len()))
        .collect();
    let (mut done, limit) = (0u32, length.min(MOST));
    while done < limit {
        let left = usize::try_from(limit.saturating_sub(done)).unwrap_or(usize::MAX);
        let part = piece.get(..piece.len().min(left)).unwrap_or_default();
        let place = at.checked_add(done.into()).ok_or(Status::UNSUCCESSFUL)?;
        let written = if physical {
            guest.write_physical(Gpa(place), part)
        } else {
            guest.write_virtual(processor, Gva(place), part)
        };
        let count = match written {
            Err(status) if done == 0 => return Err(status),
            written => written.unwrap_or(0).min(part.len()),
        };
        done = done.saturating_add(u32::try_from(count).unwrap_or(u32::MAX));
        if count < part.len() {
            break;
        }
    }
    exchange.transferred(
        24,
        usize::try_from(length).unwrap_or(usize::MAX),
        usize::try_from(done).unwrap_or(0),
    )
}

/// Whole patterns of about 64 KiB.
fn piece_length(pattern: usize) -> usize {
    pattern.saturating_mul(0x1_0000usize.div_ceil(pattern.max(1)))
}
