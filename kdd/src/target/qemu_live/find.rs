//! Guests of QEMU on this system, for a list to choose from.
