//! 313E WritePhysicalMemory: u64 address at 16, u32 count at 24, u32 cache flags (bytes written in the
//! reply) at 28; the bytes follow the request.

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::Gpa;

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (at, count) = (Gpa(exchange.u64(16)), exchange.count(24));
    let data = exchange.take_data();
    let data = data.get(..count.min(data.len())).unwrap_or_default();
    let written = guest.write_physical(at, data);
    let result = exchange.transferred(28, count, written.unwrap_or(0));
    written.and(result)
}
