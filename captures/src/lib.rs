//! Where the bytes of a machine come from: the live system, a captured root, a tarball, a text dump.

#![forbid(unsafe_code)]

mod codec;
mod cpuid_instruction;
mod detect;
pub mod document;
mod dumps;
mod fsroot;
mod layout;
mod live;
mod memory;
mod open;
pub mod origin;
mod overlay;
mod path;
pub mod record;
pub mod source;
mod tarball;
mod text;
pub mod tree;

pub use document::{Document, DocumentKind};
pub use origin::{LayerId, Origin};
pub use record::{Manifest, RecordError, RecordOptions, Unread, record};
pub use source::{Gap, Layer, OpenError, Source};
pub use tree::{ReadError, Tree};
