//! State changes: exception, modules loaded and unloaded, text.
