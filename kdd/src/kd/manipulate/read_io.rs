//! 3139 ReadIoSpace: u64 port at 16, u32 size at 24 (1, 2 or 4; in the reply what was read), u32 value at 28.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (port, size) = (exchange.u64(16), exchange.u32(24));
    exchange.put_u32(24, 0);
    exchange.put_u32(28, 0);
    check_port(port, size)?;
    let value = guest.read_io(port, size)?;
    exchange.put_u32(24, size);
    exchange.put_u32(28, value);
    Ok(())
}

/// Ports are read and written in 1, 2 or 4 bytes at a multiple of that.
pub(super) fn check_port(port: u64, size: u32) -> Result<(), Status> {
    match size {
        1 | 2 | 4 if port & u64::from(size.wrapping_sub(1)) == 0 => Ok(()),
        2 | 4 => Err(Status::MISALIGNED),
        _ => Err(Status::INVALID_PARAMETER),
    }
}
