//! 3160 SetContextEx: u32 offset at 16, u32 count at 20, u32 bytes copied at 24; the piece of the CONTEXT
//! follows the request.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    exchange.put_u32(24, 0);
    let (processor, count) = (exchange.processor(), exchange.count(20));
    let mut context = guest.context(processor)?;
    let piece = super::exchange::piece(exchange.u32(16), exchange.u32(20));
    let piece = piece
        .and_then(|piece| context.get_mut(piece))
        .ok_or(Status::UNSUCCESSFUL)?;
    let data = exchange.data().get(..piece.len()).ok_or(Status::UNSUCCESSFUL)?;
    piece.copy_from_slice(data);
    guest.set_context(processor, &context)?;
    exchange.transferred(24, count, count)
}
