//! 3157 GetBusData: u32 type at 16 (4 PCI configuration), u32 bus at 20, u32 slot at 24, u32 offset at 28, u32
//! length at 32; the bytes follow, with their number in the length.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let [kind, bus, slot, offset] = [16, 20, 24, 28].map(|at| exchange.u32(at));
    let count = exchange.count(32);
    let done = guest.read_bus(kind, bus, slot, offset, exchange.room(count));
    let bytes = done.unwrap_or(0).min(count);
    exchange.keep(bytes);
    let result = exchange.transferred(32, count, bytes);
    done.and(result)
}
