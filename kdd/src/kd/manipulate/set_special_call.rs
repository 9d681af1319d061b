//! 3140 SetSpecialCall: refused, see 313F. ReactOS answers the same.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
