//! Guests made for tests, with constants of their own: a machine's memory and registers, the Windows in
//! it, and the containers a machine is written in.
#![allow(
    dead_code,
    unused_imports,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used
)]

pub mod containers;
pub mod files;
pub mod machine;
pub mod runnable;
pub mod windows;
