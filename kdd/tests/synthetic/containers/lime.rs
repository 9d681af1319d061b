//! LiME and AVML.
