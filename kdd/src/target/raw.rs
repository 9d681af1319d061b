//! Raw images: file offset is physical address.
