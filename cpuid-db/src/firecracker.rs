//! Firecracker: CPU templates.
