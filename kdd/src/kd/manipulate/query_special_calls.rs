//! 313F QuerySpecialCalls: special calls end a step over calls (`wt`) on a target that steps by itself. This
//! one does not; the debugger then steps.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
