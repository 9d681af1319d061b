//! ecaps.
