//! What goes wrong while talking to QEMU.

use thiserror::Error;

use crate::target::ControlError;

/// A failure of a request.
#[derive(Clone, Debug, Error)]
pub(super) enum Fault {
    /// The other side closed, does not answer, or sends what makes no sense: nothing more comes of it.
    #[error("{0}")]
    Gone(String),
    /// It answered, and refused.
    #[error("{0}")]
    Refused(String),
}

impl Fault {
    /// The failure of `what` as run control tells it.
    pub(super) fn of(self, what: &'static str) -> ControlError {
        match self {
            Self::Gone(reason) => ControlError::Gone(reason),
            Self::Refused(reason) => ControlError::Failed { what, reason },
        }
    }
}
