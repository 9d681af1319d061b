//! 3151 PageIn: of Windows NT 4, refused by all later kernels.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
