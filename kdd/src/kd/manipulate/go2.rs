//! 313C Continue2: u32 status at 16, u32 trace flag at 20, then Dr7 at 24 and the limits of the symbol that is
//! stepped over: u64 each on x64, u32 each on x86, packed to 4 bytes. Where the status says failure the
//! rest is not looked at.

use crate::kd::debuggee::{Continue, Debuggee, Status};
use crate::windows::Architecture;

use super::{Exchange, Outcome};

pub(super) fn answer(exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    let status = exchange.u32(16);
    let control = Status(status).is_success();
    let dr7 = match exchange.architecture() {
        Architecture::X64 => exchange.u64(24),
        Architecture::X86 => exchange.u32(24).into(),
    };
    Outcome::Go(Continue {
        status,
        step: control && exchange.u32(20) != 0,
        dr7: control.then_some(dr7),
    })
}
