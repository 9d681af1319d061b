//! The segments and members of an initrd, streamed.
