//! The newest revisions known.
