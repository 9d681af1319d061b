//! 3138 WriteControlSpace: u64 place at 16, u32 count at 24, u32 bytes written at 28; the bytes follow the
//! request. On x64 only place 2, the KSPECIAL_REGISTERS, can be written; on x86 all of KPROCESSOR_STATE.

use crate::kd::debuggee::{Debuggee, Status};
use crate::windows::Architecture;

use super::Exchange;
use super::read_control_space::{X86_CONTEXT, processor_state};

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (place, count) = (exchange.u64(16), exchange.count(24));
    exchange.put_u32(28, 0);
    let processor = exchange.processor();
    let data = exchange.take_data();
    let data = data.get(..count.min(data.len())).filter(|data| !data.is_empty());
    let data = data.ok_or(Status::UNSUCCESSFUL)?;
    match exchange.architecture() {
        Architecture::X64 if place == 2 => guest.set_special(processor, data)?,
        Architecture::X64 => return Err(Status::UNSUCCESSFUL),
        Architecture::X86 => write_state(guest, processor, place, data)?,
    }
    exchange.transferred(28, count, data.len())
}

/// Writes a piece of the x86 KPROCESSOR_STATE; only the half that it touches is set.
fn write_state(guest: &mut dyn Debuggee, processor: u16, place: u64, data: &[u8]) -> Result<(), Status> {
    let mut state = processor_state(guest, processor)?;
    let start = usize::try_from(place).unwrap_or(usize::MAX);
    let end = start.checked_add(data.len()).ok_or(Status::UNSUCCESSFUL)?;
    let piece = state.get_mut(start..end).ok_or(Status::UNSUCCESSFUL)?;
    piece.copy_from_slice(data);
    let (context, special) = state.split_at_checked(X86_CONTEXT).ok_or(Status::UNSUCCESSFUL)?;
    if start < X86_CONTEXT {
        guest.set_context(processor, context)?;
    }
    if end > X86_CONTEXT {
        guest.set_special(processor, special)?;
    }
    Ok(())
}
