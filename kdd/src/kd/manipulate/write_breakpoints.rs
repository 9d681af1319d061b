//! 3147 WriteBreakPointEx: u32 number of breakpoints at 16, u32 status at 20; an array of u64 address, u32
//! handle, u32 padding follows, and goes back with the handles. Debuggers of today set breakpoints one by
//! one; ReactOS refuses this request, and no traffic with it was seen. The status is not looked at.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;
use super::exchange::masked;

/// Breakpoints that a Windows kernel has room for.
pub(super) const MAX_BREAKPOINTS: usize = 32;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let mut entries = exchange.take_data();
    let count = usize::try_from(exchange.u32(16)).unwrap_or(usize::MAX);
    let (array, rest) = entries.as_chunks_mut::<16>();
    if count > MAX_BREAKPOINTS || array.len() != count || !rest.is_empty() {
        return Err(Status::UNSUCCESSFUL);
    }
    let mut result = Ok(());
    for [a0, a1, a2, a3, a4, a5, a6, a7, handle @ .., _, _, _, _] in array {
        let at = u64::from_le_bytes([*a0, *a1, *a2, *a3, *a4, *a5, *a6, *a7]);
        let set = guest.set_breakpoint(exchange.processor(), masked(exchange.architecture(), at));
        *handle = set.unwrap_or(0).to_le_bytes();
        result = result.and(set.map(drop));
    }
    exchange.reply_with(&entries);
    result
}
