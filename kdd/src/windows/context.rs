//! CONTEXT and KSPECIAL_REGISTERS of x64 and x86, made of a vCPU's state and read back.
