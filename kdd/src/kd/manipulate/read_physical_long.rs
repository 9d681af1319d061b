//! 3162 ReadPhysicalMemoryLong: u64 address at 16, u32 count at 24, u32 bytes read at 28. The debugger's
//! engine sends it over KDNET version 4 for `.dump /f`: 128 KiB at a time, then single pages where that
//! failed.
//!
//! The answer is not one packet but a stream of them, none of which is acknowledged: each is a reply of its
//! own with address, count and bytes of one piece, together the range that was asked for. Measured with
//! engine 10.0.15063: pieces of 1024 bytes are taken, datagrams of 4000 bytes are not (its buffer is
//! smaller), and a reply with a failure ends the request.

use crate::kd::debuggee::{Debuggee, Status};
use crate::memory::Gpa;

use super::{Exchange, Outcome, read_physical};

/// Bytes in one reply.
const PIECE: usize = 1024;
/// Most bytes of one request.
const LONGEST: usize = 0x4_0000;

/// On a line without datagrams there is one reply, as to ReadPhysicalMemory.
pub(super) fn answer(exchange: &mut Exchange, guest: &mut dyn Debuggee) -> Outcome {
    if !exchange.datagrams() {
        return read_physical::answer(exchange, guest).into();
    }
    let at = exchange.u64(16);
    let count = usize::try_from(exchange.u32(24)).unwrap_or(LONGEST).min(LONGEST);
    let mut replies = Vec::new();
    let mut done = 0;
    loop {
        let place = Gpa(at.saturating_add(done as u64));
        let wanted = PIECE.min(count - done);
        let mut reply = exchange.reply();
        let read = guest.read_physical(place, reply.room(wanted)).min(wanted);
        reply.put_u64(16, place.0);
        reply.put_u32(24, u32::try_from(read).unwrap_or_default());
        reply.put_u32(28, u32::try_from(read).unwrap_or_default());
        reply.keep(read);
        let status = if read == wanted {
            Status::SUCCESS
        } else {
            Status::UNSUCCESSFUL
        };
        replies.push(reply.finish(status));
        done += wanted;
        if read < wanted || done == count {
            break;
        }
    }
    Outcome::Stream(replies)
}
