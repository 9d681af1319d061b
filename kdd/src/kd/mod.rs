//! The KD protocol: what WinDbg and a Windows kernel say to each other.

pub mod names;
pub mod packet;
pub mod trace;
