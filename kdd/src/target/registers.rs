//! Register files: what `info registers -a` of QEMU's monitor prints.
