//! The cpio archives of initrds: newc and crc (Linux, Documentation/driver-api/early-userspace/buffer-format.rst).
