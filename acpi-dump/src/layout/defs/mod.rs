//! Layouts of tables, by area. A new table is one constant in the list of its area.

pub(crate) mod affinity;
pub(crate) mod console;
pub(crate) mod cxl;
pub(crate) mod errors;
pub(crate) mod firmware;
pub(crate) mod iommu;
pub(crate) mod madt;
pub(crate) mod platform;
pub(crate) mod root;
