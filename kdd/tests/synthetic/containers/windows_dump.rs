//! Windows dumps.
