//! Signals that end a session cleanly: SIGINT, SIGTERM, SIGHUP.
//!
//! The loops look at [`ending`] each time they wake up; a second signal ends the process at once.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::flag;

static ENDING: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on these signals do not end the process but set what [`ending`] tells.
///
/// # Errors
/// When the system refuses the handlers.
pub fn watch() -> std::io::Result<()> {
    let flag = ENDING.get_or_init(|| Arc::new(AtomicBool::new(false)));
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        // The order matters: the first signal finds the flag unset.
        flag::register_conditional_shutdown(signal, 128_i32.saturating_add(signal), Arc::clone(flag))?;
        flag::register(signal, Arc::clone(flag))?;
    }
    Ok(())
}

/// Whether a signal asked to end.
#[must_use]
pub fn ending() -> bool {
    ENDING.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}
