//! Lines to a debugger: TCP, Unix socket, pty, standard input and output, and UDP for KDNET.
//!
//! [`serve::serve`] runs the serial protocol over an [`stream::Endpoint`], [`net::serve_net`] KDNET. Both
//! call the engine ([`crate::kd::session`]) with what comes and send what it wants sent; they report with
//! [`event::Event`]s.

pub mod event;
mod listen;
mod live;
pub mod net;
mod patience;
mod pty;
pub mod serve;
pub mod signals;
pub mod stream;
