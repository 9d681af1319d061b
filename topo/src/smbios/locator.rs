//! locator.
