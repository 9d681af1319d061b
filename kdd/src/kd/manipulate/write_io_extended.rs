//! 3145 WriteIoSpaceExtended: u32 size at 16, u32 interface at 20, u32 bus at 24, u32 address space at 28, u64
//! port at 32, u32 value at 40.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;
use super::read_io::check_port;
use super::read_io_extended::check_bus;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (size, port, value) = (exchange.u32(16), exchange.u64(32), exchange.u32(40));
    exchange.put_u32(16, 0);
    check_bus(exchange)?;
    check_port(port, size)?;
    guest.write_io(port, size, value)?;
    exchange.put_u32(16, size);
    Ok(())
}
