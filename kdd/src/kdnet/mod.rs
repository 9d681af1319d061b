//! KDNET: the KD protocol in encrypted UDP datagrams, versions 2 to 4.
//!
//! [`key`] reads and makes keys, [`crypto`] seals and opens single datagrams, [`channel`] is the target's
//! side of a connection.

pub mod channel;
pub mod crypto;
pub mod key;
mod window;
