//! Layouts of tables, by area. A new table is one constant in the list of its area.

mod addresses;
mod arrays;
mod heap;
mod meaning;
#[cfg(test)]
mod shape_tests;
#[cfg(test)]
mod tests;

pub(crate) mod aest;
pub(crate) mod affinity;
pub(crate) mod amd;
pub(crate) mod arm;
pub(crate) mod audio;
pub(crate) mod console;
pub(crate) mod cxl;
pub(crate) mod errors;
pub(crate) mod firmware;
pub(crate) mod ibft;
pub(crate) mod iommu;
pub(crate) mod iort;
pub(crate) mod madt;
pub(crate) mod management;
pub(crate) mod mpam;
pub(crate) mod nbft;
pub(crate) mod nfit;
pub(crate) mod phat;
pub(crate) mod platform;
pub(crate) mod pmtt;
pub(crate) mod processors;
pub(crate) mod rdt;
pub(crate) mod root;
pub(crate) mod sdev;
pub(crate) mod security;
pub(crate) mod services;
pub(crate) mod vendor;
pub(crate) mod virtual_io;
pub(crate) mod watchdog;
