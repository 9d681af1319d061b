//! 3133 SetContext: u32 context flags at 16, which the CONTEXT that follows repeats. A CONTEXT that is cut
//! short is refused; of a longer one only the first part counts.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    let processor = exchange.processor();
    let length = guest.context(processor)?.len();
    let context = exchange.data().get(..length).ok_or(Status::UNSUCCESSFUL)?;
    guest.set_context(processor, context)
}
