//! Answers made up.
