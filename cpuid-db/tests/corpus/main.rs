//! Tests over captures of real machines. They are not part of this repository: `DELID_CORPUS` names
//! their directory, default `../shared/corpus` beside the workspace; without it nothing is run.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "helpers of tests"
)]

mod files;
mod hwloc_xml;
mod mutations;
