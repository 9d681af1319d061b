//! Recorded sessions: every packet with its direction and time, written and replayed.
