//! Where the bytes of a machine come from: the live system, a captured root, a tarball, a text dump.

pub mod document;
mod fsroot;
mod layout;
mod live;
mod open;
pub mod origin;
mod overlay;
mod path;
pub mod source;
pub mod tree;

pub use document::{Document, DocumentKind};
pub use origin::{LayerId, Origin};
pub use source::{Gap, Layer, OpenError, Source};
pub use tree::{ReadError, Tree};
