//! Layouts of tables, by area. A new table is one constant in the list of its area.

mod arrays;
mod guids;

pub(crate) mod aest;
pub(crate) mod amd;
pub(crate) mod aml;
pub(crate) mod arm;
pub(crate) mod ibft;
pub(crate) mod iort;
pub(crate) mod management;
pub(crate) mod mpam;
pub(crate) mod nfit;
pub(crate) mod nhlt;
pub(crate) mod phat;
pub(crate) mod pmtt;
pub(crate) mod processors;
pub(crate) mod rdt;
pub(crate) mod sdev;
pub(crate) mod security;
pub(crate) mod services;
pub(crate) mod topology;
pub(crate) mod vendor;
pub(crate) mod virtual_io;
pub(crate) mod watchdog;
