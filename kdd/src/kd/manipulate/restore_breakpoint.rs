//! 3135 RestoreBreakPoint: u32 handle at 16. Debuggers send the handles 1 to 32 when they connect, and expect
//! STATUS_UNSUCCESSFUL for those that were never given.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    guest.remove_breakpoint(exchange.u32(16))
}
