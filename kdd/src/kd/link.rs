//! Acknowledging, resending, resetting: packet ids over a serial line and over KDNET.
