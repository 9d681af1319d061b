//! One model of a machine: CPUs, caches, memory, PCI; what is wrong with it; its picture.

#![forbid(unsafe_code)]

pub mod evidence;
pub mod pci;
pub mod smbios;
pub mod sysfs;
