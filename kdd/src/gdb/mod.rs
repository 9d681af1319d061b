//! The GDB remote serial protocol beside KD: any source, captured or live, served to GDB, LLDB and WinDbg (EXDI).
//!
//! The standard is the appendix "GDB Remote Serial Protocol" of the GDB manual. [`packet`] cuts the byte stream,
//! [`session`] answers: the crate `gdbstub` does registers, threads, breakpoints and running; reads of memory, the
//! packets that it does not know and everything that is damaged are answered before it. [`registers`] is the
//! register table (the order of WinDbg's EXDI configuration for x64), [`description`] the XML made from it,
//! [`memory`] what an address means to a vCPU, [`monitor`] the `monitor` commands. [`serve`] is the loop.

mod debuggee;
mod description;
mod memory;
mod monitor;
pub mod packet;
pub mod registers;
pub mod serve;
pub mod session;

pub use serve::{Notice, Options, serve};
pub use session::{Architecture, Session, Settings};
