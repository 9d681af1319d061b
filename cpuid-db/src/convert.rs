//! From one language of CPU configurations to another: QEMU `-cpu`, libvirt `<cpu>`, libxl `cpuid=` as
//! string and as list, Firecracker templates.
//!
//! A configuration is read into a [`GuestCpu`]. Languages without models (libxl, xend lists, Firecracker)
//! describe a guest by what is to be taken from the host; a model is brought there by naming what the
//! host would give beyond it, and back by naming the model nearest to what is left.
