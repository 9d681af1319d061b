//! Translation lookaside buffers: leaves 2, 0x18 (Intel), 0x80000005, 6, 0x19 (AMD).
