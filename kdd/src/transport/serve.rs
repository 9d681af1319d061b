//! The loop between a line and a session.
