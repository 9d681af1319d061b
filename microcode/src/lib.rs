//! CPU microcode containers of Intel and AMD.
