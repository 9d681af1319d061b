//! AMD patches and the entry-sign weakness (AMD-SB-7033): cut-off revisions and digests.
