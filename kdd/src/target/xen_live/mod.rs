//! A running domain of Xen, seen from the control domain through /dev/xen/privcmd.

use super::{Capture, OpenError};

/// Opens it.
///
/// # Errors
/// When it is not there, or this process may not.
pub fn open(domain: &str) -> Result<Capture, OpenError> {
    Err(OpenError::NotAGuest {
        name: domain.to_owned(),
        reason: "not reached yet".to_owned(),
    })
}
