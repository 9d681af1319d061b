//! 3159 CheckLowMemory: for kernels booted with memory above 4 GiB only (`/nolowmem`). Refused: this is a check
//! that the kernel runs on itself.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
