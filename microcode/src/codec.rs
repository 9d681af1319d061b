//! Compressed streams of initrds, unpacked in process and in bounded memory.
