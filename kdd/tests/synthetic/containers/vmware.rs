//! VMware memory and state.
