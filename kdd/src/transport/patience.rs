//! How long a blocking receive waits, with few calls to change it.
//!
//! The time to the next deadline changes with every packet, and setting a socket's timeout costs a call.
//! Waking too early costs nothing but a look at the clock: the timeout is one of a few values, is made
//! shorter when a deadline needs it and longer only after it ran out.

use std::time::Duration;

/// Values that a timeout can have.
const STEPS: [Duration; 4] = [
    Duration::from_millis(250),
    Duration::from_millis(50),
    Duration::from_millis(10),
    Duration::from_millis(2),
];

/// The timeout in force.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    set: Option<Duration>,
    ran_out: bool,
}

impl Patience {
    /// The timeout to set now, when it has to change.
    pub(super) fn change(&mut self, wait: Duration) -> Option<Duration> {
        let [longest, .., shortest] = STEPS;
        let fit = STEPS
            .into_iter()
            .find(|step| *step <= wait)
            .unwrap_or(shortest)
            .min(longest);
        let keep = self.set.is_some_and(|set| set == fit || (set < fit && !self.ran_out));
        self.ran_out = false;
        if keep {
            return None;
        }
        self.set = Some(fit);
        Some(fit)
    }

    /// Nothing came in time.
    pub(super) fn ran_out(&mut self) {
        self.ran_out = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeout_shrinks_at_once_and_grows_only_after_it_ran_out() {
        let ms = Duration::from_millis;
        let mut patience = Patience::default();
        assert_eq!(patience.change(ms(500)), Some(ms(250)));
        assert_eq!(patience.change(ms(300)), None);
        assert_eq!(patience.change(ms(60)), Some(ms(50)));
        assert_eq!(patience.change(ms(500)), None);
        patience.ran_out();
        assert_eq!(patience.change(ms(500)), Some(ms(250)));
        assert_eq!(patience.change(ms(0)), Some(ms(2)));
    }
}
