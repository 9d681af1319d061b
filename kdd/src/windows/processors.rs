//! KPCR and KPRCB of each processor.
