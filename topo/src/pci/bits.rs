//! bits.
