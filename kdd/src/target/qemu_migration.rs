//! QEMU migration streams: RAM and the x86 CPU sections.
