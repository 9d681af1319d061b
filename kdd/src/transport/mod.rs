//! Lines to a debugger: TCP, Unix socket, pty, standard input and output, and UDP for KDNET.

pub mod net;
pub mod serve;
pub mod stream;
