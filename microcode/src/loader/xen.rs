//! What the microcode loader of Xen does (4.20, xen/arch/x86/cpu/microcode).
