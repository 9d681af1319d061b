//! The kernel's page directory: from a vCPU, the low stub, or page tables that map themselves.
