//! What the Linux kernel says of CPUs, caches, NUMA nodes and PCI functions in `/sys` and `/proc`.
//!
//! The readers here walk a [`captures::Source`]; the small text grammars they meet
//! (CPU lists and masks, sizes) are pure functions. Follows the kernel's
//! `Documentation/ABI` and `admin-guide/cputopology.rst`.

pub mod cache;
pub mod cpu;
pub mod cpuset;
pub mod node;
pub mod pci;
pub mod proc;
pub mod topology;

pub use cpuset::CpuSet;
pub use topology::CpuTopology;
