//! kdump-compressed dumps (makedumpfile, QEMU), also flattened.
