//! The Firmware Interface Table of Intel firmware images.
