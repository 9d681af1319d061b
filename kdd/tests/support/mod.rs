//! What tests of the lines share: the debugger's side of KDNET and a small guest.
#![allow(dead_code)]

pub mod guest;
pub mod host;
pub mod pcap;
