//! Updates inside unknown data: firmware images, disks.
