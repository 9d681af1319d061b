//! Facts of devices.
