//! QEMU: CPU models and the `-cpu` option.
