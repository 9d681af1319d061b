//! 3134 WriteBreakPoint: u64 address at 16, u32 handle at 24 in the reply.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let handle = guest.set_breakpoint(exchange.processor(), exchange.address(16));
    exchange.put_u32(24, handle.unwrap_or(0));
    handle.map(drop)
}
