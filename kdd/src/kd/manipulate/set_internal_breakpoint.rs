//! 3142 SetInternalBreakPoint: breakpoints that count and do not stop, of the old `wt`. Refused, as ReactOS does.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
