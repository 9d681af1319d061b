//! What the loops do for a guest that can run, besides carrying packets.

use std::time::Duration;

use super::event::Event;
use super::serve::IDLE;
use super::signals;
use super::stream::Error;
use crate::kd::debuggee::Debuggee;
use crate::kd::session::Session;

/// Whether to go on waiting for a debugger: no signal asked to end, and the guest is still there.
pub(super) fn waiting(guest: &mut dyn Debuggee, report: &mut dyn FnMut(&Event)) -> Result<bool, Error> {
    if signals::ending() {
        report(&Event::Ending);
        return Ok(false);
    }
    if guest.live() {
        // What it says is not lost: whether it runs is asked anew when a debugger comes.
        let _ = guest.stopped();
        here(guest, report)?;
    }
    Ok(true)
}

/// That the guest is still there.
pub(super) fn here(guest: &dyn Debuggee, report: &mut dyn FnMut(&Event)) -> Result<(), Error> {
    match guest.gone() {
        Some(why) => {
            report(&Event::GuestGone(why.to_owned()));
            Err(Error::Guest(why.to_owned()))
        }
        None => Ok(()),
    }
}

/// A guest that nobody lets run may go away too: it is asked from time to time, `looked` being when it was last.
pub(super) fn look(guest: &mut dyn Debuggee, looked: &mut Duration, now: Duration) {
    if guest.live() && now >= looked.saturating_add(IDLE) {
        *looked = now;
        // Only whether it is still there counts.
        let _ = guest.stopped();
    }
}

/// The debugger is gone: a guest that can run is left as it was before.
pub(super) fn release(guest: &mut dyn Debuggee, session: &mut Session, report: &mut dyn FnMut(&Event)) {
    if !guest.live() || guest.gone().is_some() || !session.has_begun() {
        return;
    }
    match guest.release() {
        Ok(()) => report(&Event::Released(guest.running())),
        Err(status) => {
            let why = guest.trouble().unwrap_or_else(|| format!("status {status}"));
            report(&Event::NotReleased(why));
        }
    }
    session.released();
}
