//! Streams that carry the serial protocol: TCP, Unix socket, pty, standard input and output.
