//! Windows dumps: full, bitmap, complete, kernel, triage.
