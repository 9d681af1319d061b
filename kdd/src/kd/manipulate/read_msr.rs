//! 3152 ReadMachineSpecificRegister: u32 number at 16, u32 low half at 20, u32 high half at 24.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    exchange.put_u64(20, 0);
    let value = guest.msr(exchange.processor(), exchange.u32(16))?;
    exchange.put_u64(20, value);
    Ok(())
}
