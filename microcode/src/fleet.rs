//! Hosts and the newest update known for each.
