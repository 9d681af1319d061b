//! Raw image and register file.
