//! 313B Reboot: no arguments, no reply.

use crate::kd::debuggee::Debuggee;

use super::{Exchange, Outcome};

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    Outcome::Reboot
}
