//! AES-256-CBC and HMAC-SHA256 of a KDNET packet.
