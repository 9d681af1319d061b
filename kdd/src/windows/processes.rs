//! PsActiveProcessHead.
