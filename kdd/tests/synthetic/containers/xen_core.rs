//! xl dump-core.
