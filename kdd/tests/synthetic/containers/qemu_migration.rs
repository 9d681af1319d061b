//! QEMU migration stream.
