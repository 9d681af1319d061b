//! 3137 ReadControlSpace: u64 place at 16, u32 count at 24, u32 bytes read at 28; the bytes follow.
//!
//! On x64 the place is a number: 0 the address of the KPCR, 1 of the KPRCB, 2 the KSPECIAL_REGISTERS, 3 the
//! address of the current KTHREAD. Debuggers ask for E0 bytes of the special registers; the structure has
//! F0 from Windows 10 on. On x86 it is an offset into KPROCESSOR_STATE: the CONTEXT (2CC bytes), then the
//! KSPECIAL_REGISTERS (54 bytes).

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::Gva;
use crate::windows::Architecture;

use super::Exchange;

/// Length of the x86 CONTEXT.
pub(super) const X86_CONTEXT: usize = 0x2cc;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (place, count) = (exchange.u64(16), exchange.count(24));
    exchange.put_u32(28, 0);
    let bytes = match exchange.architecture() {
        Architecture::X64 => space(guest, exchange.processor(), place)?,
        Architecture::X86 => {
            let state = processor_state(guest, exchange.processor())?;
            let start = usize::try_from(place).unwrap_or(usize::MAX);
            state.get(start..).unwrap_or_default().to_vec()
        }
    };
    let bytes = bytes.get(..count.min(bytes.len())).unwrap_or_default();
    let done = exchange.reply_with(bytes);
    exchange.transferred(28, count, done)
}

/// What an x64 number stands for. An address that is not known is refused, not zero.
fn space(guest: &dyn Debuggee, processor: u16, place: u64) -> Result<Vec<u8>, Status> {
    let pointer = |address: Gva| (address.0 != 0).then(|| address.0.to_le_bytes().to_vec());
    let bytes = match place {
        0 => pointer(guest.kpcr(processor)),
        1 => pointer(guest.kprcb(processor)),
        2 => Some(guest.special(processor)?),
        3 => pointer(guest.thread(processor)),
        _ => None,
    };
    bytes.ok_or(Status::UNSUCCESSFUL)
}

/// KPROCESSOR_STATE of x86.
pub(super) fn processor_state(guest: &dyn Debuggee, processor: u16) -> Result<Vec<u8>, Status> {
    let mut state = guest.context(processor)?;
    state.resize(X86_CONTEXT, 0);
    state.extend(guest.special(processor).unwrap_or_default());
    Ok(state)
}
