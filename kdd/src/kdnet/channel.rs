//! The target's side of a KDNET connection, without I/O: pokes, response, connection check, replay protection.
