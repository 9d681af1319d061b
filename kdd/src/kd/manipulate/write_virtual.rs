//! 3131 WriteVirtualMemory: u64 address at 16, u32 count at 24, u32 bytes written at 28 in the reply; the
//! bytes follow the request. No more is written than the smaller of the count and what really follows.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (processor, at, count) = (exchange.processor(), exchange.address(16), exchange.count(24));
    let data = exchange.take_data();
    let data = data.get(..count.min(data.len())).unwrap_or_default();
    let written = guest.write_virtual(processor, at, data);
    let result = exchange.transferred(28, count, written.unwrap_or(0));
    written.and(result)
}
