//! xl save.
