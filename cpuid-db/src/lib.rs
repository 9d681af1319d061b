//! CPUID dumps in every dialect, named and decoded.
