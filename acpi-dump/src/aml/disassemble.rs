//! AML back into ASL text. ACPI 6.5, chapter 19 (ASL) and chapter 20 (AML).
//!
//! The text says what the bytes say and in their order: `iasl -oa` compiles it to the same bytes
//! wherever ASL has words for them. Where it has none (a number coded longer than it needs, a
//! length field with spare bytes) the nearest words are written; nothing is left out silently:
//! what could not be read stands as a comment with its offset and its bytes.
//!
//! Names that other tables define are declared with `External`. `iasl` codes such declarations
//! into the table, which older tables do not have: [`Externals::AsCoded`] writes only those that
//! the table itself contains, in their place, the others as comments, for `iasl -oa -oE -f`.
//!
//! ```
//! use acpi_dump::aml::Namespace;
//! use acpi_dump::aml::disassemble::{Context, Options, disassemble};
//! // Header of 36 bytes, then Name (_UID, 5).
//! let mut table = b"SSDT\x2b\0\0\0\x02\0OEMOEMOEMTABLE\x01\0\0\0TOOL\x01\0\0\0".to_vec();
//! table.extend(b"\x08_UID\x0a\x05");
//! let space = Namespace::build(&[&table]);
//! let text = disassemble(&space.trees()[0], &Context::of(&space), &Options::default());
//! assert!(text.contains("Name (_UID, 0x05)  // unique ID"));
//! ```

mod block;
mod buffer;
mod expression;
mod external;
mod field;
mod inexact;
mod predefined;
mod resource;
mod statement;
mod text;
mod uuid;

pub use external::Context;
pub use inexact::{Inexact, inexact};

use super::tree::Tree;
use block::Writer;

/// Which `External` declarations are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Externals {
    /// One for each name that another table defines, or none.
    #[default]
    Declared,
    /// Those that the table codes itself; the others are comments.
    AsCoded,
}

/// How the text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// Each term is preceded by its offset in the table.
    pub offsets: bool,
    /// Which names are declared.
    pub externals: Externals,
    /// Buffers stay bytes: no resource templates, UUIDs or strings.
    pub bytes: bool,
}

/// Write one table as ASL.
#[must_use]
pub fn disassemble(tree: &Tree, context: &Context<'_>, options: &Options) -> String {
    let mut writer = Writer::new(tree, options);
    writer.header();
    writer.notes();
    writer.externals(context);
    writer.table();
    writer.finish()
}

#[cfg(test)]
mod tests;
