//! 3130 ReadVirtualMemory: u64 address at 16, u32 count at 24, u32 bytes read at 28; the bytes follow.
//! What is read up to the first byte that is not there is a success with fewer bytes.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (processor, at, count) = (exchange.processor(), exchange.address(16), exchange.count(24));
    let done = guest.read_virtual(processor, at, exchange.room(count)).min(count);
    exchange.keep(done);
    exchange.transferred(28, count, done)
}
