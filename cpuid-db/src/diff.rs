//! What differs between two processors.
