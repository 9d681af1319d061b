//! VMware memory (vmem) with its state (vmss, vmsn).
