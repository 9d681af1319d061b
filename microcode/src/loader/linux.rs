//! What the microcode loader of Linux does (6.12, arch/x86/kernel/cpu/microcode).
