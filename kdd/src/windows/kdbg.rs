//! KDDEBUGGER_DATA64: found, decoded, or put together.
