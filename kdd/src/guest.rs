//! A guest with its Windows, as the protocol engine, the dump writer and the commands use it.
