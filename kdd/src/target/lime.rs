//! LiME and AVML memory images.
