//! Decoded contents of the tables that describe a machine's shape.

pub mod cedt;
pub mod dmar;
pub mod entry;
pub mod hmat;
pub mod ivrs;
pub mod madt;
pub mod mcfg;
pub mod pptt;
pub mod slit;
pub mod srat;

#[cfg(test)]
pub(crate) mod testing;
