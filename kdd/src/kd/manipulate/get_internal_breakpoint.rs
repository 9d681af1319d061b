//! 3143 GetInternalBreakPoint: refused, see 3142.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
