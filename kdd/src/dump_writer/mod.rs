//! Windows crash dumps, written from a plan.
