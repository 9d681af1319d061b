//! One case for each check.
