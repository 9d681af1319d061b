//! 3150 SwitchProcessor: the processor field at 6 is the argument. The answer is the state change of that
//! processor; of the current one where the number is of none.

use crate::kd::debuggee::Debuggee;

use super::{Exchange, Outcome};

pub(super) fn answer(exchange: &mut Exchange, _guest: &mut dyn Debuggee) -> Outcome {
    Outcome::Switch(exchange.wanted_processor())
}
