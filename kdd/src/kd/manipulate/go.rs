//! 3136 Continue: u32 status at 16. The old form; the trap flag is as the debugger set it in the CONTEXT.

use crate::kd::debuggee::{Continue, Debuggee};

use super::{Exchange, Outcome};

pub(super) fn answer(exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    Outcome::Go(Continue {
        status: exchange.u32(16),
        step: false,
        dr7: None,
    })
}
