//! 313A WriteIoSpace: u64 port at 16, u32 size at 24, u32 value at 28.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;
use super::read_io::check_port;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (port, size, value) = (exchange.u64(16), exchange.u32(24), exchange.u32(28));
    exchange.put_u32(24, 0);
    check_port(port, size)?;
    guest.write_io(port, size, value)?;
    exchange.put_u32(24, size);
    Ok(())
}
