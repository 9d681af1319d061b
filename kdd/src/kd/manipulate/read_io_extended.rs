//! 3144 ReadIoSpaceExtended: u32 size at 16, u32 interface at 20, u32 bus at 24, u32 address space at 28, u64
//! port at 32, u32 value at 40. Only ports of the first ISA bus are served, as by Windows itself.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;
use super::read_io::check_port;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (size, port) = (exchange.u32(16), exchange.u64(32));
    exchange.put_u32(16, 0);
    exchange.put_u32(40, 0);
    check_bus(exchange)?;
    check_port(port, size)?;
    let value = guest.read_io(port, size)?;
    exchange.put_u32(16, size);
    exchange.put_u32(40, value);
    Ok(())
}

/// Interface 1 (ISA), bus 0, address space 1 (I/O).
pub(super) fn check_bus(exchange: &Exchange) -> Result<(), Status> {
    let isa = (exchange.u32(20), exchange.u32(24), exchange.u32(28)) == (1, 0, 1);
    isa.then_some(()).ok_or(Status::INVALID_PARAMETER)
}
