//! Microarchitecture, codename and process technology of a processor.
