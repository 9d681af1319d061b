//! Where the bytes of a machine come from: the live system, a captured root, a tarball, a text dump.
//!
//! A [`Source`] is one machine. It answers by the paths the machine had, whatever it was opened
//! from, and says of each byte which layer it came from. What the bytes mean is not known here.
//!
//! ```
//! use captures::{DocumentKind, Source};
//!
//! let source = Source::live();
//! for name in source.list("/sys/devices/system/cpu") {
//!     let core = source.text(&format!("/sys/devices/system/cpu/{name}/topology/core_id"));
//!     println!("{name}: {core:?}");
//! }
//! for dump in source.documents(DocumentKind::Lspci) {
//!     println!("{}: {} bytes", dump.origin, dump.bytes.len());
//! }
//! ```

#![deny(unsafe_code)]

mod bundled;
mod codec;
mod cpuid_instruction;
mod detect;
pub mod document;
mod dumps;
mod fsroot;
pub mod json;
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
pub mod xen;

pub use bundled::bundled;
pub use document::{Document, DocumentKind};
pub use origin::{LayerId, Origin};
pub use record::{Manifest, RecordError, RecordOptions, Unread, record};
pub use source::{Gap, Layer, OpenError, Source};
pub use tree::{ReadError, Tree};
