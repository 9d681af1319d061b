//! Windows dumps written from a guest: complete, bitmap (active) and kernel.
