//! Page tables of x86 guests: from a virtual address to a physical one.
