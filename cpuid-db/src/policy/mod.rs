//! What a pool of hosts can offer a guest, and why not more.
