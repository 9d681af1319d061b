//! 3158 SetBusData: u32 type at 16 (4 PCI configuration), u32 bus at 20, u32 slot at 24, u32 offset at 28, u32
//! length at 32 (bytes written in the reply); the bytes follow the request.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let [kind, bus, slot, offset] = [16, 20, 24, 28].map(|at| exchange.u32(at));
    let count = exchange.count(32);
    let data = exchange.take_data();
    let data = data.get(..count.min(data.len())).unwrap_or_default();
    let written = guest.write_bus(kind, bus, slot, offset, data);
    let result = exchange.transferred(32, count, written.unwrap_or(0));
    written.and(result)
}
