//! 3149 CauseBugCheck: no reply; the guest stops with a bug check, or as before where it cannot.

use crate::kd::debuggee::Debuggee;

use super::{Exchange, Outcome};

pub(super) fn answer(_exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    Outcome::BugCheck
}
