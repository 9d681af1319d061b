//! Xen: featuresets, policies, and libxl's `cpuid=`.
