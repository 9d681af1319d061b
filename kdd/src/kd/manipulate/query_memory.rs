//! 315C QueryMemory: u64 address at 16, u64 0 at 24, u32 address space at 32 (0 in the request; 0 process, 1
//! session, 2 kernel in the reply), u32 flags at 36 (1 read, 2 write, 4 execute, 8 fixed). Debuggers send
//! it before they take an address for a breakpoint.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    if exchange.u32(32) != 0 {
        return Err(Status::INVALID_PARAMETER);
    }
    exchange.put_u64(24, 0);
    let kind = guest.query_memory(exchange.processor(), exchange.address(16));
    let kind = kind.ok_or(Status::UNSUCCESSFUL)?;
    exchange.put_u32(32, kind.space);
    exchange.put_u32(36, kind.flags);
    Ok(())
}
