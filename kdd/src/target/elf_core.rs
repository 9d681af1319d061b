//! ELF cores with physical memory: QEMU's dump-guest-memory and VirtualBox's.
