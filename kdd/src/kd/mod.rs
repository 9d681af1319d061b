//! The KD protocol.

pub mod debuggee;
pub mod file_io;
pub mod link;
pub mod manipulate;
pub mod names;
pub mod packet;
pub mod record;
pub mod session;
pub mod state;
pub mod trace;
