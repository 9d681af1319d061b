//! The PSP and BIOS directories of AMD firmware images.
