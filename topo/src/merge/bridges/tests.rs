//! Tests: slots of the namespace onto functions.
