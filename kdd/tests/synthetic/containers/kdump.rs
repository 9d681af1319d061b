//! kdump-compressed.
