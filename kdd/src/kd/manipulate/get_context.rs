//! 3132 GetContext: the CONTEXT of the processor follows (4D0 bytes on x64, 2CC on x86).

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let context = guest.context(exchange.processor())?;
    exchange.reply_with(&context);
    Ok(())
}
