//! KDNET: the KD protocol in encrypted UDP datagrams, versions 2 to 4.

pub mod channel;
pub mod crypto;
pub mod key;
