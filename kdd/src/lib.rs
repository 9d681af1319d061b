//! Windows kernel debugger stub: KD packets and guest memory.
