//! PCI and PCI Express: functions from configuration space bytes, from `lspci` text, from sysfs.
//!
//! Nothing here knows the machine model. Follows PCI Local Bus 3.0, PCI Express Base 6.0
//! (chapter 7) and, for text, what `lspci` of pciutils 2.2 to 3.14 prints.

pub mod aer;
pub mod bits;
pub mod caps;
pub mod config;
pub mod ecaps;
pub mod function;
pub mod header;
pub mod link;
pub mod names;
pub mod text;
pub mod tree;
