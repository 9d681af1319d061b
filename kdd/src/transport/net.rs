//! KDNET over UDP.
