//! The kernel's image: base, PE headers, CodeView record, exports, version block.
