//! The rows of the table of cases.

pub mod files;
pub mod places;
