//! 315F GetContextEx: u32 offset at 16, u32 count at 20, u32 bytes copied at 24; the piece of the CONTEXT
//! follows. A piece that is not wholly inside the CONTEXT is refused, and debuggers then send 3132.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Result<(), Status> {
    exchange.put_u32(24, 0);
    let context = guest.context(exchange.processor())?;
    let piece = super::exchange::piece(exchange.u32(16), exchange.u32(20));
    let piece = piece.and_then(|piece| context.get(piece)).ok_or(Status::UNSUCCESSFUL)?;
    let copied = exchange.reply_with(piece);
    exchange.transferred(24, piece.len(), copied)
}
