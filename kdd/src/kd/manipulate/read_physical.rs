//! 313D ReadPhysicalMemory: u64 address at 16, u32 count at 24, u32 cache flags (bytes read in the reply)
//! at 28; the bytes follow. How the page is cached makes no difference from outside.

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::Gpa;

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let (at, count) = (Gpa(exchange.u64(16)), exchange.count(24));
    let done = guest.read_physical(at, exchange.room(count)).min(count);
    exchange.keep(done);
    exchange.transferred(28, count, done)
}
