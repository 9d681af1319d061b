//! 315E WriteCustomBreakpoint: u64 address at 16, u64 instruction at 24, u32 handle at 32, u8 size at 36, u8
//! alignment at 37. For machines with more than one breakpoint instruction; x86 and x64 kernels refuse it.

use crate::kd::debuggee::{Debuggee, Status};

use super::Exchange;

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Result<(), Status> {
    Err(Status::UNSUCCESSFUL)
}
