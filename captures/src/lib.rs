//! Where the bytes of a machine come from: the live system, a captured root, a tarball, a text dump.

pub mod document;
pub mod origin;
pub mod source;
pub mod tree;

pub use document::{Document, DocumentKind};
pub use origin::{LayerId, Origin};
pub use source::{Gap, Layer, Source};
pub use tree::{ReadError, Tree};
