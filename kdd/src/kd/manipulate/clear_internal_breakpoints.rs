//! 315A ClearAllInternalBreakpoints: no arguments, no reply. There are none.

use crate::kd::debuggee::Debuggee;

use super::{Exchange, Outcome};

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    Outcome::Silence
}
