//! delid.
fn main() {}
