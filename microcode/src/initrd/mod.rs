//! The segments and members of an initrd, streamed.
//!
//! An initrd is any number of zeros, cpio archives and compressed cpio archives one after the other
//! (Linux, `Documentation/driver-api/early-userspace/buffer-format.rst`). [`read`] goes through it
//! once and shows every segment and every member to a [`Visitor`]; memory is bounded whatever the
//! size. Data that the visitor does not read is skipped, in uncompressed archives by seeking.
//!
//! The loaders of early microcode see only the uncompressed archives that the initrd begins with:
//! [`Segment::early`], [`early_length`].
//!
//! ```
//! use std::io::Cursor;
//! use microcode::cpio::Writer;
//! use microcode::initrd::{Body, Member, Options, Segment, Step, read};
//!
//! let mut writer = Writer::new(Vec::new());
//! writer.directory("kernel")?;
//! writer.file("kernel/x86/microcode/GenuineIntel.bin", 16, b"update")?;
//! let initrd = writer.finish(512)?;
//!
//! let mut lines = Vec::new();
//! let mut list = |_: &Segment, member: &Member, _: &mut Body<'_>| {
//!     lines.push(member.name.to_string());
//!     Ok(Step::Into)
//! };
//! let summary = read(Cursor::new(initrd), &Options::default(), &mut list)?;
//! assert_eq!(lines, ["kernel", "kernel/x86/microcode/GenuineIntel.bin"]);
//! assert!(summary.segments[0].early);
//! # Ok::<(), std::io::Error>(())
//! ```

mod body;
mod cat;
mod disk;
mod early;
mod extract;
mod member;
mod name;
mod repack;
mod segment;
mod stream;
mod walk;

pub use body::Body;
pub use cat::{Cat, Which, cat};
pub use disk::Directory;
pub use early::early_length;
pub use extract::{Choice, Extracted, Layout, Refusal, Sink, Skipped, extract};
pub use member::{FileType, Member};
pub use name::{Name, Pattern};
pub use repack::{Piece, Plan, Removed, RepackError, Report, plan};
pub use segment::{Broken, Kind, Segment, Summary};
pub use walk::{Options, Step, Visitor, read, read_beside};

#[cfg(test)]
mod tests;
