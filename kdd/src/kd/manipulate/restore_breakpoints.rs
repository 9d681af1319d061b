//! 3148 RestoreBreakPointEx: u32 number of breakpoints at 16; an array of u32 handles follows, and goes back.
//! All are tried; one that fails makes the whole fail.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;
use super::write_breakpoints::MAX_BREAKPOINTS;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let handles = exchange.take_data();
    let count = usize::try_from(exchange.u32(16)).unwrap_or(usize::MAX);
    let (array, rest) = handles.as_chunks::<4>();
    if count > MAX_BREAKPOINTS || array.len() != count || !rest.is_empty() {
        return Err(Status::UNSUCCESSFUL);
    }
    let mut result = Ok(());
    for handle in array {
        result = result.and(guest.remove_breakpoint(u32::from_le_bytes(*handle)));
    }
    exchange.reply_with(&handles);
    result
}
