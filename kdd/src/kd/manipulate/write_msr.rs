//! 3153 WriteMachineSpecificRegister: u32 number at 16, u32 low half at 20, u32 high half at 24.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    guest.set_msr(exchange.processor(), exchange.u32(16), exchange.u64(20))
}
