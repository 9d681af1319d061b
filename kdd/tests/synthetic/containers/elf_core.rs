//! QEMU's and VirtualBox's ELF cores.
